"""Text and tables on the terminal, drawn by rich; plain and uncut in files and pipes."""

import sys
import textwrap
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table

from highways.errors import printable


def console() -> Console:
    """Return a console that prints every character as it is."""
    width = None if sys.stdout.isatty() else 10_000  # enough for every cell of a table on one line
    return Console(width=width, highlight=False, markup=False, emoji=False)


def visible(text: str) -> str:
    """Return a text whose control characters, except for ends of lines, are shown and steer no terminal."""
    return "\n".join(printable(part, len(part)) for part in text.split("\n"))


def line(text: str = "", style: str = "") -> None:
    """Print a line, in a style of rich's such as `green` or `bold` on a terminal."""
    console().print(visible(text), style=style or None, soft_wrap=True)


def wrapped(text: str, indent: str = "") -> None:
    """Print a text on as many indented lines of up to 100 columns as it needs."""
    width = min(console().width, 100)
    line("\n".join(textwrap.wrap(text, width, initial_indent=indent, subsequent_indent=indent, break_long_words=False)))


def table(heads: Sequence[str], rows: Iterable[Sequence[str | float | None]]) -> None:
    """Print a table, columns of numbers aligned right, four significant digits each, and nothing for `None` and NaN."""
    rows = list(rows)
    drawn = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for head, *column in zip(heads, *rows, strict=True):
        of_text = any(isinstance(cell, str) for cell in column)
        drawn.add_column(head, justify="left" if of_text else "right", overflow="fold")
    for row in rows:
        drawn.add_row(*map(_cell, row))
    console().print(drawn)


def _cell(value: str | float | None) -> str:
    if value is None or value != value:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else visible(str(value))
