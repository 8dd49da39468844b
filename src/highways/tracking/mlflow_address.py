"""Where MLflow is: its address, and its address as it may be shown."""

import os
import re
from pathlib import Path
from urllib.parse import quote, unquote, unquote_plus

from highways import paths
from highways.errors import HighwaysError

STORES = ("sqlite", "http", "postgresql", "mysql", "mssql", "databricks")
"""How the addresses begin that MLflow takes."""
_SQLITE = re.compile(r"(sqlite(?:\+\w+)?:///)([^?]*)(.*)")
_NAMED = re.compile(r"(?i)(\w*(?:passw|pwd|secret|token|api_?key|credential)\w*['\"]?\s*[=:]\s*['\"]?)[^&;,\s'\"})]+")


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
            f"MLFLOW_TRACKING_URI={redacted(given)}: MLflow keeps no runs there; "
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


def redacted(text: str) -> str:
    """Return a text without the passwords of addresses, whoever wrote it."""
    given = os.environ.get("MLFLOW_TRACKING_URI", "")
    secrets = {os.environ.get(f"MLFLOW_TRACKING_{name}", "") for name in ("PASSWORD", "TOKEN")}
    if user := re.match(r"[\w+.-]+://(.*)@", given):
        secrets |= {user[1], user[1].partition(":")[2]}
    values = (pair.partition("=")[2] for pair in given.partition("?")[2].split("&"))
    secrets |= {value for value in values if len(value) > 3 and value.lower() not in ("true", "false")}
    secrets |= {decoded(secret) for secret in secrets for decoded in (unquote, unquote_plus)}
    for secret in sorted(secrets - {""}, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", "***", text)
    return _NAMED.sub(r"\1***", re.sub(r"(?<=://)[^/?#\s'\"]*@", "***@", text))


def shown_uri() -> str:
    """Return MLflow's address as it may be shown."""
    return redacted(tracking_uri())
