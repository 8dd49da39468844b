"""Effects in a factorial, full or fractional, with every seed a replicate of its own."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from highways.claims.studies import study
from highways.experiments.keras_lasagne.factors import FACTORS, KERAS, Cell, cell_of, cells
from highways.inside.statistics import student_interval
from highways.tracking import Listed, RunRecord

GUESSING = 0.5
"""Accuracy that a run is given which diverged; all data sets here have two classes of equal size, nearly."""


@dataclass(frozen=True)
class Factorial:
    """Test accuracies by cell.

    Every estimate is a list with a value a seed, each from that seed's runs alone: their spread over seeds is that of
    the estimate, whatever the runs of one seed have in common. A seed draws initial weights and dropout; the data, the
    test examples and the order of the batches are the same for all, and their part of the uncertainty is not in it.

    Attributes:
        data: Name of the data set.
        epochs: The larger level of the epochs.
        accuracies: By cell, a value a seed.
        logistic: That of logistic regression; `None` where it was not fitted.
    """

    data: str
    epochs: int
    accuracies: dict[Cell, list[float]]
    logistic: float | None

    @property
    def full(self) -> bool:
        """Tell whether all cells of the levels as written are there, and not a fraction of them."""
        return len(self._written()) == 2 ** len(FACTORS)

    def _written(self) -> list[Cell]:
        return [cell for cell in self.accuracies if max(cell) <= 1]

    def effect(self, *names: str) -> list[float]:
        """Return the effect of a factor, or the interaction of several, over the levels as written.

        A main effect is the mean accuracy at Lasagne's level less that at Keras's, over all cells; an interaction of
        two is half of what the one's effect differs by between the other's levels. In a fraction they are mixed with
        their aliases (`factors.aliases`).
        """
        places = [list(FACTORS).index(name) for name in names]

        def sign(cell: Cell) -> int:
            return math.prod(1 if cell[place] else -1 for place in places)

        return self._contrast({cell: sign(cell) * 2 / len(self._written()) for cell in self._written()})

    def third_level(self, *names: str) -> list[float]:
        """Return the effect of Keras 1.2.2's transform bias against Keras's as written.

        With a name, half of what it differs by between that factor's levels. Empty where its cells were not all
        trained.
        """
        bias = list(FACTORS).index("transform_bias")
        places = [list(FACTORS).index(name) for name in names]
        low = [cell for cell in self._written() if cell[bias] == 0]
        high = [(*cell[:bias], 2, *cell[bias + 1 :]) for cell in low]
        if not self.full or any(cell not in self.accuracies for cell in high):
            return []
        weights = {}
        for below, above in zip(low, high, strict=True):
            sign = math.prod(1 if below[place] else -1 for place in places) / len(low)
            weights |= {above: sign, below: -sign}
        return self._contrast(weights)

    def shares(self) -> dict[str, list[float]]:
        """Divide the difference of Lasagne's accuracy and Keras's among the factors: Shapley values.

        A factor's share is what switching it to Lasagne's level adds, averaged over all orders in which the factors
        can be switched, one after the other (Shapley 1953). The shares add up to the difference. Empty of a fraction.
        """
        if not self.full:
            return {}
        count, found = len(FACTORS), {}
        for place, name in enumerate(FACTORS):
            weights: dict[Cell, float] = {}
            for others in itertools.product((0, 1), repeat=count - 1):
                before = sum(others)
                share = math.factorial(before) * math.factorial(count - before - 1) / math.factorial(count)
                cells = [(*others[:place], level, *others[place:]) for level in (0, 1)]
                weights |= {cells[1]: share, cells[0]: -share}
            found[name] = self._contrast(weights)
        return found

    def one_step_from_keras(self, name: str) -> list[float]:
        """Return what Keras's network gains by one of Lasagne's levels; empty where that cell was not trained."""
        changed = tuple(1 if factor == name else level for factor, level in zip(FACTORS, KERAS, strict=True))
        if changed not in self.accuracies or KERAS not in self.accuracies:
            return []
        return self._contrast({changed: 1.0, KERAS: -1.0})

    def difference(self, of: Cell, less: Cell | None) -> list[float]:
        """Return the difference of two cells, or of a cell and logistic regression; empty where one is missing."""
        if of not in self.accuracies or (less not in self.accuracies if less else self.logistic is None):
            return []
        if less:
            return self._contrast({of: 1.0, less: -1.0})
        assert self.logistic is not None
        return [accuracy - self.logistic for accuracy in self.accuracies[of]]

    def _contrast(self, weights: dict[Cell, float]) -> list[float]:
        seeds = min(len(values) for values in self.accuracies.values())
        return [
            math.fsum(weight * self.accuracies[cell][seed] for cell, weight in weights.items()) for seed in range(seeds)
        ]


def factorials(records: Listed) -> dict[str, Factorial]:
    """Sort runs into factorials, by data set.

    One that is neither the whole nor the fraction, with every seed, is left out: it is not finished.
    """
    found: dict[str, dict[Cell, dict[int, RunRecord]]] = {}
    for run in records:
        found.setdefault(run.config.data.name, {}).setdefault(cell_of(run.config), {})[run.config.seed] = run
    made = {}
    for data, runs in found.items():
        seeds = sorted({seed for by_seed in runs.values() for seed in by_seed})
        unfinished = any(sorted(by_seed) != seeds for by_seed in runs.values())
        if unfinished or set(runs) not in (set(cells(True)), set(cells(False))):
            continue
        accuracies = {
            (*cell[:-1], level): [_accuracy(by_seed[seed], level) for seed in seeds]
            for cell, by_seed in runs.items()
            for level in (0, 1)
        }
        fitted = study(records.on(data), "logistic")
        level = None if fitted is None else fitted.row("test_accuracy")[0]
        epochs = next(iter(runs[KERAS].values())).config.budget.epochs
        made[data] = Factorial(data, epochs, accuracies, level)
    return made


def _accuracy(run: RunRecord, level: int) -> float:
    """Return test accuracy after the last epoch (level 0) or after the first."""
    curve = run.curves.get("test_accuracy", [])
    if run.status == "diverged" and (level == 0 or not curve):
        return GUESSING
    return curve[0 if level else -1]


def summary(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the mean of an estimate over seeds and its 95 % interval (Student's).

    Where all seeds agree to the last digit the interval has no width.
    """
    low, high = student_interval(values)
    return math.fsum(values) / len(values), low, high
