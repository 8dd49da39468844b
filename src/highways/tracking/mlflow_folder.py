"""What a checkout keeps for MLflow: a database that is made once, locks, and the checkout's own name."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from highways import paths
from highways.tracking import mlflow_address as address
from highways.tracking.records import write_atomically

MAKING_S = 60.0
"""What making the database may take, another process's making counted: it is done once."""
CHECKOUT_FILE = "highways-checkout"
COMPANIONS = ("-journal", "-wal", "-shm")
"""Endings of the files that belong to an SQLite database."""


class Unusable(Exception):
    """The database cannot be used.

    Args:
        message: What is wrong.
        remedy: When it can be used again; it follows "brings them to MLflow".
    """

    def __init__(self, message: str, remedy: str):
        super().__init__(message)
        self.remedy = remedy


@dataclass(frozen=True)
class Schema:
    """What makes an MLflow database whole.

    Attributes:
        tables: Names of its tables.
        version: Of its migrations.
        make: Makes a database in a file that is not there.
    """

    tables: frozenset[str]
    version: str
    make: Callable[[Path], None]


@contextmanager
def locked(file: Path, wait_s: float) -> Iterator[None]:
    """Hold a lock that one process at a time can have, and that ends with the process.

    Args:
        file: The lock; it is made where it is missing, and stays.
        wait_s: Seconds to wait for it.

    Raises:
        TimeoutError: Another process keeps it.
        OSError: The file cannot be made.
    """
    deadline = time.monotonic() + wait_s
    with file.open("a") as handle:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise TimeoutError(f"another process keeps {file}") from None
                time.sleep(0.02)
        yield


def checkout_id() -> str:
    """Return the name, drawn at random once, by which the checkout knows its runs on a shared server.

    It is kept in git's folder, which no clone copies and no cleaning empties, or else beside the database. With it
    stands the number that the file system has given to that folder: a copy of the checkout draws a name of its own.

    Raises:
        OSError: It cannot be written.
    """
    git, ours = paths.root() / ".git", address.folder()
    for place in (git, ours):
        if (found := _name_kept_in(place)) is not None:
            return found
    ours.mkdir(exist_ok=True)
    with locked(ours / f".{CHECKOUT_FILE}.lock", wait_s=5):
        place = git if git.is_dir() and os.access(git, os.W_OK) else ours
        if (found := _name_kept_in(place)) is None:
            found = uuid.uuid4().hex
            write_atomically(place / CHECKOUT_FILE, f"{found} {place.stat().st_ino}\n")
        return found


def _name_kept_in(place: Path) -> str | None:
    """Return the checkout's name, `None` where there is none, or another's whose folder was copied."""
    with suppress(OSError, UnicodeDecodeError):
        name, *number = (place / CHECKOUT_FILE).read_text(encoding="utf-8").split() or [""]
        if name and number in ([], [str(place.stat().st_ino)]):
            return name
    return None


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(path))}?mode=rw", uri=True, timeout=0.5)


def fault(path: Path, schema: Schema, own: bool = True, thorough: bool = False) -> str | None:
    """Say what makes a database none that MLflow can use, or return `None`.

    Args:
        path: The file, which is there.
        schema: What makes it whole.
        own: It is the checkout's: of another MLflow's version, or short of a table, it is at fault. MLflow
            upgrades the others.
        thorough: Read all of it.

    Raises:
        Unusable: It cannot be opened.
    """
    if path.stat().st_size == 0:
        return "is empty"
    try:
        connection = _connect(path)
        try:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            versions = []
            if "alembic_version" in tables:
                versions = [version for (version,) in connection.execute("SELECT version_num FROM alembic_version")]
            damage = "ok"
            if thorough:
                (damage,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        finally:
            connection.close()
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return None  # another process writes in it, and who writes has opened it
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return f"is damaged ({error})"
        raise Unusable(f"{path}: {error}", "once it can be opened") from None
    if damage != "ok":
        return f"is damaged ({damage.splitlines()[0]})"
    if len(versions) != 1 or (own and not schema.tables <= tables):
        return "is half made"
    if own and versions[0] != schema.version:
        return "is of another MLflow's version"
    return None


def is_moved(path: Path) -> bool:
    """Tell whether a checkout's own database puts artifacts elsewhere: it was made before the checkout was moved."""
    artifacts = address.folder() / "artifacts"
    try:
        connection = _connect(path)
        try:
            rows = connection.execute("SELECT artifact_location FROM experiments WHERE experiment_id != 0").fetchall()
        finally:
            connection.close()
    except sqlite3.DatabaseError:
        return False
    for (location,) in rows:
        parts = urlsplit(location or "")
        there = Path(unquote(parts.path)).parent
        ours = parts.scheme == "file" and there.parts[-2:] == artifacts.parts[-2:]
        if ours and there != artifacts and there.resolve() != artifacts.resolve():
            return True
    return False


def put_aside(path: Path) -> Path:
    """Move a database and what belongs to it out of the way; return where it is."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")
    aside = path.with_name(f"{path.name}.{stamp}.aside")
    for ending in (*COMPANIONS, ""):
        with suppress(FileNotFoundError):
            path.with_name(path.name + ending).rename(aside.with_name(aside.name + ending))
    return aside


def _make(path: Path, schema: Schema) -> None:
    """Make a database beside its place, and move it there when it is whole. The caller holds the lock."""
    for left in path.parent.glob(f".{path.name}.*.part*"):
        left.unlink(missing_ok=True)
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.part")
    try:
        schema.make(part)
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        for ending in ("", *COMPANIONS):
            part.with_name(part.name + ending).unlink(missing_ok=True)


def prepare(path: Path, schema: Schema, rebuilding: bool = False) -> list[str]:
    """See to it that there is a whole database; what else stands in the place of the checkout's own is put aside.

    Args:
        path: The file.
        schema: What makes it whole.
        rebuilding: All that the records hold will be brought to it: look closely, and make a database anew
            that the checkout had at another place.

    Returns:
        What was put aside, and why: at most one line.

    Raises:
        Unusable: There can be none.
        OSError: It cannot be made.
    """
    own = address.is_own()

    def wrong() -> str | None:
        if path.is_dir():
            raise Unusable(f"{path} is a folder, not a database", "once it is moved away")
        if not path.exists():
            return "is not there"
        found = fault(path, schema, own, thorough=rebuilding)
        if found is None and rebuilding and own and is_moved(path):
            return "puts artifacts into another folder (was the checkout moved?)"
        return found

    if wrong() is None:
        return []
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(path.with_name(f".{path.name}.lock"), MAKING_S):
            reason, said = wrong(), []
            if reason is None:
                return []
            if path.exists() and path.stat().st_size:
                if not own:
                    raise Unusable(f"{path} {reason}", "once it is moved away")
                said.append(
                    f"{path} {reason}: it is now {put_aside(path).name}, and a new one is made; "
                    "`highways tracking rebuild` brings the records of all profiles to it"
                )
            _make(path, schema)
            return said
    except TimeoutError:
        raise
    except OSError as error:
        raise Unusable(f"{path} cannot be made: {error.strerror or error}", "once it can be written") from None
