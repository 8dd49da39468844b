"""An MLflow server that answers 500, or slowly: a sweep goes on, and `tracking rebuild` brings all of it later."""

from __future__ import annotations

import json
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
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(("status", "seconds"), [(500, 0.0), (200, 1.0), (200, 0.09)])
def test_sweep_waits_at_its_end_for_a_while(
    status: int, seconds: float, tracked_project: Path, run_config, monkeypatch: pytest.MonkeyPatch, count
) -> None:
    monkeypatch.setattr(mlflow_log, "WARNED", set())
    connect()  # what is imported once is not counted
    configs = [run_config(seed=seed, epochs=1) for seed in range(30)]
    began = time.monotonic()
    sweep(configs, profile="without", experiment="e", threads=1, mlflow=False)
    alone = time.monotonic() - began
    for record in (tracked_project / "results").rglob("*.json"):
        record.unlink()
    with answering(status, seconds) as address, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        began = time.monotonic()
        records = sweep(configs, profile="p", experiment="e", threads=1)
        waited = time.monotonic() - began - alone
    assert len(records) == 30
    assert waited < mlflow_log.PATIENCE_S + 40 * mlflow_log.EACH_S + 0.5 * alone + 2, f"{waited:.1f} s"
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    list(rebuild("p"))
    keys = [run.data.tags["run_key"] for run in mlflow_runs(kind="run")]
    assert sorted(keys) == sorted(record.run_key for record in records)
    count("MLflow", "a server that answers 500, or slowly: 30 runs, then `tracking rebuild`", 1)
