"""Outcomes of runs, and the one rule by which they are ranked, shown and kept."""

from __future__ import annotations

import math
from collections.abc import Sequence

from highways import paths
from highways.config import RunConfig
from highways.tracking.records import RecordStore, RunRecord, run_keys


def recorded(profile: str, experiment: str, configs: Sequence[RunConfig]) -> list[RunRecord | None]:
    """Return the records of runs, in their order, `None` for one that has none.

    Raises:
        HighwaysError: A record is damaged; nothing is guessed in its place.
    """
    store = RecordStore(paths.Results(profile).of(experiment).runs)
    return [store.read(key) for key in run_keys(configs)]


Rank = tuple[bool, float, str]
"""What runs are sorted by, the best first."""


def place(diverged: bool, value: float | None, key: str, higher_is_better: bool = False) -> Rank:
    """Return the rank of an outcome: what diverged comes last, then the best value first, then by key.

    Args:
        diverged: Its loss ceased to be finite.
        value: Its best one, `None` where there is none: it comes after those that have one.
        key: Of the run.
        higher_is_better: Of the value.
    """
    cost = math.inf if value is None else -value if higher_is_better else value
    return diverged, cost, key


def higher_is_better(metric: str) -> bool:
    """Tell whether a curve is the better the higher it is: an accuracy is, a loss is not."""
    return metric.endswith("_accuracy")


def best_value(record: RunRecord, metric: str) -> float | None:
    """Return the best value of a curve, `None` where it has none."""
    return (max if higher_is_better(metric) else min)(record.curves.get(metric, []), default=None)


def rank(record: RunRecord, metric: str = "train_cross_entropy") -> Rank:
    """Return the rank of a run by the best value of a curve; see `place`."""
    value = best_value(record, metric)
    return place(record.status == "diverged", value, record.run_key, higher_is_better(metric))
