"""Cells of a table of runs: all trials or seeds of one network."""

import math
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from highways.tracking import RunRecord
from highways.tracking.outcomes import best_of

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Cell:
    """The runs of one network. In a search with rungs the longest rung that a trial has finished counts."""

    runs: tuple[RunRecord, ...]

    @cached_property
    def lengths(self) -> list[int]:
        """Numbers of epochs of the rungs, the shortest first."""
        return sorted({run.config.budget.epochs for run in self.runs})

    @cached_property
    def rungs(self) -> list[list[RunRecord]]:
        """Runs by their number of epochs, the shortest first."""
        return [[run for run in self.runs if run.config.budget.epochs == length] for length in self.lengths]

    @property
    def counted(self) -> list[RunRecord]:
        """The runs whose outcome counts."""
        finished = (rung for rung in reversed(self.rungs) if any(run.status == "finished" for run in rung))
        return next(finished, self.rungs[0])

    @property
    def epochs(self) -> int:
        """Epochs of the runs whose outcome counts."""
        return self.counted[0].config.budget.epochs

    @property
    def best(self) -> RunRecord | None:
        """The run with the lowest training cross-entropy in any epoch; the test set has no part in the choice."""
        return best_of(self.counted)

    @property
    def best_loss(self) -> float:
        """Training cross-entropy of the best run, nats; infinite where every run diverged in its first epoch."""
        loss = self.best.best() if self.best else None
        return math.inf if loss is None else loss

    def epochs_to(self, loss: float) -> int | None:
        """Return the first epoch, counted from 1, in which the best run's loss was at most `loss`."""
        curve = self.best.curves["train_cross_entropy"] if self.best else []
        return next((epoch for epoch, value in enumerate(curve, start=1) if value <= loss), None)


def cells(runs: Iterable[RunRecord], by: Callable[[RunRecord], Key]) -> dict[Key, Cell]:
    """Sort runs into cells, in order of first appearance."""
    members: dict[Key, list[RunRecord]] = {}
    for run in runs:
        members.setdefault(by(run), []).append(run)
    return {key: Cell(tuple(runs)) for key, runs in members.items()}


def kind_and_depth(run: RunRecord) -> tuple[str, int]:
    """Return the kind and depth of a run's network: what most experiments sort runs by."""
    return run.config.network.kind, run.config.network.depth


def diverged(runs: Iterable[RunRecord]) -> int:
    """Return the number of runs that diverged."""
    return sum(run.status == "diverged" for run in runs)
