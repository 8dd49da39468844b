"""The order of a worker's messages: what carries them may swap them, and may lose some."""

from __future__ import annotations

import time
from collections.abc import Iterable

from highways.tracking.events import Event

PATIENCE_S = 1.0
"""Seconds that later messages wait for an earlier one; then it counts as lost."""


class InOrder:
    """Gives the messages of one worker in the order in which they were sent; each is numbered, from 0 on."""

    def __init__(self):
        self._next = 0
        self._held: dict[int, Event | bytes] = {}
        self._since: float | None = None
        """When the first of the messages came that wait for an earlier one."""

    def take(self, new: Iterable[tuple[int, Event | bytes]], last: bool) -> list[Event | bytes]:
        """Return the messages whose turn it is.

        An event that was given up comes late rather than never; of a state there is a later one.

        Args:
            new: What has come since the last look, with its number.
            last: No more will come.
        """
        ready: list[Event | bytes] = []
        for number, content in new:
            if number >= self._next:
                self._held[number] = content
            elif not isinstance(content, bytes):
                ready.append(content)
        ready += self._following()
        if not self._held:
            self._since = None
            return ready
        now = time.monotonic()
        self._since = now if self._since is None else self._since
        while self._held and (last or now - self._since > PATIENCE_S):
            self._next = min(self._held)
            ready += self._following()
        return ready

    def _following(self) -> list[Event | bytes]:
        """Return the held messages that follow on what was given last, without a gap."""
        found = []
        while self._next in self._held:
            found.append(self._held.pop(self._next))
            self._next += 1
        return found
