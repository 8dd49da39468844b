"""Numbers of studies, which any experiment's claims may speak of."""

import math
from typing import Literal

from highways.claims.values import Interval, in_units
from highways.inside.statistics import student_interval
from highways.tracking import Listed

SHARES = ("accuracy", "saturated", "metrics", "confidence", "output_high", "without_label")
"""What is in the name of a number that is a share."""


def is_share(value: str) -> bool:
    """Tell by its name whether a number of a study is a share."""
    return any(word in value for word in SHARES)


Which = Literal["first", "last", "largest", "mean"]


@in_units(lambda value: "share" if is_share(value) and "gap" not in value else "")
def study_value(records: Listed, of: str, value: str, take: Which = "last") -> float | None:
    """Return a number of the study `of`: of several the `first`, the `last`, the `largest` in size, or their `mean`."""
    found = records.study(of)
    if found is None or value not in found.values:
        return None
    numbers = found.row(value)
    largest = math.nan if any(map(math.isnan, numbers)) else max(map(abs, numbers))
    mean = math.fsum(numbers) / len(numbers)
    return {"first": numbers[0], "last": numbers[-1], "largest": largest, "mean": mean}[take]


@in_units(lambda value: "points" if is_share(value) else "")
def study_difference(records: Listed, of: str, value: str, less: str) -> float | Interval | None:
    """Return the mean difference of two values of a study; of several seeds, its 95 % interval."""
    pairs = [one - other for one, other in _pairs(records, of, value, less)]
    if len(pairs) < 2:
        return next(iter(pairs), None)
    return Interval(*student_interval(pairs), tuple(pairs))


@in_units("ratio")
def study_ratio(records: Listed, of: str, value: str, to: str) -> float | Interval | None:
    """Return the ratio of two values of a study, paired by seed; of several seeds, the 95 % interval of their ratios.

    It is Student's interval of the mean logarithm, taken back; the point is the geometric mean. A value that is not
    above zero makes it NaN.
    """
    ratios = [one / other if one > 0 < other else math.nan for one, other in _pairs(records, of, value, to)]
    if len(ratios) < 2:
        return next(iter(ratios), None)
    logs = [math.log(ratio) for ratio in ratios]
    low, high = map(math.exp, student_interval(logs))
    return Interval(low, high, tuple(ratios), point=math.exp(math.fsum(logs) / len(logs)))


def _pairs(records: Listed, of: str, value: str, other: str) -> list[tuple[float, float]]:
    """Return two values of a study for each seed; none where one of them is missing."""
    found = records.study(of)
    if found is None or not {value, other} <= found.values.keys():
        return []
    return list(zip(found.row(value), found.row(other), strict=True))


STUDY_MEASURES = (study_value, study_difference, study_ratio)
