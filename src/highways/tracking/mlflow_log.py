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
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from highways.config import RunConfig
from highways.data import fingerprint
from highways.tracking import mlflow_address as address
from highways.tracking import mlflow_runs as shown
from highways.tracking import mlflow_views as views
from highways.tracking.analyses import AnalysisRecord
from highways.tracking.events import EpochEnded, Event, Started
from highways.tracking.mlflow_store import (
    ANALYSIS,
    RECORD,
    SHA256,
    Store,
    connect,
    import_mlflow,
    is_finished,
    locked,
    read_analyses,
    read_records,
    refused,
)
from highways.tracking.records import RunRecord

if TYPE_CHECKING:
    from mlflow.entities import Run

__all__ = ["MlflowLog", "MlflowRuns", "connect", "read_analyses", "read_records"]

LAYOUT = "3"
"""Version of how runs are written, a tag of each; those of an earlier one are written again."""
FLUSH_S = 5.0
"""Seconds between two writes of epochs while runs train."""
PATIENCE_S, EACH_S = 10.0, 0.1
"""Seconds that the end of a sweep waits for MLflow, and for each thing that is not written yet."""
WARNED: set[str] = set()
"""Values of MLFLOW_TRACKING_URI about which this process has warned; it waits a fifth as long for them."""

Epochs = dict[int, dict[str, float]]
"""Of a run, by epoch."""


class MlflowRuns:
    """The runs of one profile in one experiment; every call waits for MLflow, and raises what it raises.

    Args:
        profile: Name of the profile.
        experiment: Name of the notebook, and of the MLflow experiment.
        auxiliary: Keys of runs that no outcome counts.
        thorough: Compare artifacts with the records, not only checksums in tags.
    """

    def __init__(self, profile: str, experiment: str, auxiliary: Collection[str] = (), thorough: bool = False):
        self.profile, self.experiment, self.auxiliary, self.thorough = profile, experiment, set(auxiliary), thorough
        self._live: dict[str, tuple[str, Epochs]] = {}
        """MLflow's id of each run that trains here, and its epochs that MLflow has."""
        self._epochs: dict[str, Epochs] = {}
        """Those that it does not have yet."""
        self._flush_at = 0.0

    def open(self, configs: Mapping[str, RunConfig] | None = None, start_ms: int | None = None) -> None:
        """Find or create the parent run; `configs` are those of the runs that will be trained, by key."""
        self.store, self._configs = Store(self.experiment), configs or {}
        self._runs: dict[str, list[Run]] = {}  # by key
        with locked():
            runs = self.store.search(profile=self.profile)
            parents = [run for run in runs if run.data.tags.get("kind") == "sweep"]
            if not parents:
                tags = shown.provenance(self.experiment, self.profile) | {"kind": "sweep"}
                parents = [self.store.create(f"{self.profile}: all of {self.experiment}", tags, start_ms)]
        self._parent = parents[0].info.run_id
        self._open = parents[0].info.status != "FINISHED" or bool(configs)
        if self._open:
            self.store.client.update_run(self._parent, status="RUNNING")
        for run in runs:
            if (key := run.data.tags.get("run_key")) is not None:
                self._runs.setdefault(key, []).append(run)

    def _create(self, config: RunConfig, key: str, data: str, start_ms: int, commit: str = "") -> str:
        """Create a child and return its id; `commit` is that of a record, `data` the fingerprint of its data."""
        tags = shown.provenance(self.experiment, self.profile) | shown.run_tags(config, key)
        tags |= {"mlflow.parentRunId": self._parent, shown.NOTE: shown.run_note(config, self.experiment, self.profile)}
        if commit:
            tags |= {"git_commit": commit, "mlflow.source.git.commit": commit.removesuffix("-dirty")}
        if key in self.auxiliary:
            tags[shown.AUXILIARY] = "true"
        run_id = self.store.create(shown.run_name(config, key), tags, start_ms).info.run_id
        self.store.client.log_inputs(run_id, [shown.data_input(config, data)])
        return run_id

    def start(self, keys: Iterable[str]) -> None:
        """Create the runs to which epochs are written while they train; of what was cut off earlier nothing is left."""
        for key in keys:
            if key in self._configs and key not in self._live:  # of a group that was cut off some have records
                for old in self._runs.pop(key, []):
                    self.store.client.delete_run(old.info.run_id)
                config, now = self._configs[key], int(time.time() * 1000)
                self._live[key] = self._create(config, key, fingerprint(config.data), now), {}
                self.store.log(self._live[key][0], params=shown.settings(config))

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
            if self.store.log(run_id, values):
                logged |= epochs
            else:
                del self._live[key]  # another process has brought the run's record

    def bring(self, record: RunRecord) -> None:
        """Write what MLflow lacks of a record; any other run of its key is deleted."""
        key = record.run_key
        live, logged = self._live.pop(key, ("", {}))
        self._epochs.pop(key, None)
        found = self._runs.get(key, [])
        if len(found) != 1 or not self._is_whole(found[0], record):
            with locked():
                found = self.store.search(profile=self.profile, run_key=key)
                whole = [run for run in found if self._is_whole(run, record)]
                there = live in [run.info.run_id for run in found] and _agrees(record, logged)
                kept = whole[0].info.run_id if whole else self._write(record, live if there else "", logged)
                for run in found:
                    if run.info.run_id != kept:
                        self.store.client.delete_run(run.info.run_id)

    def _is_whole(self, run: Run, record: RunRecord) -> bool:
        expected = {SHA256: _sha256(record), "mlflow.parentRunId": self._parent, "highways.layout": LAYOUT}
        if not is_finished(run) or not expected.items() <= run.data.tags.items():
            return False
        return not self.thorough or self._has(run, RECORD, record.dumps())

    def _has(self, run: Run, path: str, text: str) -> bool:
        try:
            return self.store.read(run, path) == text
        except Exception:  # it is missing or no text; whether MLflow answers is seen when it is written
            return False

    def _write(self, record: RunRecord, run_id: str, logged: Epochs) -> str:
        """Write a record to the run that was begun for it, else to a new one; return the run's id."""
        start, end = shown.interval(record)
        if run_id:
            began = self.store.client.get_run(run_id).info.start_time
            end = began + end - start  # so that the duration is the run's own
        else:
            commit, logged = str(record.environment.get("git_commit", "unknown")), {}
            run_id = self._create(record.config, record.run_key, record.data_fingerprint, start, commit)
        tags = {
            "status": record.status,
            SHA256: _sha256(record),
            "highways.layout": LAYOUT,
            shown.NOTE: shown.run_note(record.config, self.experiment, self.profile, record),
        }
        self.store.client.log_text(run_id, record.dumps(), RECORD)
        self.store.log(
            run_id, shown.curves(record, logged) + shown.outcome(record), shown.settings(record.config), tags
        )
        self.store.client.set_terminated(run_id, "FINISHED", end_time=end)  # last: what is FINISHED is whole
        return run_id

    def bring_analyses(self, records: Iterable[AnalysisRecord]) -> None:
        """Write what MLflow lacks of analyses: artifacts of the parent, metrics per layer of the analysed run."""
        parent = self.store.client.get_run(self._parent)
        for record in records:
            tag, path = {ANALYSIS + record.key: _sha256(record)}, f"analyses/{record.key}.json"
            if not tag.items() <= parent.data.tags.items() or (
                self.thorough and not self._has(parent, path, record.dumps())
            ):
                self.store.client.log_text(self._parent, record.dumps(), path)
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
            note = {shown.NOTE: shown.sweep_note(finished, best, self.experiment, self.profile)}
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


def _sha256(record: RunRecord | AnalysisRecord) -> str:
    return record.content()["sha256"]


def _agrees(record: RunRecord, logged: Epochs) -> bool:
    """Return whether the epochs that were logged live are those of the record, which decides."""
    return all(
        record.curves.get(name, [])[epoch - 1 : epoch] == [value]
        for epoch, values in logged.items()
        for name, value in values.items()
    )


class MlflowLog:
    """Writes the runs of one sweep to MLflow, all in one thread; a listener of training events. See `MlflowRuns`."""

    def __init__(self, profile: str, experiment: str, auxiliary: Collection[str] = ()):
        self.fault = ""
        """Why it does nothing more."""
        self._runs = MlflowRuns(profile, experiment, auxiliary)
        self._work: queue.SimpleQueue[tuple[Callable[..., None], tuple[Any, ...]] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def begin(self, finished: Iterable[RunRecord] = (), configs: Mapping[str, RunConfig] | None = None) -> None:
        """Open the parent run and bring the finished runs; `configs` are those that will be trained, by key."""
        records = list(finished)
        self._later(self._runs.open, configs, min((shown.interval(one)[0] for one in records), default=None))
        for record in records:
            self._later(self._runs.bring, record)

    def __call__(self, event: Event) -> None:
        """Take a training event."""
        if isinstance(event, Started):
            self._later(self._runs.start, event.keys)
        elif isinstance(event, EpochEnded):
            self._later(self._runs.epoch, event)
        else:
            self._later(self._runs.bring, event.record)
        self._warn()

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
        """Close the parent run; what MLflow does not take in a few seconds is left to `highways tracking rebuild`."""
        self._later(self._runs.close, "FINISHED" if complete else "FAILED")
        self._finish()

    def _later(self, method: Callable[..., None], *arguments: Any) -> None:
        if self._thread is None and not self.fault:
            try:
                import_mlflow()  # here: two threads that import at once may meet half a module
                os.environ.setdefault("MLFLOW_SQLALCHEMYSTORE_POOLCLASS", "NullPool")  # the database may be made again
            except ImportError as error:
                self.fault = f"MLflow cannot be imported ({error})"
            self._thread = threading.Thread(target=self._run, name="mlflow", daemon=True)
            self._thread.start()
        if not self.fault:
            self._work.put((method, arguments))

    def _run(self) -> None:
        while (work := self._work.get()) is not None and not self.fault:
            try:
                work[0](*work[1])
            except Exception as error:
                self.fault = refused(error)

    def _finish(self) -> None:
        patience = PATIENCE_S / (5 if _given() in WARNED else 1) + EACH_S * self._work.qsize()
        self._work.put(None)
        if self._thread is not None and not self.fault:
            self._thread.join(patience)
            if self._thread.is_alive():
                self.fault = f"MLflow at {address.shown_uri()} is too slow: not all of it was taken in {patience:.0f} s"
        self._warn()

    def _warn(self) -> None:
        if self.fault and _given() not in WARNED:
            WARNED.add(_given())
            text = "all records are whole, and training goes on: `highways tracking rebuild` brings them later"
            warnings.warn(f"{self.fault}; {text}", stacklevel=3)


def _given() -> str:
    return os.environ.get("MLFLOW_TRACKING_URI", "")
