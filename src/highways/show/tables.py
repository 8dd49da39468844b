"""The toolkit of tables: one format each for numbers, tables and machines."""

import math
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pandas as pd

from highways import paths
from highways.errors import printable
from highways.tracking import EARLIER, AnalysisRecord, Listed, RunRecord

TAG = re.compile(r"<(?=[A-Za-z/!?])")
Row = dict[str, Any]
"""A table row: a value for each column, in the table's order; `None` for an empty cell."""


class Scrolled(pd.DataFrame):
    """A table that a notebook shows in full, scrolling if necessary, without truncated text."""

    def _repr_html_(self) -> str:
        with pd.option_context("display.max_colwidth", None):
            html = self.to_html(max_rows=None, max_cols=None, border=0, na_rep="", index=False)
        return f'<div style="max-height: 30em; overflow: auto">{html}</div>'


def number(value: float) -> str:
    """Format a number for pages: three digits, such as `2.65e-5` or `0.0123`; a large number as an integer."""
    if not math.isfinite(value):
        return {"inf": "infinite", "-inf": "-infinite"}.get(str(value), "not a number")
    if abs(value) < 1e15 and (float(value).is_integer() or abs(value) >= 1e3):
        return f"{value + 0:,.0f}"  # -0.0 is 0
    return re.sub(r"e([+-])0*", lambda found: "e" + found[1].replace("+", ""), f"{value:.3g}")


def csv_text(rows: Iterable[Row], columns: Iterable[str]) -> str:
    """Return rows as CSV: six significant digits, empty fields for missing values; without rows, only `columns`."""
    rows = list(rows)
    frame = pd.DataFrame(rows, columns=None if rows else list(columns), dtype=object)
    return frame.map(_cell).to_csv(index=False, lineterminator="\n")


def _cell(value: object) -> str:
    if value is None or value is pd.NA or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if isinstance(value, float):
        return f"{int(value)}" if value.is_integer() and abs(value) < 1e15 else f"{value:.6g}"
    return str(value)


def plain(text: str) -> str:
    """Escape foreign text, such as a machine's name in a record, for use in Markdown."""
    return TAG.sub("&lt;", printable(text, 500)).replace("](", "]\\(")


MACHINE = ["processor", "device", "threads", "workers"]


def machine(record: RunRecord | AnalysisRecord) -> Row:
    """Return a record's machine, `MACHINE`; for a run resumed elsewhere, every machine that trained it."""
    places = [*record.environment.get(EARLIER, ()), record.environment]
    values = {name: list(dict.fromkeys(place[name] for place in places if name in place)) for name in MACHINE[:3]}
    on = {name: some[0] if len(some) == 1 else ", then ".join(map(str, some)) for name, some in values.items()}
    return on | {"workers": record.engine["workers"] if isinstance(record, RunRecord) else 1}


def costs(
    records: Iterable[RunRecord | AnalysisRecord], more: Callable[[AnalysisRecord], Row] = lambda analysis: {}
) -> Iterator[Row]:
    """Yield the cost of runs and analyses, one row per kind of work, data set, network, depth and machine.

    All records of an experiment count, including auxiliary runs and controls. `work` is `training` or the analysis's
    label; a study has no network. `workers` is that of the first record; `more` returns further columns with times that
    an analysis has measured.
    """
    if isinstance(records, Listed):
        records = [*records, *records.auxiliary, *records.analyses, *records.controls]
    rows: dict[tuple[object, ...], Row] = {}
    for record in records:
        if isinstance(record, RunRecord):
            work, run, measured = "training", record.config, {}
        else:
            work, run, measured = record.config.measure.label, record.config.run, more(record)
        row = {
            "work": work,
            "data": record.config.data.name if record.config.data else None,
            "network": run.network.shown_as if run else None,
            "depth": run.network.depth if run else None,
            "process_seconds": 0.0,
            **measured,
            **machine(record),
        }
        same = tuple(value for column, value in row.items() if column != "workers")
        rows.setdefault(same, row)["process_seconds"] += record.timing["seconds"]
    yield from rows.values()


def reference(file: str) -> pd.DataFrame:
    """Return a table of `references/`."""
    return pd.read_csv(paths.root() / "references" / file)


def reference_rows(file: str) -> list[Row]:
    """Return a table of `references/` as rows."""
    return reference(file).to_dict("records")  # type: ignore[return-value]


def few_layers(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of at most six layers of the best network of each data set."""
    with_none = 0 in set(frame["layer"])
    layers = (0, 1, 5, 15, 30, 49) if with_none else (1, 5, 10, 20, 40, 49)
    return frame.loc[frame["layer"].isin(layers) & (frame["network"].astype(str) == "1")]
