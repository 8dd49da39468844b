"""`highways doctor`: one line per check; status 1 only where something needed is broken, and every check runs."""

import importlib.metadata
import sys
from pathlib import Path

import pytest


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


def test_nothing_is_wrong_in_a_checkout(examine) -> None:
    status, lines = examine()
    assert status == 0
    assert set(lines) == {"Python", "torch", "packages", "profiles", "data", "MLflow"}
    assert all(line.startswith("ok ") for line in lines.values())
    assert "mnist" in lines["data"], "data that are not here are named"


def test_whatever_is_broken_is_named_with_a_cure_and_the_other_checks_run(examine, project: Path, monkeypatch) -> None:
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
