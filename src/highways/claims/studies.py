"""Numbers of studies, which any experiment's claims may speak of."""

from __future__ import annotations

import math

from highways.claims.values import Interval, Records, Unit
from highways.inside.statistics import student_interval
from highways.tracking import AnalysisRecord, Listed


def study(records: Listed, kind: str) -> AnalysisRecord | None:
    """Return the study of one kind, `None` where it has not been made."""
    return next((analysis for analysis in records.analyses if analysis.kind == kind), None)


def study_value(records: Records, of: str, value: str, take: str = "last") -> float | None:
    """Return a number of a study.

    Args:
        records: With the study.
        of: Kind of the study.
        value: Name in its record.
        take: Of several numbers the `first`, the `last`, the `largest` in size, or their `mean`.
    """
    found = study(records, of)
    if found is None or value not in found.values:
        return None
    numbers = found.row(value)
    largest = math.nan if any(map(math.isnan, numbers)) else max(map(abs, numbers))
    mean = math.fsum(numbers) / len(numbers)
    return {"first": numbers[0], "last": numbers[-1], "largest": largest, "mean": mean}[take]


def study_difference(records: Records, of: str, value: str, less: str) -> float | Interval | None:
    """Return the mean difference of two values of a study; of several seeds, its 95 % interval."""
    found = study(records, of)
    if found is None or value not in found.values or less not in found.values:
        return None
    pairs = [one - other for one, other in zip(found.row(value), found.row(less), strict=True)]
    return pairs[0] if len(pairs) == 1 else Interval(*student_interval(pairs), tuple(pairs))


def study_ratio(records: Records, of: str, value: str, to: str, take: str = "last") -> float | None:
    """Return the ratio of two values of a study; `take` as in `study_value`."""
    one, other = study_value(records, of, value, take), study_value(records, of, to, take)
    return None if one is None or not other else one / other


def study_unit(measure: str, value: str) -> Unit:
    """Return what a study's number is in, by the name that it has in the record."""
    is_share = any(word in value for word in ("accuracy", "saturated", "metrics", "confidence", "output_high"))
    if measure == "study_ratio":
        return "ratio"
    if measure == "study_difference":
        return "points" if is_share else ""
    return "share" if is_share and "gap" not in value else ""


STUDY_MEASURES = (study_value, study_difference, study_ratio)
