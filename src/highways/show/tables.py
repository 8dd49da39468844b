"""The toolkit of tables: one way to write a number, a table, a machine."""

import math
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pandas as pd

from highways import paths
from highways.errors import printable
from highways.tracking import AnalysisRecord, Listed, RunRecord
from highways.tracking.environment import EARLIER

TAG = re.compile(r"<(?=[A-Za-z/!?])")
Row = dict[str, Any]
"""A row of a table: a value for each column, in the table's order; `None` where there is nothing."""


class Scrolled(pd.DataFrame):
    """A table that a notebook shows whole: every row and column, scrolled where they are many, texts unbroken."""

    def _repr_html_(self) -> str:
        with pd.option_context("display.max_colwidth", None):
            html = self.to_html(max_rows=None, max_cols=None, border=0, na_rep="", index=False)
        return f'<div style="max-height: 30em; overflow: auto">{html}</div>'


def number(value: float) -> str:
    """Return a number as pages show it: with three digits, such as `2.65e-5` or `0.0123`; a large one whole."""
    if not math.isfinite(value):
        return {"inf": "infinite", "-inf": "-infinite"}.get(str(value), "not a number")
    if abs(value) < 1e15 and (float(value).is_integer() or abs(value) >= 1e3):
        return f"{value + 0:,.0f}"  # -0.0 is 0
    return re.sub(r"e([+-])0*", lambda found: "e" + found[1].replace("+", ""), f"{value:.3g}")


def csv_text(frame: pd.DataFrame) -> str:
    """Return a table as CSV: one header row, six significant digits, empty where there is nothing."""
    return frame.map(_cell).to_csv(index=False, lineterminator="\n")


def _cell(value: object) -> str:
    if value is None or value is pd.NA or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if isinstance(value, float):
        return f"{int(value)}" if value.is_integer() and abs(value) < 1e15 else f"{value:.6g}"
    return str(value)


def plain(text: str) -> str:
    """Return a text that others wrote, such as the name of a machine in a record, as Markdown without markup."""
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
    """Yield what runs and analyses cost, a row for each kind of work, data set, network, depth and machine.

    Of an experiment's records all count, auxiliary runs and controls, too. `work` is `training` or what was analysed; a
    study has no network. Workers are those of the first record; `more` returns what an analysis has measured with a
    clock, as further columns.
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
    """Return the rows of six layers at most of the best network of each data set."""
    with_none = 0 in set(frame["layer"])
    layers = (0, 1, 5, 15, 30, 49) if with_none else (1, 5, 10, 20, 40, 49)
    return frame.loc[frame["layer"].isin(layers) & (frame["network"].astype(str) == "1")]
