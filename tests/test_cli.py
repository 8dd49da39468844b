"""The command line: help everywhere, one clear line for bad input, the right exit status."""

import io
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml
from toolbox import OF_MLFLOW, record_of

from highways.cli import app, shown
from highways.config import BudgetConfig, DataConfig, RunConfig, parse_yaml, validate
from highways.data import fingerprint
from highways.errors import HighwaysError
from highways.experiments import settings_of
from highways.tracking.records import RecordStore, run_keys

pytestmark = OF_MLFLOW


def commands(group: Any, *path: str) -> Iterator[tuple[str, ...]]:
    yield path
    for name, command in getattr(group, "commands", {}).items():
        yield from commands(command, *path, name)


def test_every_command_has_help(call, capsys) -> None:
    for command in commands(typer.main.get_command(app)):
        assert call(*command, "--help") == 0
        assert "Usage: highways" in capsys.readouterr().out, command


def test_errors_are_one_line_and_status_1(project: Path, call, capsys) -> None:
    assert call("profile", "show", "huge") == 1
    assert capsys.readouterr().err == "error: no profile 'huge'; there are: laptop, paper, quick, weekend\n"
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
    path = project / "profiles" / "quick" / "01_depth.yaml"
    text = path.read_text()
    for wrong, said in (
        ("colour: red", "unknown key 'colour' (allowed: "),
        ("depths: 10, 20", "key 'depths': Input should be a valid array, found '10, 20'; a list is written [10, 20]\n"),
        ("depths: {deep: 10}", "key 'depths': Input should be a valid array; a list is written [{deep: 10}]\n"),
    ):
        name = wrong.partition(":")[0]
        path.write_text("".join(f"{line}\n" for line in text.splitlines() if not line.startswith(name)) + wrong)
        capsys.readouterr()
        assert call("profile", "check", "quick", "01_depth") == 1
        assert f"profiles/quick/01_depth.yaml: {said}" in capsys.readouterr().err


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
    assert call("run", str(path), "--set", "network.deep=3") == 1
    assert "unknown key 'network.deep'" in capsys.readouterr().err


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
    assert "no data set 'nothing'; there are: digits, mnist, cifar10, " in capsys.readouterr().err


def test_wrong_usage_is_one_line(project: Path, monkeypatch, call, capsys) -> None:
    monkeypatch.delenv("HIGHWAYS_DATA_MIRROR", raising=False)
    for arguments, named in {
        "frobnicate": "frobnicate",
        "profile check laptop 01_depth": "HIGHWAYS_DATA_MIRROR",
        "run": "highways run --example",
        "run --example --family cnn": "bag-of-words, bilstm",
        f"run {'k' * 300}": "no record of a run 'kkk",
        "run /": "error: /: ",
        "runs --profile big": "'big'",
        "runs --experiment 0": "01_depth or 02_bilstm_depth",
        "runs --exp 01": "--exp",
        "claims --verdict maybe": "inconclusive",
    }.items():
        assert call(*arguments.split()) != 0
        error = capsys.readouterr().err
        assert error.startswith("error: ")
        assert named in error
        assert error.count("\n") == 1


def test_tables_and_figures_are_made(study: Path, call, capsys, tmp_path: Path) -> None:
    assert call("tables", "depth", "--output", str(tmp_path / "t")) == 0
    made = (tmp_path / "t" / "depth.csv").read_bytes()
    assert made == (study / "results" / "quick" / "01_depth" / "tables" / "depth.csv").read_bytes()
    figure = study / "results" / "quick" / "01_depth" / "depth.png"
    figure.unlink()
    assert call("figures", "--experiment", "01") == 0
    assert "results/quick/01_depth/depth.png" in capsys.readouterr().out.splitlines()
    assert figure.stat().st_size > 10_000
    shutil.rmtree(study / "results" / "quick" / "01_depth")
    assert call("figures") == 0
    assert capsys.readouterr().out == "quick: no finished runs, no figures\n"


def test_claims_are_shown_by_verdict_and_chosen(study: Path, call, capsys) -> None:
    assert call("claims") == 0
    out = capsys.readouterr().out
    assert "claims of the sources" in out
    assert max(map(len, out.splitlines())) <= 100
    assert out.index("\nreplicated (") < out.index("  depth-plain-parameters-per-layer\n") < out.index("\nnot run (")
    written = (study / "results" / "quick" / "claims.csv").read_bytes()
    assert call("claims", "--verdict", "replicated", "--experiment", "01") == 0
    out = capsys.readouterr().out
    assert ("not run (" in out, "conv-" in out) == (False, False)
    assert (study / "results" / "quick" / "claims.csv").read_bytes() == written, "all are written, whatever is shown"


def rows(capsys) -> list[list[str]]:
    """The cells of the table that was printed, without its head."""
    return [line.split() for line in capsys.readouterr().out.splitlines()[1:]]


def test_runs_are_counted_filtered_and_ranked(study: Path, call, capsys) -> None:
    assert call("runs") == 0
    assert rows(capsys)[0][:4] == ["quick", "01_depth", "8", "0"]
    for best, by, reverse in ((5, "train_cross_entropy", False), (8, "test_accuracy", True)):
        assert call("runs", "--best", str(best), "--by", by) == 0
        values = [float(row[6]) for row in rows(capsys)]
        assert (len(values), values) == (best, sorted(values, reverse=reverse))
    for where, count in (
        ("network == 'highway' and depth == 10", 2),
        ("(seed == 1 or seed == 7) and data in ['digits'] and not momentum > 1", 4),
    ):
        assert call("runs", "--where", where) == 0
        assert sum(row[0].startswith(("plain", "highway")) for row in rows(capsys)) == count


def test_bad_condition_or_curve_is_refused_in_one_line(study: Path, call, capsys) -> None:
    code = "__import__('os').system('touch hacked') == 0"
    where = [("--where", one) for one in ("depth", "network == highway", "network < 3", "depht == 10", code)]
    for condition in (*where, ("--by", "accuracy", "--best", "1")):
        assert call("runs", "--experiment", "01", *condition) == 1
        captured = capsys.readouterr()
        assert captured.err.startswith(f"error: {condition[0]} ")
        assert (captured.out, captured.err.count("\n")) == ("", 1)
    assert not Path("hacked").exists()


def test_auxiliary_run_is_not_the_best_and_a_damaged_one_is_named(study: Path, call, capsys) -> None:
    path = study / "profiles" / "quick" / "01_depth.yaml"
    content = yaml.safe_load(path.read_text()) | {"rungs": [{"epochs": 2, "keep": 1}], "drawn": {2: 1}}
    path.write_text(yaml.safe_dump(content))
    settings = settings_of("quick", "01_depth")
    assert settings is not None
    auxiliary = settings.auxiliary()
    store = RecordStore(study / "results" / "quick" / "01_depth" / "runs")
    for config in settings.runs():
        if run_keys([config])[0] not in {path.stem for path in store}:
            curve = [1.0, 1e-9 if config in auxiliary else 1e-3]
            store.write(record_of(config, {"train_cross_entropy": curve}, data_fingerprint=fingerprint(config.data)))
    assert call("runs", "--best", "9") == 0
    listed = rows(capsys)
    assert [row[6] for row in listed[:4]] == ["0.001"] * 4
    assert not {row[0] for row in listed} & set(run_keys(auxiliary))
    damaged = store.path(listed[-1][0])
    damaged.write_text(damaged.read_text().replace("0", "1"))
    assert call("runs", "--experiment", "01") == 0
    out, error = capsys.readouterr()
    assert set(run_keys(auxiliary)) <= {line.split()[0] for line in out.splitlines()}, "they are listed all the same"
    assert damaged.stem not in out
    assert error.startswith(f"left out: results/quick/01_depth/runs/{damaged.name}")


def test_results_of_what_was_tried_out_are_verified_and_rebuilt(study: Path, call, capsys) -> None:
    runs = Path("01_depth") / "runs"
    shutil.copytree(study / "results" / "quick" / runs, study / "results" / "explore" / runs)
    assert call("verify", "--profile", "explore") == 0
    assert "files are intact" in capsys.readouterr().out
    assert call("tracking", "rebuild", "--profile", "explore") == 0
    assert "01_depth (explore): 8 runs" in capsys.readouterr().out
    for command in (["verify"], ["tracking", "rebuild"]):
        assert call(*command, "--profile", "laptop") == 1
        assert capsys.readouterr().err == "error: no records of a profile 'laptop'; there are: explore, quick\n"


def test_run_is_named_by_how_its_key_or_its_hash_begins(study: Path, call, capsys) -> None:
    keys = sorted(path.stem for path in (study / "results" / "quick" / "01_depth" / "runs").glob("*.json"))
    for given in (keys[0], keys[0][:-8], keys[0].rpartition("-")[2][:6]):
        assert call("run", given) == 0
        assert f"{keys[0]}: finished after 1 epoch," in capsys.readouterr().out
    assert call("run", "highway-d0") == 1
    assert "'highway-d0' matches 4 runs (" in capsys.readouterr().err
    copied = study / "copy.json"
    copied.write_bytes((study / "results" / "quick" / "01_depth" / "runs" / f"{keys[0]}.json").read_bytes())
    assert call("run", str(copied)) == 0, "a record under another name"
    copied.write_text(copied.read_text().replace("0.", "1."))
    assert call("run", str(copied)) == 1


def test_what_is_at_fault_is_refused_before_torch_is_imported(study: Path) -> None:
    (study / "run.yaml").write_text("data: {name: digits}\ncolour: red\n")
    script = (
        "import sys\nfrom highways.cli import main\n"
        "for run in ('highway-d999', 'run.yaml'):\n    sys.argv = ['highways', 'run', run]\n"
        "    try: main()\n    except SystemExit as stop: print(stop.code)\n"
        "print([name for name in ('torch', 'pytorch_lightning', 'mlflow', 'pandas') if name in sys.modules])"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=study, capture_output=True, text=True, check=False)
    assert done.stdout == "1\n1\n[]\n"
    assert "no file and no record of a run 'highway-d999'; the nearest are: highway-d0" in done.stderr
    assert "unknown key 'colour' (allowed: budget, " in done.stderr


def test_examples_are_valid_and_complete(project: Path, call, capsys) -> None:
    fields: dict[str, set[str]] = {"": set(), "data": set(), "budget": set()}
    for family in ("dense", "conv", "bilstm", "bag-of-words"):
        assert call("run", "--example", "--family", family) == 0
        text = capsys.readouterr().out
        run = validate(RunConfig, parse_yaml(text, "example"), "example")
        said = yaml.safe_load(re.sub(r"^( *)# (\w+: .*)$", r"\1\2", text, flags=re.MULTILINE))  # defaults, too
        assert run.network.family == family
        assert validate(RunConfig, said, "example") == run, "what it shows as defaults are defaults"
        for name in ("network", "optimiser"):
            assert set(said[name]) == set(type(getattr(run, name)).model_fields), f"{name}: a field is missing"
        if run.data.pictures is not None:
            assert set(said["data"]["pictures"]) == set(type(run.data.pictures).model_fields)
        for name, found in fields.items():
            found.update(said[name] if name else said)
    assert fields == {
        "": {*RunConfig.model_fields},
        "data": {*DataConfig.model_fields},
        "budget": {*BudgetConfig.model_fields},
    }
    path = project / "run.yaml"
    path.write_text(text)
    assert call("run", str(path), "--set", "budget.epochs=1", "--device", "cpu") == 0
    assert "finished after 1 epoch," in capsys.readouterr().out


def test_newcomer_is_told_what_to_do_next(project: Path, call, capsys) -> None:
    assert call() == 0
    assert re.search("\n  make repro.*\n  highways claims", capsys.readouterr().out, re.DOTALL)
    assert call("--version") == 0
    assert re.fullmatch(r"highways \d+\.\d+\.\d+, torch \d\S+\n", capsys.readouterr().out)


def test_pipe_that_closes_early_is_no_error_nor_are_outputs_that_are_closed(project: Path) -> None:
    command = f"{sys.executable} -m highways.cli run --example"
    done = subprocess.run(f"{command} | true", shell=True, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("", "")
    assert subprocess.run(f"{command} >&- 2>&-", shell=True, check=False).returncode == 0


@pytest.mark.pipeline
def test_interrupt_is_one_line_and_its_own_status(project: Path, run_config, tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(run_config(epochs=100_000).model_dump(mode="json")))
    script = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # background jobs ignore it
    script += "from highways.cli import main; main()"
    command = [sys.executable, "-c", script, "run", str(path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    while "epoch 2/100000" not in (line := process.stdout.readline()):
        assert line, "it has ended"
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert error.splitlines()[-1] == "interrupted; the same command resumes from here"
    assert "Traceback" not in error


def test_tables_are_whole_in_pipes_and_coloured_on_terminals(capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    cells = [("a-long-key-of-a-run-" * 10, "[red]plain[/red]", 1), ("b", "highway", 100)]
    shown.table(("run", "network", "depth"), cells)
    plain = capsys.readouterr().out.splitlines()
    assert [line.split() for line in plain[1:]] == [[*map(str, row)] for row in cells], "markup in a name is text"
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdout", terminal)
    for name, value in (("COLUMNS", "60"), ("TERM", "xterm-256color")):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("NO_COLOR", raising=False)
    shown.table(("run", "network", "depth"), cells)
    shown.line("good", "green")
    assert "\x1b[32m" in terminal.getvalue()
    assert "\N{HORIZONTAL ELLIPSIS}" not in terminal.getvalue(), "folded, not cut"
