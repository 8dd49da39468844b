"""Accuracies of the sentiment experiment (seed 002), by the rules that choose the moment they are taken at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from highways.config import BiLSTMConfig
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


def accuracies(record: RunRecord) -> Accuracies | None:
    """Return a run's test accuracies, `None` where it diverged before its first snapshot."""
    dev = record.measurements.get("snapshot_dev_accuracy", [])
    test = record.measurements.get("snapshot_test_accuracy", [])
    last = record.last("test_accuracy")
    if not dev or last is None:
        return None
    return Accuracies(last=last, best_dev=test[dev.index(max(dev))], best_snapshot=max(test))


def variant(record: RunRecord) -> str:
    """Return the name of a run's network; `, padded` behind it where padding reaches its result."""
    network = record.config.network
    padded = isinstance(network, BiLSTMConfig) and network.padding == "seen"
    return f"{network.kind}, padded" if padded else network.kind


def by_depth(records: Iterable[RunRecord], of: str, rule: Rule = "best_dev") -> dict[int, float]:
    """Return a variant's test accuracy at each depth, the mean over its seeds.

    Args:
        records: Of one data set.
        of: The variant.
        rule: Which of `Accuracies`.
    """
    found: dict[int, list[float]] = {}
    for record in records:
        if variant(record) == of and (taken := accuracies(record)) is not None:
            found.setdefault(record.config.network.depth, []).append(getattr(taken, rule))
    return {depth: sum(values) / len(values) for depth, values in sorted(found.items())}
