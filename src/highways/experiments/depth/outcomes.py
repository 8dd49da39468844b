"""Outcomes of the random searches over depth (P1 sec. 3.1 and P2 sec. 3.1)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from highways.inside.statistics import top_mean
from highways.tracking.outcomes import best_of
from highways.tracking.records import RunRecord

TOP = 10

MIN_TRIALS_FOR_TOP = 20
"""The mean of the top ten says something only where the ten are a selection."""


@dataclass(frozen=True)
class Search:
    """The trials of one kind of network at one depth.

    As in the papers the outcome of a trial is the lowest training cross-entropy that it reached, and
    the best trial is the one with the lowest outcome, of the last rung where there are several. The test
    set has no part in it.
    """

    network: str
    depth: int
    rungs: tuple[tuple[RunRecord, ...], ...]
    """Trials by the number of their epochs, the shortest first; one rung where all are equally long."""

    @property
    def trials(self) -> tuple[RunRecord, ...]:
        """All trials: the first rung."""
        return self.rungs[0]

    @property
    def last(self) -> tuple[RunRecord, ...]:
        """The trials of the last rung that one has reached the end of: those whose outcome counts."""
        ended = (rung for rung in reversed(self.rungs) if any(record.status == "finished" for record in rung))
        return next(ended, self.rungs[0])

    @property
    def epochs(self) -> int:
        """The length of the trials whose outcome counts."""
        return self.last[0].config.budget.epochs

    @property
    def diverged(self) -> int:
        """Number of trials that diverged."""
        return sum(record.status == "diverged" for record in self.trials)

    @property
    def best(self) -> RunRecord | None:
        """The best trial; `None` where none has finished an epoch."""
        return best_of(self.last)

    @property
    def best_loss(self) -> float:
        """Training cross-entropy of the best trial, nats; infinite where all trials diverged at once."""
        loss = self.best.best() if self.best is not None else None
        return math.inf if loss is None else loss

    @property
    def top_mean(self) -> tuple[float, float]:
        """Mean and deviation of the ten lowest outcomes; NaN for fewer than twenty trials, and with rungs."""
        outcomes = [loss for record in self.last if (loss := record.best()) is not None]
        return top_mean(outcomes if len(self.last) >= MIN_TRIALS_FOR_TOP else [], TOP)

    def epochs_to(self, loss: float) -> int | None:
        """Return the first epoch, counted from 1, at which the best trial's loss was at most `loss`."""
        curve = self.best.curves["train_cross_entropy"] if self.best is not None else []
        return next((epoch for epoch, value in enumerate(curve, start=1) if value <= loss), None)


def searches(records: Iterable[RunRecord]) -> dict[tuple[str, int], Search]:
    """Sort the records of a depth study by network and depth."""
    found: dict[tuple[str, int], dict[int, list[RunRecord]]] = {}
    for record in records:
        network = record.config.network
        rungs = found.setdefault((network.kind, network.depth), {})
        rungs.setdefault(record.config.budget.epochs, []).append(record)
    return {key: Search(*key, tuple(tuple(rungs[epochs]) for epochs in sorted(rungs))) for key, rungs in found.items()}
