"""A limit on the time that is lost with MLflow."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

NORMAL_S = 0.1
"""A server's answer that takes longer counts as lost time."""
NORMAL_FILE_S = 0.5
"""The same for a database on the disk: a busy machine is slow at times, a lock takes seconds."""


class TooSlow(Exception):
    """The time that may be lost is spent."""


class Limit:
    """Makes calls, one after another, until too much time has been lost with them.

    Each call is made in a thread beside, which is left behind when it does not come back: neither a lock, nor
    a server, nor MLflow's own tries and pauses hold up the caller.

    Args:
        normal_s: A call that takes no longer is not counted.
        total_s: What all others together may take.
        each_s: What one of them may take.
        share: The part of the time gone by that calls of a normal length may take, beside `total_s`: many of them
            hold up the caller as well.
    """

    def __init__(
        self,
        normal_s: float = NORMAL_S,
        total_s: float = math.inf,
        each_s: float = math.inf,
        share: float = math.inf,
    ):
        self.normal_s, self.total_s, self.left, self.each_s, self.share = normal_s, total_s, total_s, each_s, share
        self._running: threading.Thread | None = None
        self._began, self._normal = time.monotonic(), 0.0

    def spend(self, seconds: float, normal_s: float | None = None) -> None:
        """Count time as lost, if it is more than the normal."""
        if seconds > (self.normal_s if normal_s is None else normal_s):
            self.left -= seconds
        else:
            self._normal += seconds

    @property
    def patience(self) -> float:
        """Seconds that may be lost with the next call.

        Raises:
            TooSlow: None are left.
        """
        if self._normal > self.total_s and self._normal > self.total_s + self.share * (time.monotonic() - self._began):
            raise TooSlow(f"its many answers took {self._normal:.0f} s")
        if self.left <= 0:
            raise TooSlow(f"{self.total_s:g} s were lost waiting for it")
        return min(self.left, self.each_s)

    def call(self, normal_s: float, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what a function returns.

        Args:
            normal_s: If it takes no longer, it is not counted.
            function: The function.
            args: Its arguments.
            kwargs: Its arguments by name.

        Raises:
            TooSlow: It did not come back in time, or too much time was lost before.
            Exception: Whatever the function raises.
        """
        patience, began = max(self.patience, normal_s), time.monotonic()
        result: Future[T] = Future()
        before = self._running

        def work() -> None:
            try:
                if before is not None:  # left behind by an interrupt: two at once would write the same runs
                    before.join()
                result.set_result(function(*args, **kwargs))
            except BaseException as error:  # raised where the result is asked for
                result.set_exception(error)

        self._running = threading.Thread(target=work, name="mlflow", daemon=True)
        self._running.start()
        self._running.join(patience)
        self.spend(time.monotonic() - began, normal_s)
        if not result.done():
            self.left = min(self.left, 0.0)
            raise TooSlow(
                f"no answer, {(patience if math.isinf(self.total_s) else self.total_s):g} s were lost waiting for it"
            )
        return result.result()

    def afterwards(self, function: Callable[[], object]) -> None:
        """Call a function when no call is under way any more: at once, unless one was left behind."""
        running = self._running
        if running is None or not running.is_alive():
            function()
            return

        def wait() -> None:
            running.join()
            function()

        threading.Thread(target=wait, name="mlflow-afterwards", daemon=True).start()

    def __call__(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what a function returns; see `call`."""
        return self.call(self.normal_s, function, *args, **kwargs)
