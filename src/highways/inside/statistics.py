"""Intervals and summaries. SciPy is imported only where it is used: the import takes most of a second."""

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

FEWEST_FOR_INTERVAL = 5
"""With fewer runs, an interval of their mean reflects its formula more than the runs: their values are shown."""


def wilson_interval(accuracy: float, examples: int) -> tuple[float, float]:
    """Return the 95 % Wilson score interval of an accuracy over some examples, as fractions."""
    from scipy.stats import binomtest

    low, high = binomtest(round(accuracy * examples), examples).proportion_ci(method="wilson")
    return float(low), float(high)


def student_interval(values: Sequence[float]) -> tuple[float, float]:
    """Return Student's 95 % interval of the mean of two or more values."""
    mean, deviation = moments(values)
    return _interval(mean, deviation / math.sqrt(len(values)), len(values) - 1)


def _interval(middle: float, error: float, freedom: float) -> tuple[float, float]:
    """Return Student's 95 % interval around `middle`; for infinite degrees of freedom, the normal distribution's."""
    from scipy.special import stdtrit

    half = float(stdtrit(freedom, 0.975)) * error
    return middle - half, middle + half


def mean_interval(accuracies: Sequence[float], examples: int) -> tuple[float, float]:
    """Return the 95 % interval of the mean accuracy of runs, as fractions, within [0, 1].

    For a single run it is Wilson's, over the examples; for five or more it is Student's, over the runs; for two to four
    it is NaN.
    """
    if len(accuracies) == 1:
        return wilson_interval(accuracies[0], examples)
    if len(accuracies) < FEWEST_FOR_INTERVAL:
        return math.nan, math.nan
    low, high = student_interval(accuracies)
    return max(low, 0.0), min(high, 1.0)


def middle(draws: NDArray[np.float64]) -> tuple[float, float]:
    """Return the bounds of the central 95 % of the draws, without NaN; they are NaN if there are no draws."""
    low, high = np.nanquantile(draws, (0.025, 0.975), method="nearest")
    return float(low), float(high)


def each(values: Sequence[float]) -> str:
    """Return a few values as text, in their order, with four decimals."""
    return " ".join(f"{value:.4f}" for value in values)


def difference_interval(
    ours: tuple[float, float, int], theirs: tuple[float, float, int], examples: int
) -> tuple[float, float]:
    """Return Welch's 95 % interval of the difference between two mean accuracies, ours minus theirs.

    Both are mean, standard deviation and number of runs. If the deviation is NaN (a single run of ours), the error is
    the binomial one of a test set of so many `examples`.
    """
    total = terms = 0.0
    for mean, deviation, runs in (ours, theirs):
        unknown = math.isnan(deviation)
        variance = mean * (1 - mean) / examples if unknown else deviation**2 / runs
        total += variance
        terms += 0.0 if unknown or runs < 2 else variance**2 / (runs - 1)
    return _interval(ours[0] - theirs[0], math.sqrt(total), total**2 / terms if terms else math.inf)


def moments(values: Sequence[float]) -> tuple[float, float]:
    """Return mean and standard deviation (n - 1); the deviation is NaN for a single value."""
    return math.fsum(values) / len(values), float(np.std(values, ddof=1)) if len(values) > 1 else math.nan


def top_mean(values: Iterable[float], count: int) -> tuple[float, float]:
    """Return mean and standard deviation (n - 1) of the `count` lowest values; NaN if there are fewer."""
    lowest = sorted(values)[:count]
    return moments(lowest) if len(lowest) == count > 1 else (math.nan, math.nan)


def rank_correlation(xs: Iterable[float], ys: Iterable[float]) -> float:
    """Return Spearman's rank correlation of two sequences of equal length; NaN if one is constant."""
    from scipy.stats import spearmanr

    one, other = list(xs), list(ys)
    if min(len(set(one)), len(set(other))) < 2:
        return math.nan
    return float(spearmanr(one, other)[0])  # type: ignore[arg-type]
