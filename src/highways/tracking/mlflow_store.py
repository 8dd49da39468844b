"""The one module that knows MLflow: a client of its store, and the runs of one experiment in it."""

from __future__ import annotations

import logging
import os
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from highways.tracking import mlflow_address as address
from highways.tracking import mlflow_folder as folder
from highways.tracking.mlflow_limit import Limit

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import DatasetInput, Run

BATCH = 1000
"""What MLflow takes in one call: metrics, settings and tags together."""
CHECKOUT = "highways.checkout"
"""Tag of a run: the checkout that wrote it."""
MARK = "highways.rebuilt."
"""Tag of an experiment, a profile's name behind it: what `tracking rebuild` brought over."""
RECORD_ARTIFACT = "record.json"
ANALYSES_FOLDER = "analyses"
OPENING_S = 1.0
"""The first answer counts as lost time if it takes longer."""
_opened: dict[Path, tuple[int, int]] = {}
"""The databases that this process has opened: device and number of each file."""


def reason(error: Exception) -> str:
    """Return what went wrong with MLflow in one line that may be shown."""
    lines = address.redacted(str(error)).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__


def remedy(error: Exception) -> str:
    """Say when what is missing can be brought to MLflow."""
    if isinstance(error, ImportError):
        return "once it is installed"
    return getattr(error, "remedy", "once it answers" if address.is_served() else "once it can be written")


def _import() -> None:
    """Import MLflow, quiet and quick to give up.

    Raises:
        ImportError: MLflow is not installed.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"  # the address may hold a password
    import mlflow.tracking

    for name in ("alembic", "mlflow", "urllib3.connectionpool"):  # errors are ours to say
        logging.getLogger(name).setLevel(logging.CRITICAL)
    if address.database() is not None:
        import mlflow.store.tracking.sqlalchemy_store  # noqa: F401


def _schema() -> folder.Schema:
    from mlflow.store.db.base_sql_model import Base
    from mlflow.store.db.utils import _get_latest_schema_revision
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    def make(path: Path) -> None:
        uri = "sqlite+pysqlite:///" + str(path).replace("%", "%25").replace("?", "%3F").replace("#", "%23")
        store = SqlAlchemyStore(uri, (path.parent / "artifacts").as_uri())
        store.engine.dispose()
        SqlAlchemyStore._engine_map.pop(uri, None)

    return folder.Schema(frozenset(Base.metadata.tables), _get_latest_schema_revision(), make)


def prepare(rebuilding: bool = False) -> list[str]:
    """Make the database where it is missing or at fault; see `mlflow_folder.prepare`.

    Raises:
        ImportError: MLflow is not installed.
        Unusable: There can be none.
    """
    _import()
    path = address.database()
    return [] if path is None else folder.prepare(path, _schema(), rebuilding)


def _client() -> MlflowClient:
    """Return a client of a store that is prepared."""
    from mlflow import MlflowClient

    path = address.database()
    client = MlflowClient(address.tracking_uri())
    if path is not None:
        file = path.stat()
        if _opened.setdefault(path, (file.st_dev, file.st_ino)) != (file.st_dev, file.st_ino):
            client._tracking_client.store.engine.dispose()  # it holds connections to the file that was there before
        _opened[path] = (file.st_dev, file.st_ino)
    return client


def connect() -> MlflowClient:
    """Return a client of the tracking store, quiet and quick to give up.

    Raises:
        ImportError: MLflow is not installed.
        Unusable: The database cannot be used.
    """
    for line in prepare():
        warnings.warn(line, stacklevel=2)
    return _client()


def _experiment_id(client: MlflowClient, name: str, create: bool) -> str | None:
    found = client.get_experiment_by_name(name)
    if found is not None and found.lifecycle_stage == "deleted" and create:
        client.restore_experiment(found.experiment_id)
    if found is not None or not create:
        return found and found.experiment_id
    # A server knows where its artifacts go; a database does not, and would take the current folder.
    location = None if address.is_served() else (address.folder() / "artifacts" / name).as_uri()
    tags = {"mlflow.experimentKind": "custom_model_development"}
    try:
        return client.create_experiment(name, artifact_location=location, tags=tags)
    except Exception:
        found = client.get_experiment_by_name(name)  # another process may have made it just now
        if found is None:
            raise
        return found.experiment_id


def own_tag(name: str, checkout: str) -> str:
    """Return the name of an experiment's tag that is this checkout's own, where others share the experiment."""
    return name if address.is_own() else f"{name}.{checkout[:12]}"


class Store:
    """The runs of one experiment in MLflow; whatever is asked of it keeps to a limit of time.

    A run is the checkout's own by a tag; in the checkout's own database all are. What another checkout wrote
    on a shared server is seen by nobody here.

    Args:
        experiment: Name of the MLflow experiment.
        limit: On the time lost.
        create: Make the experiment where it is missing.

    Raises:
        ImportError: MLflow is not installed.
        Exception: MLflow cannot be used.
    """

    def __init__(self, experiment: str, limit: Limit, create: bool = True):
        self._limit = limit
        _import()
        for line in limit.call(folder.MAKING_S, prepare):
            warnings.warn(line, stacklevel=2)
        self._client = limit.call(OPENING_S, _client)
        self._experiment = limit.call(OPENING_S, _experiment_id, self._client, experiment, create)
        self.checkout = folder.checkout_id() if create or not address.is_own() else ""

    @contextmanager
    def exclusively(self) -> Iterator[None]:
        """Let no other process of this checkout look for runs, and create what it does not find, meanwhile.

        Raises:
            TimeoutError: Another process keeps the lock.
        """
        began, held = time.monotonic(), ExitStack()
        try:
            address.folder().mkdir(exist_ok=True)
            held.enter_context(folder.locked(address.folder() / ".runs.lock", self._limit.patience))
        except TimeoutError:
            raise
        except OSError:
            pass  # a place that cannot be written has no lock to offer
        finally:
            self._limit.spend(time.monotonic() - began)
        try:
            yield
        finally:
            self._limit.afterwards(held.close)  # a call that was left behind may still create a run

    def is_own(self, run: Run) -> bool:
        """Tell whether this checkout wrote a run."""
        return address.is_own() or run.data.tags.get(CHECKOUT) == self.checkout

    def search(self, tags: Mapping[str, str]) -> list[Run]:
        """Return this checkout's runs that have certain tags, the earliest first."""
        wanted = dict(tags) if address.is_own() else {**tags, CHECKOUT: self.checkout}
        return self._search(wanted)

    def readable(self, tags: Mapping[str, str]) -> list[Run]:
        """Return the runs from which this checkout may read: also those of no checkout; its own come last."""
        found = [run for run in self._search(tags) if self.is_own(run) or CHECKOUT not in run.data.tags]
        return sorted(found, key=lambda run: (self.is_own(run), run.info.end_time or 0))

    def _search(self, tags: Mapping[str, str]) -> list[Run]:
        if self._experiment is None:
            return []
        condition = " and ".join(f"tags.`{name}` = '{value}'" for name, value in tags.items())
        found, token = [], None
        while True:
            page = self._limit(
                self._client.search_runs, [self._experiment], condition, max_results=1000, page_token=token
            )
            found.extend(page)
            if not (token := page.token):
                return sorted(found, key=lambda run: (run.info.start_time, run.info.run_id))

    def get(self, run_id: str) -> Run:
        """Return a run, deleted or not."""
        return self._limit(self._client.get_run, run_id)

    def create(self, name: str, tags: Mapping[str, str], start_ms: int | None = None) -> Run:
        """Create a run of this checkout, and return it."""
        assert self._experiment is not None
        tags = {**tags, CHECKOUT: self.checkout}
        return self._limit(self._client.create_run, self._experiment, start_time=start_ms, tags=tags, run_name=name)

    def delete(self, run_id: str) -> None:
        """Delete a run; one that is deleted already stays so."""
        self._limit(self._client.delete_run, run_id)

    def update(self, run_id: str, status: str) -> None:
        """Set a run's status, its end left open."""
        self._limit(self._client.update_run, run_id, status=status)

    def finish(self, run_id: str, status: str, end_ms: int | None = None) -> None:
        """End a run."""
        self._limit(self._client.set_terminated, run_id, status, end_time=end_ms)

    def log(
        self,
        run_id: str,
        metrics: Iterable[tuple[str, float, int, int]] = (),
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Log to a run.

        Args:
            run_id: The run.
            metrics: Name, value, time in milliseconds and step of each.
            params: Its settings.
            tags: Its tags.
        """
        from mlflow.entities import Metric, Param, RunTag

        values = [Metric(*metric) for metric in metrics]
        named = [Param(name, value) for name, value in (params or {}).items()]
        tagged = [RunTag(name, value) for name, value in (tags or {}).items()]
        room = BATCH - len(named) - len(tagged)  # the last call takes settings and tags along
        while len(values) > room:
            self._limit(self._client.log_batch, run_id, metrics=values[:BATCH])
            values = values[BATCH:]
        if values or named or tagged:
            self._limit(self._client.log_batch, run_id, metrics=values, params=named, tags=tagged)

    def log_alive(
        self, run_id: str, metrics: Iterable[tuple[str, float, int, int]] = (), tags: Mapping[str, str] | None = None
    ) -> bool:
        """Log to a run, unless it was deleted meanwhile, as another sweep may have done; tell whether it was there."""
        try:
            self.log(run_id, metrics, tags=tags)
        except Exception:
            if self.get(run_id).info.lifecycle_stage != "deleted":
                raise
            return False
        return True

    def use(self, run_id: str, data: DatasetInput) -> None:
        """Make a data set an input of a run; one that it has already stays."""
        self._limit(self._client.log_inputs, run_id, [data])

    @property
    def exists(self) -> bool:
        """MLflow has the experiment."""
        return self._experiment is not None

    @property
    def experiment_id(self) -> str:
        """MLflow's number of the experiment."""
        assert self._experiment is not None
        return self._experiment

    def experiment_tags(self) -> dict[str, str]:
        """Return the tags of the experiment."""
        return dict(self._limit(self._client.get_experiment, self.experiment_id).tags)

    def own(self, name: str) -> str:
        """Return the name of a tag of the experiment that is this checkout's own."""
        return own_tag(name, self.checkout)

    def tag_experiment(self, tags: Mapping[str, str]) -> None:
        """Set tags of the experiment."""
        for name, value in tags.items():
            self._limit(self._client.set_experiment_tag, self.experiment_id, name, value)

    def history(self, run_id: str, metric: str) -> list[tuple[int, float]]:
        """Return steps and values of a metric, in the order of the steps."""
        found = self._limit(self._client.get_metric_history, run_id, metric)
        return sorted((one.step, one.value) for one in found)

    def write(self, run_id: str, text: str, path: str) -> None:
        """Make a text an artifact of a run."""
        self._limit(self._client.log_text, run_id, text, path)

    def attach(self, run_id: str, file: Path, folder: str | None = None) -> None:
        """Make a file an artifact of a run, in one of its folders."""
        self._limit(self._client.log_artifact, run_id, str(file), folder)

    def artifacts(self, run_id: str, path: str | None = None) -> list[str]:
        """Return the paths of a run's artifacts, in one folder."""
        return [file.path for file in self._limit(self._client.list_artifacts, run_id, path)]

    def read(self, run_id: str, path: str) -> str:
        """Return the text of an artifact."""
        return Path(self._limit(self._client.download_artifacts, run_id, path)).read_text(encoding="utf-8")
