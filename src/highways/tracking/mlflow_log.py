"""MLflow: the window on the records, written live and rebuilt from them at any time.

One experiment a notebook, in it one parent run a profile (the sweep) and one nested child a run. All
writing is an upsert by profile, experiment and run key, so that a stage that runs again adds nothing.
How a run looks there say `mlflow_metrics`, `mlflow_notes` and `mlflow_views`.
Whatever MLflow does, training goes on: the first error is one warning, and `highways tracking
rebuild` mends the rest.
"""

from __future__ import annotations

import functools
import math
import time
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec

from highways.config import RunConfig
from highways.data import fingerprint
from highways.tracking import mlflow_metrics as metrics
from highways.tracking import mlflow_notes as notes
from highways.tracking import mlflow_views as views
from highways.tracking.analyses import AnalysisRecord
from highways.tracking.events import EpochEnded, Event, Started
from highways.tracking.mlflow_address import database, shown_uri, tracking_uri
from highways.tracking.mlflow_limit import NORMAL_FILE_S, NORMAL_S, Limit
from highways.tracking.mlflow_read import PATIENT_S, mend, read_analyses, read_marks, read_records
from highways.tracking.mlflow_store import ANALYSES_FOLDER, MARK, RECORD_ARTIFACT, Store, connect, reason, remedy
from highways.tracking.records import RunRecord

if TYPE_CHECKING:
    from highways.tracking.mlflow_store import Run

__all__ = ["MlflowLog", "connect", "mend", "read_analyses", "read_marks", "read_records", "shown_uri", "tracking_uri"]

LAYOUT = "2"
"""Version of how runs are written; `tracking rebuild` writes those of an earlier one anew."""
LAYOUT_TAG = "highways.layout"
FLUSH_S = 5.0
"""Seconds between two writes of runs' epochs while they train; where writing takes long, `FLUSH_SHARE` decides."""
FLUSH_SHARE = 0.05
"""The part of the time that writing epochs may take, and that all answers of a server may take, beside `LOST_S`."""
LOST_S = 8.0
"""Seconds that a sweep may lose with an MLflow that does not answer, or slowly; then it goes on without."""
LOST_AGAIN_S = 2.0
"""The same, where this process has gone on without it before."""

P = ParamSpec("P")
_warned: set[str] = set()
"""Stores about which this process has warned."""


def _guarded(method: Callable[P, None]) -> Callable[P, None]:
    """Let no error of MLflow reach the training: warn once, then do nothing more."""

    @functools.wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> None:
        log: MlflowLog = args[0]  # type: ignore[assignment]
        if log.broken:
            return
        try:
            method(*args, **kwargs)
        except Exception as error:
            log.broken = True
            log.fault = f"MLflow at {shown_uri()} does not take the runs ({reason(error)}); all records are whole, "
            log.fault += f"`highways tracking rebuild` brings them to MLflow {remedy(error)}"
            if log.rebuilding or tracking_uri() in _warned:
                return
            _warned.add(tracking_uri())
            warnings.warn(f"{log.fault}; training goes on without it", stacklevel=2)

    return call


class MlflowLog:
    """Writes the runs of one sweep to MLflow. It is a listener of training events.

    Args:
        profile: Name of the profile.
        experiment: Name of the notebook, and of the MLflow experiment.
        rebuilding: Nothing is trained meanwhile, and no other sweep runs: wait for answers, leave errors to the
            caller, who finds them in `fault`, and keep one parent of several.
        auxiliary: Keys of runs that no outcome counts: none of them is the best.
    """

    def __init__(self, profile: str, experiment: str, rebuilding: bool = False, auxiliary: Collection[str] = ()):
        self.auxiliary = auxiliary
        self.profile, self.experiment, self.rebuilding = profile, experiment, rebuilding
        self.broken = False
        self.fault = ""
        """What broke it, and what helps."""
        self.tags = {"profile": profile, "sweep": f"{experiment}@{profile}"}
        self._opened: Store | None = None
        self._parent = ""
        self._parent_tags: Mapping[str, str] = {}
        self._open = False
        """The parent is running, and is ours to close."""
        self._runs: dict[str, list[Run]] = {}
        """The runs that MLflow has, by key: one each, unless several sweeps wrote them side by side."""
        self._live: dict[str, str] = {}
        """Ids of the runs to which epochs are written while they train."""
        self._configs: dict[str, RunConfig] = {}
        self._complete: set[str] = set()
        """Keys of the runs that MLflow has whole."""
        self._records: dict[str, RunRecord] = {}
        """The records that were brought over, by key."""
        self._pending: dict[str, list[tuple[int, dict[str, float]]]] = {}
        self._logged_epochs: dict[str, int] = {}
        self._flush_at = time.monotonic() + FLUSH_S

    @property
    def _store(self) -> Store:
        """The store; `begin` has opened it."""
        assert self._opened is not None
        return self._opened

    @_guarded
    def begin(
        self,
        finished: Iterable[RunRecord] = (),
        configs: dict[str, RunConfig] | None = None,
        span: Iterable[RunRecord] = (),
    ) -> None:
        """Open the sweep's parent run and bring over the runs that are finished already.

        Args:
            finished: Their records.
            configs: The configurations of the runs that will be trained, by key.
            span: Records that will be brought later: the sweep begins with the earliest of all.
        """
        self._configs, finished = configs or {}, list(finished)
        if self.rebuilding:
            limit = Limit(each_s=PATIENT_S)
        else:
            normal = NORMAL_S if database() is None else NORMAL_FILE_S
            share = math.inf if database() is not None else FLUSH_SHARE
            limit = Limit(normal, LOST_AGAIN_S if tracking_uri() in _warned else LOST_S, share=share)
        self._opened = Store(self.experiment, limit)
        with self._store.exclusively():
            runs = self._store.search(self.tags)
            self._runs = _by_key(runs)
            start_ms = min((metrics.interval(record)[0] for record in (*finished, *span)), default=None)
            self._choose_parent([run for run in runs if run.data.tags.get("kind") == "sweep"], start_ms)
        for run in runs:
            if "run_key" in run.data.tags and run.data.tags.get("mlflow.parentRunId") != self._parent:
                self._store.log(run.info.run_id, tags={"mlflow.parentRunId": self._parent})
        self.bring(finished)

    @_guarded
    def bring(self, records: Iterable[RunRecord]) -> None:
        """Bring finished runs over; `begin` has opened the sweep."""
        for record in records:
            self._bring(record, self._runs.get(record.run_key, []))

    def _choose_parent(self, parents: Sequence[Run], start_ms: int | None) -> None:
        if self.rebuilding:  # those of an earlier layout are made anew
            for old in parents:
                if old.data.tags.get(LAYOUT_TAG) != LAYOUT:
                    self._store.delete(old.info.run_id)
            parents = [run for run in parents if run.data.tags.get(LAYOUT_TAG) == LAYOUT]
        if not parents:
            self._open = True
            tags = self.tags | {"kind": "sweep", LAYOUT_TAG: LAYOUT} | notes.provenance(self.experiment, self.profile)
            self._parent = self._store.create(f"{self.profile}: all of {self.experiment}", tags, start_ms).info.run_id
            return
        self._parent = parents[0].info.run_id
        self._parent_tags = parents[0].data.tags
        self._open = bool(self._configs) or parents[0].info.status != "FINISHED"
        if self._open:
            self._store.update(self._parent, "RUNNING")
        if self.rebuilding:
            for parent in parents[1:]:
                self._store.delete(parent.info.run_id)

    def _create_child(self, key: str, config: RunConfig, mark: str, start_ms: int, record: RunRecord | None) -> Run:
        """Create a run.

        Args:
            key: Of the run.
            config: Its configuration.
            mark: Fingerprint of its data.
            start_ms: When it began.
            record: Where it is finished already.
        """
        tags = self.tags | notes.provenance(self.experiment, self.profile)
        tags |= {
            "kind": "run",
            "run_key": key,
            "mlflow.parentRunId": self._parent,
            "network": config.network.shown_as,
            "depth": f"{config.network.depth:04d}",
            "seed": str(config.seed),
            "data": config.data.name,
            notes.COLOUR: notes.colour(config.network.kind),
        }
        if record is None:
            tags[notes.NOTE] = notes.started_note(config, self.experiment, self.profile)
        else:
            commit = str(record.environment.get("git_commit", "unknown"))
            tags |= {"git_commit": commit, "mlflow.source.git.commit": commit.removesuffix("-dirty")}
        run = self._store.create(notes.run_name(config, key), tags, start_ms)
        if record is None:
            self._store.log(run.info.run_id, params=notes.settings(config))
        self._store.use(run.info.run_id, notes.data_input(config, mark))
        return run

    def __call__(self, event: Event) -> None:
        """Take a training event."""
        if isinstance(event, Started):
            self._started(event)
        elif isinstance(event, EpochEnded):
            self._epoch(event)
        else:
            self._finished(event.record)

    @_guarded
    def _started(self, event: Started) -> None:
        keys = [key for key in event.keys if key not in self._complete]
        with self._store.exclusively():
            tags = self.tags | ({"run_key": keys[0]} if len(keys) == 1 else {"kind": "run"})
            found = _by_key(self._store.search(tags)) if keys else {}
            for key in keys:
                self._start(key, found.get(key, []))

    def _start(self, key: str, found: list[Run]) -> None:
        """Find or create the run to which a run's epochs go.

        Args:
            key: Of the run.
            found: The runs that MLflow has of it now.
        """
        before = {run.info.run_id for run in self._runs.get(key, [])}
        unfinished = [run for run in found if run.info.status != "FINISHED"]
        for run in found:
            if run not in unfinished and run.info.run_id in before:  # its record was lost: it is trained anew
                self._store.delete(run.info.run_id)
            elif run not in unfinished:  # another sweep has finished it meanwhile: which is kept, the records say
                return
        if unfinished:  # cut off earlier: go on behind the epochs that MLflow has
            run = unfinished[0]
            self._store.update(run.info.run_id, "RUNNING")
            self._logged_epochs[key] = max(
                (step for step, _ in self._store.history(run.info.run_id, metrics.CURVE)), default=0
            )
        else:
            config, now = self._configs[key], int(time.time() * 1000)
            run = self._create_child(key, config, fingerprint(config.data), now, record=None)
            self._logged_epochs[key] = 0
        self._runs[key], self._live[key] = [run], run.info.run_id

    @_guarded
    def _epoch(self, event: EpochEnded) -> None:
        for key, curves in zip(event.keys, event.metrics, strict=True):
            if curves is not None and key in self._live:
                self._pending.setdefault(key, []).append((event.epoch, curves))
        if (began := time.monotonic()) >= self._flush_at:
            for key in event.keys:
                self._flush(key)
            now = time.monotonic()
            self._flush_at = now + max(FLUSH_S, (now - began) / FLUSH_SHARE)

    def _flush(self, key: str) -> None:
        now, logged = int(time.time() * 1000), self._logged_epochs.get(key, 0)
        values = [
            (metrics.metric_name(name), value, now, epoch)
            for epoch, curves in self._pending.pop(key, [])
            if epoch > logged
            for name, value in curves.items()
        ]
        if not values:
            return
        if self._store.log_alive(self._live[key], values):
            self._logged_epochs[key] = max(epoch for _, _, _, epoch in values)
        else:
            del self._live[key]  # another sweep had the run finished; its record is brought over when it stands

    @_guarded
    def _finished(self, record: RunRecord) -> None:
        self._bring(record)

    def _bring(self, record: RunRecord, found: list[Run] | None = None) -> None:
        """Bring a record over, or what MLflow lacks of it; the record, not what was logged live, decides.

        Args:
            record: The record.
            found: The runs that MLflow had of it a moment ago; where they are not given, they are looked for.
        """
        key = record.run_key
        self._records[key] = record
        if key in self._complete:
            return
        if found is None or len(found) != 1 or not self._is_whole(found[0], record):
            with self._store.exclusively():
                found = self._store.search(self.tags | {"run_key": key})
                kept = next((run for run in found if self._is_whole(run, record)), None)
                if kept is None:
                    kept = self._complete_run(record, found)
                for run in found:
                    if run.info.run_id != kept.info.run_id:
                        self._store.delete(run.info.run_id)
            self._runs[key] = [kept]
        self._pending.pop(key, None)
        self._live.pop(key, None)
        self._complete.add(key)

    def _is_whole(self, run: Run, record: RunRecord) -> bool:
        tags = run.data.tags
        same = run.info.status == "FINISHED" and tags.get("record_sha256") == _sha256(record)
        if self.rebuilding and tags.get(LAYOUT_TAG) != LAYOUT:
            return False
        return same and RECORD_ARTIFACT in self._store.artifacts(run.info.run_id)

    def _complete_run(self, record: RunRecord, found: Sequence[Run]) -> Run:
        """Write a record to the run that was begun for it, or to a new one; return the run."""
        start, end = metrics.interval(record)
        curve = list(enumerate(record.curves.get("train_cross_entropy", []), start=1))
        for run in found:
            if run.info.status != "FINISHED":
                history = self._store.history(run.info.run_id, metrics.CURVE)
                if history == curve[: len(history)]:  # no epoch twice, none of another training
                    logged, params = len(history), {}
                    end = run.info.start_time + end - start  # so that the duration is the run's own
                    break
        else:
            run = self._create_child(record.run_key, record.config, record.data_fingerprint, start, record)
            logged, params = 0, notes.settings(record.config)
        run_id = run.info.run_id
        self._store.write(run_id, record.dumps(), RECORD_ARTIFACT)
        tags = {
            "status": record.status,
            "record_sha256": _sha256(record),
            LAYOUT_TAG: LAYOUT,
            notes.NOTE: notes.finished_note(record, self.experiment, self.profile),
        }
        self._store.log(run_id, metrics.epochs(record, logged) + metrics.outcome(record), params, tags)
        self._store.finish(run_id, "FINISHED", end)  # last: what is FINISHED is whole
        return run

    @_guarded
    def bring_analyses(self, found: Sequence[AnalysisRecord]) -> None:
        """Bring analyses over, or what MLflow lacks of them.

        Each is an artifact of the sweep's parent run; what it has one number a layer of is also a metric of
        the analysed run, the layer in place of the epoch.
        """
        if not found:
            return
        if self._opened is None:
            self.begin()
        if self.broken:
            return
        there = self._store.get(self._parent).data.tags
        for record in found:
            tag, sha256 = f"analysis.{record.key}", record.content()["sha256"]
            self._log_layers(record, tag, sha256)
            if there.get(tag) != sha256:
                self._store.write(self._parent, record.dumps(), f"{ANALYSES_FOLDER}/{record.key}.json")
                self._store.log(self._parent, tags={tag: sha256})

    def _log_layers(self, record: AnalysisRecord, tag: str, sha256: str) -> None:
        run = record.config.run
        analysed = self._runs.get(run.key(record.data_fingerprint), []) if run is not None else []
        if not analysed or analysed[0].data.tags.get(tag) == sha256:
            return
        self._store.log(analysed[0].info.run_id, metrics.layers(record), tags={tag: sha256})

    @_guarded
    def attach(self, files: Iterable[Path], title: str = "") -> None:
        """Make tables and figures artifacts of the sweep's parent run.

        Args:
            files: They.
            title: What the experiment is about, for its note.
        """
        if self._opened is None:
            self.begin()
        if self.broken:
            return
        for file in files:
            self._store.attach(self._parent, file)
        self._close("FINISHED", title)

    @_guarded
    def end(self, complete: bool = True) -> None:
        """Close the sweep's parent run; one that was closed before keeps its times."""
        self._close("FINISHED" if complete else "FAILED")

    @_guarded
    def mark(self, value: str) -> None:
        """Note by what it is known later that all of the sweep is in MLflow."""
        self._store.tag_experiment({self._store.own(MARK + self.profile): value})

    def _close(self, status: str, title: str = "") -> None:
        if self._records and self._configs:
            with self._store.exclusively():  # other sweeps may have brought runs meanwhile, or be about to sum up
                self._runs = _by_key(self._store.search(self.tags))
                best = self._sum_up()
        else:
            best = self._sum_up() if self._records else None
        if best is not None:
            self._mark_best(best)
        self._show(title)
        if self._open:
            end = max((metrics.interval(record)[1] for record in self._records.values()), default=None)
            self._store.finish(self._parent, status, end)
            self._open = False

    def _sum_up(self) -> set[str]:
        """Give the parent what sums up its runs; return the keys of the best run of every cell."""
        outcomes = {}
        for key, found in self._runs.items():
            record = self._records.get(key)
            outcomes[key] = metrics.Outcome.of_run(found[0]) if record is None else metrics.Outcome.of_record(record)
        known = sorted((one for one in outcomes.values() if one is not None), key=lambda one: one.key)
        known = [replace(one, auxiliary=one.key in self.auxiliary) for one in known]
        end = max(metrics.interval(record)[1] for record in self._records.values())
        values, digest = metrics.summary(known, end)
        if self._parent_tags.get("summary") != digest:
            note = {notes.NOTE: notes.sweep_note(known, self.experiment, self.profile), "summary": digest}
            self._store.log(self._parent, values, tags=note)
            self._parent_tags = {**self._parent_tags, **note}
        return {one.key for one in metrics.best_of_cells(known)}

    def _mark_best(self, best: set[str]) -> None:
        for key, found in self._runs.items():
            is_best = "true" if key in best else "false"
            if found[0].data.tags.get(views.BEST, "false") != is_best:
                self._store.log_alive(found[0].info.run_id, tags={views.BEST: is_best})

    def _show(self, title: str) -> None:
        """Give the experiment its views, its note and its primary metric."""
        there = self._store.experiment_tags()
        shown = [run.data.tags for found in self._runs.values() for run in found]
        found = views.views(self.profile, [tags for tags in shown if {"network", "depth"} <= tags.keys()])
        number = self._store.experiment_id
        tags = views.experiment_tags(title, self.experiment, number, self.profile, found, there)
        self._store.tag_experiment(tags)


def _by_key(runs: Iterable[Run]) -> dict[str, list[Run]]:
    found: dict[str, list[Run]] = {}
    for run in runs:
        if key := run.data.tags.get("run_key"):
            found.setdefault(key, []).append(run)
    return found


def _sha256(record: RunRecord) -> str:
    return record.content()["sha256"]
