"""Files that are whole or not there: written beside their place and moved into it."""

from __future__ import annotations

import contextlib
import errno
import os
import platform
import re
import time
from collections.abc import Iterator
from pathlib import Path

from highways.errors import writing

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}
"""What the system says where a file finds no place."""

HOST = re.sub(r"[^A-Za-z0-9-]", "-", platform.node())

STRAY = re.compile(r"\.(?P<pid>\d+)(?:@(?P<host>[A-Za-z0-9-]*))?\.part$")
"""How the name of an unfinished file ends: the process that writes it, and its machine."""

_BEGAN = time.time()


@contextlib.contextmanager
def part_of(home: Path) -> Iterator[Path]:
    """Yield a place to write a file to before it is put at `home`; nothing is left there.

    Raises:
        CannotWrite: There cannot be a file.
    """
    with writing(home):
        home.parent.mkdir(parents=True, exist_ok=True)
    part = home.with_name(f".{home.name}.{os.getpid()}@{HOST}.part")
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
    """Remove unfinished files in and below folders whose writers, processes of this machine, are gone."""
    for folder in folders:
        for place, _, names in os.walk(folder):
            for name in names:
                found = STRAY.search(name)
                if found is not None and found["host"] in (None, HOST) and _is_gone(Path(place) / name, found["pid"]):
                    with contextlib.suppress(OSError):
                        (Path(place) / name).unlink(missing_ok=True)


def _is_gone(path: Path, pid: str) -> bool:
    """Tell whether the writer of an unfinished file is gone; in a container, this process may bear its number."""
    try:
        if int(pid) == os.getpid():
            return path.stat().st_mtime < _BEGAN
        os.kill(int(pid), 0)
    except (ProcessLookupError, OverflowError):
        return True
    except OSError:  # another user's
        return False
    return False
