"""MLflow, a view of the records: written live, and rebuilt from them at any time.

One experiment per notebook, with one parent run per profile (the sweep) and one nested child per run. Profile and run
key identify a child, so writing a record twice adds nothing. During training one thread makes all calls, in order:
training never waits for MLflow. It stops at the first error, with a warning; `highways tracking rebuild` adds the rest.
"""

from __future__ import annotations

import contextlib
import os
import queue
import tempfile
import threading
import time
import uuid
import warnings
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from highways.config import RunConfig
from highways.errors import HighwaysError
from highways.tracking import mlflow_runs as shown
from highways.tracking import mlflow_store as store
from highways.tracking.events import EpochEnded, Event, Started
from highways.tracking.mlflow_page import experiment_tags, views
from highways.tracking.mlflow_runs import AUXILIARY, BEST, NOTE, RECORD, SHA256, Entry
from highways.tracking.records import AnalysisRecord, R, RunRecord

if TYPE_CHECKING:
    from mlflow.entities import Metric, Run

PARENT = "mlflow.parentRunId"
ANALYSIS = "analysis."
"""Prefix of a sweep's tags, followed by an analysis's key; the value is the checksum of the analysis's record."""
FLUSH_S = 5.0
"""Seconds between two writes of epoch metrics while runs train."""
PATIENCE_S, LOCAL_S = 10.0, 300.0
"""Seconds that the end of a sweep waits: for a server, plus a tenth per run; for a local database, which either answers
or fails (on a busy machine, creating one takes a minute)."""
WARNED: set[str] = set()
"""Values of MLFLOW_TRACKING_URI that this process has warned about."""


@dataclass
class MlflowRuns:
    """The MLflow runs of one profile and experiment that this checkout wrote; every call waits for MLflow."""

    profile: str
    experiment: str
    auxiliary: Collection[str] = ()
    """Keys of auxiliary runs, which no outcome counts."""
    configs: dict[str, RunConfig] = field(default_factory=dict)
    """Runs that may still train, by key; writing a run's record removes it."""
    create: bool = True
    """Create the experiment if it does not exist."""

    def __post_init__(self) -> None:
        place = store.where()
        self._live: dict[str, tuple[str, list[Metric]]] = {}
        """Runs that train here, by key: MLflow's id, and metrics not yet written."""
        self._flush_at, self._parent = 0.0, ""
        self.client = store.connect(self.create)
        self.own = {} if place.is_own else {"highways.checkout": store.checkout_id()}
        """Tag of a run on a shared server or database, naming the checkout that wrote it."""
        # A server knows where its artifacts go; for a database, MLflow would use the current folder.
        location = None if place.is_served else (store.folder() / "artifacts" / self.experiment).as_uri()
        self.home: Any = self.client.get_experiment_by_name(self.experiment)
        if self.home is None and self.create:
            with contextlib.suppress(Exception):  # another process may create it at the same time
                tags = {"mlflow.experimentKind": "custom_model_development"}
                self.client.create_experiment(self.experiment, location, tags)
            self.home = self.client.get_experiment_by_name(self.experiment)
        elif self.home is not None and self.create and self.home.lifecycle_stage == "deleted":  # in the MLflow UI
            self.client.restore_experiment(self.home.experiment_id)
        if self.home is not None and place.is_own and self.home.artifact_location != location:
            moved = "belongs to another folder (was the checkout moved or copied?)"
            raise HighwaysError(f"{place.database} {moved}: {store.FRESH}")
        has_files = self.home is not None and self.home.artifact_location.startswith("file:")
        self._database = place.database if has_files else None
        """The local database, if artifacts are local files as well: runs are then written in batches."""

    def search(self, *conditions: str, **tags: str) -> list[Run]:
        """Return the runs that have the given tags and meet the conditions, the earliest first."""
        if self.home is None:
            return []
        tags |= {"profile": self.profile, **self.own}
        query = " and ".join([*conditions, *(f"tags.`{name}` = '{value}'" for name, value in tags.items())])
        order, most = ["attributes.start_time"], 50_000  # the most that every server returns at once
        return self.client.search_runs([self.home.experiment_id], query, max_results=most, order_by=order)

    def parent(self, start_ms: int | None = None) -> str:
        """Return MLflow's id of the sweep, creating the sweep with this start time if there is none."""
        if not self._parent:
            with store.locked():
                if not (there := self.search(kind="sweep")):
                    tags = shown.provenance(self.profile, self.experiment) | {"kind": "sweep"} | self.own
                    name = f"{self.profile}: all of {self.experiment}"
                    there = [self.client.create_run(self.home.experiment_id, start_ms, tags, name)]
                self._parent = there[0].info.run_id
            if self.configs:
                self.client.update_run(self._parent, "RUNNING")
        return self._parent

    def take(self, event: Event) -> None:
        """Handle a training event; epoch metrics are collected and written every `FLUSH_S` seconds."""
        from mlflow.entities import Metric

        if isinstance(event, Started):
            self._start([key for key in event.keys if key in self.configs])
        elif isinstance(event, EpochEnded):
            now = int(time.time() * 1000)
            for key, metrics in zip(event.keys, event.metrics, strict=True):
                if metrics is not None and key in self._live:
                    values = [Metric(name.replace("_", "/", 1), one, now, event.epoch) for name, one in metrics.items()]
                    self._live[key][1].extend(values)
            if time.monotonic() >= self._flush_at:
                self._flush()
                self._flush_at = time.monotonic() + FLUSH_S
        else:
            list(self.bring([event.record]))

    def _start(self, keys: Sequence[str]) -> None:
        """Create the runs that receive epoch metrics, and delete interrupted earlier ones of the same keys."""
        entries = [self._entry(self.configs[key], key) for key in keys]
        with store.locked():
            for run in self.search("attributes.status = 'RUNNING'", kind="run"):
                if run.data.tags["run_key"] in keys:
                    self.client.delete_run(run.info.run_id)
            self._live |= {key: (run_id, []) for key, run_id in zip(keys, self._write(entries), strict=True)}

    def _flush(self) -> None:
        for run_id, metrics in self._live.values():
            self.client.log_batch(run_id, metrics)
            metrics.clear()

    def bring(self, records: Sequence[RunRecord]) -> Iterator[int]:
        """Write the records that MLflow lacks, and delete other runs of their keys; yield how many are done."""
        self.parent(min((shown.interval(record)[0] for record in records), default=None))
        at_once = 50 if self._database is None else max(1, len(records))  # other processes wait for the lock
        for first in range(0, len(records), at_once):
            chosen = records[first : first + at_once]
            with store.locked():
                runs = defaultdict(list)
                for run in self.search(kind="run", **({"run_key": chosen[0].run_key} if len(chosen) == 1 else {})):
                    runs[run.data.tags["run_key"]].append(run)
                self._write([entry for one in chosen for entry in self._completed(one, runs[one.run_key])])
            yield first + len(chosen)

    def _completed(self, record: RunRecord, runs: Sequence[Run]) -> Iterator[Entry]:
        """Yield the entry to write for a record: to the run that trains, here or elsewhere, otherwise to a new run."""
        key = record.run_key
        self.configs.pop(key, None)  # the record may arrive before the run's `Started` event
        self._live.pop(key, None)
        whole = next((run for run in runs if self._has(run, record)), None)
        sums = (None, record.sha256)  # of a run in training, and of one that lacks a tag or its artifact
        kept = whole or next((run for run in runs if run.data.tags.get(SHA256) in sums), None)
        for run in runs:
            if run is not kept:
                self.client.delete_run(run.info.run_id)
        if whole is None:
            entry = self._entry(record.config, key, record)
            entry.run = kept
            yield entry

    def _has(self, run: Run, record: RunRecord) -> bool:
        """Return whether a run holds a record, judged by its tags and, if local, by its artifact."""
        file, tags = _local(run, RECORD), run.data.tags
        return (
            run.info.status == "FINISHED"
            and tags.get(PARENT) == self.parent()  # the parent may have been deleted and created again
            and tags.get(SHA256) == record.sha256
            and (AUXILIARY in tags or record.run_key not in self.auxiliary)
            and (file is None or (file.is_file() and file.read_text("utf-8", errors="replace") == record.dumps()))
        )

    def _entry(self, config: RunConfig, key: str, record: RunRecord | None = None) -> Entry:
        entry = shown.entry_of(self.profile, self.experiment, config, key, record)
        entry.tags |= {PARENT: self.parent(), **self.own}
        if key in self.auxiliary:
            entry.tags[AUXILIARY] = "true"
        return entry

    def _write(self, entries: Sequence[Entry]) -> list[str]:
        """Write runs in full, updating those that have an id, and return all ids."""
        if self._database is None:
            return [self._send(entry) for entry in entries]
        runs = {entry.run.info.run_id if entry.run else uuid.uuid4().hex: entry for entry in entries}
        store.write_runs(self._database, self.home.experiment_id, self.home.artifact_location, runs)
        return [*runs]

    def _send(self, entry: Entry) -> str:
        """Write a run through MLflow's API, as to a server, and return its id."""
        from mlflow.entities import DatasetInput, Param, RunTag

        run = entry.run or self.client.create_run(self.home.experiment_id, entry.start, entry.tags, entry.name)
        run_id, start = run.info.run_id, run.info.start_time
        there = {(name, one.step) for name in run.data.metrics for one in self.client.get_metric_history(run_id, name)}
        metrics = [metric for metric in entry.metrics if (metric.key, metric.step) not in there]
        params, tags = [Param(*pair) for pair in entry.params.items()], [RunTag(*pair) for pair in entry.tags.items()]
        self.client.log_inputs(run_id, [DatasetInput(entry.data)])
        self.client.log_batch(run_id, metrics, params, tags)
        if entry.end is not None:
            self.client.log_text(run_id, entry.record, RECORD)
            end = start + entry.end - entry.start  # the run's own duration, not its group's
            self.client.set_terminated(run_id, "FINISHED", end)  # last: a FINISHED run is complete
        return run_id

    def bring_analyses(self, records: Iterable[AnalysisRecord]) -> None:
        """Write the analyses that MLflow lacks, as artifacts of the parent."""
        there = self.client.get_run(self.parent()).data.tags
        for record in records:
            name, sha256 = ANALYSIS + record.key, record.sha256
            if there.get(name) != sha256:
                self.client.log_text(self.parent(), record.dumps(), f"analyses/{record.key}.json")
                self.client.set_tag(self.parent(), name, sha256)

    def close(self, status: str = "FINISHED", title: str = "", files: Iterable[Path] = ()) -> None:
        """Mark the best runs, attach files to the parent and end it, and set the experiment's views and note."""
        self._flush()
        for file in files:
            self.client.log_artifact(self.parent(), str(file))
        runs = self.search(kind="run")
        best = shown.best_of_cells(runs)
        for run in runs:
            if run.data.tags[BEST] != (mark := "true" if run in best else "false"):
                self.client.set_tag(run.info.run_id, BEST, mark)
        note = f"`{self.experiment}@{self.profile}`: **parent of {len(runs)} runs**, with tables, figures and analyses."
        self.client.set_tag(self.parent(), NOTE, note)
        self.client.log_batch(self.parent(), shown.of_sweep(runs, best))
        found = views(self.profile, [run.data.tags for run in runs])
        found |= experiment_tags(title, self.experiment, self.home.experiment_id, self.home.tags | found)
        for name, value in found.items() - self.home.tags.items():
            self.client.set_experiment_tag(self.home.experiment_id, name, value)
        self.client.set_terminated(self.parent(), status, max((run.info.end_time or 0 for run in runs), default=None))


def _local(run: Run, path: str) -> Path | None:
    """Return the path of an artifact on this machine; `None` if a server holds it."""
    place = urlsplit(run.info.artifact_uri)
    return Path(unquote(place.path)) / path if place.scheme == "file" else None


def read(kind: type[R], profile: str, experiment: str, keys: Collection[str]) -> list[R]:
    """Read the records of runs or analyses from MLflow's artifacts, in the given order."""
    records: list[R] = []
    with store.asking(), tempfile.TemporaryDirectory() as folder:
        there = MlflowRuns(profile, experiment, create=False)
        if kind is RunRecord:
            found = there.search("attributes.status = 'FINISHED'", kind="run")
            runs = {run.data.tags["run_key"]: run for run in found}
        else:
            runs = {key: run for run in there.search(kind="sweep") for key in keys if ANALYSIS + key in run.data.tags}
        for key in filter(runs.__contains__, keys):
            path, tag = (RECORD, SHA256) if kind is RunRecord else (f"analyses/{key}.json", ANALYSIS + key)
            try:  # a local artifact is read directly: MLflow is slow to find it
                file = _local(runs[key], path)
                file = file or Path(there.client.download_artifacts(runs[key].info.run_id, path, folder))
                record: Any = kind.loads(file.read_text(encoding="utf-8"), f"MLflow: {key}")
            except FileNotFoundError:
                raise HighwaysError(f"MLflow: {key}: its artifact is missing; {store.FRESH}") from None
            if record.own_key != key or record.sha256 != runs[key].data.tags.get(tag):
                raise HighwaysError(f"MLflow: {key}: the artifact is another record; {store.FRESH}")
            records.append(record)
    return records


@dataclass
class MlflowLog:
    """Listener of training events that writes the runs of one sweep to MLflow, all in one thread."""

    profile: str
    experiment: str
    auxiliary: Collection[str] = ()
    finished: Sequence[RunRecord] = ()
    """Records that exist when the sweep begins; for the other arguments see `MlflowRuns`."""
    configs: Mapping[str, RunConfig] = field(default_factory=dict)
    fault: str = field(default="", init=False)
    """Why logging has stopped; empty while it works."""

    def __post_init__(self) -> None:
        self._calls: queue.SimpleQueue[Callable[[MlflowRuns], object] | None] = queue.SimpleQueue()
        self._calls.put(lambda runs: list(runs.bring(self.finished)))
        with contextlib.suppress(ImportError):  # the thread reports it
            store.import_mlflow()  # in this thread: two concurrent imports may see half a module
        self._thread = threading.Thread(target=self._work, name="mlflow", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        """Make the queued calls until a fault, which is reported to the user once."""
        try:
            with store.asking("does not take the runs"):
                runs = MlflowRuns(self.profile, self.experiment, self.auxiliary, dict(self.configs))
                while (call := self._calls.get()) is not None and not self.fault:
                    call(runs)
        except HighwaysError as error:
            self.fault = str(error)

    def __call__(self, event: Event) -> None:
        if not self.fault:
            self._calls.put(lambda runs: runs.take(event))
        self._warn()

    def attach(self, files: Iterable[Path], title: str = "") -> None:
        """Attach files, such as figures and tables, to the sweep, and end it."""
        self.end(lambda runs: runs.close(title=title, files=files))

    def end(self, last: Callable[[MlflowRuns], object]) -> None:
        """Make a last call and wait for all of them; `tracking rebuild` writes what MLflow does not take in time."""
        self._calls.put(last)
        self._calls.put(None)
        is_local = (os.environ.get("MLFLOW_TRACKING_URI") or "sqlite").startswith("sqlite")
        patience = LOCAL_S if is_local else PATIENCE_S + (len(self.finished) + len(self.configs)) / 10
        self._thread.join(3.0)
        if self._thread.is_alive():
            print(f"{self.experiment}: MLflow is being written ({patience:.0f} s at most)", flush=True)
            self._thread.join(patience)
        if self._thread.is_alive():
            self.fault = f"MLflow at {store.where().shown} is too slow: not all of it was taken in {patience:.0f} s"
        self._warn()

    def _warn(self) -> None:
        given = os.environ.get("MLFLOW_TRACKING_URI", "")
        if self.fault and given not in WARNED:
            WARNED.add(given)
            text = "all records are whole, and training goes on: `highways tracking rebuild` brings them later"
            warnings.warn(f"{self.fault}; {text}", stacklevel=3)
