"""MLflow's client, made quiet and quick to give up; the runs of one experiment; the records that they hold."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shutil
import sqlite3
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import unquote, urlsplit

from filelock import FileLock

from highways.errors import HighwaysError, printable, writing
from highways.files import write_whole
from highways.tracking import mlflow_address as address
from highways.tracking.analyses import AnalysisRecord
from highways.tracking.mlflow_bulk import RECORD, Entry, Metric, write
from highways.tracking.records import Record, RunRecord

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

R = TypeVar("R", bound=Record)
BATCH = 1000
"""Metrics that MLflow takes in one call, and runs that it returns."""
LOCK_S = 60.0
"""Seconds to wait for another process of this checkout; making the database takes some."""
CHECKOUT = "highways.checkout"
"""Tag of a run on a shared server or database: the checkout that wrote it."""
SHA256 = "record_sha256"
"""Tag of a run: its record's checksum."""
ANALYSIS = "analysis."
"""Tag of a parent run, an analysis's key behind it: the checksum of its record."""
LOOPBACK = "127.0.0.1,localhost,::1"
"""Nothing on this machine is asked through a proxy."""
FRESH = "`highways tracking rebuild --fresh` makes it again from the records"
_BROKEN = re.compile("malformed|not a database|no such table|out-of-date database schema")


def import_mlflow() -> None:
    """Import MLflow, quiet and quick to give up."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"  # the address may hold a password
    direct = os.environ.get("no_proxy", os.environ.get("NO_PROXY", ""))
    if LOOPBACK not in direct:
        os.environ["no_proxy"] = f"{direct},{LOOPBACK}".lstrip(",")
    import mlflow.store.tracking.sqlalchemy_store
    import mlflow.tracking  # noqa: F401

    for name in ("alembic", "mlflow", "urllib3.connectionpool"):  # the project says what went wrong
        logging.getLogger(name).setLevel(logging.CRITICAL)


def refused(error: Exception, what: str = "does not take the runs") -> str:
    """Return one line for an MLflow that refuses; what others say is left out where a password may be in it."""
    reason = printable((str(error).strip().splitlines() or [""])[0])
    if isinstance(error, HighwaysError):
        return f"MLflow: {reason}"
    said = type(error).__name__ + ("" if address.may_leak(str(error)) else f": {reason}")
    broken = f"; the database is broken: {FRESH}" if address.is_own() and _BROKEN.search(str(error)) else ""
    return f"MLflow at {address.shown_uri()} {what} ({said}{broken})"


@contextlib.contextmanager
def asking(what: str = "cannot be read") -> Iterator[None]:
    """Turn whatever goes wrong with MLflow in the block into a `HighwaysError`."""
    try:
        yield
    except HighwaysError:
        raise
    except Exception as error:
        raise HighwaysError(refused(error, what)) from None


def locked() -> FileLock:
    """Return the lock that one process of this checkout at a time holds while it looks for runs and makes them."""
    address.folder().mkdir(exist_ok=True)
    return FileLock(address.folder() / ".lock", timeout=LOCK_S)


def checkout_id() -> str:
    """Return the identifier by which this checkout knows its runs where others write, too."""
    path = address.folder() / "checkout"
    with locked():
        if not path.exists():
            write_whole(path, uuid.uuid4().hex)
    return path.read_text(encoding="utf-8").strip()


def connect() -> MlflowClient:
    """Return a client of the tracking store; the database is made where there is none."""
    import_mlflow()
    from mlflow import MlflowClient

    path = address.database()
    if path is not None and not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked():
            if not path.exists():
                part = path.with_name(f".{path.name}.part")  # MLflow takes seconds to make its tables
                part.unlink(missing_ok=True)
                MlflowClient(address.sqlite_uri(part)).search_experiments(max_results=1)
                part.replace(path)
    if path is not None:
        with contextlib.closing(sqlite3.connect(path)) as connection:  # of a broken one MLflow asks for minutes
            connection.execute("SELECT version_num FROM alembic_version").fetchall()
    return MlflowClient(address.tracking_uri())


def remove() -> None:
    """Delete the checkout's own database and its artifacts, and nothing of any other."""
    path = address.database()
    if path is None or not address.is_own():
        raise HighwaysError(f"{address.shown_uri()} is not this checkout's own database; nothing in it is deleted")
    with writing(path):
        for file in path.parent.glob(f"*{path.name}*"):
            file.unlink()
    shutil.rmtree(address.folder() / "artifacts", ignore_errors=True)


class Store:
    """The runs of one profile in one experiment that this checkout wrote; `create` makes a missing experiment."""

    def __init__(self, profile: str, experiment: str, create: bool = True):
        path = address.database()
        if not create and path is not None and not path.exists():
            raise HighwaysError(f"there is no {path}; `highways tracking rebuild` makes it from the records")
        self.client = connect()
        self.own = {} if address.is_own() else {CHECKOUT: checkout_id()}
        self.profile = profile
        # A server knows where its artifacts go; a database does not, and would take the current folder.
        location = None if address.is_served() else (address.folder() / "artifacts" / experiment).as_uri()
        found = self.client.get_experiment_by_name(experiment)
        if found is None and create:
            tags = {"mlflow.experimentKind": "custom_model_development"}
            with contextlib.suppress(Exception), locked():  # another process may make it at the same time
                self.client.create_experiment(experiment, artifact_location=location, tags=tags)
            found = self.client.get_experiment_by_name(experiment)
        if found is not None and found.lifecycle_stage == "deleted" and create:
            self.client.restore_experiment(found.experiment_id)
        if found is not None and address.is_own() and found.artifact_location != location:
            raise HighwaysError(f"{path} belongs to another folder (was the checkout moved or copied?): {FRESH}")
        self.experiment_id = "" if found is None else found.experiment_id
        self.tags = {} if found is None else dict(found.tags)
        self.artifacts = "" if found is None else found.artifact_location
        self.database = path if self.artifacts.startswith("file:") else None
        """Database file of an experiment whose artifacts are files, too: runs are written to it many at a time."""

    def search(self, condition: str = "", **tags: str) -> list[Run]:
        """Return the runs with certain tags that meet a condition, the earliest first."""
        wanted = {"profile": self.profile, **tags, **self.own}.items()
        condition = " and ".join([*filter(None, [condition]), *(f"tags.`{name}` = '{tag}'" for name, tag in wanted)])
        runs: list[Run] = []
        token = None
        while self.experiment_id:
            page = self.client.search_runs([self.experiment_id], condition, max_results=BATCH, page_token=token)
            runs.extend(page)
            if not (token := page.token):
                break
        return sorted(runs, key=lambda run: (run.info.start_time, run.info.run_id))

    def create(self, name: str, tags: Mapping[str, str], start_ms: int | None) -> str:
        """Create a run and return its id."""
        tags = {**tags, **self.own}
        return self.client.create_run(self.experiment_id, start_time=start_ms, tags=tags, run_name=name).info.run_id

    def write(self, entries: Sequence[Entry]) -> list[str]:
        """Write runs with all that they have, those with an id to what is there, and return the ids of all."""
        if self.database is None:
            return [self._write(entry) for entry in entries]
        runs = {entry.run_id or uuid.uuid4().hex: entry for entry in entries}
        write(self.database, self.experiment_id, self.artifacts, runs)
        return [*runs]

    def _write(self, entry: Entry) -> str:
        from mlflow.entities import Param

        run_id, start, there = entry.run_id, entry.start, set[tuple[str, int]]()
        if run_id:
            run = self.client.get_run(run_id)
            start = run.info.start_time
            for name in run.data.metrics:
                there |= {(name, metric.step) for metric in self.client.get_metric_history(run_id, name)}
        else:
            run_id = self.create(entry.name, entry.tags, start)
        self.client.log_inputs(run_id, [entry.data])
        self.client.log_batch(run_id, params=[Param(*pair) for pair in entry.params.items()])
        if entry.end is not None:
            self.client.log_text(run_id, entry.record, RECORD)
            self.log(run_id, [one for one in entry.metrics if (one[0], one[3]) not in there], entry.tags)
            end = start + entry.end - entry.start  # its duration is its own, not its group's
            self.client.set_terminated(run_id, "FINISHED", end_time=end)  # last: what is FINISHED is whole
        return run_id

    def log(self, run_id: str, metrics: Sequence[Metric] = (), tags: Mapping[str, str] | None = None) -> None:
        """Log metrics, as many in one call as MLflow takes, and tags to a run."""
        from mlflow import entities

        values = [entities.Metric(*metric) for metric in metrics]
        for first in range(0, len(values), BATCH):
            self.client.log_batch(run_id, values[first : first + BATCH])
        if tags:
            self.client.log_batch(run_id, tags=[entities.RunTag(*pair) for pair in tags.items()])

    def tag_experiment(self, tags: Mapping[str, str]) -> None:
        """Set tags of the experiment."""
        for name, value in tags.items():
            self.client.set_experiment_tag(self.experiment_id, name, value)

    def read(self, kind: type[R], run: Run, path: str, key: str, tag: str) -> R:
        """Read a record from an artifact, whose key and checksum must be those that the run's tags name."""
        try:  # MLflow is slow to find a local one
            file = _local(run, path) or Path(self.client.download_artifacts(run.info.run_id, path))
            text = file.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise HighwaysError(f"MLflow: {key}: its artifact is missing; {FRESH}") from None
        record = kind.loads(text, f"MLflow: {key}")
        if record.own_key != key or record.sha256 != run.data.tags[tag]:
            raise HighwaysError(f"MLflow: {key}: the artifact is another record; {FRESH}")
        return record


def _local(run: Run, path: str) -> Path | None:
    """Return where an artifact is on this machine, `None` where it is a server's."""
    place = urlsplit(run.info.artifact_uri)
    return Path(unquote(place.path)) / path if place.scheme == "file" else None


def is_finished(run: Run) -> bool:
    """Return whether a run has ended well; this is written last."""
    return run.info.status == "FINISHED" and SHA256 in run.data.tags


def has_record(run: Run, record: RunRecord) -> bool:
    """Return whether a run has ended well with a record, by its tag and, on this machine, by its artifact."""
    if not is_finished(run) or run.data.tags[SHA256] != record.sha256:
        return False
    file = _local(run, RECORD)
    return file is None or (file.is_file() and file.read_text(encoding="utf-8", errors="replace") == record.dumps())


def read_records(profile: str, experiment: str, run_keys: Iterable[str]) -> list[RunRecord]:
    """Return the records of the runs that MLflow has, in the given order, from their artifacts."""
    with asking():
        store = Store(profile, experiment, create=False)
        runs = {run.data.tags["run_key"]: run for run in store.search(kind="run") if is_finished(run)}
        return [store.read(RunRecord, runs[key], RECORD, key, SHA256) for key in run_keys if key in runs]


def read_analyses(profile: str, experiment: str, keys: Iterable[str]) -> list[AnalysisRecord]:
    """Return the records of the analyses that MLflow has, in the given order; see `read_records`."""
    with asking():
        store = Store(profile, experiment, create=False)
        parents = {tag: run for run in store.search(kind="sweep") for tag in run.data.tags}
        tags = {key: ANALYSIS + key for key in keys if ANALYSIS + key in parents}
        return [store.read(AnalysisRecord, parents[tag], f"analyses/{key}.json", key, tag) for key, tag in tags.items()]
