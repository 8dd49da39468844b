"""Atomic file writes: a file is either complete or absent."""

import contextlib
import fnmatch
import hashlib
import os
import time
import uuid
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from highways.errors import HighwaysError, writing


@contextlib.contextmanager
def part_of(home: Path) -> Iterator[Path]:
    """Yield a temporary path next to `home` to write a file to before it is moved there; clean up afterwards."""
    with writing(home):
        home.parent.mkdir(parents=True, exist_ok=True)
    part = home.with_name(f".{home.name}.{uuid.uuid4().hex[:12]}.part")
    try:
        yield part
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes | str) -> None:
    """Write a file atomically: at any moment it is the old one, the new one, or absent."""
    with part_of(path) as part, writing(path):
        with part.open("wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)


def write_all(files: Mapping[Path, bytes | str]) -> list[Path]:
    """Write files, each as `write_whole` does, and return their paths."""
    for path, content in files.items():
        write_whole(path, content)
    return list(files)


def remove_strays(*folders: Path) -> None:
    """Remove unfinished files in and below folders, left by processes killed at least a day ago."""
    for top in folders:
        for folder, _, names in os.walk(top):  # skips folders that other processes remove meanwhile
            for path in (Path(folder, name) for name in fnmatch.filter(names, ".*.part")):
                with contextlib.suppress(OSError):
                    if time.time() - path.stat().st_mtime > 24 * 3600:
                        path.unlink()


def check_is_file(path: Path) -> None:
    """Raise an error for a folder, pipe or device, which could block or never end when read."""
    if path.exists() and not path.is_file():
        raise HighwaysError(f"{path}: a folder, a pipe or a device where a file should be")


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file that the user named."""
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
