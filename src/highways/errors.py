"""The one exception that users are meant to see, and its kinds.

Every function raises it for what the user can mend, such as a file at fault; docstrings below the
public functions do not repeat that.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

MOST = 4000
"""Characters of a message."""


def printable(text: str, most: int = 200) -> str:
    """Return a text that others wrote as one line for a message: without control characters, and not too long."""
    text = text if len(text) <= most else text[: most - 3] + "..."
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


class HighwaysError(Exception):
    """Something the user can mend: the message is one line and says what and where.

    The command line prints it without a traceback and exits with status 1; so does a notebook's cell.
    """

    def __str__(self) -> str:
        return printable(super().__str__(), MOST)  # names and texts of others may be in it

    def _render_traceback_(self) -> list[str]:  # what IPython asks for
        return [f"error: {self}"]


class NotYet(HighwaysError):
    """What an earlier stage of the pipeline makes is not there yet."""


class CannotWrite(HighwaysError):
    """A file cannot be written: no space is left, or the place is read-only. To try again is of no use."""


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Make every error of the system in a block that writes `path` a `CannotWrite` that names it."""
    try:
        yield
    except OSError as error:
        raise CannotWrite(f"{path}: cannot be written: {error.strerror or error}") from error
