"""A real MLflow server over HTTP that keeps the artifacts itself: many writers, a server that is killed, a rebuild."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from toolbox import FORKED, OF_MLFLOW, mlflow_runs

from highways import paths
from highways.report.rebuild import rebuild
from highways.tracking import mlflow_log
from highways.tracking.events import EpochEnded, Finished, Started
from highways.tracking.mlflow_log import MlflowLog
from highways.tracking.mlflow_store import connect, read_records
from highways.tracking.records import RecordStore, RunRecord
from highways.training import sweep

pytestmark = [pytest.mark.pipeline, OF_MLFLOW]
WRITERS = 3


class Server:
    """`mlflow server` with a database and an artifact store of its own, in a process of its own.

    Args:
        folder: Where it keeps both.
    """

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
    try:
        yield served
    finally:
        served.kill()


def write(root: Path, url: str, file: Path, start: Any) -> None:
    """Log a run over the server as a sweep does, when all others are ready; a fault is the exit status."""
    os.environ["HIGHWAYS_ROOT"], os.environ["MLFLOW_TRACKING_URI"] = str(root), url
    mlflow_log.PATIENCE_S = 300.0
    record = RunRecord.read(file)
    log = MlflowLog("p", "e")
    start.wait()
    log.begin([], {record.run_key: record.config})
    log(Started((record.run_key,)))
    for epoch in range(1, record.epochs + 1):
        values = {name: curve[epoch - 1] for name, curve in record.curves.items()}
        log(EpochEnded((record.run_key,), epoch, record.epochs, (values,), 0.1))
    log(Finished(record))
    log.end()
    assert not log.fault, log.fault


def check(records: list[RunRecord]) -> None:
    """All runs are there, once each, and are what the records say."""
    found = {run.data.tags["run_key"]: run for run in mlflow_runs(kind="run")}
    assert len(mlflow_runs(kind="run")) == len(found) == len(records)
    assert {run.info.status for run in found.values()} == {"FINISHED"}
    assert read_records("p", "e", [record.run_key for record in records]) == records
    (parent,) = mlflow_runs(kind="sweep")
    assert parent.data.metrics["summary/runs"] == len(records)
    client = connect()
    for record in records:
        run = found[record.run_key]
        assert run.info.artifact_uri.startswith("mlflow-artifacts:"), "the server keeps them"
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        for name, curve in record.curves.items():
            part, _, rest = name.partition("_")
            history = client.get_metric_history(run.info.run_id, f"{part}/{rest}")
            assert sorted((one.step, one.value) for one in history) == list(enumerate(curve, start=1))
        (data,) = run.inputs.dataset_inputs
        assert record.data_fingerprint.startswith(data.dataset.digest)


def test_writers_at_once_a_killed_server_and_a_rebuild(project: Path, run_config, server: Server) -> None:
    configs = [run_config(seed=seed) for seed in range(WRITERS)]
    records = list(sweep(configs, profile="p", experiment="e", mlflow=False))
    start, processes = FORKED.Barrier(WRITERS), []
    for record in records:
        file = RecordStore(paths.Results("p").of("e").runs).path(record.run_key)
        processes.append(FORKED.Process(target=write, args=(project, server.url, file, start)))
        processes[-1].start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * WRITERS
    check(records)

    killed = False

    def kill(event: object) -> None:
        nonlocal killed
        if isinstance(event, EpochEnded) and not killed:
            killed = True
            server.kill()

    more = [run_config(seed=seed) for seed in range(WRITERS, WRITERS + 3)]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        records += sweep(more, profile="p", experiment="e", on_event=kill)
    assert killed
    assert len([one for one in caught if "highways tracking rebuild" in str(one.message)]) == 1
    assert len(list(RecordStore(paths.Results("p").of("e").runs))) == WRITERS + 3

    server.start()
    assert len([run for run in mlflow_runs(kind="run") if run.info.status == "FINISHED"]) < WRITERS + 3
    for _ in range(2):  # the second time there is nothing to do
        list(rebuild("p"))
        check(records)
