"""`sweep`: train a list of runs; what is finished is not trained again, what was cut off goes on."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Literal

import pandas as pd

from highways import paths
from highways.config import Profile, RunConfig
from highways.data import Images, load
from highways.errors import HighwaysError
from highways.files import remove_strays
from highways.tracking.events import Event, Finished, Listener
from highways.tracking.mlflow_log import MlflowLog
from highways.tracking.outcomes import auxiliary_keys
from highways.tracking.records import RecordStore, RunRecord, run_keys
from highways.training import device as devices
from highways.training.checkpoints import ResumePoint, claimed, weights_path
from highways.training.engines import engine_named
from highways.training.execute import Job
from highways.training.groups import groups, parts, pending, trains_together
from highways.training.memory import population_bytes
from highways.training.progress import Progress


class Sweep(list[RunRecord]):
    """The records of a sweep, in the order of its configurations."""

    def table(self) -> pd.DataFrame:
        """Return one row a run: key, status, every setting, best and last value of every curve."""
        rows = []
        for record in self:
            row = {"run_key": record.run_key, "status": record.status, "parameters": record.parameters}
            row |= record.config.flat()
            row |= {f"last_{name}": record.last(name) for name in sorted(record.curves)}
            row["best_train_cross_entropy"] = record.best()
            rows.append(row)
        return pd.DataFrame(rows)


def train(settings: Profile, *, engine: str | None = None, threads: int | None = None, mlflow: bool = True) -> Sweep:
    """Train all runs of a notebook's parameters, portion by portion, and return their records in the listed order.

    Args:
        settings: The parameters.
        engine: See `sweep`, as for the others; by default that of the parameters.
        threads: Of each worker.
        mlflow: Log to MLflow.

    Raises:
        HighwaysError: See `sweep`.
        NotYet: The runs follow from results of an earlier stage, which has not been run.
    """
    found: dict[RunConfig, RunRecord] = {}
    for portion in settings.portions():
        if portion:
            records = sweep(
                portion,
                experiment=settings.experiment,
                profile=settings.profile,
                engine=engine or settings.engine,
                workers=settings.workers,
                device=settings.device,
                threads=threads,
                mlflow=mlflow,
                auxiliary=auxiliary_keys(settings),
            )
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

    Dense runs that agree in shape, operations, batches and steps are trained as one population, all other
    runs one by one. Runs that another process trains are left to it: their records are waited for, which is said.

    Args:
        configs: The runs.
        experiment: Name of the records' folder and of the MLflow experiment, such as `01_depth`.
        profile: Name of the profile, such as `quick`.
        engine: `local`, in processes of this machine, or `ray`: on the cluster at `RAY_ADDRESS`, else on the cores
            of this machine.
        workers: Processes that train beside each other; a cluster trains as many as it has room for.
        device: See `highways.training.device.resolve`.
        threads: Of each worker; by default the cores, divided among the workers.
        mlflow: Log to MLflow (one parent run for the sweep, a nested child for each run).
        auxiliary: Keys of runs that no outcome counts; MLflow marks none of them as the best.
        on_event: Told about every event beside progress and MLflow.

    Raises:
        HighwaysError: Bad input, or runs that failed again and again; all others are finished then. Or something
            cannot be written; then the training stops.
    """
    trainer = engine_named(engine, workers)
    keys = run_keys(configs)
    by_key = dict(zip(keys, configs, strict=True))
    store = RecordStore(paths.Results(profile).of(experiment).runs)
    remove_strays(paths.Results(profile).folder, paths.checkpoints(), paths.root() / "data" / "prepared")
    found = {key: record for key in by_key if (record := store.adopt(key)) is not None}
    watch = _Watch([] if on_event is None else [on_event])

    how: dict[str, Any] = {"records": store.folder, "engine": engine, "workers": workers}
    how["threads"] = threads or max(1, devices.cores() // workers)
    with contextlib.closing(trainer):
        how["device"] = trainer.open(device, how["threads"]) if len(found) < len(by_key) else "cpu"
        most = trainer.memory(how["device"], how["threads"]) if len(found) < len(by_key) else 0
        _forget(found)
        jobs = _jobs(configs, keys, set(found), how, most)
        for data in dict.fromkeys(job.configs[0].data for job in jobs):
            load(data)  # here, once: workers would fetch and prepare the same files side by side
        log = MlflowLog(profile, experiment, auxiliary=auxiliary) if mlflow else None
        with _told(watch, experiment, by_key, found, jobs, log):
            failures = trainer.train(jobs, watch) if jobs else []
    if failures:
        lost = sum(len(job.keys) for job, _ in failures)
        job, reason = failures[0]
        raise HighwaysError(f"{lost} of {len(by_key)} runs failed, the first of them {job.keys[0]}: {reason}")
    if watch.complaints:
        raise watch.complaints[0]
    records = {record.run_key: record for record in store.read_all(by_key)}
    return Sweep(records[key] for key in keys)


@contextlib.contextmanager
def _told(
    watch: _Watch,
    experiment: str,
    runs: dict[str, RunConfig],
    found: dict[str, RunRecord],
    jobs: Sequence[Job],
    log: MlflowLog | None,
) -> Iterator[None]:
    """Tell progress lines and MLflow what happens in the block.

    Args:
        watch: They are added to its listeners, before those that it has.
        experiment: Name of the experiment.
        runs: All of the sweep, by key.
        found: The records that stand.
        jobs: What is left to train.
        log: MLflow's, where it is used.
    """
    progress = Progress(experiment, total=len(runs), done=set(found), jobs=jobs)
    watch.listeners = [progress, *([] if log is None else [log]), *watch.listeners]
    if log is not None:
        log.begin(found.values(), {key: runs[key] for job in jobs for key in job.keys if key not in found})
    try:
        yield
    finally:
        progress.close()
        if log is not None:
            log.end(complete=len(found.keys() | watch.trained) == len(runs))


class _Watch:
    """Tells listeners of every event; one that fails does not stop the training.

    Args:
        listeners: In the order in which they are told.
    """

    def __init__(self, listeners: Sequence[Listener]):
        self.listeners = list(listeners)
        self.trained: set[str] = set()
        self.complaints: list[Exception] = []

    def __call__(self, event: Event) -> None:
        if isinstance(event, Finished):
            if event.record.run_key in self.trained:  # its group was gone through once more
                return
            self.trained.add(event.record.run_key)
        for listener in self.listeners:
            try:
                listener(event)
            except Exception as error:
                self.complaints.append(error)


def _forget(found: Mapping[str, RunRecord]) -> None:
    """Remove the resume points of groups that were stopped after their last record.

    Where the weights that a record names are missing they may be in training again (`run --weights`): that one stays.
    """
    whole = {key for key, one in found.items() if one.weights_sha256 is None or weights_path(key).exists()}
    for point in ResumePoint.all():
        if set(point.keys) <= whole:
            with claimed(point.keys, point.population) as other:
                if other is None:
                    point.remove()


def _jobs(
    configs: Sequence[RunConfig], keys: Sequence[str], finished: set[str], how: dict[str, Any], most: int
) -> list[Job]:
    """Return what is left to train, the longest first, so that no worker is left alone with it.

    Args:
        configs: All runs of the sweep.
        keys: Theirs.
        finished: Keys of those that have a record.
        how: The other attributes of the jobs.
        most: Bytes that a job may hold.
    """
    by_key = dict(zip(keys, configs, strict=True))
    points = ResumePoint.all()
    jobs = []
    for group in _fitting(groups(configs, keys), configs, keys, finished, most, how["device"]):
        population = trains_together(configs[group[0]])
        candidates = [point for point in points if point.population == population]
        for portion in pending([keys[index] for index in group], finished, candidates):
            runs = tuple(by_key[key] for key in portion)
            jobs.append(Job(configs=runs, keys=tuple(portion), population=population, **how))
    return sorted(jobs, key=_cost, reverse=True)


def _fitting(
    found: list[list[int]],
    configs: Sequence[RunConfig],
    keys: Sequence[str],
    finished: set[str],
    most: int,
    device: str,
) -> list[list[int]]:
    """Return groups, those that would not fit into memory in parts, which is said; see `_jobs`."""
    fitting: list[list[int]] = []
    for group in found:
        config = configs[group[0]]
        if len(group) == 1 or all(keys[index] in finished for index in group):
            fitting.append(group)
            continue
        data = load(config.data)
        assert isinstance(data, Images)
        size = population_bytes(config, len(group), data.features, data.classes, device)
        split = parts(group, size, most)
        if len(split) > 1:
            sizes = f"{size / 1e9:.3g} GB, and a process may have {most / 1e9:.3g}"
            networks = f"{len(group)} networks of {config.network.depth} layers together"
            print(f"{networks} would need {sizes}: trained in {len(split)} parts", flush=True)
        fitting += split
    return fitting


def _cost(job: Job) -> float:
    """Return a number that grows with a job's time."""
    config = job.configs[0]
    return len(job.keys) * config.network.work * config.budget.epochs
