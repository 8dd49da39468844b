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
from pathlib import Path
from typing import TYPE_CHECKING, Any

from highways.config import RunConfig
from highways.data import fingerprint
from highways.tracking import mlflow_address as address
from highways.tracking import mlflow_runs as shown
from highways.tracking import mlflow_views as views
from highways.tracking.analyses import AnalysisRecord
from highways.tracking.events import EpochEnded, Event, Started
from highways.tracking.mlflow_bulk import Entry, Metric
from highways.tracking.mlflow_store import ANALYSIS, SHA256, Store, has_record, import_mlflow, locked, refused
from highways.tracking.records import RunRecord

if TYPE_CHECKING:
    from mlflow.entities import Run

AT_ONCE = 50
"""Records that are brought to a server while other processes of this checkout wait."""
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


class MlflowRuns(Store):
    """A sweep's runs and their parent, which is found or made; every call waits for MLflow, and raises what it raises.

    Args:
        profile, experiment: The experiment bears the notebook's name.
        auxiliary: Keys of runs that no outcome counts.
        configs: The runs that may train, by key.
        start_ms: When the parent began.
    """

    def __init__(
        self,
        profile: str,
        experiment: str,
        auxiliary: Collection[str] = (),
        configs: Mapping[str, RunConfig] | None = None,
        start_ms: int | None = None,
    ):
        super().__init__(profile, experiment)
        self.experiment, self.auxiliary, self._configs = experiment, set(auxiliary), dict(configs or {})
        self._live: dict[str, str] = {}
        """MLflow's id of each run that trains here, by key."""
        self._pending: dict[str, list[Metric]] = defaultdict(list)
        """Epochs that it does not have yet, by id."""
        self._flush_at, self._is_open = 0.0, True
        with locked():
            if parents := self.search(kind="sweep"):
                self._parent = parents[0].info.run_id
                self._is_open = parents[0].info.status != "FINISHED" or bool(configs)
            else:
                tags = shown.provenance(experiment, profile) | {"kind": "sweep"}
                self._parent = self.create(f"{profile}: all of {experiment}", tags, start_ms)
        if self._is_open:
            self.client.update_run(self._parent, status="RUNNING")

    def take(self, event: Event) -> None:
        """Take a training event."""
        if isinstance(event, Started):
            self._start({key: self._configs[key] for key in event.keys if key in self._configs})
        elif isinstance(event, EpochEnded):
            self._epoch(event)
        else:
            list(self.bring([event.record]))

    def _start(self, configs: Mapping[str, RunConfig]) -> None:
        """Create the runs to which epochs are written while they train; of what was cut off earlier nothing is left."""
        now, fingerprints = int(time.time() * 1000), {key: fingerprint(one.data) for key, one in configs.items()}
        with locked():
            for run in self.search("attributes.status = 'RUNNING'", kind="run"):
                if run.data.tags["run_key"] in configs:
                    self.client.delete_run(run.info.run_id)
                    self._pending.pop(run.info.run_id, None)  # of this process, whose worker was lost
            entries = [self._entry(config, key, fingerprints[key], now) for key, config in configs.items()]
            self._live |= zip(configs, self.write(entries), strict=True)

    def _entry(self, config: RunConfig, key: str, data: str, start_ms: int, record: RunRecord | None = None) -> Entry:
        """Return a run as it begins, with the fingerprint of its data, or as its record says."""
        commit = "" if record is None else str(record.environment.get("git_commit", "unknown"))
        tags = shown.provenance(self.experiment, self.profile, commit) | shown.run_tags(config, key) | self.own
        tags |= {"mlflow.parentRunId": self._parent}
        tags[shown.NOTE] = shown.run_note(config, self.experiment, self.profile, record)
        if key in self.auxiliary:
            tags[shown.AUXILIARY] = "true"
        params = {name: str(value) for name, value in config.flat().items() if value is not None}
        run = Entry(shown.run_name(config, key), tags, params, shown.data_input(config, data), start_ms)
        if record is None:
            return run
        tags |= {SHA256: record.sha256, "status": record.status}
        end = shown.interval(record)[1]
        return replace(run, end=end, metrics=shown.metrics_of(record), record=record.dumps())

    def _epoch(self, event: EpochEnded) -> None:
        """Take the epoch of a group; what has gathered is written every `FLUSH_S`."""
        now = int(time.time() * 1000)
        for key, metrics in zip(event.keys, event.metrics, strict=True):
            if metrics is not None and key in self._live:
                values = [(shown.metric_name(name), value, now, event.epoch) for name, value in metrics.items()]
                self._pending[self._live[key]] += values
        if time.monotonic() >= self._flush_at:
            self._flush()
            self._flush_at = time.monotonic() + FLUSH_S

    def _flush(self) -> None:
        for run_id, metrics in self._pending.items():
            self.log(run_id, metrics)
        self._pending.clear()

    def bring(self, records: Sequence[RunRecord]) -> Iterator[int]:
        """Write what MLflow lacks of records; yield how many it has. Other runs of their keys are deleted."""
        at_once = AT_ONCE if self.database is None else max(1, len(records))
        for first in range(0, len(records), at_once):
            chosen = records[first : first + at_once]
            with locked():
                runs = defaultdict(list)
                only = {"run_key": chosen[0].run_key} if len(chosen) == 1 else {}
                for run in self.search(kind="run", **only):
                    runs[run.data.tags["run_key"]].append(run)
                self.write([entry for one in chosen for entry in self._completed(one, runs[one.run_key])])
            yield first + len(chosen)

    def _completed(self, record: RunRecord, runs: Sequence[Run]) -> Iterator[Entry]:
        """Yield what is to be written of a record: to the run that trains, here or elsewhere, or else to a new one."""
        key = record.run_key
        self._configs.pop(key, None)  # it may come before the event that it begins
        self._pending.pop(self._live.pop(key, ""), None)
        whole = [run for run in runs if has_record(run, record)]
        kept = [*whole, *(run for run in runs if run.info.status == "RUNNING")][:1]
        for run in runs:
            if run not in kept:
                self.client.delete_run(run.info.run_id)
        if not whole:
            entry = self._entry(record.config, key, record.data_fingerprint, shown.interval(record)[0], record)
            yield replace(entry, run_id=kept[0].info.run_id if kept else "")

    def bring_analyses(self, records: Iterable[AnalysisRecord]) -> None:
        """Write what MLflow lacks of analyses: artifacts of the parent, metrics per layer of the analysed run."""
        there = self.client.get_run(self._parent).data.tags.items()
        for record in records:
            tag = {ANALYSIS + record.key: record.sha256}
            if not tag.items() <= there:
                self.client.log_text(self._parent, record.dumps(), f"analyses/{record.key}.json")
                self.log(self._parent, tags=tag)
            if record.config.run is not None:
                for run in self.search(run_key=record.run.key(record.data_fingerprint)):
                    if not tag.items() <= run.data.tags.items():
                        self.log(run.info.run_id, shown.layers(record), tag)

    def attach(self, files: Iterable[Path]) -> None:
        """Make tables and figures artifacts of the parent run."""
        for file in files:
            self.client.log_artifact(self._parent, str(file))

    def close(self, status: str = "FINISHED", title: str = "") -> None:
        """Mark the best runs, end the parent, and give the experiment its views and a note with `title`."""
        self._flush()
        runs = self.search(kind="run")
        best = shown.best_of_cells(runs, self.auxiliary)
        note = f"`{self.experiment}@{self.profile}`: **parent of {len(runs)} runs**, with tables, figures and analyses."
        self.log(self._parent, shown.of_sweep(runs, best), {shown.NOTE: note})
        for run in runs:
            wanted = {shown.BEST: "true" if run in best else "false"}
            if run.data.tags["run_key"] in self.auxiliary:
                wanted[shown.AUXILIARY] = "true"
            self.log(run.info.run_id, tags=dict(wanted.items() - run.data.tags.items()))
        of_profile = views.views(self.profile, [run.data.tags for run in runs])
        self.tag_experiment(views.experiment_tags(title, self.experiment, self.experiment_id, of_profile, self.tags))
        if self._is_open:
            end = max((run.info.end_time or 0 for run in runs), default=None)
            self.client.set_terminated(self._parent, status, end_time=end)


class MlflowLog:
    """Writes the runs of one sweep to MLflow, all in one thread; a listener of training events.

    Args:
        profile, experiment, auxiliary: See `MlflowRuns`.
        finished: Records that the sweep begins with.
        configs: The runs that will be trained, by key.
    """

    def __init__(
        self,
        profile: str,
        experiment: str,
        auxiliary: Collection[str] = (),
        finished: Sequence[RunRecord] = (),
        configs: Mapping[str, RunConfig] | None = None,
    ):
        self.fault = ""
        """Why it does nothing more."""
        self._experiment, self._count = experiment, len(finished) + len(configs or {})
        self._calls: queue.SimpleQueue[Callable[[MlflowRuns], object] | None] = queue.SimpleQueue()
        start = min((shown.interval(one)[0] for one in finished), default=None)
        opened = (profile, experiment, auxiliary, configs, start)
        self._thread = threading.Thread(target=self._work, args=opened, name="mlflow", daemon=True)
        self._calls.put(lambda runs: list(runs.bring(finished)))
        try:
            import_mlflow()  # here: two threads that import at once may meet half a module
            os.environ.setdefault("MLFLOW_SQLALCHEMYSTORE_POOLCLASS", "NullPool")  # the database may be made again
            self._thread.start()
        except ImportError as error:
            self.fault = f"MLflow cannot be imported ({error})"
        self._warn()

    def __call__(self, event: Event) -> None:
        """Take a training event."""
        if not self.fault:
            self._calls.put(lambda runs: runs.take(event))
        self._warn()

    def attach(self, files: Iterable[Path], title: str = "") -> None:
        """Keep files, such as figures and tables, with the sweep, and end it."""
        self.end(lambda runs: runs.attach(files), lambda runs: runs.close(title=title))

    def end(self, *last: Callable[[MlflowRuns], object]) -> None:
        """Make the last calls and wait for all; what MLflow does not take in time is left to `tracking rebuild`."""
        for call in (*last, None):
            self._calls.put(call)
        given = os.environ.get("MLFLOW_TRACKING_URI", "")
        patience = LOCAL_S if not given or given.startswith("sqlite") else PATIENCE_S + EACH_S * self._count
        if self._thread.is_alive():
            self._thread.join(SAY_S)
        if self._thread.is_alive():
            print(f"{self._experiment}: MLflow is being written ({patience:.0f} s at most)", flush=True)
            self._thread.join(patience)
        if self._thread.is_alive():
            self.fault = f"MLflow at {address.shown_uri()} is too slow: not all of it was taken in {patience:.0f} s"
        self._warn()

    def _work(self, *opened: Any) -> None:
        """Make the calls; after a fault, of which the user is warned once, nobody makes them."""
        try:
            runs = MlflowRuns(*opened)
            while (call := self._calls.get()) is not None and not self.fault:
                call(runs)
        except Exception as error:
            self.fault = refused(error)

    def _warn(self) -> None:
        given = os.environ.get("MLFLOW_TRACKING_URI", "")
        if self.fault and given not in WARNED:
            WARNED.add(given)
            text = "all records are whole, and training goes on: `highways tracking rebuild` brings them later"
            warnings.warn(f"{self.fault}; {text}", stacklevel=3)
