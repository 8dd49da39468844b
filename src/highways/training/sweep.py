"""`sweep`: train a list of runs; what is finished is not trained again, what was cut off goes on."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal

import pandas as pd

from highways import paths
from highways.config import Profile, RunConfig
from highways.data import load
from highways.errors import HighwaysError
from highways.files import remove_strays
from highways.tracking.events import Event, Finished, Listener
from highways.tracking.mlflow_log import MlflowLog
from highways.tracking.outcomes import auxiliary_keys
from highways.tracking.records import RecordStore, RunRecord, run_keys
from highways.training import device as devices
from highways.training.engines import engine_named, train_all
from highways.training.execute import Job
from highways.training.groups import groups, trains_together
from highways.training.progress import Progress
from highways.training.storing import remove_finished


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

    See `sweep` for the arguments; the engine is by default that of the parameters.

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

    Dense runs that agree in all but what `highways.training.groups.FREE` names are trained as one population, others
    alone. Runs that another process trains are left to it: their records are waited for, which is said.

    Args:
        configs: The runs.
        experiment, profile: Where the records go, such as `01_depth` and `quick`; the MLflow experiment.
        engine: `local`, in processes of this machine, or `ray`, on the cluster at `RAY_ADDRESS`, else on this machine.
        workers: Processes side by side; a cluster trains as many as it has room for.
        device: See `highways.training.device.resolve`.
        threads: Of each worker; by default the cores, divided among the workers.
        mlflow: Log to MLflow (one parent run for the sweep, a nested child for each run).
        auxiliary: Keys of runs that no outcome counts; MLflow marks none of them as the best.
        on_event: Told about every event, after progress and MLflow.

    Raises:
        HighwaysError: Bad input; runs that failed again and again, all others being finished; a full disk.
    """
    by_key = dict(zip(keys := run_keys(configs), configs, strict=True))
    store = RecordStore(paths.Results(profile).of(experiment).runs)
    remove_strays(paths.Results(profile).folder, paths.checkpoints(), paths.root() / "data" / "prepared")
    found = {key: record for key in by_key if (record := store.adopt(key)) is not None}
    threads = threads or max(1, devices.cores() // workers)
    how = {"records": store.folder, "engine": engine, "workers": workers, "threads": threads}
    with contextlib.closing(engine_named(engine, workers)) as trainer:
        how["device"] = trainer.open(device, threads) if len(found) < len(by_key) else "cpu"
        jobs = _jobs(configs, keys, set(found), how)
        for data in dict.fromkeys(job.configs[0].data for job in jobs):
            load(data)  # here, once: workers would fetch and prepare the same files side by side
        log = MlflowLog(profile, experiment, auxiliary=auxiliary) if mlflow else None
        progress = Progress(experiment, by_key, set(found), jobs)
        watch = _Watch(set(found), [one for one in (progress, log, on_event) if one is not None])
        if log is not None:
            log.begin(found.values(), {key: by_key[key] for key in by_key if key not in found})
        try:
            failures = train_all(trainer, jobs, watch)
        finally:
            progress.close()
            if log is not None:
                log.end(complete=len(watch.finished) == len(by_key))
    if lost := [key for job, _ in failures for key in job.keys if key not in watch.finished]:
        raise HighwaysError(f"{len(lost)} of {len(by_key)} runs failed, the first of them {lost[0]}: {failures[0][1]}")
    if watch.complaints:
        raise watch.complaints[0]
    records = dict(zip(by_key, store.read_all(by_key), strict=True))
    return Sweep(records[key] for key in keys)


class _Watch:
    """Tells listeners of every event, one call at a time; one that fails does not stop the training."""

    def __init__(self, finished: set[str], listeners: Sequence[Listener]):
        self.finished, self.listeners = finished, listeners
        self.complaints: list[Exception] = []
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        with self._lock:
            if isinstance(event, Finished):
                if event.record.run_key in self.finished:  # its group was gone through once more
                    return
                self.finished.add(event.record.run_key)
            for listener in self.listeners:
                try:
                    listener(event)
                except Exception as error:
                    self.complaints.append(error)


def _jobs(configs: Sequence[RunConfig], keys: Sequence[str], finished: set[str], how: Mapping[str, Any]) -> list[Job]:
    """Return the groups with runs that are left, the longest first, so that no worker is left alone with it."""
    jobs = []
    for group in groups(configs, keys):
        runs, names = tuple(configs[index] for index in group), tuple(keys[index] for index in group)
        job = Job(configs=runs, keys=names, population=trains_together(runs[0]), **how)
        if finished.issuperset(names):
            remove_finished(job)
        else:
            config, left = runs[0], len(set(names) - finished)
            jobs.append((left * config.network.work * config.budget.epochs, job))
    return [job for _, job in sorted(jobs, key=lambda one: one[0], reverse=True)]
