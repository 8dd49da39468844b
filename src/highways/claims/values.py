"""What a measure gives, and what it is measured on."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, TypeVar

from highways.data import classes
from highways.tracking import Listed, RunRecord

Records = Listed


class Interval(NamedTuple):
    """A 95 % interval.

    Attributes:
        low: Its lower end.
        high: Its upper end.
        values: What it was made of, a value a run or seed.
    """

    low: float
    high: float
    values: tuple[float, ...] = ()


Measures = Mapping[str, Callable[..., float | Interval | None]]
"""Measures by name: functions of an experiment's runs and analyses. One returns `None` where they do not contain what
it needs."""

Unit = Literal["nats", "ratio", "share", "points", "correlation", "parameters", ""]

F = TypeVar("F", bound=Callable[..., Any])


def calculation(function: F) -> F:
    """Mark a measure that needs no runs."""
    function.calculation = True  # type: ignore[attr-defined]
    return function


def in_units(unit: Unit) -> Callable[[F], F]:
    """Say what a measure gives.

    Cross-entropy in `nats`, a `ratio`, a `share` of one, `points` that two shares differ by, a `correlation`, or
    a number of `parameters`.
    """

    def mark(function: F) -> F:
        function.unit = unit  # type: ignore[attr-defined]
        return function

    return mark


def guessing(run: RunRecord) -> float:
    """Return the cross-entropy of guessing on a run's data, nats."""
    return math.log(classes(run.config.data.name))


def measured(measures: Measures, content: Mapping[str, Any], records: Records) -> float | Interval | None:
    """Return what a claim's measure gives for records; lists of the YAML file stand for tuples.

    Args:
        measures: By name.
        content: Name and arguments, as the claim has them.
        records: What it is measured on.
    """
    return measures[content["name"]](records, **arguments_of(content))


def arguments_of(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return a measure's arguments, as a claim has them."""
    return {key: _tuples(value) for key, value in content.items() if key != "name"}


def _tuples(value: Any) -> Any:
    if isinstance(value, list):
        return [_tuples(item) for item in value] if value and isinstance(value[0], list) else tuple(value)
    return value
