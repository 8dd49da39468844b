"""What a stage of the pipeline says while it works: a line that stands, or one that the next replaces."""

from __future__ import annotations

import os
import shutil
import time
from typing import TextIO

RELAY = "HIGHWAYS_RELAY"
"""Set in the environment where `highways repro` shows what a stage says: it owns the terminal, a stage does not."""
LINE, LIVE = "\x02line ", "\x02live "
"""How a relayed line begins: one that stands, one that the next replaces."""
NO_READER = "stopped, for nobody reads what it says any more; the same command goes on from the last checkpoint"
EVERY_S = 20.0
"""Where there is no terminal, seconds between a line and one of progress: a short stage shows none."""


class Screen:
    """Shows lines on a terminal, in a log, or to `highways repro`.

    Args:
        stream: Where; it must stay open when standard output is sent elsewhere.
    """

    def __init__(self, stream: TextIO):
        self._stream = stream
        self._relayed = RELAY in os.environ
        self._terminal = stream.isatty()
        self._shown = False
        """The last line on the terminal is one that the next replaces."""
        self._next = 0.0

    def line(self, text: str) -> None:
        """Show a line that stands."""
        self._next = time.monotonic() + EVERY_S
        self._write(f"{LINE if self._relayed else ''}{text}\n")

    def live(self, text: str) -> None:
        """Show a line that the next one replaces; in a log, some of them."""
        if self._relayed:
            self._write(f"{LIVE}{text}\n")
        elif self._terminal:
            width = shutil.get_terminal_size().columns - 1
            self._write(text if len(text) <= width else f"{text[: width - 1]}…")
            self._shown = True
        elif (now := time.monotonic()) >= self._next:
            self._next = now + EVERY_S
            self._write(f"{text}\n")

    def relay(self, text: str) -> bool:
        """Show a line as the stage that sent it meant it; tell whether a stage sent it."""
        if text.startswith(LINE):
            self.line(text.removeprefix(LINE))
        elif text.startswith(LIVE):
            self.live(text.removeprefix(LIVE))
        else:
            return False
        return True

    def clear(self) -> None:
        """Remove a line that was to be replaced."""
        self._write("")

    def _write(self, text: str) -> None:
        clear = "\r\x1b[K" if self._shown else ""
        self._shown = False
        self._stream.write(clear + text)
        self._stream.flush()
