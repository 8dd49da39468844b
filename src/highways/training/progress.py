"""Progress of a sweep: lines in a log or under Papermill, a bar in JupyterLab."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

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


def _work(job: Job) -> float:
    """Return a number that grows with the time of one epoch of a job."""
    return len(job.keys) * job.configs[0].network.work


class Progress:
    """Shows how far a sweep is. It is a listener of training events.

    Args:
        experiment: Opens every line.
        total: Runs of the sweep.
        done: Keys of the runs that were finished before.
        jobs: What is left to train.
    """

    def __init__(self, experiment: str, total: int, done: set[str], jobs: Sequence[Job]):
        self.experiment, self.total, self.done = experiment, total, set(done)
        self._works = {job.keys: _work(job) for job in jobs}
        self._all = sum(self._works[job.keys] * job.configs[0].budget.epochs for job in jobs)
        self._worked = 0.0
        self._skipped: dict[tuple[str, ...], int] = {}
        self._began: float | None = None
        self._last_line = 0.0
        self._style = _style()
        self._bar = None
        if self._style == "bar" and jobs:
            from tqdm.auto import tqdm

            self._bar = tqdm(total=self._all, desc=experiment, bar_format="{l_bar}{bar}| {postfix}")
        runs = "1 run" if total == 1 else f"{total} runs"
        groups = "group" if len(jobs) == 1 else "groups"
        if jobs:
            self._say(f"{runs}, {len(done)} of them with records; {len(jobs)} {groups} to train", always=True)
        else:
            self._say(f"{runs}, all with records; nothing to train", always=True)

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
        work = self._works[event.keys]
        if event.keys not in self._skipped:  # epochs that an earlier session did
            self._skipped[event.keys] = event.epoch - 1
            self._all -= work * (event.epoch - 1)
        self._worked += work
        now = time.monotonic()
        if self._began is None:  # the workers' start is left out of the estimate
            self._began = now - event.seconds
        if now - self._last_line < LINE_EVERY_S and event.epoch < event.epochs:
            return
        self._last_line = now
        left = (now - self._began) * (self._all / self._worked - 1)
        losses = [metrics["train_cross_entropy"] for metrics in event.metrics if metrics is not None]
        best = f"best training cross-entropy {min(losses):.3g}" if losses else "all diverged"
        name = event.keys[0].rsplit("-lr", 1)[0]
        text = f"{name} x{len(event.keys)}: epoch {event.epoch}/{event.epochs}, {best}, {event.seconds:.1f} s an epoch"
        runs = f"{len(self.done)}/{self.total} runs, about {duration(left)} left"
        self._say(f"{text}; {runs}")
        if self._bar is not None:
            self._bar.total, self._bar.n = self._all, min(self._worked, self._all)
            self._bar.set_postfix_str(f"{runs}; {name}: epoch {event.epoch}/{event.epochs}, {best}")

    def close(self) -> None:
        """Close the bar, with the runs that were finished."""
        if self._bar is not None:
            self._bar.set_postfix_str(f"{len(self.done)}/{self.total} runs")
            self._bar.close()
