"""A real MLflow server over HTTP that keeps the artifacts itself: live, killed while runs train, and a rebuild."""

import os
import signal
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest
from toolbox import OF_MLFLOW, mlflow_runs

from highways import paths
from highways.report.rebuild import rebuild
from highways.tracking import mlflow_log
from highways.tracking.events import EpochEnded
from highways.tracking.mlflow_store import connect, read_records
from highways.tracking.records import RecordStore, RunRecord
from highways.training import sweep

pytestmark = [pytest.mark.pipeline, OF_MLFLOW]


class Server:
    """`mlflow server` with a database and an artifact store of its own in a folder, in a process of its own."""

    def __init__(self, folder: Path):
        self.folder = folder
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--workers", "1", "--backend-store-uri", f"sqlite:///{self.folder}/server.db"]
        command += ["--serve-artifacts", "--artifacts-destination", (self.folder / "kept").as_uri()]
        environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        environment.pop("MLFLOW_TRACKING_URI", None)
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            assert self.process.poll() is None, (self.folder / "log").read_text()
            try:
                with urlopen(f"{self.url}/health", timeout=2):
                    return
            except OSError:
                time.sleep(0.2)
        raise AssertionError("the server does not answer")

    def kill(self) -> None:
        """Kill it and the workers that it started, without grace."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    served = Server(tmp_path_factory.mktemp("server"))
    served.start()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", served.url)
    monkeypatch.setattr(mlflow_log, "WARNED", set())
    monkeypatch.setattr(mlflow_log, "PATIENCE_S", 120.0)
    try:
        yield served
    finally:
        served.kill()


def check(records: list[RunRecord]) -> None:
    """All runs are there, once each, and are what the records say."""
    children, (parent,) = mlflow_runs(kind="run"), mlflow_runs(kind="sweep")
    found = {run.data.tags["run_key"]: run for run in children}
    assert len(children) == len(found) == len(records)
    assert {run.info.status for run in children} == {"FINISHED"}
    assert read_records("p", "e", [record.run_key for record in records]) == records
    for record in records:
        run = found[record.run_key]
        assert run.info.artifact_uri.startswith("mlflow-artifacts:"), "the server keeps them"
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        for name, curve in record.curves.items():
            history = connect().get_metric_history(run.info.run_id, name.replace("_", "/", 1))
            assert sorted((one.step, one.value) for one in history) == list(enumerate(curve, start=1))
        (data,) = run.inputs.dataset_inputs
        assert record.data_fingerprint.startswith(data.dataset.digest)


def test_live_curves_a_killed_server_and_a_rebuild(project: Path, run_config, server: Server) -> None:
    first, more = ([run_config(seed=seed) for seed in seeds] for seeds in (range(3), range(3, 6)))
    records = list(sweep(first, profile="p", experiment="e"))
    check(records)

    def kill(event: object) -> None:
        if isinstance(event, EpochEnded):
            server.kill()

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        records += sweep(more, profile="p", experiment="e", on_event=kill)
    assert len([one for one in caught if "highways tracking rebuild" in str(one.message)]) == 1
    assert len(list(RecordStore(paths.Results("p").of("e").runs))) == 6

    server.start()
    assert len([run for run in mlflow_runs(kind="run") if run.info.status == "FINISHED"]) < 6
    for _ in range(2):  # the second time there is nothing to do
        list(rebuild("p"))
        check(records)
