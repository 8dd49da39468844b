"""The command line: help everywhere, one clear line for bad input, the right exit status."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from highways.training import sweep

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning",
    "ignore::FutureWarning",
    "ignore::ResourceWarning",  # MLflow's own
)

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
    ["run"],
    ["tables"],
    ["claims"],
    ["verify"],
    ["seal"],
    ["readme"],
    ["tracking"],
    ["tracking", "rebuild"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help(call, capsys, command: list[str]) -> None:
    assert call(*command, "--help") == 0
    assert "Usage: highways" in capsys.readouterr().out


def test_errors_are_one_line_and_status_1(project: Path) -> None:
    command = [sys.executable, "-m", "highways.cli", "profile", "show", "huge"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "error: no profile 'huge'; there are: laptop, paper, quick, weekend\n"
    traceback = subprocess.run([*command, "--debug"], capture_output=True, text=True, check=False)
    assert traceback.returncode == 1
    assert "Traceback" in traceback.stderr


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


@pytest.fixture
def study(project: Path) -> Path:
    """A project whose quick profile is tiny, trained, with tables and claims."""
    path = project / "profiles" / "quick" / "01_depth.yaml"
    content = yaml.safe_load(path.read_text())
    content |= {"depths": [2, 10], "trials": 2, "epochs": 1, "workers": 1, "plain_width": 6, "highway_width": 5}
    path.write_text(yaml.safe_dump(content))
    from highways.config import load_profile
    from highways.experiments.depth.profile import DepthProfile
    from highways.report.pages import write_pages
    from highways.report.tables import write_tables
    from highways.report.verdicts import write_claims

    sweep(load_profile("quick", DepthProfile).runs(), experiment="01_depth", profile="quick", mlflow=False)
    write_tables("quick")
    _, judgements = write_claims("quick")
    write_pages("quick", judgements)
    return project


def test_intact_results_are_verified(study: Path, call, capsys) -> None:
    assert call("verify") == 0
    assert "15 files are intact" in capsys.readouterr().out  # 8 records, a table in 3 files, claims, 2 pages, MANIFEST


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
        (["run"], "error: Missing argument 'config'. `highways run --help` says more.\n"),
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
    capsys.readouterr()
    assert call("claims") == 0
    out = capsys.readouterr().out
    assert "depth-plain-degrades" in out
    assert "claims of the sources" in out
