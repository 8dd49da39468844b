"""MLflow: the window on the records, written live and rebuilt from them at any time.

One experiment a notebook, in it one parent run a profile (the sweep) and one nested child a run. All
writing is an upsert by profile, experiment and run key, so that a stage that runs again adds nothing.
Whatever MLflow does, training goes on: the first error is one warning, and `highways tracking
rebuild` mends the rest.
"""

from __future__ import annotations

import functools
import logging
import os
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec

from highways import paths
from highways.config import RunConfig
from highways.errors import HighwaysError
from highways.tracking.analyses import AnalysisRecord
from highways.tracking.environment import git_commit
from highways.tracking.events import EpochEnded, Event, Started
from highways.tracking.records import RunRecord

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

RECORD_ARTIFACT = "record.json"
ANALYSES_FOLDER = "analyses"
FLUSH_S = 5.0
"""Seconds between two writes of a run's epochs while it trains."""

P = ParamSpec("P")
_warned: set[str] = set()
"""Stores about which this process has warned."""


def tracking_uri() -> str:
    """Return `MLFLOW_TRACKING_URI`, or the project's own SQLite database."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{paths.root() / 'mlruns' / 'mlflow.db'}"


def connect() -> MlflowClient:
    """Return a client of the tracking store, quiet and quick to give up.

    Raises:
        ImportError: MLflow is not installed.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    from mlflow import MlflowClient

    for name in ("alembic", "mlflow"):
        logging.getLogger(name).setLevel(logging.ERROR)
    (paths.root() / "mlruns").mkdir(exist_ok=True)
    return MlflowClient(tracking_uri())


def experiment_id(client: MlflowClient, name: str, create: bool = True) -> str | None:
    """Return the id of an experiment, made where it is missing."""
    found = client.get_experiment_by_name(name)
    if found is not None and found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    if found is not None:
        return found.experiment_id
    if not create:
        return None
    # A server knows where its artifacts go; a database does not, and would take the current folder.
    served = tracking_uri().startswith(("http", "databricks"))
    location = None if served else (paths.root() / "mlruns" / "artifacts" / name).as_uri()
    tags = {"mlflow.experimentKind": "custom_model_development"}
    return client.create_experiment(name, artifact_location=location, tags=tags)


def _search(client: MlflowClient, experiment: str, tags: dict[str, str]) -> list[Run]:
    condition = " and ".join(f"tags.`{name}` = '{value}'" for name, value in tags.items())
    found, token = [], None
    while True:
        page = client.search_runs([experiment], condition, max_results=1000, page_token=token)
        found.extend(page)
        if not (token := page.token):
            return found


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
            if tracking_uri() in _warned:
                return
            _warned.add(tracking_uri())
            reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else ""
            warnings.warn(
                f"MLflow at {tracking_uri()} does not take the runs ({type(error).__name__}: {reason}); "
                "training goes on and records are written, `highways tracking rebuild` brings them to MLflow",
                stacklevel=2,
            )

    return call


class MlflowLog:
    """Writes the runs of one sweep to MLflow. It is a listener of training events.

    Args:
        profile: Name of the profile.
        experiment: Name of the notebook, and of the MLflow experiment.
    """

    def __init__(self, profile: str, experiment: str):
        self.profile, self.experiment = profile, experiment
        self.broken = False
        self.tags = {"profile": profile, "sweep": f"{experiment}@{profile}"}
        self._client: MlflowClient | None = None
        self._experiment_id = ""
        self._parent = ""
        self._open = False
        """The parent is running, and is ours to close."""
        self._children: dict[str, Run] = {}
        self._configs: dict[str, RunConfig] = {}
        self._complete: set[str] = set()
        """Keys of the runs that MLflow has whole."""
        self._pending: dict[str, list[tuple[int, dict[str, float]]]] = {}
        self._logged_epochs: dict[str, int] = {}
        self._flushed_at = time.monotonic()

    @property
    def client(self) -> MlflowClient:
        """The client; `begin` has made it."""
        assert self._client is not None
        return self._client

    @_guarded
    def begin(self, finished: Iterable[RunRecord] = (), configs: dict[str, RunConfig] | None = None) -> None:
        """Open the sweep's parent run and bring over the runs that are finished already.

        Args:
            finished: Their records.
            configs: The configurations of the runs that will be trained, by key.
        """
        self._configs = configs or {}
        self._client = connect()
        self._experiment_id = experiment_id(self.client, self.experiment) or ""
        runs = _search(self.client, self._experiment_id, self.tags)
        self._children = {run.data.tags["run_key"]: run for run in runs if "run_key" in run.data.tags}
        parents = [run for run in runs if run.data.tags.get("kind") == "sweep"]
        if parents:
            self._parent = parents[0].info.run_id
            self._open = bool(self._configs) or parents[0].info.status != "FINISHED"
            if self._open:
                self.client.update_run(self._parent, status="RUNNING")
        else:
            self._open = True
            name = f"{self.experiment} · {self.profile}"
            tags = self.tags | {"kind": "sweep"} | self._provenance()
            self._parent = self.client.create_run(self._experiment_id, tags=tags, run_name=name).info.run_id
        for record in finished:
            self._bring(record)

    def _provenance(self) -> dict[str, str]:
        return {
            "git_commit": git_commit(),
            "mlflow.source.git.commit": git_commit().removesuffix("-dirty"),
            "mlflow.source.name": f"notebooks/{self.experiment}.ipynb",
            "dvc_stage": os.environ.get("DVC_STAGE", f"{self.experiment}@{self.profile}"),
        }

    def _create_child(self, key: str, config: RunConfig, start_ms: int, commit: str | None = None) -> Run:
        from mlflow.entities import Param

        tags = self.tags | self._provenance()
        tags |= {
            "kind": "run",
            "run_key": key,
            "mlflow.parentRunId": self._parent,
            "network": config.network.kind,
            "depth": f"{config.network.depth:04d}",
            "seed": str(config.seed),
            "data": config.data.name,
        }
        if commit is not None:
            tags |= {"git_commit": commit, "mlflow.source.git.commit": commit.removesuffix("-dirty")}
        run = self.client.create_run(self._experiment_id, start_time=start_ms, tags=tags, run_name=config.slug)
        parameters = [Param(name, str(value)) for name, value in config.flat().items() if value is not None]
        self.client.log_batch(run.info.run_id, params=parameters)
        self._children[key] = run
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
        for key in event.keys:
            if key in self._complete:
                continue
            run = self._children.get(key)
            if run is not None and run.info.status == "FINISHED":  # its record was lost: it is trained anew
                self.client.delete_run(run.info.run_id)
                run = None
            if run is None:
                self._create_child(key, self._configs[key], start_ms=int(time.time() * 1000))
            else:  # cut off earlier: go on behind the epochs that MLflow has
                self.client.update_run(run.info.run_id, status="RUNNING")
            self._logged_epochs[key] = self._epochs_in_mlflow(key) if run is not None else 0

    def _epochs_in_mlflow(self, key: str) -> int:
        history = self.client.get_metric_history(self._children[key].info.run_id, "train_cross_entropy")
        return max((metric.step for metric in history), default=0)

    @_guarded
    def _epoch(self, event: EpochEnded) -> None:
        for key, metrics in zip(event.keys, event.metrics, strict=True):
            if metrics is not None and key not in self._complete:
                self._pending.setdefault(key, []).append((event.epoch, metrics))
        if time.monotonic() - self._flushed_at >= FLUSH_S:
            for key in event.keys:
                self._flush(key)
            self._flushed_at = time.monotonic()

    def _flush(self, key: str) -> None:
        from mlflow.entities import Metric

        now, logged = int(time.time() * 1000), self._logged_epochs.get(key, 0)
        metrics = [
            Metric(name, value, now, epoch)
            for epoch, values in self._pending.pop(key, [])
            if epoch > logged
            for name, value in values.items()
        ]
        if metrics:
            self._log_metrics(self._children[key].info.run_id, metrics)
            self._logged_epochs[key] = max(metric.step for metric in metrics)

    def _log_metrics(self, run_id: str, metrics: Sequence[Any]) -> None:
        for start in range(0, len(metrics), 1000):  # MLflow's limit for one call
            self.client.log_batch(run_id, metrics=metrics[start : start + 1000])

    @_guarded
    def _finished(self, record: RunRecord) -> None:
        self._bring(record)

    def _bring(self, record: RunRecord) -> None:
        """Bring a record over, or what MLflow lacks of it; the record, not what was logged live, decides."""
        from mlflow.entities import Metric, RunTag

        key = record.run_key
        if key in self._complete:
            return
        run, sha256 = self._children.get(key), _sha256(record)
        if run is not None and run.info.status == "FINISHED":
            if run.data.tags.get("record_sha256") == sha256 and self._has_record(run):
                self._complete.add(key)
                return
            self.client.delete_run(run.info.run_id)
            run = None
        end = _milliseconds(record.finished_at)
        start = end - int(1000 * record.timing["group_seconds"])
        if run is None:
            commit = str(record.environment.get("git_commit", "unknown"))
            run, logged = self._create_child(key, record.config, start, commit), 0
        else:
            logged = self._logged_epochs.get(key) or self._epochs_in_mlflow(key)
        self._pending.pop(key, None)
        metrics = [
            Metric(name, value, start + (end - start) * epoch // len(curve), epoch)
            for name, curve in record.curves.items()
            for epoch, value in enumerate(curve, start=1)
            if epoch > logged
        ]
        outcome = {
            "diverged": float(record.status == "diverged"),
            "best_train_cross_entropy": record.best(),
            "parameters": float(record.parameters),
            "seconds": record.timing["seconds"],
        }
        metrics += [Metric(name, value, end, record.epochs) for name, value in outcome.items() if value is not None]
        for name, values in record.measurements.items():
            steps = record.measurements["snapshot_step"] if name.startswith("snapshot_") else range(len(values))
            metrics += [Metric(name, value, end, int(step)) for step, value in zip(steps, values, strict=True)]
        run_id = run.info.run_id
        self._log_metrics(run_id, metrics)
        self.client.log_text(run_id, record.dumps(), RECORD_ARTIFACT)
        tags = [RunTag("status", record.status), RunTag("record_sha256", sha256)]
        self.client.log_batch(run_id, tags=tags)
        self.client.set_terminated(run_id, "FINISHED", end_time=end)  # last: what is FINISHED is whole
        self._complete.add(key)

    def _has_record(self, run: Run) -> bool:
        return any(file.path == RECORD_ARTIFACT for file in self.client.list_artifacts(run.info.run_id))

    @_guarded
    def bring_analyses(self, found: Sequence[AnalysisRecord]) -> None:
        """Bring analyses over, or what MLflow lacks of them.

        Each is an artifact of the sweep's parent run; what it has one number a layer of is also a metric of
        the analysed run, the layer in place of the epoch.
        """
        if not found:
            return
        if self._client is None:
            self.begin()
        if self.broken:
            return
        there = self.client.get_run(self._parent).data.tags
        for record in found:
            tag, sha256 = f"analysis.{record.key}", record.content()["sha256"]
            if there.get(tag) != sha256:
                self._log_layers(record)
                self.client.log_text(self._parent, record.dumps(), f"{ANALYSES_FOLDER}/{record.key}.json")
                self.client.set_tag(self._parent, tag, sha256)

    def _log_layers(self, record: AnalysisRecord) -> None:
        from mlflow.entities import Metric

        run = record.config.run
        if run is None or (run_key := run.key(record.data_fingerprint)) not in self._children:
            return
        end = _milliseconds(record.finished_at)
        first = 0 if record.kind == "lesions" else 1  # a lesion record begins with the whole network
        metrics = [
            Metric(f"{record.config.label}_{name}", float(value), end, layer)
            for name, values in record.values.items()
            for layer, value in enumerate(values, start=first)
            if isinstance(value, int | float)
        ]
        self._log_metrics(self._children[run_key].info.run_id, metrics)

    @_guarded
    def attach(self, files: Iterable[Path]) -> None:
        """Make tables and figures artifacts of the sweep's parent run."""
        if self._client is None:
            self.begin()
        if self.broken:
            return
        for file in files:
            self.client.log_artifact(self._parent, str(file))
        self._close("FINISHED")

    @_guarded
    def end(self, complete: bool = True) -> None:
        """Close the sweep's parent run; one that was closed before keeps its times."""
        self._close("FINISHED" if complete else "FAILED")

    def _close(self, status: str) -> None:
        if self._open:
            self.client.set_terminated(self._parent, status)
            self._open = False


def _sha256(record: RunRecord) -> str:
    return record.content()["sha256"]


def _milliseconds(timestamp: str) -> int:
    return int(datetime.fromisoformat(timestamp).timestamp() * 1000)


@contextmanager
def _reading() -> Iterator[None]:
    """Turn whatever goes wrong with MLflow into one line."""
    try:
        yield
    except HighwaysError:
        raise
    except Exception as error:
        raise HighwaysError(f"MLflow at {tracking_uri()} cannot be read: {type(error).__name__}: {error}") from None


def _artifact(client: MlflowClient, run_id: str, path: str) -> str:
    return Path(client.download_artifacts(run_id, path)).read_text(encoding="utf-8")


def read_records(profile: str, experiment: str, run_keys: Sequence[str]) -> list[RunRecord]:
    """Return the records of those runs that MLflow has, in the given order, from their artifacts.

    Raises:
        HighwaysError: MLflow cannot be reached, or a record in it is at fault.
    """
    with _reading():
        client = connect()
        number = experiment_id(client, experiment, create=False)
        runs = [] if number is None else _search(client, number, {"profile": profile, "kind": "run"})
        by_key = {run.data.tags["run_key"]: run.info.run_id for run in runs if run.info.status == "FINISHED"}
        texts = {key: _artifact(client, by_key[key], RECORD_ARTIFACT) for key in run_keys if key in by_key}
    return [RunRecord.loads(text, f"MLflow: {experiment} {key}") for key, text in texts.items()]


def read_analyses(profile: str, experiment: str, keys: Sequence[str]) -> list[AnalysisRecord]:
    """Return the records of those analyses that MLflow has, in the given order, from their artifacts.

    Raises:
        HighwaysError: MLflow cannot be reached, or a record in it is at fault.
    """
    texts: dict[str, str] = {}
    with _reading():
        client = connect()
        number = experiment_id(client, experiment, create=False)
        parents = [] if number is None else _search(client, number, {"profile": profile, "kind": "sweep"})
        for parent in (parent.info.run_id for parent in parents[:1]):
            there = {Path(file.path).stem for file in client.list_artifacts(parent, ANALYSES_FOLDER)}
            texts = {key: _artifact(client, parent, f"{ANALYSES_FOLDER}/{key}.json") for key in keys if key in there}
    return [AnalysisRecord.loads(text, f"MLflow: {experiment} {key}") for key, text in texts.items()]
