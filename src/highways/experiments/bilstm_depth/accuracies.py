"""Accuracies of the sentiment experiment by the rules that choose the moment they are taken at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from highways.config import BiLSTMConfig
from highways.data import classes
from highways.tracking.records import RunRecord

Rule = Literal["last", "best_dev", "best_snapshot"]


@dataclass(frozen=True)
class Accuracies:
    """Accuracy of a run on the test set, a fraction.

    Attributes:
        last: After the last epoch.
        best_dev: At the snapshot that is best on the development set, the earliest of several.
        best_snapshot: At the snapshot that is best on the test set itself, as the source chose it.
    """

    last: float
    best_dev: float
    best_snapshot: float


def accuracies(record: RunRecord) -> Accuracies:
    """Return a run's test accuracies; one that diverged is guessing."""
    if record.status == "diverged":
        return Accuracies(*[1 / classes(record.config.data.name)] * 3)
    dev, test = (record.measurements[f"snapshot_{part}_accuracy"] for part in ("dev", "test"))
    last = record.curves["test_accuracy"][-1]
    return Accuracies(last=last, best_dev=test[dev.index(max(dev))], best_snapshot=max(test))


def variant(record: RunRecord) -> str:
    """Return the name of a run's network; `-padded` behind it where padding reaches its result."""
    network = record.config.network
    padded = isinstance(network, BiLSTMConfig) and network.padding == "seen"
    return f"{network.kind}-padded" if padded else network.kind


LABELS = {"highway-described": "highway-own-carry"}
"""How a variant is shown whose name in configurations, and so in the keys of runs, says what it is not: no text
describes a map of its own for what is carried."""


def label(name: str) -> str:
    """Return how a variant is shown."""
    return LABELS.get(name, name)


def by_depth(records: Iterable[RunRecord], of: str, rule: Rule = "best_dev") -> dict[int, float]:
    """Return a variant's test accuracy at each depth, the mean over its seeds.

    Args:
        records: Of one data set.
        of: The variant.
        rule: Which of `Accuracies`.
    """
    found: dict[int, list[float]] = {}
    for record in records:
        if variant(record) == of:
            found.setdefault(record.config.network.depth, []).append(getattr(accuracies(record), rule))
    return {depth: sum(values) / len(values) for depth, values in sorted(found.items())}
