"""Intervals and summaries."""

from __future__ import annotations

import math
from collections.abc import Iterable

from scipy.stats import binomtest


def wilson_interval(accuracy: float, examples: int) -> tuple[float, float]:
    """Return the 95 % Wilson score interval of an accuracy, as fractions.

    Args:
        accuracy: Fraction of `examples` that were right.
        examples: How many were tried.
    """
    interval = binomtest(round(accuracy * examples), examples).proportion_ci(0.95, method="wilson")
    return float(interval.low), float(interval.high)


def top_mean(values: Iterable[float], count: int) -> tuple[float, float]:
    """Return mean and standard deviation (n - 1) of the `count` lowest values; NaN where there are fewer."""
    lowest = sorted(values)[:count]
    if len(lowest) < count or count < 2:
        return math.nan, math.nan
    mean = math.fsum(lowest) / count
    return mean, math.sqrt(math.fsum((value - mean) ** 2 for value in lowest) / (count - 1))
