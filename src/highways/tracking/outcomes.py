"""Outcomes of runs: the single rule for which runs count, how they rank, and which is a network's best."""

import math
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from highways import paths
from highways.config import Profile, RunConfig
from highways.errors import NotYet
from highways.tracking.records import RecordStore, RunRecord, run_keys

Key = TypeVar("Key", bound=Hashable)


def recorded(profile: str, experiment: str, configs: Sequence[RunConfig]) -> list[RunRecord]:
    """Return the existing records of the runs, in the runs' order."""
    return RecordStore(paths.Results(profile).of(experiment).runs).read_all(run_keys(configs))


def auxiliary_keys(settings: Profile | None) -> set[str]:
    """Return the keys of auxiliary runs, which no outcome counts; none if there are no settings to list them."""
    try:
        return set() if settings is None else set(run_keys(settings.auxiliary()))
    except NotYet:
        return set()


Rank = tuple[bool, int, float, str]
"""Sort key of a run, the best first."""


def place(diverged: bool, cost: float | None, key: str, epochs: int = 0) -> Rank:
    """Return the sort key of an outcome: diverged runs last, then longer runs first, then by cost, then by key.

    Runs without a cost come after those with one; `epochs` is 0 if the length does not matter.
    """
    return diverged, -epochs, math.inf if cost is None else cost, key


def rank(record: RunRecord, metric: str = "train_cross_entropy", epochs: int = 0) -> Rank:
    """Return the sort key of a run by the best value of a curve; see `place`."""
    best = record.best(metric)
    cost = -best if best is not None and metric.endswith("_accuracy") else best
    return place(record.status == "diverged", cost, record.run_key, epochs)


def best_of(records: Iterable[RunRecord], metric: str = "train_cross_entropy") -> RunRecord | None:
    """Return the best of one network's runs; `None` if no run has a value.

    A diverged run is best only if all diverged. In a search with rungs, the longest rung with a finished run counts.
    """
    with_value = [record for record in records if record.best(metric) is not None]
    return min(with_value, key=lambda one: rank(one, metric, one.config.budget.epochs), default=None)


@dataclass(frozen=True)
class Cell:
    """All trials or seeds of one network. In a search with rungs, the longest rung with a finished run counts."""

    runs: tuple[RunRecord, ...]

    @cached_property
    def lengths(self) -> list[int]:
        """Epochs of each rung, the shortest first."""
        return sorted({run.config.budget.epochs for run in self.runs})

    @cached_property
    def rungs(self) -> list[list[RunRecord]]:
        """Runs grouped by number of epochs, the fewest first."""
        return [[run for run in self.runs if run.config.budget.epochs == length] for length in self.lengths]

    @property
    def counted(self) -> list[RunRecord]:
        """Runs of the rung whose outcome counts."""
        finished = (rung for rung in reversed(self.rungs) if any(run.status == "finished" for run in rung))
        return next(finished, self.rungs[0])

    @property
    def epochs(self) -> int:
        """Epochs of the runs whose outcome counts."""
        return self.counted[0].config.budget.epochs

    @property
    def best(self) -> RunRecord | None:
        """The run with the lowest training cross-entropy in any epoch; the test set plays no part in the choice."""
        return best_of(self.counted)

    @property
    def best_loss(self) -> float:
        """Training cross-entropy of the best run, nats; infinite if every run diverged in its first epoch."""
        loss = self.best.best() if self.best else None
        return math.inf if loss is None else loss

    def epochs_to(self, loss: float) -> int | None:
        """Return the first epoch, counted from 1, in which the best run's loss was at most `loss`."""
        curve = self.best.curves["train_cross_entropy"] if self.best else []
        return next((epoch for epoch, value in enumerate(curve, start=1) if value <= loss), None)


def cells(runs: Iterable[RunRecord], by: Callable[[RunRecord], Key]) -> dict[Key, Cell]:
    """Group runs into cells, in order of first appearance."""
    members: dict[Key, list[RunRecord]] = {}
    for run in runs:
        members.setdefault(by(run), []).append(run)
    return {key: Cell(tuple(runs)) for key, runs in members.items()}


def kind_and_depth(run: RunRecord) -> tuple[str, int]:
    """Return the kind and depth of a run's network, which most experiments group runs by."""
    return run.config.network.kind, run.config.network.depth


def diverged(runs: Iterable[RunRecord]) -> int:
    """Return the number of runs that diverged."""
    return sum(run.status == "diverged" for run in runs)


def columns(record: RunRecord) -> dict[str, Any]:
    """Return a run as a table row: its settings, and the best value of every curve.

    A column is named by the last part of the setting's name if that is unique, otherwise by the full name.
    """
    config = record.config
    settings = config.flat()
    short = {name: name.rpartition(".")[2] for name in settings}
    count = Counter(short.values())
    return {
        **{short[name] if count[short[name]] == 1 else name.replace(".", "_"): settings[name] for name in settings},
        **{curve: record.best(curve) for curve in record.curves},
        "run": record.run_key,
        "network": config.network.shown_as,
        "kind": config.network.kind,
        "depth": config.network.depth,
        "data": config.data.name,
        "optimiser": config.optimiser.kind,
        "status": record.status,
    }
