"""Where MLflow is: its address, and what of it may be shown."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import quote, unquote

from highways import paths

HIDDEN = "***"
_USER = re.compile(r"(?<=://)[^/?#\s'\"]*@")
_NAMED = re.compile(
    r"(?i)\b(\w*(?:passw|pwd|secret|token|apikey|api_key|credential)\w*['\"]?\s*[=:]\s*['\"]?)[^&;,\s'\"})]+"
)
_PARTS = re.compile(r"[\w+.-]+://(?:(?P<user>[^:/@]*)(?::(?P<password>[^@]*))?@)?[^?]*(?:\?(?P<query>.*))?", re.DOTALL)


def folder() -> Path:
    """Return the folder of the checkout's own database, its artifacts and locks."""
    return paths.root() / "mlruns"


def tracking_uri() -> str:
    """Return `MLFLOW_TRACKING_URI`, or the address of the project's own SQLite database.

    What would end the path in an address, or begin a quoted character in it, is quoted.
    """
    if given := os.environ.get("MLFLOW_TRACKING_URI"):
        return given
    path = str(folder() / "mlflow.db")
    quoted = re.sub("[%?#]", lambda found: quote(found[0]), path)
    # MLflow makes the folder of what follows `sqlite:///`, as it stands: with a driver named, it does not.
    return f"sqlite:///{path}" if quoted == path else f"sqlite+pysqlite:///{quoted}"


def database() -> Path | None:
    """Return the file of a local SQLite database, or `None` where MLflow is anything else."""
    found = re.match(r"sqlite(?:\+\w+)?:///([^?]*)", tracking_uri())
    path = unquote(found[1]) if found else ""
    if not path or path == ":memory:" or path.startswith("file:"):
        return None
    return Path.cwd() / path


def is_own() -> bool:
    """Tell whether MLflow's database lies in this checkout, so that all runs in it are the checkout's."""
    path = database()
    return path is not None and path.parent.resolve() == folder().resolve()


def is_served() -> bool:
    """Tell whether a server answers: it knows where its artifacts go."""
    return tracking_uri().startswith(("http", "databricks"))


def _secrets() -> set[str]:
    """Return what the address and the environment hold that must not be shown, quoted and not."""
    found = [os.environ.get(name) for name in ("MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")]
    if parts := _PARTS.match(tracking_uri()):
        found.append(parts["password"] if parts["password"] is not None else parts["user"])
        values = (pair.partition("=")[2] for pair in (parts["query"] or "").split("&"))
        found.extend(value for value in values if len(value) > 3 and value.lower() not in ("true", "false"))
    return {form for secret in found if secret for form in (secret, unquote(secret), unquote(secret.replace("+", " ")))}


def redacted(text: str) -> str:
    """Return a text that may be shown: without the passwords of addresses, whoever wrote it."""
    text = _USER.sub(f"{HIDDEN}@", text)
    for secret in sorted(_secrets(), key=len, reverse=True):
        word = re.escape(secret)
        text = re.sub(word if len(secret) > 3 else rf"(?<!\w){word}(?!\w)", HIDDEN, text)
    return _NAMED.sub(rf"\1{HIDDEN}", text)


def shown_uri() -> str:
    """Return MLflow's address as it may be shown."""
    return redacted(tracking_uri())
