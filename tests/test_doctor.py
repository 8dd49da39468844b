"""`highways doctor`: what is there, what to do; wrong only where something needed is broken."""

from __future__ import annotations

import http.server
import importlib.metadata
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from highways.cli import doctor

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning",
    "ignore::FutureWarning",
    "ignore::ResourceWarning",  # MLflow's own
)


@pytest.fixture
def checkout(project: Path, repository: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with what a checkout has beside its settings; nothing in it is broken."""
    for name in ("dvc.lock", "requirements.lock"):
        shutil.copyfile(repository / name, project / name)
    for name in ("HIGHWAYS_DATA_MIRROR", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    return project


def found(what: str) -> list[doctor.Check]:
    return [check for check in doctor.checks() if check.what == what]


def test_all_is_well_in_a_checkout_and_it_is_quick(checkout: Path) -> None:
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-m", "highways.cli", "doctor"], capture_output=True, text=True, check=False)
    took = time.monotonic() - began
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("All that is needed is here.\n")
    looked = {line[6:16].strip() for line in done.stdout.splitlines()} - {""}
    assert looked >= {"Python", "packages", "torch", "device", "threads", "disk", "git", "profiles", "data", "mirror"}
    assert looked >= {"records", "MLflow", "DVC", "Ray"}
    assert max(map(len, done.stdout.splitlines())) <= 100
    assert took < 60, "seconds where the machine is idle; it is shared in tests"


def test_what_is_broken_is_named_with_what_to_do_and_the_others_follow(checkout: Path, call, capsys) -> None:
    (checkout / "params.yaml").write_text("active: [huge]\n")
    (checkout / "dvc.lock").write_text("<<<<<<< HEAD\nstages: {\n")
    raw = checkout / "data" / "raw" / "mnist"
    raw.mkdir(parents=True)
    (raw / "train-images-idx3-ubyte.gz").write_bytes(b"x")
    assert call("doctor") == 1
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    wrong = [line for line in lines if line.startswith("wrong ")]
    assert [line[6:16].strip() for line in wrong] == ["profiles", "data", "DVC"]
    assert "no profile 'huge'" in captured.out
    assert "-> `highways data fetch mnist mnist-4-9` replaces what is altered" in captured.out
    assert "-> `git checkout dvc.lock` brings the committed one back" in captured.out
    assert any(line.startswith("ok    Ray") for line in lines), "it goes on after what is broken"
    assert captured.err == "error: 3 needed things are missing or broken: see above\n"


def test_database_of_mlflow_is_looked_at_and_not_touched(checkout: Path, empty_mlflow: Path) -> None:
    assert [(check.state, "not made yet" in check.found) for check in found("MLflow")] == [("ok", True)]
    path = checkout / "mlruns" / "mlflow.db"
    path.parent.mkdir()
    shutil.copyfile(empty_mlflow, path)
    assert [check.state for check in found("MLflow")] == ["ok"]
    for content in (b"", b"no database at all" * 100):
        path.write_bytes(content)
        (check,) = found("MLflow")
        assert check.state == "wrong"
        assert check.cure == "`highways tracking rebuild` brings all records to it"
        assert path.read_bytes() == content
    path.unlink()
    sqlite3.connect(path).execute("CREATE TABLE t (a)").connection.close()
    (check,) = found("MLflow")
    assert (check.state, "half made" in check.found) == ("wrong", True)


class Answer(http.server.BaseHTTPRequestHandler):
    """What a server answers."""

    status = 200

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(b"OK")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as made:
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        yield f"http://user:secret@127.0.0.1:{made.server_port}"
        made.shutdown()
        thread.join()


@pytest.mark.parametrize(("status", "state"), [(200, "ok"), (401, "ok"), (500, "wrong")])
def test_server_of_mlflow_is_asked_and_its_password_not_shown(
    checkout: Path, server: str, monkeypatch: pytest.MonkeyPatch, status: int, state: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    monkeypatch.setattr(Answer, "status", status)
    (check,) = found("MLflow")
    assert (check.state, "secret" in check.found) == (state, False)


def test_server_that_is_down_is_wrong(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:secret@127.0.0.1:9")
    (check,) = found("MLflow")
    assert check.state == "wrong"
    assert "does not answer" in check.found
    assert "secret" not in check.found


def test_mirror_says_what_it_has(checkout: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    monkeypatch.setenv("HIGHWAYS_DATA_MIRROR", str(mirror))
    assert [check.state for check in found("mirror")] == ["wrong"]
    mirror.mkdir()
    assert [check.state for check in found("mirror")] == ["note"]
    (mirror / "cifar-10-binary.tar.gz").write_bytes(b"x")
    (check,) = found("mirror")
    assert (check.state, check.found) == ("ok", f"{mirror} has cifar10")


def test_package_that_is_missing_or_of_another_version_is_named(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.metadata.version

    def version(name: str) -> str:
        if name == "pandas":
            raise importlib.metadata.PackageNotFoundError(name)
        return "0.0" if name == "tqdm" else real(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: ["pandas>=3.0", "torch==2.13.0"])
    (check,) = found("packages")
    assert (check.state, check.found) == ("wrong", "missing: pandas")
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: ["torch==2.13.0"])
    (check,) = found("packages")
    assert check.state == "note"
    assert "1 of other versions (tqdm 0.0)" in check.found


def test_full_disk_is_wrong(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(checkout)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    (check,) = found("disk")
    assert (check.state, check.cure) == ("wrong", "make room: nothing can be kept")


def test_read_only_folders_are_wrong(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.access  # root may write anywhere: what the others are told is put in its place
    read_only = {checkout / "data", checkout}  # the second is where `results` would be made
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK if path in read_only else real(path, mode))
    (checkout / "mlruns").mkdir(exist_ok=True)
    (check,) = found("disk")
    assert check.state == "wrong"
    assert check.found == "results, checkpoints, data: cannot be written"


def test_profile_that_is_yaml_and_yet_at_fault_is_wrong(checkout: Path) -> None:
    path = checkout / "profiles" / "quick" / "01_depth.yaml"
    path.write_text(path.read_text() + "colour: red\n")
    (check,) = found("profiles")
    assert check.state == "wrong"
    assert check.found.startswith("profiles/quick/01_depth.yaml: unknown key 'colour'")


def test_pipeline_of_another_user_is_running(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = checkout / ".dvc" / "tmp" / "rwlock"
    lock.parent.mkdir(parents=True)
    lock.write_text(json.dumps({"x": {"write": {"pid": os.getpid(), "cmd": "dvc repro"}}}))
    expected = ("note", f"the pipeline is running (process {os.getpid()})")
    assert (found("DVC")[0].state, found("DVC")[0].found) == expected

    def refused(pid: int, signal: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "kill", refused)
    assert (found("DVC")[0].state, found("DVC")[0].found) == expected


def test_broken_torch_is_named_and_the_others_follow(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    checks = list(doctor.checks())
    (check,) = [check for check in checks if check.what == "torch"]
    assert check.state == "wrong"
    assert check.cure == "`make setup` installs what is missing"
    assert checks[-1].what == "Ray"
