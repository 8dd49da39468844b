"""`sweep` trains a list of runs, `run` trains one; both skip finished runs and resume interrupted ones."""

import contextlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import pandas as pd
from torch import nn

from highways import paths
from highways.config import Profile, RunConfig
from highways.data import load
from highways.errors import HighwaysError
from highways.files import remove_strays
from highways.nn import build_network
from highways.tracking import Event, Listener, MlflowLog, RecordStore, RunRecord, Started, auxiliary_keys, run_keys
from highways.tracking.outcomes import columns
from highways.training import device as devices
from highways.training.checkpoints import ResumePoints, load_weights, locked, weights_path
from highways.training.engines import complete, engine_named, say_waiting, train_all
from highways.training.execute import Job, groups, train_job, trains_together
from highways.training.listeners import Progress, telling

ADHOC = "adhoc"
"""Profile and experiment of runs that belong to no notebook."""


class Sweep(list[RunRecord]):
    """The records of a sweep, in the order of its configurations."""

    def table(self) -> pd.DataFrame:
        """Return one row per run with the columns of `highways runs --where`: settings, and each curve's best value."""
        return pd.DataFrame(map(columns, self))


def train(settings: Profile, *, threads: int | None = None, mlflow: bool = True) -> Sweep:
    """Train a notebook's runs, portion by portion, and return their records in the listed order; see `sweep`."""
    how = {name: getattr(settings, name) for name in ("experiment", "profile", "engine", "workers", "device")}
    found: dict[RunConfig, RunRecord] = {}
    for portion in filter(None, settings.portions()):
        records = sweep(portion, auxiliary=auxiliary_keys(settings), threads=threads, mlflow=mlflow, **how)
        found |= zip(portion, records, strict=True)
    return Sweep(found[config] for config in settings.runs())


def sweep(
    configs: Sequence[RunConfig],
    *,
    experiment: str,
    profile: str,
    engine: str = "local",
    workers: int = 1,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    threads: int | None = None,
    mlflow: bool = True,
    auxiliary: Collection[str] = (),
    on_event: Listener | None = None,
) -> Sweep:
    """Train every configuration that has no record yet and return all records.

    Dense runs that differ only in what `highways.training.execute.FREE` lists are trained as one population, all others
    alone. Runs in training by another process are left to it: this one prints a message and waits for their records.

    Args:
        configs: The runs.
        experiment, profile: Where the records go, such as `01_depth` and `quick`; they name the MLflow experiment.
        engine: `local`, processes of this machine, or `ray`, the cluster at `RAY_ADDRESS`, else this machine.
        workers: Number of parallel processes; a cluster trains as many jobs as it has room for.
        device: See `highways.training.device.resolve`.
        threads: Threads of each worker; by default the cores divided by the workers.
        mlflow: Log to MLflow (one parent run for the sweep, a nested child for each run).
        auxiliary: Keys of runs that no outcome counts; MLflow marks none of them as the best.
        on_event: Receives every event, after progress and MLflow.

    Raises:
        HighwaysError: The data, a device or a record is at fault, or runs failed; finished runs keep their records.
    """
    by_key = dict(zip(keys := run_keys(configs), configs, strict=True))
    store = RecordStore(paths.Results(profile).of(experiment).runs)
    remove_strays(paths.Results(profile).folder, paths.root() / "checkpoints", paths.root() / "data" / "prepared")
    found = {key: record for key in by_key if (record := store.adopt(key)) is not None}
    threads = threads or max(1, devices.cores() // workers)
    how = {"records": store.folder, "device": device, "engine": engine, "workers": workers, "threads": threads}
    jobs = _jobs(configs, keys, set(found), how)
    with contextlib.closing(engine_named(engine, workers)) as trainer:
        if jobs:
            on_device = trainer.open(device, threads)
            jobs = [replace(job, device=on_device) for job in jobs]
        for data in dict.fromkeys(job.configs[0].data for job in jobs):
            load(data)  # once, here: workers would all fetch and prepare the same files
        missing = {key: config for key, config in by_key.items() if key not in found}
        log = MlflowLog(profile, experiment, auxiliary, [*found.values()], missing) if mlflow else None
        with telling(log, Progress(experiment, by_key, found, len(jobs)), on_event) as tell:
            failures = train_all(trainer, jobs, tell)
            if lost := [key for job, _ in failures for key in job.keys if store.read(key) is None]:
                first = f"the first of them {lost[0]}: {failures[0][1]}"
                raise HighwaysError(f"{len(lost)} of {len(by_key)} runs failed, {first}")
    records = dict(zip(by_key, store.read_all(by_key), strict=True))
    return Sweep(records[key] for key in keys)


def _jobs(configs: Sequence[RunConfig], keys: Sequence[str], finished: set[str], how: Mapping[str, Any]) -> list[Job]:
    """Return the groups with unfinished runs, longest first, so that no worker is left alone with a long one.

    Remove the resume point of a group that was interrupted after its last record.
    """
    jobs = []
    for group in groups(configs, keys):
        runs, names = tuple(configs[index] for index in group), tuple(keys[index] for index in group)
        job = Job(configs=runs, keys=names, population=trains_together(runs[0]), **how)
        if left := len(set(names) - finished):
            jobs.append((left * runs[0].network.work * runs[0].budget.epochs, job))
        elif (points := ResumePoints(job.group, job.population)).folder.exists():
            with locked(job.group) as free:
                if free:
                    points.remove(names)
    return [job for _, job in sorted(jobs, key=lambda one: one[0], reverse=True)]


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
    """Train one run the textbook way and return its record; do not train a run that has a record.

    With `weights`, a run whose final weights are missing is retrained, and a line says how they compare with the
    record. See `sweep` for the other arguments.

    Raises:
        HighwaysError: As for `sweep`; or the run diverged when it was retrained.
    """
    key = run_keys([config])[0]
    store = RecordStore(paths.Results(profile).of(experiment).runs)
    remove_strays(paths.Results(profile).folder, paths.root() / "checkpoints", paths.root() / "data" / "prepared")
    record = store.adopt(key)
    if record is not None and not (weights and record.status == "finished" and load_weights(key, None) is None):
        return record
    population, cores = False, devices.cores()
    if record is not None:  # retrained the way it was trained, it is equal to the bit
        print(f"{key}: its weights are not in {weights_path(key).parent}; training it again", flush=True)
        population = bool(record.engine.get("population"))
        cores = min(record.environment.get("threads", 1), cores)
    how = {"records": store.folder, "device": devices.resolve(device).type, "threads": threads or cores}
    job = Job((config,), (key,), population, weights=record is not None, **how)  # type: ignore[arg-type]
    finished, missing = ([], {key: config}) if record is None else ([record], {})
    log, said = MlflowLog(profile, experiment, (), finished, missing) if mlflow else None, set[str]()
    events: list[Event] = []
    with telling(log, on_event, events.append) as tell:
        while (records := complete(job, train_job, tell)) is None:
            say_waiting(job, said)
    if record is not None and any(isinstance(event, Started) for event in events):  # else another process trained it
        _compare(record, records[0])
    return records[0]


def _compare(record: RunRecord, trained: RunRecord) -> None:
    """Print how a run that was retrained for its weights compares with its record."""
    if trained.weights_sha256 is None:
        raise HighwaysError(f"{record.run_key}: diverged when trained again; no weights are available here")
    found = "the weights are those of the record, to the bit"
    if trained.weights_sha256 != record.weights_sha256:
        now, then = trained.last("train_cross_entropy"), record.last("train_cross_entropy")
        found = "the weights differ from the record's (another grouping, machine or version): "
        found += f"last training cross-entropy {now:.6g}, in the record {then:.6g}"
    print(f"{record.run_key}: {found}", flush=True)


def load_network(record: RunRecord) -> nn.Module:
    """Return the trained network of a record, on the CPU.

    Raises:
        HighwaysError: Its weights are missing, or they are not the record's.
    """
    state = load_weights(record.run_key, record.weights_sha256)
    if state is None:
        cure = "`highways run CONFIG --weights` trains the run again"
        raise HighwaysError(f"{record.run_key}: no weights at {weights_path(record.run_key)}; {cure}")
    network = build_network(record.config, load(record.config.data))
    network.load_state_dict(state)
    return network
