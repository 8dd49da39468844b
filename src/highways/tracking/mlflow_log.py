"""MLflow, the window on the records: written live, and rebuilt from them at any time.

One experiment per notebook; in it one parent run per profile (the sweep) and one nested child per run. A child is found
by its profile and run key, so that bringing a record twice adds nothing. During training one thread makes all calls, in
order: training never waits for MLflow. The first error is one warning, and `highways tracking rebuild` brings the rest.
"""

from __future__ import annotations

import os
import queue
import threading
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from highways.config import RunConfig
from highways.data import fingerprint
from highways.tracking import mlflow_address as address
from highways.tracking import mlflow_runs as shown
from highways.tracking import mlflow_views as views
from highways.tracking.analyses import AnalysisRecord
from highways.tracking.events import EpochEnded, Event, Started
from highways.tracking.mlflow_bulk import Entry
from highways.tracking.mlflow_store import (
    ANALYSIS,
    SHA256,
    Store,
    has_record,
    import_mlflow,
    is_finished,
    locked,
    refused,
)
from highways.tracking.records import RunRecord

if TYPE_CHECKING:
    from mlflow.entities import Run

FLUSH_S = 5.0
"""Seconds between two writes of epochs while runs train."""
PATIENCE_S, EACH_S = 10.0, 0.1
"""Seconds that the end of a sweep waits for a server, and for each of its runs more."""
LOCAL_S = 300.0
"""Seconds that it waits for a local database, which answers or fails: on a busy machine making one takes a minute."""
SAY_S = 3.0
"""Seconds after which it says so."""
WARNED: set[str] = set()
"""Values of MLFLOW_TRACKING_URI about which this process has warned."""


class MlflowRuns:
    """The runs of one profile in one experiment; every call waits for MLflow, and raises what it raises.

    Args:
        profile: Name of the profile.
        experiment: Name of the notebook, and of the MLflow experiment.
        auxiliary: Keys of runs that no outcome counts.
    """

    def __init__(self, profile: str, experiment: str, auxiliary: Collection[str] = ()):
        self.profile, self.experiment, self.auxiliary = profile, experiment, set(auxiliary)
        self._live: dict[str, tuple[str, set[int]]] = {}
        """MLflow's id of each run that trains here, and its epochs that MLflow has."""
        self._epochs: dict[str, dict[int, dict[str, float]]] = {}
        """Those that it does not have yet."""
        self._flush_at = 0.0

    def open(self, configs: Mapping[str, RunConfig] | None = None, start_ms: int | None = None) -> None:
        """Find or create the parent run.

        Args:
            configs: Of the runs that will be trained, by key; `None` where no runs are brought, either.
            start_ms: When a new parent began.
        """
        self.store, self._configs = Store(self.experiment), dict(configs or {})
        with locked():
            runs = self.store.search(profile=self.profile, **({"kind": "sweep"} if configs is None else {}))
            parents = [run for run in runs if run.data.tags.get("kind") == "sweep"]
            if not parents:
                tags = shown.provenance(self.experiment, self.profile) | {"kind": "sweep"}
                parents = [self.store.create(f"{self.profile}: all of {self.experiment}", tags, start_ms)]
        self._parent = parents[0].info.run_id
        self._open = parents[0].info.status != "FINISHED" or bool(configs)
        if self._open:
            self.store.client.update_run(self._parent, status="RUNNING")
        self._runs = _by_key(runs)

    def start(self, keys: Iterable[str]) -> None:
        """Create the runs to which epochs are written while they train; of what was cut off earlier nothing is left."""
        for key in keys:
            if key in self._configs and key not in self._live:  # of a group that was cut off some have records
                for old in self._runs.pop(key, []):
                    self.store.client.delete_run(old.info.run_id)
                config, now = self._configs[key], int(time.time() * 1000)
                with locked():
                    (run_id,) = self.store.write([self._begun(config, key, fingerprint(config.data), now)])
                self._live[key] = run_id, set()

    def _begun(self, config: RunConfig, key: str, data: str, start_ms: int) -> Entry:
        """Return a run as it begins; `data` is the fingerprint of its data."""
        tags = shown.provenance(self.experiment, self.profile) | shown.run_tags(config, key)
        tags |= {"mlflow.parentRunId": self._parent, **self.store.own}
        tags[shown.NOTE] = shown.run_note(config, self.experiment, self.profile)
        if key in self.auxiliary:
            tags[shown.AUXILIARY] = "true"
        name, data_input = shown.run_name(config, key), shown.data_input(config, data)
        return Entry(name, tags, shown.settings(config), data_input, start_ms)

    def _finished(self, record: RunRecord, live: str, logged: Collection[int]) -> Entry:
        """Return a run as its record says; `live` is MLflow's id of the begun run, which has some epochs already."""
        (start, end), config = shown.interval(record), record.config
        run = self._begun(config, record.run_key, record.data_fingerprint, start)
        commit = str(record.environment.get("git_commit", "unknown"))
        tags = run.tags | shown.provenance(self.experiment, self.profile, commit)
        tags |= {SHA256: record.sha256, "status": record.status}
        tags[shown.NOTE] = shown.run_note(config, self.experiment, self.profile, record)
        metrics = shown.metrics_of(record, () if self.store.is_local else logged)  # a local database replaces them
        return replace(run, tags=tags, end=end, metrics=metrics, record=record.dumps(), run_id=live)

    def epoch(self, event: EpochEnded) -> None:
        """Take the epoch of a group; what has gathered is written every `FLUSH_S`."""
        for key, metrics in zip(event.keys, event.metrics, strict=True):
            if metrics is not None and key in self._live and event.epoch not in self._live[key][1]:
                self._epochs.setdefault(key, {})[event.epoch] = metrics
        if time.monotonic() >= self._flush_at:
            self._flush()
            self._flush_at = time.monotonic() + FLUSH_S

    def _flush(self) -> None:
        now, pending, self._epochs = int(time.time() * 1000), self._epochs, {}
        for key, epochs in pending.items():
            run_id, logged = self._live[key]
            values = [(shown.metric_name(n), v, now, epoch) for epoch, one in epochs.items() for n, v in one.items()]
            try:
                self.store.log(run_id, values)
                logged.update(epochs)
            except Exception:
                if not self.store.is_deleted(run_id):
                    raise
                del self._live[key]  # another process has brought the run's record

    def bring(self, records: Sequence[RunRecord]) -> Iterator[int]:
        """Write what MLflow lacks of records; yield how many it has. Other runs of their keys are deleted."""
        for record in records:
            self._configs.pop(record.run_key, None)  # it may come before the event that it begins
        lacking = [one for one in records if [has_record(run, one) for run in self._runs[one.run_key]] != [True]]
        size = max(1, len(lacking)) if self.store.is_local else 1
        for first in range(0, len(lacking), size):
            self._bring(lacking[first : first + size])
            yield len(records) - len(lacking) + first + size

    def _bring(self, records: Sequence[RunRecord]) -> None:
        only = {"run_key": records[0].run_key} if len(records) == 1 else {}
        entries = []
        with locked():
            found = _by_key(self.store.search(profile=self.profile, kind="run", **only))
            for record in records:
                runs = found[record.run_key]
                live, logged = self._live.pop(record.run_key, ("", set()))
                self._epochs.pop(record.run_key, None)
                kept = next((run.info.run_id for run in runs if has_record(run, record)), "")
                if not kept:
                    kept = next((run.info.run_id for run in runs if run.info.run_id == live), "")
                    entries.append(self._finished(record, kept, logged))
                for run in runs:
                    if run.info.run_id != kept:
                        self.store.client.delete_run(run.info.run_id)
            self.store.write(entries)

    def bring_analyses(self, records: Iterable[AnalysisRecord]) -> None:
        """Write what MLflow lacks of analyses: artifacts of the parent, metrics per layer of the analysed run."""
        parent = self.store.client.get_run(self._parent)
        for record in records:
            tag = {ANALYSIS + record.key: record.sha256}
            if not tag.items() <= parent.data.tags.items():
                self.store.client.log_text(self._parent, record.dumps(), f"analyses/{record.key}.json")
                self.store.log(self._parent, tags=tag)
            if record.config.run is not None:
                run_key = record.run.key(record.data_fingerprint)
                for run in self.store.search(profile=self.profile, run_key=run_key):
                    if not tag.items() <= run.data.tags.items():
                        self.store.log(run.info.run_id, shown.layers(record), tags=tag)

    def attach(self, files: Iterable[Path]) -> None:
        """Make tables and figures artifacts of the parent run."""
        for file in files:
            self.store.client.log_artifact(self._parent, str(file))

    def close(self, status: str = "FINISHED", title: str = "") -> None:
        """Sum up the runs in the parent, mark the best, and give the experiment its views and a note with `title`."""
        self._flush()
        runs = self.store.search(profile=self.profile, kind="run")
        finished, best = [run for run in runs if is_finished(run)], shown.best_of_cells(runs, self.auxiliary)
        end = max((run.info.end_time or 0 for run in finished), default=None)
        if end is not None:
            note = {shown.NOTE: shown.sweep_note(len(finished), self.experiment, self.profile)}
            self.store.log(self._parent, shown.sweep_summary(finished, best, end), tags=note)
        for run in runs:
            is_best = "true" if run in best else "false"
            tags = {views.BEST: is_best} if run.data.tags.get(views.BEST, "false") != is_best else {}
            if run.data.tags["run_key"] in self.auxiliary and shown.AUXILIARY not in run.data.tags:
                tags[shown.AUXILIARY] = "true"
            self.store.log(run.info.run_id, tags=tags)
        of_profile, number = views.views(self.profile, [run.data.tags for run in runs]), self.store.experiment_id
        tags = views.experiment_tags(title, self.experiment, number, of_profile, self.store.tags)
        self.store.tag_experiment(tags)
        if self._open:
            self.store.client.set_terminated(self._parent, status, end_time=end)


def _by_key(runs: Iterable[Run]) -> dict[str, list[Run]]:
    found: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        if (key := run.data.tags.get("run_key")) is not None:
            found[key].append(run)
    return found


class MlflowLog:
    """Writes the runs of one sweep to MLflow, all in one thread; a listener of training events. See `MlflowRuns`."""

    def __init__(self, profile: str, experiment: str, auxiliary: Collection[str] = ()):
        self.fault = ""
        """Why it does nothing more."""
        self._runs = MlflowRuns(profile, experiment, auxiliary)
        self._work: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="mlflow", daemon=True)
        self._count = 0
        try:
            import_mlflow()  # here: two threads that import at once may meet half a module
            os.environ.setdefault("MLFLOW_SQLALCHEMYSTORE_POOLCLASS", "NullPool")  # the database may be made again
            self._thread.start()
        except ImportError as error:
            self.fault = f"MLflow cannot be imported ({error})"

    def begin(self, finished: Iterable[RunRecord] = (), configs: Mapping[str, RunConfig] | None = None) -> None:
        """Open the parent run and bring the finished runs; `configs` are those that will be trained, by key."""
        records = list(finished)
        self._count = len(records) + len(configs or {})
        start = min((shown.interval(one)[0] for one in records), default=None)
        self._later(self._runs.open, configs or {}, start)
        self._later(self._bring, records)

    def __call__(self, event: Event) -> None:
        """Take a training event."""
        if isinstance(event, Started):
            self._later(self._runs.start, event.keys)
        elif isinstance(event, EpochEnded):
            self._later(self._runs.epoch, event)
        else:
            self._later(self._bring, [event.record])

    def bring_analyses(self, records: Iterable[AnalysisRecord]) -> None:
        """Bring analyses to MLflow; see `MlflowRuns.bring_analyses`."""
        self._later(self._runs.open)
        self._later(self._runs.bring_analyses, list(records))
        self._finish()

    def attach(self, files: Iterable[Path], title: str = "") -> None:
        """Bring tables and figures to MLflow, and sum up; `title` is one line about the experiment."""
        self._later(self._runs.open)
        self._later(self._runs.attach, list(files))
        self._later(self._runs.close, "FINISHED", title)
        self._finish()

    def end(self, complete: bool = True) -> None:
        """Close the parent run; what MLflow does not take in time is left to `highways tracking rebuild`."""
        self._later(self._runs.close, "FINISHED" if complete else "FAILED")
        self._finish()

    def _bring(self, records: Sequence[RunRecord]) -> None:
        for _ in self._runs.bring(records):
            pass

    def _later(self, call: Callable[..., object], *arguments: object) -> None:
        """Let the thread make a call; after a fault, of which the user is warned once, nobody takes it."""
        if self.fault:
            self._warn()
        else:
            self._work.put(partial(call, *arguments))

    def _run(self) -> None:
        while (call := self._work.get()) is not None and not self.fault:
            try:
                call()
            except Exception as error:
                self.fault = refused(error)

    def _finish(self) -> None:
        """Wait for the thread, and say so where that takes long."""
        self._work.put(None)
        given = os.environ.get("MLFLOW_TRACKING_URI", "")
        patience = LOCAL_S if not given or given.startswith("sqlite") else PATIENCE_S + EACH_S * self._count
        if self._thread.is_alive():
            self._thread.join(SAY_S)
        if self._thread.is_alive():
            print(f"{self._runs.experiment}: MLflow is being written ({patience:.0f} s at most)", flush=True)
            self._thread.join(patience)
        if self._thread.is_alive():
            self.fault = f"MLflow at {address.shown_uri()} is too slow: not all of it was taken in {patience:.0f} s"
        if self.fault:
            self._warn()

    def _warn(self) -> None:
        given = os.environ.get("MLFLOW_TRACKING_URI", "")
        if given not in WARNED:
            WARNED.add(given)
            text = "all records are whole, and training goes on: `highways tracking rebuild` brings them later"
            warnings.warn(f"{self.fault}; {text}", stacklevel=3)
