"""`run`: one configuration, trained the textbook way, or taken from its record."""

from __future__ import annotations

from typing import Literal

from torch import nn

from highways import paths
from highways.config import RunConfig
from highways.data import load
from highways.errors import HighwaysError
from highways.files import remove_strays
from highways.tracking.events import Event, Listener
from highways.tracking.mlflow_log import MlflowLog
from highways.tracking.records import RecordStore, RunRecord, run_keys
from highways.training import device as devices
from highways.training.building import build_network
from highways.training.checkpoints import load_weights, weights_path
from highways.training.execute import Job
from highways.training.storing import complete, say_waiting, train_here

ADHOC = "adhoc"
"""Profile and experiment of runs that belong to no notebook."""


def run(
    config: RunConfig,
    *,
    experiment: str = ADHOC,
    profile: str = ADHOC,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    threads: int | None = None,
    weights: bool = False,
    mlflow: bool = True,
    on_event: Listener | None = None,
) -> RunRecord:
    """Train one run and return its record; a run that has a record is not trained.

    Where another process trains it, this one waits for its record, which is said.

    Args:
        config: The run.
        experiment: Folder of the record, in that of `profile`.
        device: See `highways.training.device.resolve`.
        threads: By default all cores.
        weights: Train again, which is said, where the final weights are not kept here, and compare with the record.
        mlflow: Log to MLflow, as a child of the parent run of `experiment` and `profile`.
        on_event: Told about every event, after MLflow.

    Raises:
        HighwaysError: The record, the data or the weights are at fault, or something cannot be written.
    """
    key = run_keys([config])[0]
    store = RecordStore(paths.Results(profile).of(experiment).runs)
    remove_strays(paths.Results(profile).folder, paths.checkpoints(), paths.root() / "data" / "prepared")
    record = store.adopt(key)
    if record is not None and not (weights and record.status == "finished" and load_weights(key, None) is None):
        return record
    again, population, cores = record is not None, False, devices.cores()
    if record is not None:  # in the way that it was trained it comes out to the bit
        print(f"{key}: its weights are not in {weights_path(key).parent}; training it again", flush=True)
        population = bool(record.engine.get("population"))
        cores = min(record.environment.get("threads", 1), cores)
    on_device = devices.resolve(device).type
    job = Job((config,), (key,), population, store.folder, on_device, threads or cores, again=again)
    log = MlflowLog(profile, experiment) if mlflow else None
    listeners = [listener for listener in (log, on_event) if listener is not None]

    def tell(event: Event) -> None:
        for listener in listeners:
            listener(event)

    if log is not None:
        log.begin([] if record is None else [record], {key: config} if record is None else {})
    finished, said = False, set[str]()
    try:
        while (records := complete(job, train_here, tell)) is None:
            say_waiting([job], said)
        finished = True
    finally:
        if log is not None:
            log.end(complete=finished)
    if record is not None:
        _compare(record, records[0])
    return records[0]


def _compare(record: RunRecord, trained: RunRecord) -> None:
    """Say how a run that was trained again for its weights compares with its record."""
    if trained.weights_sha256 is None:
        raise HighwaysError(f"{record.run_key}: diverged when trained again; no weights are available here")
    if trained.weights_sha256 == record.weights_sha256:
        print(f"{record.run_key}: the weights are those of the record, to the bit", flush=True)
        return
    now, then = trained.last("train_cross_entropy"), record.last("train_cross_entropy")
    print(
        f"{record.run_key}: the weights differ from the record's (another grouping, machine or version): "
        f"last training cross-entropy {now:.6g}, in the record {then:.6g}",
        flush=True,
    )


def load_network(record: RunRecord) -> nn.Module:
    """Return the trained network of a record, on the CPU.

    Raises:
        HighwaysError: Its weights are not kept here, or are not the record's.
    """
    state = load_weights(record.run_key, record.weights_sha256)
    if state is None:
        raise HighwaysError(
            f"{record.run_key}: no weights at {weights_path(record.run_key)}; "
            "`highways run CONFIG --weights` trains the run again"
        )
    network = build_network(record.config, load(record.config.data))
    network.load_state_dict(state)
    return network
