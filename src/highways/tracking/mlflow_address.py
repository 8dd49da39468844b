"""Where MLflow is: its address, and its address as it may be shown."""

import os
import re
from pathlib import Path
from urllib.parse import quote, unquote

from highways import paths
from highways.errors import HighwaysError

STORES = ("sqlite", "http", "postgresql", "mysql", "mssql", "databricks")
"""How the addresses begin that MLflow takes."""
_SQLITE = re.compile(r"(sqlite(?:\+\w+)?:///)([^?]*)(.*)")


def folder() -> Path:
    """Return the folder of the checkout's own database, its artifacts and its lock."""
    return paths.root() / "mlruns"


def tracking_uri() -> str:
    """Return `MLFLOW_TRACKING_URI`, by default the address of the checkout's own database.

    A relative `sqlite:///my.db` is relative to the checkout's root.
    """
    given = os.environ.get("MLFLOW_TRACKING_URI")
    if not given:
        return sqlite_uri(folder() / "mlflow.db")
    if not given.startswith(STORES):
        raise HighwaysError(
            f"MLFLOW_TRACKING_URI={without_password(given)}: MLflow keeps no runs there; "
            "give a database (sqlite:///my.db) or a server (http://...)"
        )
    if (found := _SQLITE.fullmatch(given)) and found[2] and not found[2].startswith(("/", ":", "file:")):
        return f"{found[1]}{paths.root() / found[2]}{found[3]}"
    return given


def sqlite_uri(path: Path) -> str:
    """Return the address of an SQLite database; what would end the path in an address is quoted."""
    quoted = re.sub("[%?#]", lambda found: quote(found[0]), str(path))
    # MLflow makes the folder of what follows `sqlite:///` as it stands, except where a driver is named.
    return f"sqlite:///{path}" if quoted == str(path) else f"sqlite+pysqlite:///{quoted}"


def database() -> Path | None:
    """Return the file of a local SQLite database, `None` where MLflow is anything else."""
    found = _SQLITE.fullmatch(tracking_uri())
    path = unquote(found[2]) if found else ""
    return Path(path) if path.startswith("/") else None


def is_own() -> bool:
    """Return whether MLflow's database lies in this checkout, so that all runs in it are the checkout's."""
    path = database()
    return path is not None and path.parent.resolve() == folder().resolve()


def is_served() -> bool:
    """Return whether a server answers: it knows where its artifacts go."""
    return tracking_uri().startswith(("http", "databricks"))


def may_leak(text: str) -> bool:
    """Return whether what others say of MLflow may hold a password, that of its address or the environment's."""
    given = os.environ.get("MLFLOW_TRACKING_URI", "")
    secrets = [os.environ.get(f"MLFLOW_TRACKING_{name}") for name in ("PASSWORD", "TOKEN")]
    return "@" in given or "?" in given or any(secret and secret in text for secret in secrets)


def without_password(uri: str) -> str:
    """Return an address as it may be shown: without user, password and query."""
    return re.sub(r"(?<=://).*@", "***@", uri).partition("?")[0]


def shown_uri() -> str:
    """Return MLflow's address as it may be shown."""
    return without_password(tracking_uri())
