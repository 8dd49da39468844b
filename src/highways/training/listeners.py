"""Listeners of training: MLflow, and the progress of a sweep as lines in a log or as a bar in JupyterLab."""

import contextlib
import os
import sys
import threading
import time
from collections.abc import Collection, Iterator, Mapping

from highways.config import RunConfig
from highways.quantities import duration
from highways.tracking import EpochEnded, Event, Finished, Listener, MlflowLog


@contextlib.contextmanager
def telling(log: MlflowLog | None, *listeners: Listener | None) -> Iterator[Listener]:
    """Yield a listener that passes each event to the log and the listeners, one thread at a time; then end the log."""
    told = [listener for listener in (log, *listeners) if listener is not None]
    one_at_a_time, status = threading.Lock(), "FAILED"

    def tell(event: Event) -> None:
        with one_at_a_time:
            for listener in told:
                listener(event)

    try:
        yield tell
        status = "FINISHED"
    finally:
        if log is not None:
            log.end(lambda runs: runs.close(status))


LINE_EVERY_S = 2.0
"""Seconds between progress lines: shorter epochs share a line, and the last epoch of a group always has one."""


class Progress:
    """Shows the progress of a sweep: a listener that knows all of its `runs`, and which were `done` at its start.

    `HIGHWAYS_PROGRESS` is `lines`, `bar` or `none`; the default is a bar in JupyterLab and lines elsewhere.
    """

    def __init__(self, experiment: str, runs: Mapping[str, RunConfig], done: Collection[str], groups: int):
        self.experiment, self.total, self.done = experiment, len(runs), set(done)
        self._work = {key: config.network.work for key, config in runs.items()}
        """Work per epoch, by run key: a number that grows with an epoch's time."""
        self._left = sum(self._work[key] * config.budget.epochs for key, config in runs.items() if key not in done)
        self._worked = 0.0
        self._begun: set[tuple[str, ...]] = set()
        self._start: float | None = None
        self._last_line = 0.0
        self._style = os.environ.get("HIGHWAYS_PROGRESS") or ("bar" if "ipykernel" in sys.modules else "lines")
        if self._style != "none":
            print(f"{experiment}: runs: {self.total}, with records: {len(done)}, groups to train: {groups}", flush=True)

    def __call__(self, event: Event) -> None:
        """Process a training event."""
        if isinstance(event, Finished):
            self.done.add(event.record.run_key)
        if not isinstance(event, EpochEnded):
            return
        work = sum(self._work[key] for key in event.keys)
        if event.keys not in self._begun:  # the earlier epochs were trained before an interruption
            self._begun.add(event.keys)
            self._left -= work * (event.epoch - 1)
        self._worked += work
        now = time.monotonic()
        if self._start is None:  # the estimate excludes the workers' start-up time
            self._start = now - event.seconds
        if self._style == "none" or (now - self._last_line < LINE_EVERY_S and event.epoch < event.epochs):
            return
        self._last_line = now
        share = self._worked / max(self._left, self._worked)
        left = duration((now - self._start) * (1 / share - 1))
        losses = [metrics["train_cross_entropy"] for metrics in event.metrics if metrics is not None]
        best = f"best training cross-entropy {min(losses):.3g}" if losses else "all diverged"
        epoch = f"epoch {event.epoch}/{event.epochs}, {best}, {event.seconds:.1f} s an epoch"
        group = f"{event.keys[0].rsplit('-lr', 1)[0]} x{len(event.keys)}"
        text = f"{self.experiment}: {group}: {epoch}; {len(self.done)}/{self.total} runs, about {left} left"
        if self._style == "bar":
            print(f"[{'#' * int(20 * share):<20}] {text}".ljust(160), end="\r", flush=True)
        else:
            print(text, flush=True)
