"""MLflow's address; a client that is quiet and gives up quickly; the local database, and fast writing of runs to it."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shutil
import sqlite3
import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, unquote, urlsplit

from filelock import FileLock

from highways import paths
from highways.errors import HighwaysError, printable, writing
from highways.files import write_whole
from highways.tracking.mlflow_runs import RECORD, Entry

if TYPE_CHECKING:
    from mlflow import MlflowClient

FRESH = "`highways tracking rebuild --fresh` makes it again from the records"
_BROKEN = re.compile("malformed|not a database|no such table|out-of-date database schema")


class Where(NamedTuple):
    """The address of MLflow's tracking store."""

    uri: str
    shown: str
    """`uri` without user, password and query."""
    database: Path | None
    """File of a local SQLite database; `None` for any other store."""
    is_own: bool
    """Whether the database lies in this checkout, so that all its runs belong to the checkout."""
    is_served: bool
    """Whether a server answers, which knows where its artifacts go."""


def where() -> Where:
    """Return MLflow's address: `MLFLOW_TRACKING_URI`, by default the checkout's own database.

    A relative `sqlite:///my.db` is relative to the checkout's root.
    """
    uri, database = os.environ.get("MLFLOW_TRACKING_URI") or sqlite_uri(folder() / "mlflow.db"), None
    if path := re.fullmatch(r"sqlite(?:\+\w+)?:///(?!:|file:)([^?]+)(.*)", uri):
        database = paths.root() / unquote(path[1])
        uri = sqlite_uri(database) + path[2]
    shown = re.sub(r"(?<=://).*@", "***@", uri).partition("?")[0]
    if not uri.startswith(("sqlite", "http", "postgresql", "mysql", "mssql", "databricks")):
        cure = "give a database (sqlite:///my.db) or a server (http://...)"
        raise HighwaysError(f"MLFLOW_TRACKING_URI={shown}: MLflow keeps no runs there; {cure}")
    is_own = database is not None and database.parent.resolve() == folder().resolve()
    return Where(uri, shown, database, is_own, uri.startswith(("http", "databricks")))


def sqlite_uri(path: Path) -> str:
    """Return the address of an SQLite database; characters that would end the path are quoted."""
    quoted = re.sub("[%?#]", lambda found: quote(found[0]), str(path))
    # MLflow creates the folder of the literal text after `sqlite:///`, unless a driver is named.
    return f"sqlite:///{path}" if quoted == str(path) else f"sqlite+pysqlite:///{quoted}"


def folder() -> Path:
    """Return the folder of the checkout's own database, its artifacts and its lock."""
    return paths.root() / "mlruns"


def import_mlflow() -> None:
    """Import MLflow, configured to be quiet and to give up quickly."""
    settings = {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
        "MLFLOW_SQLALCHEMYSTORE_POOLCLASS": "NullPool",  # the database may be deleted and created again
    }
    for name, value in settings.items():
        os.environ.setdefault(name, value)
    os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"  # the address may contain a password
    direct, loopback = os.environ.get("no_proxy", os.environ.get("NO_PROXY", "")), "127.0.0.1,localhost,::1"
    if loopback not in direct:  # requests to this machine must bypass the proxy
        os.environ["no_proxy"] = f"{direct},{loopback}".lstrip(",")
    import mlflow.store.tracking.sqlalchemy_store
    import mlflow.tracking  # noqa: F401

    for name in ("alembic", "mlflow", "urllib3.connectionpool"):  # the project reports errors itself
        logging.getLogger(name).setLevel(logging.CRITICAL)


@contextlib.contextmanager
def asking(what: str = "cannot be read") -> Iterator[None]:
    """Turn any MLflow error in the block into a `HighwaysError`.

    The original message is left out if it may contain a password.
    """
    try:
        yield
    except HighwaysError:
        raise
    except Exception as error:
        line = (str(error).strip().splitlines() or [""])[0]
        secrets = [os.environ.get(f"MLFLOW_TRACKING_{name}") or "\n" for name in ("PASSWORD", "TOKEN")]
        leaks = re.search("[@?]", os.environ.get("MLFLOW_TRACKING_URI", "")) or any(one in line for one in secrets)
        said = type(error).__name__ + ("" if leaks else f": {printable(line)}")
        if where().is_own and _BROKEN.search(str(error)):
            said += f"; the database is broken: {FRESH}"
        raise HighwaysError(f"MLflow at {where().shown} {what} ({said})") from None


def locked() -> FileLock:
    """Return the lock that a process of this checkout holds while it searches for runs and creates them."""
    folder().mkdir(exist_ok=True)
    return FileLock(folder() / ".lock", timeout=60)  # creating the database takes several seconds


def checkout_id() -> str:
    """Return the identifier that marks this checkout's runs in a shared store."""
    path = folder() / "checkout"
    with locked():
        if not path.exists():
            write_whole(path, uuid.uuid4().hex)
    return path.read_text(encoding="utf-8").strip()


def connect(create: bool = True) -> MlflowClient:
    """Return a client of the tracking store; a missing local database is created, or an error without `create`."""
    import_mlflow()
    from mlflow import MlflowClient
    from sqlalchemy import Engine, event

    def hasten(connection: sqlite3.Connection, _: object) -> None:
        connection.execute("PRAGMA synchronous = OFF")

    if (path := where().database) is not None:
        if not path.exists():
            if not create:
                raise HighwaysError(f"there is no {path}; `highways tracking rebuild` makes it from the records")
            path.parent.mkdir(parents=True, exist_ok=True)
            with locked():
                if not path.exists():
                    part = path.with_name(f".{path.name}.part")  # MLflow takes seconds to create its tables
                    part.unlink(missing_ok=True)
                    event.listen(Engine, "connect", hasten)
                    MlflowClient(sqlite_uri(part)).search_experiments(max_results=1)
                    event.remove(Engine, "connect", hasten)
                    part.replace(path)
        with contextlib.closing(sqlite3.connect(path)) as connection:  # MLflow would retry a broken one for minutes
            connection.execute("SELECT version_num FROM alembic_version").fetchall()
    return MlflowClient(where().uri)


def remove() -> None:
    """Delete the checkout's own database and artifacts; any other store is refused."""
    path = where().database
    if path is None or not where().is_own:
        raise HighwaysError(f"{where().shown} is not this checkout's own database; nothing in it is deleted")
    with writing(path):
        for ending in ("", "-journal", "-wal", "-shm"):
            path.with_name(path.name + ending).unlink(missing_ok=True)
    shutil.rmtree(folder() / "artifacts", ignore_errors=True)


def write_runs(database: Path, experiment_id: str, artifacts: str, runs: Mapping[str, Entry]) -> None:
    """Write runs, by MLflow's ids, to an experiment with artifacts at a `file:` address; write all or none.

    A single transaction is fast: through MLflow's API each run takes a tenth of a second. Tags are added to existing
    ones, and metrics replaced. The tables are those of MLflow 3.17.
    """
    tables: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for run_id, entry in runs.items():
        folder, run = f"{artifacts}/{run_id}/artifacts", {"run_uuid": run_id}
        if entry.record:
            file = Path(unquote(urlsplit(folder).path)) / RECORD
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(entry.record, encoding="utf-8")
        status = "RUNNING" if entry.end is None else "FINISHED"
        times = {"status": status, "start_time": entry.start, "end_time": entry.end, "lifecycle_stage": "active"}
        place = {"name": entry.name, "experiment_id": experiment_id, "artifact_uri": folder, "user_id": "unknown"}
        tables["runs"].append(run | times | place)
        data, tags = entry.data, {"mlflow.runName": entry.name, **entry.tags}
        data_id = uuid.uuid5(uuid.NAMESPACE_URL, f"{experiment_id}/{data.name}/{data.digest}").hex
        named = {"dataset_uuid": data_id, "experiment_id": experiment_id, "name": data.name, "digest": data.digest}
        tables["datasets"].append(named | {"dataset_source_type": data.source_type, "dataset_source": data.source})
        used = {"input_uuid": run_id, "source_type": "DATASET", "source_id": data_id, "step": 0}
        tables["inputs"].append(used | {"destination_type": "RUN", "destination_id": run_id})
        tables["tags"] += [run | {"key": key, "value": value} for key, value in tags.items()]
        tables["params"] += [run | {"key": key, "value": value} for key, value in entry.params.items()]
        metrics = [
            run | {"key": one.key, "value": one.value, "timestamp": one.timestamp, "step": one.step, "is_nan": False}
            for one in entry.metrics
        ]
        tables["metrics"] += metrics
        tables["latest_metrics"] += {row["key"]: row for row in sorted(metrics, key=lambda row: row["step"])}.values()
    with contextlib.closing(sqlite3.connect(database, timeout=20)) as connection, connection:
        connection.execute("BEGIN IMMEDIATE")
        for table in ("metrics", "latest_metrics"):
            connection.executemany(f"DELETE FROM {table} WHERE run_uuid = ?", [[run_id] for run_id in runs])
        for table, rows in tables.items():
            for columns in rows[:1]:
                values = ", ".join(f":{column}" for column in columns)
                connection.executemany(f"INSERT OR REPLACE INTO {table} ({', '.join(columns)}) VALUES ({values})", rows)
