"""Stages of the pipeline: what they run is what they were asked for; one line each; they end with their parent."""

import contextlib
import io
import json
import os
import re
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
from toolbox import refused

from highways.errors import HighwaysError
from highways.experiments import GATES
from highways.pipeline import stage
from highways.pipeline.stage import run_stage
from highways.tracking import Listed
from highways.tracking.environment import git_commit
from highways.tracking.records import RunRecord

OPEN = "from highways.experiments import REPORT\nstudy = REPORT.open(globals())"
LOG = "results/quick/99_report/notebook.log"
PARAMETERS = 'profile = "quick"\ndevice = "auto"\nengine = "local"\nworkers = 1'

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


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
        namespace: dict[str, object] = {}
        with monkeypatch.context() as patch, contextlib.redirect_stdout(stdout_file):
            for name, value in kernel_manager_class.items():
                patch.setenv(name, value)
            for number, cell in enumerate(nbformat.read(source, as_version=4).cells):
                try:
                    exec(cell.source, namespace)
                except Exception as error:
                    raise PapermillExecutionError(
                        number, number, cell.source, type(error).__name__, str(error), traceback.format_exception(error)
                    ) from error
                if "parameters" in cell.metadata.get("tags", []):
                    namespace |= parameters

    def run(*cells: str, tag: str = "parameters") -> None:
        write_report(project, *cells, tag=tag)
        run_stage("quick", "99_report")

    monkeypatch.setattr(stage, "execute_notebook", execute)
    monkeypatch.setattr(stage, "kernel_of_this_interpreter", lambda log, environment: environment)
    monkeypatch.chdir(project)
    return run


@pytest.mark.pipeline
def test_a_stage_says_when_it_begins_and_ends_logs_what_it_prints_and_runs_in_this_interpreter(
    project: Path, tmp_path: Path, monkeypatch, capfd
) -> None:
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
    message = r"^99_report@quick: 99_report.ipynb does not run with the (workers|profile)"
    with pytest.raises(HighwaysError, match=message):
        here(*cells, tag=tag)


def test_an_unknown_parameter_fails_before_anything_runs(here, project: Path) -> None:
    shrink(project, "99_report", colour="red")
    with pytest.raises(HighwaysError, match="unknown key 'colour'"):
        here(PARAMETERS, OPEN)
    assert not (project / "results").exists()


def test_a_kernel_with_another_package_fails(here, monkeypatch) -> None:
    monkeypatch.setattr(stage, "PACKAGE", "/another/highways")
    with pytest.raises(HighwaysError, match=r"the kernel imports highways from .*, its stage from /another/highways"):
        here(PARAMETERS, OPEN)


@CLONED
def test_the_commit_is_that_of_the_code_not_of_the_project(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(in_git(project))
    git_commit.cache_clear()
    assert git_commit().removesuffix("-dirty") == git(REPOSITORY, "rev-parse", "HEAD").decode().strip()


def test_gates_of_a_run_that_diverged_in_its_first_epoch_are_passed_over(repository: Path) -> None:
    path = next((repository / "results/laptop/04_gates/runs").glob("*.json"))
    diverged = RunRecord.read(path).model_copy(update={"status": "diverged", "diverged_epoch": 1, "curves": {}})
    assert GATES.answer is not None
    assert GATES.answer(Listed([diverged])) == ""


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


def test_a_stage_that_nobody_hears_has_failed(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(stage, "execute_notebook", broken)
    with refused("99_report@quick: stopped, its output is no longer read"):
        run_stage("quick", "99_report")


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


def ends(*processes: psutil.Process) -> bool:
    """Wait until processes have ended, two minutes at most."""
    return not psutil.wait_procs(processes, timeout=120)[1]


@pytest.mark.pipeline
def test_an_interrupt_ends_stage_and_kernel_with_one_sentence(project: Path) -> None:
    process, kernel = start(project, sys.executable, "-m", "highways.cli", "notebook", "run", "quick", "99_report")
    os.killpg(process.pid, signal.SIGINT)  # as from a terminal
    out, err = process.communicate(timeout=300)
    assert process.returncode == 130
    assert out.splitlines() == ["99_report@quick: Every claim judged, and the report"]
    assert err == "interrupted; the same command resumes from here\n"
    assert ends(kernel)


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
    assert ends(kernel, stage_process)


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


def test_a_stage_whose_dvc_was_gone_before_it_looked_ends(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_STAGE", "99_report@quick")
    monkeypatch.setattr(stage.os, "getsid", lambda pid: pid)  # the next process up is of another session
    with pytest.raises(SystemExit) as stop:
        run_stage("quick", "99_report")
    assert stop.value.code == 128 + signal.SIGTERM
    assert not (project / "results").exists()


@CLONED
def test_what_desktops_and_editors_leave_is_no_change_of_the_code_and_line_ends_stay() -> None:
    left = ["src/highways/nn/.DS_Store", "src/highways/nn/.dense.py.swp", "src/highways/nn/dense.py~", ".mypy_cache/x"]
    assert git(REPOSITORY, "check-ignore", *left).decode().splitlines() == left
    assert {".DS_Store", ".*.sw[a-p]", "*~", ".mypy_cache"} <= set((REPOSITORY / ".dvcignore").read_text().splitlines())
    ends = git(REPOSITORY, "check-attr", "text", "references/claims.yaml", "src/highways/nn/dense.py").decode()
    assert [line.rsplit(": ", 1)[1] for line in ends.splitlines()] == ["unset", "unset"]
