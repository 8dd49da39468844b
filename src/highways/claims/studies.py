"""Numbers of studies, which any experiment's claims may speak of."""

import math

from highways.claims.values import Interval, Records, Unit
from highways.inside.statistics import student_interval
from highways.tracking import AnalysisRecord, Listed


def study(records: Listed, kind: str) -> AnalysisRecord | None:
    """Return the study of one kind, `None` where it has not been made."""
    return next((analysis for analysis in records.analyses if analysis.kind == kind), None)


def study_value(records: Records, of: str, value: str, take: str = "last") -> float | None:
    """Return a number of the study `of`: of several the `first`, the `last`, the `largest` in size, or their `mean`."""
    found = study(records, of)
    if found is None or value not in found.values:
        return None
    numbers = found.row(value)
    largest = math.nan if any(map(math.isnan, numbers)) else max(map(abs, numbers))
    mean = math.fsum(numbers) / len(numbers)
    return {"first": numbers[0], "last": numbers[-1], "largest": largest, "mean": mean}[take]


def study_difference(records: Records, of: str, value: str, less: str) -> float | Interval | None:
    """Return the mean difference of two values of a study; of several seeds, its 95 % interval."""
    pairs = [one - other for one, other in _pairs(records, of, value, less)]
    if len(pairs) < 2:
        return next(iter(pairs), None)
    return Interval(*student_interval(pairs), tuple(pairs))


def study_ratio(records: Records, of: str, value: str, to: str) -> float | Interval | None:
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


def _pairs(records: Records, of: str, value: str, other: str) -> list[tuple[float, float]]:
    """Return two values of a study for each seed; none where one of them is missing."""
    found = study(records, of)
    if found is None or not {value, other} <= found.values.keys():
        return []
    return list(zip(found.row(value), found.row(other), strict=True))


SHARES = ("accuracy", "saturated", "metrics", "confidence", "output_high", "without_label")
"""What is in the name of a number that is a share."""


def study_unit(measure: str, value: str) -> Unit:
    """Return the unit of a study's number, from its name in the record."""
    if measure == "study_ratio":
        return "ratio"
    if not any(word in value for word in SHARES):
        return ""
    return "points" if measure == "study_difference" else "" if "gap" in value else "share"


STUDY_MEASURES = (study_value, study_difference, study_ratio)
