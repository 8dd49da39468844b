"""Progress of a sweep: lines in a log or under Papermill, a bar in JupyterLab."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence

from highways.config import RunConfig
from highways.quantities import duration
from highways.tracking.events import EpochEnded, Event, Finished
from highways.training.execute import Job

LINE_EVERY_S = 2.0
"""Shorter epochs share a line; the last epoch of a group always has one."""


def _style() -> str:
    """Return `lines`, `bar` or `none`: `HIGHWAYS_PROGRESS`, else a bar in JupyterLab and lines elsewhere."""
    if (asked := os.environ.get("HIGHWAYS_PROGRESS")) in ("lines", "bar", "none"):
        return asked
    try:
        from IPython.core.getipython import get_ipython
    except ImportError:
        return "lines"
    return "bar" if "ZMQ" in type(get_ipython()).__name__ else "lines"


class Progress:
    """Shows how far a sweep is. It is a listener of training events.

    Args:
        experiment: Opens every line.
        runs: All of the sweep, by key.
        done: Keys of the runs that were finished before; taken over and added to.
        jobs: The groups that are left.
    """

    def __init__(self, experiment: str, runs: Mapping[str, RunConfig], done: set[str], jobs: Sequence[Job]):
        self.experiment, self.total, self.done = experiment, len(runs), set(done)
        self._work = {key: config.network.work for key, config in runs.items()}
        """Of an epoch, by key: a number that grows with its time."""
        self._left = sum(self._work[key] * config.budget.epochs for key, config in runs.items() if key not in done)
        self._worked = 0.0
        self._begun: set[tuple[str, ...]] = set()
        self._start: float | None = None
        self._last_line = 0.0
        self._style = _style()
        self._bar = None
        if self._style == "bar" and jobs:
            from tqdm.auto import tqdm

            self._bar = tqdm(total=self._left, desc=experiment, bar_format="{l_bar}{bar}| {postfix}")
        count = "1 run" if self.total == 1 else f"{self.total} runs"
        groups = f"{len(done)} of them with records; {len(jobs)} {'group' if len(jobs) == 1 else 'groups'} to train"
        self._say(f"{count}, {groups if jobs else 'all with records; nothing to train'}", always=True)

    def _say(self, text: str, always: bool = False) -> None:
        if self._style == "lines" or (always and self._style == "bar"):
            print(f"{self.experiment}: {text}", flush=True)

    def __call__(self, event: Event) -> None:
        """Take a training event."""
        if isinstance(event, EpochEnded):
            self._epoch(event)
        elif isinstance(event, Finished):
            self.done.add(event.record.run_key)

    def _epoch(self, event: EpochEnded) -> None:
        work = sum(self._work[key] for key in event.keys)
        if event.keys not in self._begun:  # an earlier session did the epochs before
            self._begun.add(event.keys)
            self._left -= work * (event.epoch - 1)
        self._worked += work
        now = time.monotonic()
        if self._start is None:  # the workers' start is left out of the estimate
            self._start = now - event.seconds
        if now - self._last_line < LINE_EVERY_S and event.epoch < event.epochs:
            return
        self._last_line = now
        seconds = (now - self._start) * max(0.0, self._left / self._worked - 1)
        losses = [metrics["train_cross_entropy"] for metrics in event.metrics if metrics is not None]
        best = f"best training cross-entropy {min(losses):.3g}" if losses else "all diverged"
        name = event.keys[0].rsplit("-lr", 1)[0]
        runs = f"{len(self.done)}/{self.total} runs, about {duration(seconds)} left"
        epoch = f"epoch {event.epoch}/{event.epochs}, {best}"
        self._say(f"{name} x{len(event.keys)}: {epoch}, {event.seconds:.1f} s an epoch; {runs}")
        if self._bar is not None:
            self._bar.total, self._bar.n = self._left, min(self._worked, self._left)
            self._bar.set_postfix_str(f"{runs}; {name}: {epoch}")

    def close(self) -> None:
        """Close the bar, with the runs that were finished."""
        if self._bar is not None:
            self._bar.set_postfix_str(f"{len(self.done)}/{self.total} runs")
            self._bar.close()
