"""Stages run what they were asked for, one line each, and end with their parent; `highways repro` runs them all."""

import contextlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path

import nbformat
import psutil
import pytest
import yaml
from checkout import BIN, CLONED, REPOSITORY, git, in_git, shrink, stand_in
from papermill.exceptions import PapermillExecutionError
from toolbox import OF_MLFLOW, refused, run_cells

from highways.config.profiles import use_profiles
from highways.errors import HighwaysError
from highways.pipeline import stage
from highways.pipeline.repro import repro
from highways.pipeline.stage import run_stage
from highways.tracking.environment import git_commit

OPEN = "from highways.experiments import REPORT\nstudy = REPORT.open(globals())"
LOG = "results/quick/99_report/notebook.log"
PARAMETERS = 'profile = "quick"\ndevice = "auto"\nengine = "local"\nworkers = 1'

pytestmark = OF_MLFLOW


def write_report(project: Path, *cells: str, tag: str = "parameters") -> None:
    """Write a notebook of some cells, the first of which is tagged, in place of the report's."""
    path = project / "notebooks" / "99_report.ipynb"
    book = nbformat.read(path, as_version=4)
    book.cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
    book.cells[0].metadata.tags = [tag]
    nbformat.write(book, path)


@pytest.fixture
def here(project: Path, monkeypatch: pytest.MonkeyPatch):
    """Runs the report's stage with a notebook of some cells, which run in this process: a kernel takes seconds."""

    def execute(source: str, target: str, parameters: dict, *, kernel_manager_class, stdout_file, **_: object) -> None:
        with monkeypatch.context() as patch, contextlib.redirect_stdout(stdout_file):
            for name, value in kernel_manager_class.items():
                patch.setenv(name, value)
            try:
                run_cells(Path(source).stem, parameters)
            except Exception as error:
                lines = traceback.format_exception(error)
                raise PapermillExecutionError(0, 0, "", type(error).__name__, str(error), lines) from error

    def run(*cells: str, tag: str = "parameters") -> None:
        write_report(project, *cells, tag=tag)
        run_stage("quick", "99_report")

    monkeypatch.setattr(stage, "execute_notebook", execute)
    monkeypatch.setattr(stage, "kernel_of_this_interpreter", lambda log, environment: environment)
    monkeypatch.chdir(project)
    return run


@pytest.mark.pipeline
def test_a_stage_says_begin_and_end_logs_what_it_prints_and_runs_here(project, tmp_path, monkeypatch, capfd) -> None:
    spec = tmp_path / "jupyter" / "kernels" / "python3" / "kernel.json"
    spec.parent.mkdir(parents=True)
    spec.write_text(json.dumps({"argv": ["/no/such/python"], "display_name": "another's", "language": "python"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.chdir(project)
    write_report(project, PARAMETERS, OPEN, "import os, sys\nprint(sys.executable)\nos.system('echo past Jupyter')")
    run_stage("quick", "99_report")
    begin, end = capfd.readouterr().out.splitlines()
    assert begin == "99_report@quick: Every claim judged, and the report"
    assert re.fullmatch(r"99_report@quick: done in \d+ s", end)
    assert {sys.executable, "past Jupyter"} <= set((project / LOG).read_text().splitlines())


@pytest.mark.parametrize(
    ("cells", "tag"),
    [
        ((PARAMETERS.replace("workers = 1", "workers = 3"), OPEN), "Parameters"),
        ((PARAMETERS, "workers = 3", OPEN), "parameters"),
        ((PARAMETERS, "profile = 'laptop'\nworkers = 2", OPEN), "parameters"),
    ],
    ids=["tag", "later cell", "other profile"],
)
def test_a_stage_that_would_run_with_other_parameters_fails(here, cells: tuple[str, ...], tag: str) -> None:
    with pytest.raises(HighwaysError, match=r"99_report\.ipynb does not run with the (workers|profile)"):
        here(*cells, tag=tag)


def test_a_stage_with_an_unknown_parameter_or_another_package_fails(here, project: Path, monkeypatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(stage, "PACKAGE", "/another/highways")
        with pytest.raises(HighwaysError, match=r"imports highways from .*, its stage from /another/highways"):
            here(PARAMETERS, OPEN)
    shutil.rmtree(project / "results")
    shrink(project, "99_report", colour="red")
    with pytest.raises(HighwaysError, match="unknown key 'colour'"):
        here(PARAMETERS, OPEN)
    assert not (project / "results").exists(), "nothing runs"


@CLONED
def test_the_commit_is_that_of_the_code_not_of_the_project(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(in_git(project))
    git_commit.cache_clear()
    assert git_commit().removesuffix("-dirty") == git(REPOSITORY, "rev-parse", "HEAD").decode().strip()


def test_progress_lines_replace_each_other_on_a_terminal_and_a_log_gets_some(monkeypatch, capsys) -> None:
    now = [0.0]
    monkeypatch.setattr(stage.time, "monotonic", lambda: now[0])
    output = stage.Output(io.StringIO(), "01")
    for second in range(41):
        now[0] = float(second)
        output.write(f"01: at {second} s\n")
    output.clear()
    assert capsys.readouterr().out == "01: at 20 s\n01: at 40 s\n"
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setattr(sys, "stdout", terminal := io.StringIO())
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    output = stage.Output(log := io.StringIO(), "01")
    output.write("01: epoch 1/2\nnothing else\n01: epoch 2/2, and much more than fits\n")
    output.clear()
    assert terminal.getvalue() == "01: epoch 1/2\r\x1b[K01: epoch 2/2, and \r\x1b[K"
    assert "nothing else" in log.getvalue()


def test_a_stage_that_nobody_hears_has_failed_and_one_whose_dvc_is_gone_ends(project: Path, monkeypatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(stage, "execute_notebook", broken)
    with refused("99_report@quick: stopped, its output is no longer read"):
        run_stage("quick", "99_report")
    monkeypatch.setenv("DVC_STAGE", "99_report@quick")
    monkeypatch.setattr(stage.os, "getsid", lambda pid: pid)  # the next process up is of another session
    with pytest.raises(SystemExit) as stop:
        run_stage("quick", "99_report")
    assert stop.value.code == 128 + signal.SIGTERM


def test_results_that_cannot_be_written_are_one_line(here, project: Path) -> None:
    (project / "results").write_text("no folder")
    with refused("99_report@quick: results/quick/99_report cannot be written: "):
        here(PARAMETERS, OPEN)
    (project / "results").unlink()
    (project / LOG).parent.mkdir(parents=True)
    (project / LOG).symlink_to("/dev/full")
    with refused("99_report@quick: results/quick/99_report cannot be written: No space"):
        here(PARAMETERS, OPEN, "print('x' * 100)")


def start(project: Path, *command: str) -> tuple[subprocess.Popen[str], psutil.Process]:
    """Start a command whose stage runs a notebook that sleeps; return it and the kernel."""
    write_report(project, PARAMETERS, "import os, time\nprint('asleep', os.getpid(), flush=True)\ntime.sleep(600)")
    env = os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    heard = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "start_new_session": True}
    heard |= {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}  # a shell's background jobs ignore it
    process = subprocess.Popen(command, cwd=project, env=env, **heard)
    log, deadline = project / LOG, time.monotonic() + 300
    while time.monotonic() < deadline and not (log.exists() and "asleep" in log.read_text()):
        time.sleep(0.2)
    return process, psutil.Process(int(log.read_text().split("asleep ")[1]))


@pytest.mark.pipeline
def test_an_interrupt_ends_stage_and_kernel_with_one_sentence(project: Path) -> None:
    process, kernel = start(project, sys.executable, "-m", "highways.cli", "notebook", "run", "quick", "99_report")
    os.killpg(process.pid, signal.SIGINT)  # as from a terminal
    out, err = process.communicate(timeout=300)
    assert process.returncode == 130
    assert out.splitlines() == ["99_report@quick: Every claim judged, and the report"]
    assert err == "interrupted; the same command resumes from here\n"
    assert not psutil.wait_procs([kernel], timeout=120)[1]


@pytest.mark.pipeline
def test_a_stage_ends_with_what_runs_the_pipeline(project: Path, monkeypatch) -> None:
    """The shell between them stays behind, as it may under DVC, and so would the kernel."""
    monkeypatch.setenv("DVC_STAGE", "99_report@quick")
    script = f"'{sys.executable}' -m highways.cli notebook run quick 99_report; true"
    code = f"import subprocess\nsubprocess.run(['sh', '-c', {script!r}])"
    process, kernel = start(project, sys.executable, "-c", code)
    stage_process = kernel.parent()
    assert stage_process is not None
    process.kill()
    process.communicate()
    assert not psutil.wait_procs([kernel, stage_process], timeout=120)[1]


def test_a_name_of_a_profile_is_no_part_of_a_command(project: Path, call, capsys) -> None:
    command = yaml.safe_load((project / "dvc.yaml").read_text())["stages"]["01_depth"]["do"]["cmd"]
    stand_in(project / "highways", "printf '%s|' \"$@\" > arguments")
    stage_name = "01_depth@quick';touch PWNED;$(touch PWNED)#"
    env = os.environ | {"DVC_STAGE": stage_name, "PATH": f"{project}{os.pathsep}{os.environ['PATH']}"}
    subprocess.run(command, shell=True, cwd=project, env=env, check=True)
    assert (project / "arguments").read_text() == f"notebook|run|{stage_name}|"
    assert not (project / "PWNED").exists()
    assert call("notebook", "run", stage_name) == 1
    assert 'touch PWNED;$(touch PWNED)#"; there are: ' in capsys.readouterr().err
    assert call("notebook", "run", "quick") == 1
    assert "error: no notebook 'quick'; there are: 01_depth, " in capsys.readouterr().err


@CLONED
def test_what_desktops_and_editors_leave_is_no_change_of_the_code_and_line_ends_stay() -> None:
    left = ["src/highways/nn/.DS_Store", "src/highways/nn/.dense.py.swp", "src/highways/nn/dense.py~", ".mypy_cache/x"]
    assert git(REPOSITORY, "check-ignore", *left).decode().splitlines() == left
    assert {".DS_Store", ".*.sw[a-p]", "*~", ".mypy_cache"} <= set((REPOSITORY / ".dvcignore").read_text().splitlines())
    ends = git(REPOSITORY, "check-attr", "text", "references/claims.yaml", "src/highways/nn/dense.py").decode()
    assert [line.rsplit(": ", 1)[1] for line in ends.splitlines()] == ["unset", "unset"]


@pytest.fixture
def pipeline(project: Path, monkeypatch: pytest.MonkeyPatch):
    """Writes a DVC pipeline whose stages are commands of the shell; b depends on a."""
    (project / ".dvc").mkdir()
    (project / ".dvc" / "config").write_text("[core]\n    no_scm = true\n    analytics = false\n")
    monkeypatch.chdir(project)

    def write(**commands: str) -> None:
        stages = {
            name: {"cmd": command, "outs": [{name: {"cache": False, "persist": True}}], "deps": ["a"] * (name == "b")}
            for name, command in commands.items()
        }
        (project / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))

    return write


def test_a_stage_that_fails_does_not_stop_the_others(pipeline, project: Path, capfd) -> None:
    (project / "a").write_text("of an earlier time")
    pipeline(a="echo 'error: a: no data' >&2; exit 1", b="echo made > b", c="echo made > c")
    with refused("1 of the stages failed: a"):
        repro()
    out, err = capfd.readouterr()
    assert (project / "c").exists()
    assert "error: a: no data\n" in err
    assert "Traceback" not in out + err
    pipeline(a="echo made > a", b="echo made > b", c="echo made > c")
    repro()
    assert "1 stage was up to date" in capfd.readouterr().out
    assert (project / "b").exists()


def test_profile_of_ones_own_needs_no_more_files_than_it_uses(pipeline, project: Path, capfd, monkeypatch) -> None:
    (project / "profiles" / "mine").mkdir()
    use_profiles(["mine"])
    with refused("profiles/mine: no notebook's parameters are in it"):
        repro()
    for name in ("01_depth", "99_report"):
        text = (project / "profiles" / "quick" / f"{name}.yaml").read_text()
        (project / "profiles" / "mine" / f"{name}.yaml").write_text(text.replace("profile: quick", "profile: mine"))
    reported: list[str] = []
    monkeypatch.setattr(stage, "execute_notebook", lambda source, *_, **__: reported.append(Path(source).stem))
    stages = {name: {"foreach": ["mine"], "do": {"cmd": f"echo ran >> {name}"}} for name in ("01_depth", "03_conv")}
    (project / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
    repro()
    assert "mine: parameter files of 2 of 11 notebooks; `highways report --profile mine` " in capfd.readouterr().out
    repro(train=False)
    assert reported == ["99_report"] * 2, "of what there is"
    assert (project / "01_depth").exists()
    assert not (project / "03_conv").exists()


def test_commands_are_found_an_interrupted_stage_stops_all_and_a_lock_is_one_line(
    pipeline, project, monkeypatch
) -> None:
    monkeypatch.setenv("PATH", os.defpath)
    pipeline(a="command -v highways > a")
    repro()
    assert (project / "a").read_text().strip() == str(Path(sys.executable).with_name("highways"))
    pipeline(a="exit 130", c="echo made > c")
    with pytest.raises(SystemExit, match="130"):
        repro()
    assert not (project / "c").exists()
    shutil.rmtree(project / ".dvc" / "tmp")
    (project / ".dvc" / "tmp").write_text("no folder")
    with refused("dvc: "):
        repro()


def test_no_train_draws_and_leaves_the_lock(project: Path, monkeypatch, capsys) -> None:
    ran: list[str] = []

    def execute(source: str, _: str, parameters: dict[str, object], **__: object) -> None:
        ran.append(Path(source).stem)
        assert parameters["workers"] == 1, "the default of what the file leaves out, whatever the notebook's cell has"

    monkeypatch.setattr(stage, "execute_notebook", execute)
    repro(train=False)
    out = capsys.readouterr().out
    assert "01_depth@quick: there are no records to show\n" in out
    assert ran == ["99_report"], "nothing else has records"
    assert not (project / "dvc.lock").exists()
    with refused("no stage '01@quick'; there are: 01_depth@quick, "):
        repro(["01@quick"], train=False)
