"""Intervals and summaries. SciPy is imported where it is used: it takes most of a second."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import NormalDist

NORMAL_95 = NormalDist().inv_cdf(0.975)


def wilson_interval(accuracy: float, examples: int) -> tuple[float, float]:
    """Return the 95 % Wilson score interval of an accuracy, as fractions.

    Args:
        accuracy: Fraction of `examples` that were right.
        examples: How many were tried.
    """
    right = round(accuracy * examples)
    share, z = right / examples, NORMAL_95
    middle = (2 * right + z**2) / (2 * (examples + z**2))
    half = z / (2 * (examples + z**2)) * math.sqrt(4 * examples * share * (1 - share) + z**2)
    return 0.0 if right == 0 else middle - half, 1.0 if right == examples else middle + half


FEWEST_FOR_INTERVAL = 5
"""With fewer runs an interval of their mean says more of its formula than of them: the values themselves are shown."""


def student_interval(values: Sequence[float]) -> tuple[float, float]:
    """Return Student's 95 % interval of a mean, of two values or more."""
    mean, deviation = moments(values)
    half = _student_95(len(values) - 1) * deviation / math.sqrt(len(values))
    return mean - half, mean + half


def _student_95(freedom: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 0.975))


def mean_interval(accuracies: Sequence[float], examples: int) -> tuple[float, float]:
    """Return the 95 % interval of the mean accuracy of runs, as fractions, within [0, 1].

    Wilson's of the examples for a single run, Student's of the runs where there are five or more; NaN for two
    to four.

    Args:
        accuracies: Of the runs.
        examples: How many each was tested on.
    """
    if len(accuracies) == 1:
        return wilson_interval(accuracies[0], examples)
    if len(accuracies) < FEWEST_FOR_INTERVAL:
        return math.nan, math.nan
    low, high = student_interval(accuracies)
    return max(low, 0.0), min(high, 1.0)


def each(values: Sequence[float]) -> str:
    """Return a few values as text, in their order, four digits behind the point."""
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
    variances, freedoms = [], []
    for mean, deviation, runs in (ours, theirs):
        unknown = math.isnan(deviation)
        variances.append(mean * (1 - mean) / examples if unknown else deviation**2 / runs)
        freedoms.append(math.inf if unknown or runs < 2 else runs - 1)
    total = math.fsum(variances)
    terms = [variance**2 / freedom for variance, freedom in zip(variances, freedoms, strict=True)]
    freedom = total**2 / math.fsum(terms) if math.fsum(terms) > 0 else math.inf
    quantile = NORMAL_95 if math.isinf(freedom) else _student_95(freedom)
    difference, half = ours[0] - theirs[0], quantile * math.sqrt(total)
    return difference - half, difference + half


def moments(values: Sequence[float]) -> tuple[float, float]:
    """Return mean and standard deviation (n - 1); the deviation of a single value is NaN."""
    mean = math.fsum(values) / len(values)
    if len(values) < 2:
        return mean, math.nan
    return mean, math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


def top_mean(values: Iterable[float], count: int) -> tuple[float, float]:
    """Return mean and standard deviation (n - 1) of the `count` lowest values; NaN where there are fewer."""
    lowest = sorted(values)[:count]
    if len(lowest) < count or count < 2:
        return math.nan, math.nan
    mean = math.fsum(lowest) / count
    return mean, math.sqrt(math.fsum((value - mean) ** 2 for value in lowest) / (count - 1))


def rank_correlation(xs: Iterable[float], ys: Iterable[float]) -> float:
    """Return Spearman's rank correlation of two sequences of one length."""
    from scipy.stats import spearmanr

    return float(spearmanr(list(xs), list(ys))[0])  # type: ignore[arg-type]
