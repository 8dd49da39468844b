"""What a claim is measured by: an expression over the rows of its experiment's tables, or a function.

    measure: {value: {network: plain, depth: 10}, of: best_train_cross_entropy, unit: nats}
    measure: {ratio: [{network: plain, depth: 100}, {network: plain, depth: 10}], of: best_train_cross_entropy}
    measure: {ratio: [{network: highway, depth: [50, 100]}, {network: highway, depth: [10, 20]}], take: [max, min],
              of: best_train_cross_entropy}
    measure: {share: {layer: {from: 15, to: 45}}, below: 1.1, of: times_without_lesion}
    measure: {name: worst_activation, network: highway}

An expression selects rows by the values of their columns, takes the column `of` of each, and reduces several numbers to
one by `take`. What no expression says is a function of the records, by its name, with its arguments.
"""

import inspect
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple, Self, TypeVar, get_type_hints

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from highways.config import Strict
from highways.data import classes
from highways.errors import HighwaysError
from highways.show.tables import Row
from highways.tracking import Listed, RunRecord

Records = Listed


class Interval(NamedTuple):
    """A 95 % interval, with the values that it was made of, one a run or seed."""

    low: float
    high: float
    values: tuple[float, ...] = ()
    point: float | None = None
    """The outcome of a search, which the interval is of."""


class Networks(NamedTuple):
    """What is measured of each of several trained networks, the best one first."""

    values: tuple[float, ...]
    untrained: tuple[float | None, ...]
    """Of the same networks before training, `None` where that was not measured."""


Unit = Literal["nats", "ratio", "share", "points", "correlation", "parameters", ""]
"""Cross-entropy in `nats`, a `ratio`, a `share` of one, `points` that two shares differ by, a `correlation`, or
`parameters`, counted."""

F = TypeVar("F", bound=Callable[..., Any])


def calculation(function: F) -> F:
    """Mark a measure that needs no runs."""
    function.calculation = True  # type: ignore[attr-defined]
    return function


def in_units(unit: Unit) -> Callable[[F], F]:
    """Say what a measure gives."""

    def mark(function: F) -> F:
        function.unit = unit  # type: ignore[attr-defined]
        return function

    return mark


def guessing(run: RunRecord) -> float:
    """Return the cross-entropy of guessing on a run's data, nats."""
    return math.log(classes(run.config.data))


# Expressions

Take = Literal["max", "min", "first", "last", "sum", "mean"]


def _reduced(column: NDArray[np.float64], take: str) -> Any:
    """Return the numbers of a column, `(rows,)` or `(rows, draws)`, as one, or one a draw."""
    places = {"first": 0, "last": -1}
    return column[places[take]] if take in places else getattr(np, take)(column, axis=0)


class Range(Strict):
    """Whole numbers from one to another, both included."""

    first: int = Field(alias="from")
    last: int = Field(alias="to")


Where = dict[str, int | float | str | list[int | float | str] | Range]
"""Values of columns that select rows. Of several values of one column each must be there."""
Pair = Annotated[list[Where], Field(min_length=2, max_length=2)]


class Expression(Strict):
    """A number from a table: the `value` of a row, the `ratio` or `difference` of two, or the `share` of rows below."""

    value: Where | None = None
    ratio: Pair | None = None
    difference: Pair | None = None
    share: Where | None = None
    of: str
    """The column."""
    take: Take | Annotated[list[Take], Field(min_length=2, max_length=2)] | None = None
    """How several rows become one number; one for both parts of a ratio or difference, or one for each."""
    below: float | None = None
    """The bound of a share, strict."""
    unit: Unit | None = None
    """Of the number: by default `ratio` or `share` for these, none for a value or a difference."""

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if sum(part is not None for part in (self.value, self.ratio, self.difference, self.share)) != 1:
            raise ValueError("one of value, ratio, difference and share is needed, or the name of a function")
        if (self.share is None) != (self.below is None):
            raise ValueError("a share needs below, and nothing else has it")
        if isinstance(self.take, list) and self.ratio is None and self.difference is None:
            raise ValueError("take is one word here")
        return self

    @property
    def in_unit(self) -> Unit:
        """What the number is in."""
        default: Unit = "ratio" if self.ratio else "share" if self.share is not None else ""
        return default if self.unit is None else self.unit

    def on(self, rows: Sequence[Row]) -> Any:
        """Return the number; `None` where a row that it needs, or its number, is missing.

        Of rows whose column has draws, `(draws,)` each, the number of every draw.

        Raises:
            HighwaysError: A column is in no row, or several rows are selected and `take` is not given.
        """
        parts = self.ratio or self.difference or [self.value or self.share or {}]
        takes = self.take if isinstance(self.take, list) else [self.take] * len(parts)
        numbers = []
        for where, take in zip(parts, takes, strict=True):
            column = self._column(rows, where)
            if column is None:
                return None
            if self.below is not None:
                return float(np.mean(column < self.below))
            if take is None and len(column) > 1:
                raise HighwaysError(f"{len(column)} rows are selected, take says how they become one number")
            numbers.append(_reduced(column, take or "first"))
        if self.value is not None:
            return _plain(numbers[0])
        one, other = numbers
        if self.difference is not None:
            return _plain(one - other)
        if np.ndim(one) == 0 and ((np.isinf(one) and np.isinf(other)) or not other):
            return None
        with np.errstate(divide="ignore", invalid="ignore"):  # of draws that say nothing
            return _plain(np.divide(one, other))

    def selected(self, rows: Sequence[Row]) -> list[Row]:
        """Return the rows that the number is made of, as far as they are there."""
        parts = self.ratio or self.difference or [self.value or self.share or {}]
        return [row for where in parts for row in self._rows(rows, where) or ()]

    def _column(self, rows: Sequence[Row], where: Where) -> NDArray[np.float64] | None:
        if (chosen := self._rows(rows, where)) is None:
            return None
        numbers = np.array([row.get(self.of) for row in chosen], dtype=float)
        return None if not len(numbers) or (numbers.ndim == 1 and np.isnan(numbers).any()) else numbers

    def _rows(self, rows: Sequence[Row], where: Where) -> Sequence[Row] | None:
        columns = {name for row in rows for name in row}
        if rows and (unknown := [name for name in [*where, self.of] if name not in columns]):
            raise HighwaysError(f"no column {unknown[0]!r} in the tables; there are: {', '.join(sorted(columns))}")
        for name, wanted in where.items():
            if isinstance(wanted, Range):
                wanted = list(range(wanted.first, wanted.last + 1))
            values = wanted if isinstance(wanted, list) else [wanted]
            if not set(values) <= {row.get(name) for row in rows}:
                return None
            rows = [row for row in rows if row.get(name) in values]
        return rows


def _plain(number: Any) -> Any:
    return float(number) if np.ndim(number) == 0 else number


# Measures


@dataclass(frozen=True)
class Measures:
    """What an experiment's claims can be measured by."""

    functions: Mapping[str, Callable[..., float | Interval | None]]
    """By name. One returns `None` where the records do not contain what it needs."""
    rows: Callable[[Listed], Iterable[Row]] = lambda records: ()
    """Of the experiment's tables."""
    draws: Callable[[Listed], Sequence[Row]] = lambda records: ()
    """Rows with the outcome of a search, and in it that of every draw of its trials, `(draws,)`; NaN of no outcome."""

    def fault(self, measure: Mapping[str, Any]) -> str | None:
        """Describe the fault of a claim's measure; `None` if there is none."""
        if "name" not in measure:
            try:
                Expression.model_validate(measure)
            except ValidationError as error:
                first = error.errors()[0]
                place = ".".join(map(str, first["loc"]))
                return f"{place}: {first['msg']}" if place else first["msg"].removeprefix("Value error, ")
            return None
        called, arguments, name = str(measure["name"]), arguments_of(measure), ""
        if (function := self.functions.get(called)) is None:
            return f"no such measure; there are: {', '.join(self.functions)}"
        try:
            inspect.signature(function).bind((), **arguments)
            hints = get_type_hints(function)
            for name in arguments:
                TypeAdapter(hints[name], config=ConfigDict(strict=True)).validate_python(arguments[name])
        except TypeError as error:
            return f"{called}: {error}"
        except ValidationError as error:
            return f"{called}: {name}: {error.errors()[0]['msg']}, found {arguments[name]!r}"
        return None

    def needs_no_runs(self, measure: Mapping[str, Any]) -> bool:
        """Tell whether a measure is a calculation."""
        return getattr(self.functions.get(measure.get("name", "")), "calculation", False)

    def unit(self, measure: Mapping[str, Any]) -> Unit:
        """Return the unit of a measure's number."""
        if "name" not in measure:
            return Expression.model_validate(measure).in_unit
        return getattr(self.functions[measure["name"]], "unit", "")


def measured(measures: Measures, measure: Mapping[str, Any], records: Records) -> float | Interval | None:
    """Evaluate a claim's measure on records; lists of the YAML file stand for tuples.

    Raises:
        HighwaysError: An expression does not fit the tables.
    """
    if "name" in measure:
        return measures.functions[measure["name"]](records, **arguments_of(measure))
    expression = Expression.model_validate(measure)
    value = expression.on(list(measures.rows(records)))
    draws = measures.draws(records)
    if value is None or math.isinf(value) or not draws or any(expression.of not in row for row in draws):
        return value
    low, high = np.nanquantile(expression.on(draws), (0.025, 0.975), method="nearest")
    return Interval(float(low), float(high), point=value)


def measured_of_networks(measures: Measures, measure: Mapping[str, Any], records: Records) -> Networks | None:
    """Evaluate a claim's measure for each analysed network; `None` if it is missing for one.

    Raises:
        HighwaysError: An expression does not fit the tables.
    """
    pairs = records.networks()
    values = [measured(measures, measure, network) for network, _ in pairs]
    controls = [None if control.empty else measured(measures, measure, control) for _, control in pairs]
    untrained = [None if control is None or control != control else control for control in controls]
    if not values or None in values:
        return None
    return Networks(tuple(values), tuple(untrained))  # type: ignore[arg-type]


def runs_behind(measures: Measures, measure: Mapping[str, Any], records: Records) -> list[str]:
    """Return the keys of the runs that a claim's measure reads.

    An expression reads the runs of the rows that it selects; a function all runs, or those of the kinds of network that
    its arguments name.
    """
    if "name" not in measure:
        rows = Expression.model_validate(measure).selected(list(measures.rows(records)))
        keys = [row.get("best_run_key") or row.get("run_key") for row in rows]
        return [key for key in keys if key]
    named = set(map(str, arguments_of(measure).values())) & {run.config.network.kind for run in records}
    return [run.run_key for run in records if not named or run.config.network.kind in named]


def arguments_of(measure: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a measure that is a function, as a claim has them."""
    return {key: _tuples(value) for key, value in measure.items() if key != "name"}


def _tuples(value: Any) -> Any:
    if isinstance(value, list):
        return [_tuples(item) for item in value] if value and isinstance(value[0], list) else tuple(value)
    return value
