"""The one exception that users are meant to see, and its subclass `NotYet`.

Every function raises it for problems that the user can fix, such as a faulty file; docstrings other than those of
public functions do not repeat this.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path


def printable(text: str, most: int = 200) -> str:
    """Format foreign text as one line for a message: escape control characters, and shorten it to `most` characters."""
    text = text if len(text) <= most else text[: most - 3] + "..."
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


class HighwaysError(Exception):
    """A problem that the user can fix: the message is one line and says what is wrong and where.

    The command line prints it without a traceback and exits with status 1; so does a notebook's cell.
    """

    def __str__(self) -> str:
        return printable(super().__str__(), most=4000)  # it may contain foreign names and text

    def _render_traceback_(self) -> list[str]:  # IPython calls this
        return [f"error: {self}"]


class NotYet(HighwaysError):
    """An output of an earlier pipeline stage does not exist yet."""


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn every `OSError` in a block that writes `path`, as of a full disk, into an error that names it."""
    try:
        yield
    except OSError as error:
        raise HighwaysError(f"{path}: cannot be written: {error.strerror or error}") from error
