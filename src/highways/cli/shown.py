"""How the command line shows things: by rich on a terminal, as plain aligned text in files and pipes."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import Any

WIDTH = 100
"""Columns of wrapped text that is not shown on a terminal."""
WIDEST = 120
"""Lines of text that are longer are hard to read."""
COLOURS = {"good": "green", "bad": "red", "open": "yellow", "quiet": "dim", "head": "bold"}


def _console() -> Any:
    """Return rich's console, `None` where there is no terminal (or no rich)."""
    if not sys.stdout.isatty() or os.environ.get("TERM") == "dumb":
        return None
    try:
        from rich.console import Console
    except ImportError:
        return None
    return Console(highlight=False, markup=False, emoji=False)


def width() -> int:
    """Return how many columns wrapped text has."""
    return min(shutil.get_terminal_size().columns, WIDEST) if sys.stdout.isatty() else WIDTH


def line(text: str = "", style: str = "") -> None:
    """Print a line, coloured where it is shown on a terminal.

    Args:
        text: The line; it is not cut.
        style: One of `COLOURS`; none by default.
    """
    if style and (console := _console()) is not None:
        console.print(text, style=COLOURS[style], soft_wrap=True)
    else:
        print(text)


def wrapped(text: str, first: str = "", style: str = "", indent: str | None = None) -> None:
    """Print a text on as many lines as it needs.

    Args:
        text: The text.
        first: What the first line begins with.
        style: See `line`.
        indent: What the other lines begin with; by default `first`.
    """
    lines = textwrap.wrap(
        text,
        width(),
        initial_indent=first,
        subsequent_indent=first if indent is None else indent,
        break_on_hyphens=False,
        break_long_words=False,
    )
    for part in lines:
        line(part, style)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> None:
    """Print a table; on a terminal that is too narrow for it, the first cell of each row has a line of its own.

    Args:
        heads: Of the columns.
        rows: Their cells.
        right: Numbers of the columns that are aligned at the right.
    """
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    console = _console()
    if console is None:
        for row in (heads, *rows):
            _plain_row(row, widths, right)
        return
    from rich.table import Table

    drawn = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    narrow = sum(widths) + 2 * len(widths) > console.width and max(widths) > console.width // 3
    if narrow and max(widths) == widths[0]:
        for row in rows:
            line(row[0], "head")
            filled = [f"{head} {cell}" for head, cell in zip(heads[1:], row[1:], strict=True) if cell]
            wrapped(", ".join(filled), "    ")
        return
    for place, head in enumerate(heads):
        drawn.add_column(head, justify="right" if place in right else "left", no_wrap=place == 0)
    for row in rows:
        drawn.add_row(*row)
    console.print(drawn)


def _plain_row(row: Sequence[str], widths: Sequence[int], right: Sequence[int]) -> None:
    cells = [
        cell.rjust(wide) if place in right else cell.ljust(wide)
        for place, (cell, wide) in enumerate(zip(row, widths, strict=True))
    ]
    print("  ".join(cells).rstrip())
