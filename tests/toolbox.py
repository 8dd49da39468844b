"""What tests ask of an experiment with parameters of their own."""

import csv
import gzip
import multiprocessing
import os
import pickle
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import nbformat
import numpy as np
import pytest
import torch

from highways import paths
from highways.claims.judge import Judgement
from highways.config import Profile, RunConfig
from highways.data import fingerprint
from highways.errors import HighwaysError
from highways.experiments import BY_NAME, EXPERIMENTS, Study
from highways.tracking import Listed, RunRecord
from highways.tracking.events import EpochEnded, Event
from highways.tracking.reading import Source
from highways.tracking.records import run_keys
from highways.training import sweep

OF_MLFLOW = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning")
"""Passes over the warnings that MLflow is the cause of."""

HERE: dict[str, Any] = {"profile": "p", "experiment": "e", "threads": 1, "mlflow": False}
"""Where and how most tests train."""
FORKED = multiprocessing.get_context("forkserver")
"""Processes that begin with everything imported, so that a start takes milliseconds. They see the environment that the
first of them was started in: what a test needs of it is given to them."""
FORKED.set_forkserver_preload(
    [
        *("highways.training", "highways.training.modules", "highways.experiments"),
        *("highways.report.verdicts", "highways.report.pages"),
        *("mlflow.store.tracking.sqlalchemy_store", "torchtext.data"),
    ]
)

SCHEMAS: dict[str, type[Profile]] = {experiment.name: experiment.schema for experiment in EXPERIMENTS}


def refused(message: str) -> Any:
    """Expects an error that begins with a message and is one line."""
    one_line = {"match": f"^{re.escape(message)}", "check": lambda error: str(error).isprintable()}
    return pytest.raises(HighwaysError, **one_line)


def write_idx(path: Path, values: np.ndarray) -> bytes:
    """Write an array as a compressed file in MNIST's format, and return its bytes."""
    head = bytes([0, 0, 8, values.ndim]) + b"".join(size.to_bytes(4, "big") for size in values.shape)
    path.write_bytes(content := gzip.compress(head + values.astype(np.uint8).tobytes(), mtime=0))
    return content


def read_table(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def verdicts_of(settings: Profile, records: Listed | None = None) -> list[Judgement]:
    """The verdicts on an experiment's claims, on what its parameters list or on given records."""
    study = Study(BY_NAME[settings.experiment], settings)
    if records is not None:
        study._records["records"] = records
    return study.judgements()


def texts_of(name: str, settings: Profile, source: Source = "records") -> dict[str, str]:
    experiment = BY_NAME[settings.experiment]
    table = next(table for table in experiment.tables if table.name == name)
    settings.runs()
    return table.texts(Study(experiment, settings).records(source))


def left_over(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.suffix in (".part", ".lock")]


def kept(project: Path) -> list[Path]:
    return sorted(project.glob("checkpoints/resume/*/*.ckpt"))


def mlflow_runs(condition: str = "", *, experiment: str = "e", **tags: str) -> list[Any]:
    """The runs that MLflow has of an experiment, parents too, as far as they meet a condition and bear tags."""
    from highways.tracking.mlflow_store import connect

    client = connect()
    found = client.get_experiment_by_name(experiment)
    assert found is not None
    conditions = [condition] if condition else []
    conditions += [f"tags.{name} = '{value}'" for name, value in tags.items()]
    return list(client.search_runs([found.experiment_id], " and ".join(conditions)))


def config_of(network: Any, data: Any = "digits", optimiser: Any = None, **more: Any) -> RunConfig:
    """A run of a network: on a data set of this name or settings, one epoch with Adam but for what is given."""
    content = {
        "data": {"name": data} if isinstance(data, str) else data,
        "network": network,
        "optimiser": optimiser or {"kind": "adam", "learning_rate": 0.01},
        "budget": {"epochs": 1, "batch_size": 100} | more.pop("budget", {}),
    }
    return RunConfig.model_validate(content | more)


def record_of(config: RunConfig, curves: dict[str, list[float]], **more: Any) -> RunRecord:
    """A record with these curves of a run that nobody trained; it diverged where `diverged_epoch` says so."""
    content = {
        "run_key": run_keys([config])[0],
        "config": config,
        "data_fingerprint": fingerprint(config.data),
        "numerics": config.network.numerics,
        "status": "diverged" if more.get("diverged_epoch") else "finished",
        "parameters": 1,
        "curves": curves,
        "weights_sha256": None,
        "environment": {},
        "engine": {},
        "finished_at": "2026-01-01T00:00:00+00:00",
        "timing": {"seconds": 1.0, "group_seconds": 1.0},
    }
    return RunRecord.model_validate(content | more)


def run_cells(notebook: str, parameters: dict[str, Any]) -> None:
    """Run a notebook's cells in this process, with parameters after the cell for them, as Papermill does."""
    namespace: dict[str, Any] = {}
    for cell in nbformat.read(paths.root() / "notebooks" / f"{notebook}.ipynb", as_version=4).cells:
        if cell.cell_type == "code":
            exec(compile(cell.source, f"{notebook}.ipynb", "exec"), namespace)
            if "parameters" in cell.metadata.get("tags", []):
                namespace |= parameters


def overfitted(network: torch.nn.Module, x: torch.Tensor, steps: int = 200) -> float:
    """The cross-entropy that a network ends at, trained on one batch of examples of two classes."""
    optimiser, y = torch.optim.Adam(network.parameters(), 0.02), torch.arange(len(x)) % 2
    for _ in range(steps):
        optimiser.zero_grad()
        loss = torch.nn.functional.cross_entropy(network(x), y)
        loss.backward()
        optimiser.step()
    return loss.item()


class Stopped(Exception):
    """Training was stopped on purpose."""


def stop_at(epoch: int) -> Callable[[object], None]:
    """Stops what it listens to at the end of an epoch, before a state of that epoch is kept."""

    def stop(event: object) -> None:
        if getattr(event, "epoch", 0) == epoch:
            raise Stopped

    return stop


def forget(project: Path) -> None:
    """Remove all records, so that runs are trained again."""
    for path in (project / "results").rglob("*.json"):
        path.unlink()


def serve(log: Path, url: str, *arguments: str) -> subprocess.Popen[bytes]:
    """Start a server of MLflow's, in a group of processes of its own, and wait until it answers at an address."""
    with log.open("ab") as said:
        command = [sys.executable, "-m", "mlflow", *arguments]
        server = subprocess.Popen(command, stdout=said, stderr=said, start_new_session=True)
    deadline = time.monotonic() + 300
    while server.poll() is None and time.monotonic() < deadline:
        with suppress(OSError), urlopen(url, timeout=5):
            return server
        time.sleep(0.2)
    raise AssertionError(log.read_text())


def end(server: subprocess.Popen[bytes]) -> None:
    """Kill a server and what it has started."""
    if server.poll() is None:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def free_port() -> int:
    """A port of this machine that nothing listens at."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def curve(run: Any, name: str = "train/cross_entropy") -> list[float]:
    """What MLflow has of a metric of a run, by step."""
    from highways.tracking.mlflow_store import connect

    history = connect().get_metric_history(run.info.run_id, name)
    return [metric.value for metric in sorted(history, key=lambda metric: metric.step)]


def surroundings() -> dict[str, str]:
    """What a process that is forked is to know of this one's environment; see `settle`."""
    return {name: value for name, value in os.environ.items() if name.startswith(("HIGHWAYS_", "MLFLOW_", "RAY_"))}


def settle(environment: dict[str, str]) -> None:
    """Take over an environment in a process that is forked."""
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    os.environ |= environment


def forked(*calls: tuple[Any, ...], seconds: float = 400) -> list[int | None]:
    """Call functions in processes side by side, and return the processes' exit statuses."""
    processes = [FORKED.Process(target=function, args=arguments) for function, *arguments in calls]
    for process in processes:
        process.start()
    for process in processes:
        process.join(seconds)
    return [process.exitcode for process in processes]


def drive(environment: dict[str, str], contents: list[Any], log: Path, hold: Path, options: dict[str, Any]) -> None:
    """Sweep a list of runs in a process of its own; see the fixture `process`."""
    settle(environment)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    one_at_a_time = threading.Lock()

    def note(event: Event) -> None:
        with one_at_a_time, log.open("ab", buffering=0) as file:  # whole, whenever this process is killed
            file.write(pickle.dumps(event))
        while isinstance(event, EpochEnded) and hold.exists():
            time.sleep(0.1)

    sweep([RunConfig.model_validate(content) for content in contents], on_event=note, **HERE | options)


def noted(log: Path) -> list[Event]:
    """The events that a process has noted so far."""
    events: list[Event] = []
    with suppress(FileNotFoundError, EOFError, pickle.UnpicklingError), log.open("rb") as file:
        while True:
            events.append(pickle.load(file))
    return events


def wait_until(happened: Callable[[], Any], process: Any, seconds: float = 120) -> None:
    """Wait for what a process brings about; it does not end before."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert process.is_alive()
        assert time.monotonic() < deadline
        time.sleep(0.05)
