"""Files that are whole or not there: written beside their place and moved into it."""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from highways.errors import writing

STRAY_S = 24 * 3600
"""Age of an unfinished file that nobody writes any more."""


@contextlib.contextmanager
def part_of(home: Path) -> Iterator[Path]:
    """Yield a place to write a file to before it is put at `home`; nothing is left there.

    Raises:
        CannotWrite: There cannot be a file.
    """
    with writing(home):
        home.parent.mkdir(parents=True, exist_ok=True)
    part = home.with_name(f".{home.name}.{uuid.uuid4().hex[:12]}.part")
    try:
        yield part
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that at any moment it is the old one, the new one, or not there.

    Raises:
        CannotWrite: No space is left, or the place is read-only; what was there stays.
    """
    with part_of(path) as part, writing(path):
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)


def check_writable(path: Path) -> None:
    """Find out whether a file can be written before there is anything to write.

    Raises:
        CannotWrite: The place is read-only.
    """
    with part_of(path) as part, writing(path):
        part.touch()


def remove_strays(*folders: Path) -> None:
    """Remove unfinished files in and below folders that killed processes have left a day ago or earlier."""
    for folder in folders:
        for path in folder.rglob(".*.part"):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > STRAY_S:
                    path.unlink()
