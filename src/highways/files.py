"""Atomic file writes: a file is either complete or absent."""

import contextlib
import fnmatch
import hashlib
import os
import time
import uuid
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from highways.errors import HighwaysError, writing

STRAY_S = 24 * 3600
"""Age of an unfinished file that nobody writes any more."""


@contextlib.contextmanager
def part_of(home: Path) -> Iterator[Path]:
    """Yield a place to write a file to before it is put at `home`; nothing is left there."""
    with writing(home):
        home.parent.mkdir(parents=True, exist_ok=True)
    part = home.with_name(f".{home.name}.{uuid.uuid4().hex[:12]}.part")
    try:
        yield part
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes | str) -> None:
    """Write a file so that at any moment it is the old one, the new one, or not there; else raise `CannotWrite`."""
    with part_of(path) as part, writing(path):
        with part.open("wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)


def check_writable(path: Path) -> None:
    """Raise `CannotWrite` where a file cannot be written, before there is anything to write."""
    with part_of(path) as part, writing(path):
        part.touch()


def remove_strays(*folders: Path) -> None:
    """Remove unfinished files in and below folders that killed processes have left a day ago or earlier."""
    for top in folders:
        for folder, _, names in os.walk(top):  # which passes over folders that others remove meanwhile
            for path in (Path(folder, name) for name in fnmatch.filter(names, ".*.part")):
                with contextlib.suppress(OSError):
                    if time.time() - path.stat().st_mtime > STRAY_S:
                        path.unlink()


def check_is_file(path: Path) -> None:
    """Refuse what may be there in place of a file and would be read for ever, or be waited for."""
    if path.exists() and not path.is_file():
        raise HighwaysError(f"{path}: a folder, a pipe or a device where a file should be")


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file that somebody named."""
    try:
        check_is_file(path)
        status = path.stat()
        return _sha256(path, status.st_mtime_ns, status.st_size)
    except OSError as error:
        raise HighwaysError(f"{path}: {error.strerror or 'cannot be read'}") from None


@lru_cache(maxsize=256)
def _sha256(path: Path, changed: int, size: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
