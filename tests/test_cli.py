"""The command line: help everywhere, one clear line for bad input, the right exit status."""

from __future__ import annotations

import io
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from layout import lay_out

from highways.cli import shown
from highways.config import RunConfig, parse_yaml, validate
from highways.errors import HighwaysError
from highways.tracking.records import RecordStore, run_keys
from highways.training import sweep

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning",
    "ignore::FutureWarning",
    "ignore::ResourceWarning",  # MLflow's own
)

HIGHWAYS = [sys.executable, "-m", "highways.cli"]
COMMANDS = [
    [],
    ["data"],
    ["data", "list"],
    ["data", "fetch"],
    ["data", "verify"],
    ["profile"],
    ["profile", "show"],
    ["profile", "check"],
    ["profile", "use"],
    ["profile", "cost"],
    ["run"],
    ["runs"],
    ["best"],
    ["doctor"],
    ["tables"],
    ["figures"],
    ["claims"],
    ["verify"],
    ["readme"],
    ["tracking"],
    ["tracking", "rebuild"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help(call, capsys, command: list[str]) -> None:
    assert call(*command, "--help") == 0
    assert "Usage: highways" in capsys.readouterr().out


def test_errors_are_one_line_and_status_1(project: Path, call) -> None:
    command = [sys.executable, "-m", "highways.cli", "profile", "show", "huge"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "error: no profile 'huge'; there are: laptop, paper, quick, weekend\n"
    with pytest.raises(HighwaysError, match="no profile 'huge'"):
        call("profile", "show", "huge", "--debug")


def test_profile_is_shown_checked_and_used(project: Path, call, capsys) -> None:
    assert call("profile", "show") == 0
    out = capsys.readouterr().out
    assert "quick (active)" in out
    assert "01_depth: 64 runs" in out
    assert call("profile", "use", "laptop") == 0
    assert yaml.safe_load((project / "params.yaml").read_text()) == {"active": ["laptop"]}
    assert call("profile", "check", "quick", "01_depth") == 0
    assert (project / "results" / "quick" / "01_depth").is_dir()
    path = project / "profiles" / "quick" / "01_depth.yaml"
    path.write_text(path.read_text() + "colour: red\n")
    capsys.readouterr()
    assert call("profile", "check", "quick", "01_depth") == 1
    assert "profiles/quick/01_depth.yaml: unknown key 'colour' (allowed: " in capsys.readouterr().err


def test_run_trains_and_shows_the_record(project: Path, run_config, call, capsys, tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(run_config().model_dump(mode="json")))
    assert call("run", str(path), "--set", "network.depth=3", "--device", "cpu") == 0
    out = capsys.readouterr().out
    assert "epoch 2/2" in out
    assert "highway-d003-digits" in out
    assert "finished after 2 epochs" in out
    assert call("run", str(path), "--set", "network.depth=3") == 0
    assert "epoch" not in capsys.readouterr().out.split("finished")[0]
    for setting, message in (("network.deep=3", "unknown key 'network.deep'"), ("depth", "expected key=value")):
        assert call("run", str(path), "--set", setting) == 1
        assert message in capsys.readouterr().err


def test_data_sets_are_listed_and_verified(project: Path, call, capsys) -> None:
    assert call("data", "list") == 0
    out = capsys.readouterr().out
    assert "digits            complete" in out
    assert "mnist             0 of 4 files" in out
    assert "synthetic-tweets  generated" in out
    raw = project / "data" / "raw" / "mnist"
    raw.mkdir(parents=True)
    (raw / "train-images-idx3-ubyte.gz").write_bytes(b"x")
    assert call("data", "verify") == 1
    assert "altered  mnist: mnist/train-images-idx3-ubyte.gz" in capsys.readouterr().out
    assert call("data", "fetch", "nothing") == 1
    assert (
        "no data set 'nothing'; there are: digits, mnist, cifar10, cifar100, weak-signal, mnist-4-9, "
        "synthetic-tweets, sst2, sst5, tweets" in capsys.readouterr().err
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose quick profile is tiny, trained, with tables and claims; it is copied, never changed."""
    project = lay_out(tmp_path_factory.mktemp("made"))
    path = project / "profiles" / "quick" / "01_depth.yaml"
    content = yaml.safe_load(path.read_text())
    content |= {"depths": [2, 10], "trials": 2, "epochs": 1, "workers": 1, "plain_width": 6, "highway_width": 5}
    path.write_text(yaml.safe_dump(content))
    from highways.config import load_profile
    from highways.experiments.depth import DepthProfile
    from highways.report.pages import write_pages
    from highways.report.tables import write_tables
    from highways.report.verdicts import judge_all, write_claims

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HIGHWAYS_ROOT", str(project))
        patch.setenv("HIGHWAYS_OFFLINE", "1")
        sweep(load_profile("quick", DepthProfile).runs(), experiment="01_depth", profile="quick", mlflow=False)
        write_tables("quick")
        judged = judge_all("quick")
        write_claims(judged)
        write_pages(judged)
    return project


@pytest.fixture
def study(project: Path, made: Path) -> Path:
    """A copy of `made`."""
    shutil.copytree(made, project, dirs_exist_ok=True)
    return project


def test_intact_results_are_verified(study: Path, call, capsys) -> None:
    assert call("verify") == 0
    assert "15 files are intact" in capsys.readouterr().out  # 8 records, a table in 3 files, claims in 2, 2 pages


@pytest.mark.parametrize(
    ("pattern", "message"),
    [("01_depth/runs/*-s1-*.json", "altered"), ("01_depth/tables/depth.csv", "not what the records give")],
)
def test_every_altered_file_is_named(study: Path, call, capsys, pattern: str, message: str) -> None:
    altered = sorted((study / "results" / "quick").glob(pattern))[:2]
    for path in altered:
        path.write_text(path.read_text().replace("1", "2"))
    assert call("verify") == 1
    lines = capsys.readouterr().out.splitlines()
    for path in altered:
        (line,) = [line for line in lines if path.name in line]
        assert message in line or "schema version" in line
    assert len(lines) >= len(altered)


def test_missing_table_is_named(study: Path, call, capsys) -> None:
    (study / "results" / "quick" / "01_depth" / "tables" / "depth.md").unlink()
    assert call("verify") == 1
    said = "results/quick/01_depth/tables/depth.md: missing; `highways tables` and `highways claims` make it\n"
    assert capsys.readouterr().out == said


def test_check_says_in_one_line_that_the_data_cannot_be_had(project: Path, monkeypatch, call, capsys) -> None:
    monkeypatch.delenv("HIGHWAYS_DATA_MIRROR", raising=False)
    assert call("profile", "check", "laptop", "01_depth") == 1
    error = capsys.readouterr().err
    assert error.startswith("error: https://")
    assert "HIGHWAYS_DATA_MIRROR" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["frobnicate"], "error: No such command 'frobnicate'. `highways --help` says more.\n"),
        (["run"], "error: run what? Give a YAML file or a run's key; `highways run --example` prints such a file\n"),
        (["data", "fetch"], "error: Missing argument 'names'. `highways data fetch --help` says more.\n"),
        (["run", "--example", "--family", "cnn"], "error: --family cnn: there are dense, conv, bilstm, bag-of-words\n"),
        (["run", "k" * 300], "error: no file and no record of a run 'kkk"),
        (["run", "x", "--device", "tpu"], "error: --device must be auto, cpu or cuda, found 'tpu'\n"),
        (["runs", "--profile", "big"], "error: no records of a profile 'big'; there are: none\n"),
        (["runs", "--experiment", "0"], "error: no experiment '0'; 01_depth, 02_bilstm_depth, "),
        (["figures", "--experiment", "12"], "error: no experiment '12'; there are: 01_depth, "),
        (["claims", "--verdict", "maybe"], "error: --verdict 'maybe': there are: replicated, not replicated, "),
        (["claims", "--source", "P3"], "error: --source 'P3': no claim's source begins so; there are: "),
        (["run", "/"], "error: /: Is a directory\n"),
        (["tables", "--fro", "x"], "error: No such option: --fro"),
    ],
)
def test_wrong_usage_is_one_line(project: Path, call, capsys, arguments: list[str], message: str) -> None:
    assert call(*arguments) != 0
    error = capsys.readouterr().err
    assert error.startswith(message)
    assert error.count("\n") == 1


def test_tables_and_claims_are_made(study: Path, call, capsys, tmp_path: Path) -> None:
    assert call("tables", "depth", "--output", str(tmp_path / "t")) == 0
    made = (tmp_path / "t" / "depth.csv").read_bytes()
    assert made == (study / "results" / "quick" / "01_depth" / "tables" / "depth.csv").read_bytes()
    assert call("figures", "--experiment", "01") == 0
    assert "results/quick/01_depth/depth.png" in capsys.readouterr().out.splitlines()
    assert (study / "results" / "quick" / "01_depth" / "depth.png").stat().st_size > 10_000


def test_figures_of_what_has_not_been_run_are_passed_over(project: Path, call, capsys) -> None:
    (project / "results" / "quick" / "01_depth" / "runs").mkdir(parents=True)
    assert call("figures", "--profile", "quick") == 0
    assert capsys.readouterr().out == "quick: no finished runs, no figures\n"


def test_claims_are_shown_by_verdict_and_chosen(study: Path, call, capsys) -> None:
    assert call("claims") == 0
    out = capsys.readouterr().out
    assert "claims of the sources" in out
    assert max(map(len, out.splitlines())) <= 100
    heads = [line.partition(" (")[0] for line in out.splitlines() if line.startswith(("replicated", "inconc", "not"))]
    assert heads == [name for name in ("replicated", "not replicated", "inconclusive", "not run") if name in heads]
    assert out.index("\nreplicated (") < out.index("  depth-plain-parameters-per-layer\n") < out.index("\nnot run (")
    assert "depth-plain-degrades" in out
    written = (study / "results" / "quick" / "claims.csv").read_bytes()
    assert call("claims", "--verdict", "replicated", "--source", "p2", "--experiment", "01") == 0
    out = capsys.readouterr().out
    assert "not run (" not in out
    assert "conv-" not in out
    sources = [line.strip() for line in out.splitlines() if line.startswith("    ") and "scope:" in line]
    assert sources
    assert all(source.startswith("P2 ") for source in sources)
    assert (study / "results" / "quick" / "claims.csv").read_bytes() == written, "all are written, whatever is shown"


def test_runs_are_counted_listed_and_chosen(study: Path, call, capsys) -> None:
    def rows(*arguments: str) -> list[list[str]]:
        assert call(*arguments) == 0
        return [line.split() for line in capsys.readouterr().out.splitlines()[1:]]

    assert rows("runs")[0][:4] == ["quick", "01_depth", "8", "0"]
    assert len(rows("runs", "--experiment", "01")) == 8
    losses = [float(row[6]) for row in rows("runs", "--best", "5")]
    assert losses == sorted(losses)
    accuracies = [float(row[6]) for row in rows("runs", "--best", "8", "--by", "test_accuracy")]
    assert accuracies == sorted(accuracies, reverse=True)
    assert len(accuracies) == 8
    chosen = rows("runs", "--where", "network=highway", "--where", "depth=10")
    assert [row[1:3] for row in chosen] == [["highway", "10"]] * 2
    assert len(rows("runs", "--where", "seed=1", "--where", "data=digits")) == 4
    assert [row[1:3] for row in rows("best")] == [["highway", "2"], ["highway", "10"], ["plain", "2"], ["plain", "10"]]
    best = {row[0] for row in rows("best")}
    assert rows("runs", "--best", "1")[0][0] in best
    for arguments, message in [
        (("--where", "depth"), "error: --where depth: expected key=value\n"),
        (("--where", "kind=plain"), "no such setting; did you mean network.kind or optimiser.kind?\n"),
        (("--where", "depth=010"), "error: --where depth=010: line 1: '010' does not mean the same"),
        (("--by", "speed", "--best", "1"), "error: --by speed: no such curve; there are: test_accuracy, "),
    ]:
        assert call("runs", *arguments) == 1
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1


def test_run_that_diverged_comes_last_however_low_its_loss_was(study: Path, call, capsys) -> None:
    store = RecordStore(study / "results" / "quick" / "01_depth" / "runs")
    first = store.record.read(next(iter(store)))
    budget = first.config.budget.model_copy(update={"epochs": 3})
    config = first.config.model_copy(update={"budget": budget})
    curves = {name: [1e-9, 1e-9] if "entropy" in name else [1.0, 1.0] for name in first.curves}
    changes = {"config": config, "run_key": run_keys([config])[0], "curves": curves, "weights_sha256": None}
    lost = first.model_copy(update=changes | {"status": "diverged", "diverged_epoch": 3})
    store.write(lost)
    for by in ("train_cross_entropy", "test_accuracy"):
        assert call("runs", "--best", "9", "--by", by) == 0
        rows = [line.split() for line in capsys.readouterr().out.splitlines()[1:]]
        assert [row[4] for row in rows] == ["finished"] * 8 + ["diverged"]
        assert call("best", "--by", by) == 0
        assert lost.run_key not in capsys.readouterr().out


def test_results_of_what_was_tried_out_are_verified_and_rebuilt(study: Path, call, capsys) -> None:
    for name in ("explore", "adhoc"):
        shutil.copytree(
            study / "results" / "quick" / "01_depth" / "runs", study / "results" / name / "01_depth" / "runs"
        )
        assert call("verify", "--profile", name) == 0
        assert "files are intact" in capsys.readouterr().out
        assert call("tracking", "rebuild", "--profile", name) == 0
        assert f"01_depth ({name}): 8 runs" in capsys.readouterr().out
    for command in (["verify"], ["tracking", "rebuild"]):
        assert call(*command, "--profile", "laptop") == 1
        error = "error: no records of a profile 'laptop'; there are: adhoc, explore, quick\n"
        assert capsys.readouterr().err == error


def test_damaged_record_is_left_out_and_named(study: Path, call, capsys) -> None:
    path = sorted((study / "results" / "quick" / "01_depth" / "runs").glob("*.json"))[0]
    path.write_text(path.read_text().replace("0", "1"))
    assert call("runs", "--experiment", "01") == 0
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) == 8, "the head and seven runs"
    assert captured.err.startswith("left out: results/quick/01_depth/runs/")


def test_run_is_named_by_how_its_key_or_its_hash_begins(study: Path, call, capsys) -> None:
    keys = sorted(path.stem for path in (study / "results" / "quick" / "01_depth" / "runs").glob("*.json"))
    for given in (keys[0], keys[0][:-8], keys[0].rpartition("-")[2][:6]):
        assert call("run", given) == 0
        assert f"{keys[0]}: finished after 1 epochs" in capsys.readouterr().out
    assert call("run", "highway-d0") == 1
    assert "'highway-d0': 4 runs have keys that begin so (" in capsys.readouterr().err
    copied = study / "copy.json"
    copied.write_bytes((study / "results" / "quick" / "01_depth" / "runs" / f"{keys[0]}.json").read_bytes())
    assert call("run", str(copied)) == 0, "a record under another name"
    copied.write_text(copied.read_text().replace("0.", "1."))
    assert call("run", str(copied)) == 1


def test_unknown_run_is_refused_before_torch_is_imported(study: Path) -> None:
    script = (
        "import sys; sys.argv = ['highways', 'run', 'highway-d999']\n"
        "from highways.cli import main\n"
        "try: main()\n"
        "finally: print([name for name in ('torch', 'pytorch_lightning', 'mlflow', 'pandas') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout == "[]\n"
    assert "no file and no record of a run 'highway-d999'; the nearest are: highway-d0" in done.stderr


@pytest.mark.parametrize("family", ["dense", "conv", "bilstm", "bag-of-words"])
def test_example_of_a_family_is_valid_and_trains(project: Path, call, capsys, family: str) -> None:
    assert call("run", "--example", "--family", family) == 0
    text = capsys.readouterr().out
    run = validate(RunConfig, parse_yaml(text, "example"), "example")
    assert run.network.family == family
    uncommented = re.sub(r"^( *)# (\w+: .*)$", r"\1\2", text, flags=re.MULTILINE)
    said = {line.strip().partition(":")[0] for line in uncommented.splitlines() if re.match(r" *[a-z_]+:", line)}
    assert said >= set(type(run.network).model_fields) | set(type(run.optimiser).model_fields), "every field is named"
    path = project / "run.yaml"
    path.write_text(text)
    assert call("run", str(path), "--set", "budget.epochs=1", "--device", "cpu") == 0
    assert "finished after 1 epochs" in capsys.readouterr().out


def test_newcomer_is_told_what_to_do_next(project: Path, call, capsys) -> None:
    assert call() == 0
    out = capsys.readouterr().out
    for step in ("highways doctor", "make repro", "highways claims"):
        assert f"\n  {step}" in out
    assert call("--version") == 0
    assert re.fullmatch(r"highways \d+\.\d+\.\d+, torch \d\S+\n", capsys.readouterr().out)


def test_make_says_what_to_do_next(repository: Path) -> None:
    done = subprocess.run(["make", "-C", str(repository)], capture_output=True, text=True, check=False)
    assert [
        line
        for line in ("  1. make repro", "  2. open results/quick/report.html", "  3. make lab")
        if line not in done.stdout
    ] == []
    assert "  make test " in done.stdout


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("profile use l", ["laptop"]),
        ("claims --profile p", ["paper"]),
        ("claims --experiment 0", None),
        ("runs --profile q", ["quick"]),
        ("runs --profile p", []),
        ("run x --device c", ["cpu", "cuda"]),
        ("data fetch mn", ["mnist", "mnist-4-9"]),
        ("claims --verdict rep", ["replicated"]),
        ("run plain-d002-digits", None),
    ],
)
def test_shell_completes_names(study: Path, words: str, completed: list[str] | None) -> None:
    line = f"highways {words}"
    environment = os.environ | {
        "_HIGHWAYS_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(line.split()) - 1),
    }
    done = subprocess.run(HIGHWAYS, capture_output=True, text=True, check=False, env=environment)
    found = done.stdout.split()
    if completed is not None:
        assert found == completed, done.stderr
    elif words.startswith("run "):
        keys = [path.stem for path in (study / "results" / "quick" / "01_depth" / "runs").glob("plain-d002-*.json")]
        assert found == sorted(keys)
        assert found
    else:
        assert found[:2] == ["01_depth", "02_bilstm_depth"]


def test_pipe_that_closes_early_is_no_error(study: Path) -> None:
    command = f"set -o pipefail; {sys.executable} -m highways.cli runs --experiment 01 | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stdout.startswith("run ")
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""


@pytest.mark.parametrize("arguments", [["runs", "--experiment", "01"], ["--help"], ["best", "--help"], ["--version"]])
def test_what_nobody_reads_any_more_is_not_printed_and_no_error(study: Path, arguments: list[str]) -> None:
    ends = os.pipe()
    os.close(ends[0])  # before the first line
    done = subprocess.run([*HIGHWAYS, *arguments], stdout=ends[1], stderr=subprocess.PIPE, text=True, check=False)
    os.close(ends[1])
    assert (done.returncode, done.stderr) == (0, "")


def test_error_is_told_where_nobody_reads_the_lines_before_it(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)  # with it the first line ends the command
    (study / "results" / "quick" / "01_depth" / "tables" / "depth.md").unlink()
    ends = os.pipe()
    os.close(ends[0])
    done = subprocess.run([*HIGHWAYS, "verify"], stdout=ends[1], stderr=subprocess.PIPE, text=True, check=False)
    os.close(ends[1])
    assert done.returncode == 1
    assert re.fullmatch(r"error: \d+ of \d+ files are not intact\n", done.stderr)


def test_interrupt_is_one_line_and_its_own_status(project: Path, run_config, tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(run_config(epochs=100_000).model_dump(mode="json")))
    script = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # background jobs ignore it
    script += "from highways.training import device; device.cores = lambda: 1\n"
    script += "from highways.cli import main; main()"
    command = [sys.executable, "-c", script, "run", str(path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    while "epoch 2/100000" not in (line := process.stdout.readline()):
        assert line, "it has ended"
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert error.splitlines()[-1] == "interrupted; the same command goes on from here"
    assert "Traceback" not in error


class Terminal(io.StringIO):
    """A file that is a terminal."""

    def isatty(self) -> bool:
        """See `io.IOBase`."""
        return True


def test_tables_are_drawn_for_the_terminal_and_plain_elsewhere(capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [("a-long-key-of-a-run-that-nobody-wants-to-see-broken", "[red]plain[/red]", "1"), ("b", "highway", "100")]
    shown.table(("run", "network", "depth"), rows, right=(2,))
    plain = capsys.readouterr().out
    assert [line[-5:] for line in plain.splitlines()] == ["depth", "    1", "  100"]
    assert "[red]plain[/red]" in plain
    for name, value in (("COLUMNS", "100"), ("TERM", "xterm-256color")):
        monkeypatch.setenv(name, value)
    for colours in (True, False):
        monkeypatch.delenv("NO_COLOR", raising=False)
        if not colours:
            monkeypatch.setenv("NO_COLOR", "1")
        terminal = Terminal()
        monkeypatch.setattr(sys, "stdout", terminal)
        shown.table(("run", "network", "depth"), rows, right=(2,))
        shown.line("good", "good")
        drawn = terminal.getvalue()
        assert "[red]plain[/red]" in drawn, "markup in a name is text"
        assert ("\x1b[32m" in drawn) == colours
    monkeypatch.setenv("COLUMNS", "60")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    shown.table(("run", "network", "depth"), rows, right=(2,))
    drawn = terminal.getvalue()
    assert rows[0][0] in drawn, "a key is not broken"
    assert "    network [red]plain[/red], depth 1\n" in drawn
