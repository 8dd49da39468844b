"""The one exception that users are meant to see, and its subclasses.

Every function raises it for problems that the user can fix, such as a faulty file; docstrings other than those of
public functions do not repeat this.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

MOST = 4000
"""Largest number of characters of a message."""


def printable(text: str, most: int = 200) -> str:
    """Format foreign text as one line for a message: escape control characters, and shorten it to `most` characters."""
    text = text if len(text) <= most else text[: most - 3] + "..."
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


class HighwaysError(Exception):
    """A problem that the user can fix: the message is one line and says what is wrong and where.

    The command line prints it without a traceback and exits with status 1; so does a notebook's cell.
    """

    def __str__(self) -> str:
        return printable(super().__str__(), MOST)  # it may contain foreign names and text

    def _render_traceback_(self) -> list[str]:  # IPython calls this
        return [f"error: {self}"]


class NotYet(HighwaysError):
    """An output of an earlier pipeline stage does not exist yet."""


class CannotWrite(HighwaysError):
    """A file cannot be written: the disk is full, or the folder read-only. Retrying does not help."""


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn every `OSError` in a block that writes `path` into a `CannotWrite` that names it."""
    try:
        yield
    except OSError as error:
        raise CannotWrite(f"{path}: cannot be written: {error.strerror or error}") from error
