"""MLflow down, locked, slow, or answering 500: a sweep goes on, and `tracking rebuild` brings all of it later."""

from __future__ import annotations

import json
import socket
import sqlite3
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from toolbox import mlflow_runs

from highways.report.rebuild import rebuild
from highways.tracking import mlflow_log
from highways.tracking.mlflow_log import connect
from highways.training import sweep

pytestmark = [
    pytest.mark.faults,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning"),
]
EXTRA_S = 10.0
"""What a sweep may lose."""


@contextmanager
def answering(status: int, seconds: float) -> Iterator[str]:
    """A server that answers everything alike: with an error, or with an empty answer after some time."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            time.sleep(seconds)
            run = {"info": {"run_id": "0" * 32, "status": "RUNNING", "lifecycle_stage": "active"}, "data": {}}
            experiment = {"experiment_id": "1", "name": "e", "lifecycle_stage": "active"}
            content = json.dumps({"experiment": experiment, "run": run, "runs": [], "experiment_id": "1"}).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = answer

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    yield
    connection.execute("ROLLBACK")
    connection.close()


@contextmanager
def fault(how: str, root: Path, patch: pytest.MonkeyPatch) -> Iterator[None]:
    if how == "locked":
        with locked(root / "mlruns" / "mlflow.db"):
            yield
        return
    if how == "down":
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        patch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
        yield
        return
    status, seconds = {"500": (500, 0.0), "a second an answer": (200, 1.0), "0.09 s an answer": (200, 0.09)}[how]
    with answering(status, seconds) as address:
        patch.setenv("MLFLOW_TRACKING_URI", address)
        yield


@pytest.mark.parametrize("how", ["down", "locked", "500", "a second an answer", "0.09 s an answer"])
def test_a_sweep_loses_ten_seconds_at_most(how: str, tracked_project: Path, run_config, monkeypatch, count) -> None:
    monkeypatch.setattr(mlflow_log, "_warned", set())
    connect()  # what is imported once is not counted
    configs = [run_config(seed=seed, epochs=1) for seed in range(30)]
    more = {"experiment": "e", "threads": 1}
    sweep([run_config(seed=99, epochs=1)], profile="warm", mlflow=False, **more)
    began = time.monotonic()
    sweep(configs, profile="without", mlflow=False, **more)
    alone = time.monotonic() - began
    for record in (tracked_project / "results").rglob("*.json"):
        record.unlink()
    with fault(how, tracked_project, monkeypatch), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        began = time.monotonic()
        records = sweep(configs, profile="p", **more)
        lost = time.monotonic() - began - alone
    assert len(records) == 30
    assert lost < EXTRA_S + 0.5 * alone + 2, f"{lost:.1f} s lost"
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    list(rebuild("p"))
    keys = [run.data.tags["run_key"] for run in mlflow_runs(kind="run")]
    assert sorted(keys) == sorted(record.run_key for record in records)
    count("MLflow", "down, locked, answering 500, slow, just quick enough: 30 runs, then `tracking rebuild`", 1)
