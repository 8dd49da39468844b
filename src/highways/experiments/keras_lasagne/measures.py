"""What the claims of the factorial speak of: 95 % intervals over seeds."""

from __future__ import annotations

from highways.claims.values import Interval, Records, in_units
from highways.experiments.keras_lasagne.effects import Factorial, factorials
from highways.experiments.keras_lasagne.factors import KERAS, KERAS_1_0_0, KERAS_1_2_2, LASAGNE
from highways.inside.statistics import student_interval

CELLS = {"keras": KERAS, "keras-1.0.0": KERAS_1_0_0, "keras-1.2.2": KERAS_1_2_2, "lasagne": LASAGNE}


@in_units("points")
def configuration_difference(records: Records, of: str, less: str, data: str | None = None) -> Interval | None:
    """Return the interval of the difference in test accuracy of two configurations.

    Args:
        records: Of one data set.
        of: `keras`, `keras-1.0.0`, `keras-1.2.2` or `lasagne`.
        less: Another one, or `logistic`, the regression.
        data: Of this data set and of no other in its place.
    """
    found = _factorial(records, data)
    difference = found.difference(CELLS[of], None if less == "logistic" else CELLS[less]) if found else []
    return _over_seeds(difference)


def _over_seeds(values: list[float]) -> Interval | None:
    return Interval(*student_interval(values), tuple(values)) if values else None


def _factorial(records: Records, data: str | None) -> Factorial | None:
    return next((found for name, found in factorials(records).items() if data in (None, name)), None)


@in_units("points")
def factor_effect(records: Records, factor: str, third_level: bool = False, data: str | None = None) -> Interval | None:
    """Return the interval of a factor's effect: test accuracy at Lasagne's level less that at Keras's, over all cells.

    Args:
        records: Of one data set.
        factor: A name in `factors.FACTORS`.
        third_level: Of Keras 1.2.2's level in place of Lasagne's.
        data: Of this data set and of no other in its place.
    """
    found = _factorial(records, data)
    effect = (found.third_level() if third_level else found.effect(factor)) if found else []
    return _over_seeds(effect)
