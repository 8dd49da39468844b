"""The command line: help everywhere, one clear line for bad input, the right exit status."""

import importlib.metadata
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
from checkout import shrink
from toolbox import OF_MLFLOW, record_of

from highways.cli import app, shown
from highways.config import BudgetConfig, DataConfig, RunConfig, parse_yaml, validate
from highways.errors import HighwaysError
from highways.experiments import settings_of
from highways.tracking.records import RecordStore, run_keys

pytestmark = OF_MLFLOW


def commands(group: Any, *path: str) -> Iterator[tuple[str, ...]]:
    yield path
    for name, command in getattr(group, "commands", {}).items():
        yield from commands(command, *path, name)


def test_every_command_has_help_and_a_newcomer_is_told_what_to_do_next(project: Path, says) -> None:
    for command in commands(typer.main.get_command(app)):
        assert "Usage: highways" in says(*command, "--help"), command
    assert re.search("\n  make repro.*\n  highways claims", says(), re.DOTALL)
    assert re.fullmatch(r"highways \d+\.\d+\.\d+, torch \d\S+\n", says("--version"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("frobnicate", "frobnicate"),
        ("profile show huge", "no profile 'huge'; there are: laptop, paper, quick, weekend"),
        ("profile check laptop 01_depth", "HIGHWAYS_DATA_MIRROR"),
        ("data fetch nothing", "no data set 'nothing'; there are: digits, mnist, cifar10, "),
        ("run", "highways run --example"),
        ("run --example --family cnn", "bag-of-words, bilstm"),
        (f"run {'k' * 300}", "no record of a run 'kkk"),
        ("run /", "/: "),
        ("runs --profile big", "'big'"),
        ("runs --experiment 0", "01_depth or 02_bilstm_depth"),
        ("runs --exp 01", "--exp"),
        ("tables depht", "no table 'depht'; there are: depth"),
        ("tables --from csv", "records"),
        ("verify --rerun 0", "Invalid value for '--rerun'"),
        ("verify --seed 3", "--seed and --device need --rerun"),
        ("verify --rerun 1", "no records to train again in results"),
    ],
)
def test_wrong_usage_is_one_line(project: Path, monkeypatch, call, fails, arguments: str, message: str) -> None:
    monkeypatch.delenv("HIGHWAYS_DATA_MIRROR", raising=False)
    assert message in fails(*arguments.split())
    with pytest.raises(HighwaysError, match="no profile 'huge'"):
        call("profile", "show", "huge", "--debug")


def test_profile_is_shown_checked_and_used(project: Path, says, fails) -> None:
    out = says("profile", "show")
    assert "quick (active)" in out
    assert "01_depth: 64 runs" in out
    says("profile", "use", "laptop")
    assert yaml.safe_load((project / "params.yaml").read_text()) == {"active": ["laptop"]}
    says("profile", "check", "quick", "01_depth")
    path = project / "profiles" / "quick" / "01_depth.yaml"
    whole = yaml.safe_load(path.read_text())
    for wrong, said in (
        ({"colour": "red"}, "unknown key 'colour' (allowed: "),
        (
            {"depths": "10, 20"},
            "key 'depths': Input should be a valid array, found '10, 20'; a list is written [10, 20]",
        ),
        ({"depths": {"deep": 10}}, "key 'depths': Input should be a valid array; a list is written [{deep: 10}]"),
    ):
        path.write_text(yaml.safe_dump(whole | wrong))
        assert fails("profile", "check", "quick", "01_depth").startswith(f"profiles/quick/01_depth.yaml: {said}")


def test_run_trains_and_shows_the_record(project: Path, run_config, says, fails, tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(run_config().model_dump(mode="json")))
    out = says("run", str(path), "--set", "network.depth=3", "--device", "cpu")
    for text in ("epoch 2/2", "highway-d003-digits", "finished after 2 epochs"):
        assert text in out
    assert "epoch" not in says("run", str(path), "--set", "network.depth=3").split("finished")[0]
    assert "unknown key 'network.deep'" in fails("run", str(path), "--set", "network.deep=3")


def test_data_sets_are_listed_and_verified(project: Path, call, says, capsys) -> None:
    out = says("data", "list")
    for line in ("digits            complete", "mnist             0 of 4 files", "synthetic-tweets  generated"):
        assert line in out
    raw = project / "data" / "raw" / "mnist"
    raw.mkdir(parents=True)
    (raw / "train-images-idx3-ubyte.gz").write_bytes(b"x")
    assert call("data", "verify") == 1
    assert "altered  mnist: mnist/train-images-idx3-ubyte.gz" in capsys.readouterr().out


def test_tables_and_figures_are_made(study: Path, says, fails, tmp_path: Path) -> None:
    says("tables", "depth", "--output", str(tmp_path / "t"))
    results = study / "results" / "quick" / "01_depth"
    assert (tmp_path / "t" / "depth.csv").read_bytes() == (results / "tables" / "depth.csv").read_bytes()
    figure = results / "depth.png"
    figure.unlink()
    assert "results/quick/01_depth/depth.png" in says("figures", "--experiment", "01").splitlines()
    assert figure.stat().st_size > 10_000
    shutil.rmtree(results / "tables")
    assert "claims of the sources" in says("claims"), "without tables, too, which make their part of the page"
    shutil.rmtree(results)
    assert says("figures") == "quick: no finished runs, no figures\n"
    says("profile", "use", "quick", "laptop")
    assert "--output: one folder for the tables of quick and laptop" in fails("tables", "--output", "t")


def test_claims_are_shown_by_verdict(study: Path, says) -> None:
    out = says("claims")
    assert "claims of the sources" in out
    assert max(map(len, out.splitlines())) <= 100
    assert out.index("\nreplicated (") < out.index("  depth-plain-parameters-per-layer\n") < out.index("\nnot run (")


def rows(text: str) -> list[list[str]]:
    """The cells of a printed table, without its head."""
    return [line.split() for line in text.splitlines()[1:]]


def test_runs_are_counted_filtered_and_ranked(study: Path, says) -> None:
    assert rows(says("runs"))[0][:4] == ["quick", "01_depth", "8", "0"]
    for best, by, reverse in ((5, "train_cross_entropy", False), (8, "test_accuracy", True)):
        values = [float(row[6]) for row in rows(says("runs", "--best", str(best), "--by", by))]
        assert (len(values), values) == (best, sorted(values, reverse=reverse))
    for where, count in (
        ("network == 'highway' and depth == 10", 2),
        ("(seed == 1 or seed == 7) and data in ['digits'] and not momentum > 1", 4),
    ):
        assert sum(row[0].startswith(("plain", "highway")) for row in rows(says("runs", "--where", where))) == count


def test_bad_condition_or_curve_is_refused_in_one_line(study: Path, fails) -> None:
    code = "__import__('os').system('touch hacked') == 0"
    where = [("--where", one) for one in ("depth", "network == highway", "network < 3", "depht == 10", code)]
    for condition in (*where, ("--by", "accuracy", "--best", "1")):
        assert fails("runs", "--experiment", "01", *condition).startswith(f"{condition[0]} ")
    assert not Path("hacked").exists()


def test_auxiliary_run_is_not_the_best_and_a_damaged_one_is_named(study: Path, call, says, capsys) -> None:
    shrink(study, "01_depth", rungs=[{"epochs": 2, "keep": 1}], drawn={2: 1})
    settings = settings_of("quick", "01_depth")
    assert settings is not None
    auxiliary = settings.auxiliary()
    store = RecordStore(study / "results" / "quick" / "01_depth" / "runs")
    for config in settings.runs():
        if run_keys([config])[0] not in {path.stem for path in store}:
            curve = [1.0, 1e-9 if config in auxiliary else 1e-3]
            store.write(record_of(config, {"train_cross_entropy": curve}))
    listed = rows(says("runs", "--best", "9"))
    assert [row[6] for row in listed[:4]] == ["0.001"] * 4
    assert not {row[0] for row in listed} & set(run_keys(auxiliary))
    damaged = store.path(listed[-1][0])
    damaged.write_text(damaged.read_text().replace("0", "1"))
    assert call("runs", "--experiment", "01") == 0
    out, error = capsys.readouterr()
    assert set(run_keys(auxiliary)) <= {line.split()[0] for line in out.splitlines()}, "they are listed all the same"
    assert damaged.stem not in out
    assert error.startswith(f"left out: results/quick/01_depth/runs/{damaged.name}")


def test_results_of_what_was_tried_out_are_verified_and_rebuilt(study: Path, says, fails) -> None:
    runs = Path("01_depth") / "runs"
    shutil.copytree(study / "results" / "quick" / runs, study / "results" / "explore" / runs)
    assert "files are intact" in says("verify", "--profile", "explore")
    assert "01_depth (explore): 8 runs" in says("tracking", "rebuild", "--profile", "explore")
    for command in (["verify"], ["tracking", "rebuild"]):
        assert fails(*command, "--profile", "laptop") == "no records of a profile 'laptop'; there are: explore, quick"


def test_run_is_named_by_how_its_key_or_its_hash_begins(study: Path, says, fails) -> None:
    runs = study / "results" / "quick" / "01_depth" / "runs"
    key = min(path.stem for path in runs.glob("*.json"))
    for given in (key, key[:-8], key.rpartition("-")[2][:6]):
        assert f"{key}: finished after 1 epoch," in says("run", given)
    assert "'highway-d0' matches 4 runs (" in fails("run", "highway-d0")
    copied = study / "copy.json"
    shutil.copyfile(runs / f"{key}.json", copied)
    assert key in says("run", str(copied)), "a record under another name"
    copied.write_text(copied.read_text().replace("0.", "1."))
    assert "altered" in fails("run", str(copied))


def test_examples_are_valid_and_complete(project: Path, says) -> None:
    fields: dict[str, set[str]] = {"": set(), "data": set(), "budget": set()}
    for family in ("dense", "conv", "bilstm", "bag-of-words"):
        text = says("run", "--example", "--family", family)
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
    for name, schema in (("", RunConfig), ("data", DataConfig), ("budget", BudgetConfig)):
        assert fields[name] == set(schema.model_fields)
    path = project / "run.yaml"
    path.write_text(text)
    assert "finished after 1 epoch," in says("run", str(path), "--set", "budget.epochs=1", "--device", "cpu")


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


def test_tables_are_whole_in_pipes(capsys: pytest.CaptureFixture[str]) -> None:
    cells = [("a-long-key-of-a-run-" * 10, "[red]plain[/red]", 1), ("b", "highway", 100)]
    shown.table(("run", "network", "depth"), cells)
    assert rows(capsys.readouterr().out) == [[*map(str, row)] for row in cells], "markup in a name is text"


@pytest.fixture
def examine(project: Path, repository: Path, call, capsys):
    """Runs the doctor in a project that lacks nothing; returns its status and its lines by check."""
    for name in ("requirements.lock", "requirements-torch.lock"):
        (project / name).write_bytes((repository / name).read_bytes())

    def run() -> tuple[int, dict[str, str]]:
        status = call("doctor")
        lines = capsys.readouterr().out.splitlines()
        return status, {line[6:16].strip(): line for line in lines if line.startswith(("ok ", "wrong "))}

    return run


def test_doctor_finds_nothing_wrong_and_names_what_is_broken_with_a_cure(examine, project: Path, monkeypatch) -> None:
    status, lines = examine()
    assert status == 0
    assert set(lines) == {"Python", "torch", "packages", "profiles", "data", "MLflow"}
    assert all(line.startswith("ok ") for line in lines.values())
    assert "mnist" in lines["data"], "data that are not here are named"
    path = project / "profiles" / "quick" / "01_depth.yaml"
    path.write_text(path.read_text() + "colour: red\n")
    raw = project / "data" / "raw" / "mnist"
    raw.mkdir(parents=True)
    (raw / "train-images-idx3-ubyte.gz").write_bytes(b"x")
    monkeypatch.setitem(sys.modules, "torch", None)
    status, lines = examine()
    assert status == 1
    assert {name for name, line in lines.items() if line.startswith("wrong ")} >= {"profiles", "data", "torch"}
    assert "profiles/quick/01_depth.yaml: unknown key 'colour'" in lines["profiles"]
    assert "`highways data fetch mnist" in lines["data"]
    assert "`make setup`" in lines["torch"]
    assert lines["MLflow"].startswith("ok ")


def test_packages_are_compared_with_the_locks_and_no_password_of_mlflow_is_shown(examine, monkeypatch) -> None:
    real, versions = importlib.metadata.version, {"tqdm": "0.0"}

    def version(name: str) -> str:
        if versions.get(name) == "":
            raise importlib.metadata.PackageNotFoundError(name)
        return versions.get(name) or real(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:secret@127.0.0.1:9")
    status, lines = examine()
    assert (status, "tqdm 0.0" in lines["packages"]) == (0, True)
    assert ("127.0.0.1:9" in lines["MLflow"], "secret" in lines["MLflow"]) == (True, False)
    versions["pandas"] = ""
    status, lines = examine()
    assert (status, "missing: pandas" in lines["packages"]) == (1, True)
