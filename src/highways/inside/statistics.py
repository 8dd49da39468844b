"""Intervals and summaries. SciPy's part is imported where it is used: it takes most of a second."""

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

FEWEST_FOR_INTERVAL = 5
"""With fewer runs an interval of their mean says more of its formula than of them: the values themselves are shown."""


def wilson_interval(accuracy: float, examples: int) -> tuple[float, float]:
    """Return the 95 % Wilson score interval of an accuracy over some examples, as fractions."""
    from scipy.stats import binomtest

    low, high = binomtest(round(accuracy * examples), examples).proportion_ci(method="wilson")
    return float(low), float(high)


def student_interval(values: Sequence[float]) -> tuple[float, float]:
    """Return Student's 95 % interval of a mean, of two values or more."""
    mean, deviation = moments(values)
    return _interval(mean, deviation / math.sqrt(len(values)), len(values) - 1)


def _interval(middle: float, error: float, freedom: float) -> tuple[float, float]:
    """Return Student's 95 % interval around `middle`; of infinite degrees of freedom, the normal distribution's."""
    from scipy.special import stdtrit

    half = float(stdtrit(freedom, 0.975)) * error
    return middle - half, middle + half


def mean_interval(accuracies: Sequence[float], examples: int) -> tuple[float, float]:
    """Return the 95 % interval of the mean accuracy of runs, as fractions, within [0, 1].

    Wilson's of the examples for a single run, Student's of the runs where there are five or more; NaN for two
    to four.
    """
    if len(accuracies) == 1:
        return wilson_interval(accuracies[0], examples)
    if len(accuracies) < FEWEST_FOR_INTERVAL:
        return math.nan, math.nan
    low, high = student_interval(accuracies)
    return max(low, 0.0), min(high, 1.0)


def middle(draws: NDArray[np.float64]) -> tuple[float, float]:
    """Return the ends between which 95 % of the draws lie, NaN left out; NaN of no draws."""
    low, high = np.nanquantile(draws, (0.025, 0.975), method="nearest")
    return float(low), float(high)


def each(values: Sequence[float]) -> str:
    """Return a few values as text, in their order, four digits after the point."""
    return " ".join(f"{value:.4f}" for value in values)


def difference_interval(
    ours: tuple[float, float, int], theirs: tuple[float, float, int], examples: int
) -> tuple[float, float]:
    """Return the 95 % interval of a difference of two mean accuracies, ours less theirs (Welch's).

    Args:
        ours: Mean, standard deviation and number of runs. Where the deviation is NaN (a single run of
            ours), the error is the binomial one of the test set.
        theirs: The same.
        examples: Size of the test set.
    """
    total = terms = 0.0
    for mean, deviation, runs in (ours, theirs):
        unknown = math.isnan(deviation)
        variance = mean * (1 - mean) / examples if unknown else deviation**2 / runs
        total += variance
        terms += 0.0 if unknown or runs < 2 else variance**2 / (runs - 1)
    return _interval(ours[0] - theirs[0], math.sqrt(total), total**2 / terms if terms else math.inf)


def moments(values: Sequence[float]) -> tuple[float, float]:
    """Return mean and standard deviation (n - 1); the deviation of a single value is NaN."""
    return math.fsum(values) / len(values), float(np.std(values, ddof=1)) if len(values) > 1 else math.nan


def top_mean(values: Iterable[float], count: int) -> tuple[float, float]:
    """Return mean and standard deviation (n - 1) of the `count` lowest values; NaN where there are fewer."""
    lowest = sorted(values)[:count]
    return moments(lowest) if len(lowest) == count > 1 else (math.nan, math.nan)


def rank_correlation(xs: Iterable[float], ys: Iterable[float]) -> float:
    """Return Spearman's rank correlation of two sequences of one length; NaN where one is constant."""
    from scipy.stats import spearmanr

    one, other = list(xs), list(ys)
    if min(len(set(one)), len(set(other))) < 2:
        return math.nan
    return float(spearmanr(one, other)[0])  # type: ignore[arg-type]
