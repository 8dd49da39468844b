"""How a claim is measured: by an expression over the rows of its experiment's tables, or by a function.

    measure: {value: {network: plain, depth: 10}, of: best_train_cross_entropy, unit: nats}
    measure: {ratio: [{network: plain, depth: 100}, {network: plain, depth: 10}], of: best_train_cross_entropy}
    measure: {ratio: [{network: highway, depth: [50, 100]}, {network: highway, depth: [10, 20]}], take: [max, min],
              of: best_train_cross_entropy}
    measure: {share: {layer: {from: 15, to: 45}}, below: 1.1, of: times_without_lesion}
    measure: {name: worst_activation, network: highway}

An expression selects rows by the values of their columns, reads the column `of` of each, and reduces several numbers to
one with `take`. What no expression can say is a function of the records, given by its name and arguments.
"""

import inspect
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from statistics import fmean
from typing import Annotated, Any, Literal, NamedTuple, Self, TypeVar

import numpy as np
from pydantic import Field, create_model, model_validator

from highways.config import Strict, validate
from highways.data import classes
from highways.errors import HighwaysError
from highways.inside.statistics import middle, student_interval
from highways.show.tables import Row
from highways.tracking import Listed, RunRecord


class Interval(NamedTuple):
    """A 95 % interval, with the values it was computed from, one per run or seed."""

    low: float
    high: float
    values: tuple[float, ...] = ()
    point: float | None = None
    """The estimate that the interval belongs to, such as the outcome of a search."""


class Networks(NamedTuple):
    """Measured values of several trained networks, the best network first."""

    values: tuple[float, ...]
    untrained: tuple[float, ...]
    """Values of the same networks before training, NaN if not measured."""


Unit = Literal["nats", "ratio", "share", "points", "correlation", "parameters", "multiplications", ""]
"""Cross-entropy in `nats`, a `ratio`, a `share` of one, the difference of two shares in `points`, a `correlation`, or a
count of `parameters` or `multiplications`."""

F = TypeVar("F", bound=Callable[..., Any])


def in_units(unit: Unit | Callable[[str], Unit]) -> Callable[[F], F]:
    """Mark a function of the records as a measure with a unit; `unit` may be a function of a study's `value`."""

    def mark(function: F) -> F:
        function.unit = unit  # type: ignore[attr-defined]
        return function

    return mark


def guessing(run: RunRecord) -> float:
    """Return the cross-entropy of guessing uniformly on a run's data, nats."""
    return math.log(classes(run.config.data))


# Expressions

Take = Literal["max", "min", "sum", "mean"]


class Range(Strict):
    """All integers between two ends, both included."""

    first: int = Field(alias="from")
    last: int = Field(alias="to")


Where = dict[str, int | float | str | list[int | float | str] | Range]
"""Values of columns that select rows. If a column is given several values, each must occur."""


class Expression(Strict):
    """A number from a table: the `value` of a row, the `ratio` of two, or the `share` of rows below a bound."""

    value: Where | None = None
    ratio: Annotated[list[Where], Field(min_length=2, max_length=2)] | None = None
    share: Where | None = None
    of: str
    """The column that is read."""
    take: Take | Annotated[list[Take], Field(min_length=2, max_length=2)] | None = None
    """How several rows are reduced to one number; for a ratio, one reduction for both parts or one for each."""
    below: float | None = None
    """The strict upper bound of a share."""
    unit: Unit | None = None
    """Unit of the number; by default `ratio` or `share` for these, none for a value."""

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if sum(part is not None for part in (self.value, self.ratio, self.share)) != 1:
            raise ValueError("one of value, ratio and share is needed, or the name of a function")
        if (self.share is None) != (self.below is None):
            raise ValueError("a share needs below, and nothing else has it")
        if isinstance(self.take, list) and self.ratio is None:
            raise ValueError("take is one word here")
        return self

    @property
    def _parts(self) -> list[Where]:
        """The selections of rows; two for a ratio."""
        return self.ratio or [self.value or self.share or {}]

    @property
    def columns(self) -> set[str]:
        """Columns of the tables that the expression uses."""
        return {self.of}.union(*self._parts)

    def on(self, rows: Sequence[Row]) -> Any:
        """Return the number; `None` if a required row, or its number, is missing.

        If the column holds draws, `(draws,)` per row, return one number per draw.

        Raises:
            HighwaysError: A column is in no row, or several rows are selected and `take` is missing.
        """
        takes = self.take if isinstance(self.take, list) else [self.take, self.take]
        numbers = []
        for where, take in zip(self._parts, takes, strict=False):
            column = np.array([row.get(self.of) for row in self._select(rows, where)], dtype=float)
            if not len(column) or (column.ndim == 1 and np.isnan(column).any()):
                return None
            if self.below is not None:
                column, take = np.where(np.isnan(column), np.nan, column < self.below), "mean"
            if take is None and len(column) > 1:
                raise HighwaysError(f"{len(column)} rows are selected, take says how they become one number")
            numbers.append(getattr(np, take or "sum")(column, axis=0))
        number, to = numbers if self.ratio else (numbers[0], 1.0)
        with np.errstate(divide="ignore", invalid="ignore"):  # for draws without an outcome
            number = number / to
        if number.ndim:
            return number
        return float(number) if to and not np.isnan(number) else None

    def selected(self, rows: Sequence[Row]) -> list[Row]:
        """Return the existing rows that the number is computed from."""
        return [row for where in self._parts for row in self._select(rows, where)]

    def _select(self, rows: Sequence[Row], where: Where) -> Sequence[Row]:
        columns = {name for row in rows for name in row}
        if rows and (unknown := [name for name in [*where, self.of] if name not in columns]):
            raise HighwaysError(f"no column {unknown[0]!r} in the tables; there are: {', '.join(sorted(columns))}")
        for name, wanted in where.items():
            if isinstance(wanted, Range):
                wanted = list(range(wanted.first, wanted.last + 1))
            values = wanted if isinstance(wanted, list) else [wanted]
            if not set(values) <= {row.get(name) for row in rows}:
                return []
            rows = [row for row in rows if row.get(name) in values]
        return rows


# Measures


@cache
def _arguments(function: Callable[..., Any]) -> type[Strict]:
    """Return a model of a function's arguments after the first, which is the records."""
    _, *parameters = inspect.signature(function, eval_str=True).parameters.values()
    fields = {one.name: (one.annotation, ... if one.default is one.empty else one.default) for one in parameters}
    return create_model(function.__name__, __base__=Strict, **fields)  # type: ignore[call-overload]


@dataclass(frozen=True)
class Measures:
    """The measures that an experiment's claims can use."""

    functions: Mapping[str, Callable[..., float | Interval | None]]
    """Measure functions by name. They return `None` if the records lack what they need."""
    rows: Callable[[Listed], Iterable[Row]] = lambda records: ()
    """Rows of the experiment's tables."""
    draws: Callable[[Listed], Sequence[Row]] = lambda records: ()
    """Rows with a search's outcome for every draw of its trials, `(draws,)`; NaN for a draw without an outcome."""

    def read(self, measure: Mapping[str, Any], where: str = "measure") -> Expression | partial[Any]:
        """Read and check a claim's measure: an expression, or a function of the records with its arguments bound."""
        if "name" not in measure:
            return validate(Expression, measure, where)
        if (function := self.functions.get(measure["name"])) is None:
            raise HighwaysError(f"{where}: no such measure; there are: {', '.join(self.functions)}")
        given = {key: value for key, value in measure.items() if key != "name"}
        return partial(function, **dict(validate(_arguments(function), given, where)))

    def unit(self, measure: Mapping[str, Any]) -> Unit:
        """Return the unit of a measure's number."""
        if "name" not in measure:
            expression = Expression.model_validate(measure)
            default: Unit = "ratio" if expression.ratio else "share" if expression.share is not None else ""
            return default if expression.unit is None else expression.unit
        unit = getattr(self.functions.get(measure["name"]), "unit", "")
        return unit(measure["value"]) if callable(unit) else unit  # type: ignore[return-value]

    def needs_no_runs(self, measure: Mapping[str, Any]) -> bool:
        """Tell whether a measure is a calculation, a count on networks that are built for it."""
        return self.unit(measure) in ("parameters", "multiplications")


def measured(measures: Measures, measure: Mapping[str, Any], records: Listed) -> float | Interval | None:
    """Evaluate a claim's measure on records; an expression that does not fit the tables raises `HighwaysError`."""
    read = measures.read(measure)
    if not isinstance(read, Expression):
        return read(records)
    value, draws = read.on(list(measures.rows(records))), measures.draws(records)
    if value is None or math.isinf(value) or any(read.columns - row.keys() for row in draws):
        return value
    if (drawn := read.on(draws)) is None:
        return value
    return Interval(*middle(drawn), point=value)


def measured_of_networks(measures: Measures, measure: Mapping[str, Any], records: Listed) -> Networks | None:
    """Evaluate a claim's measure for each analysed network, as `measured` does; `None` if any is missing."""
    pairs = records.networks()
    values = [measured(measures, measure, network) for network, _ in pairs]
    controls = [measured(measures, measure, control) for _, control in pairs]
    if not values or None in values:
        return None
    untrained = (math.nan if control is None else control for control in controls)
    return Networks(tuple(values), tuple(untrained))  # type: ignore[arg-type]


def runs_behind(measures: Measures, measure: Mapping[str, Any], records: Listed) -> list[str]:
    """Return the keys of the runs that a claim's measure reads.

    An expression reads the runs of the rows that it selects; a function reads all runs, or those of the kinds of
    network that its arguments name.
    """
    read = measures.read(measure)
    if isinstance(read, Expression):
        keys = [row.get("best_run_key") or row.get("run_key") for row in read.selected(list(measures.rows(records)))]
        return [key for key in keys if key]
    named = set(map(str, read.keywords.values())) & {run.config.network.kind for run in records}
    return [run.run_key for run in records if not named or run.config.network.kind in named]


# Measures of studies, which the claims of any experiment can use


def is_share(value: str) -> bool:
    """Tell from its name whether a number of a study is a share."""
    return re.search("accuracy|saturated|metrics|confidence|output_high|without_label", value) is not None


Which = Literal["first", "last", "largest", "mean"]


@in_units(lambda value: "share" if is_share(value) and "gap" not in value else "")
def study_value(records: Listed, of: str, value: str, take: Which = "last") -> float | None:
    """Return a number of the study `of`: the `first`, `last` or `largest` (in size) of several, or their `mean`."""
    found = records.study(of)
    if found is None or value not in found.values:
        return None
    numbers = found.row(value)
    largest = float(np.abs(numbers).max())  # NaN if any is
    return {"first": numbers[0], "last": numbers[-1], "largest": largest, "mean": fmean(numbers)}[take]


@in_units(lambda value: "points" if is_share(value) else "")
def study_difference(records: Listed, of: str, value: str, less: str) -> float | Interval | None:
    """Return the difference of two values of a study; for several seeds, the 95 % interval of its mean."""
    pairs = [one - other for one, other in _pairs(records, of, value, less)]
    if len(pairs) < 2:
        return next(iter(pairs), None)
    return Interval(*student_interval(pairs), tuple(pairs))


@in_units("ratio")
def study_ratio(records: Listed, of: str, value: str, to: str) -> float | Interval | None:
    """Return the ratio of two values of a study, paired by seed; for several seeds, its 95 % interval.

    It is Student's interval of the mean logarithm, transformed back; the point is the geometric mean. A value that is
    not above zero makes it NaN.
    """
    return ratio_interval(_pairs(records, of, value, to))


def ratio_interval(pairs: Iterable[tuple[float, float]]) -> float | Interval | None:
    """Return the ratio of the two numbers of one pair, or the interval over several pairs; see `study_ratio`."""
    ratios = [one / other if one > 0 < other else math.nan for one, other in pairs]
    if len(ratios) < 2:
        return next(iter(ratios), None)
    logs = [math.log(ratio) for ratio in ratios]
    low, high = map(math.exp, student_interval(logs))
    return Interval(low, high, tuple(ratios), point=math.exp(fmean(logs)))


def _pairs(records: Listed, of: str, value: str, other: str) -> list[tuple[float, float]]:
    """Return pairs of two values of a study, one per seed; none if either is missing."""
    found = records.study(of)
    if found is None or not {value, other} <= found.values.keys():
        return []
    return list(zip(found.row(value), found.row(other), strict=True))


STUDY_MEASURES = (study_value, study_difference, study_ratio)
