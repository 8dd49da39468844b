"""The comparison tables: one builder a table, whatever the records are read from.

A table is written as `NAME.csv` and `NAME.md`. What was measured with a clock goes into
`NAME_cost.csv`, apart, so that the others are the same to the byte from run to run.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from highways import paths
from highways.config import Profile, load_profile
from highways.errors import HighwaysError
from highways.experiments import (
    BiLSTMProfile,
    ConvProfile,
    DepthProfile,
    FoundationsProfile,
    GatesProfile,
    InitialisationProfile,
    KerasLasagneProfile,
    LesionProfile,
    ParityProfile,
    VeryDeepProfile,
)
from highways.report.bilstm_tables import bilstm_cost, bilstm_table
from highways.report.conv_tables import conv_cost, conv_table
from highways.report.depth_tables import depth_cost, depth_table
from highways.report.factorial_tables import keras_lasagne_cost, keras_lasagne_table
from highways.report.initialisation_tables import (
    foundations_table,
    initialisation_cost,
    initialisation_table,
    parity_cost,
    parity_table,
    studies_cost,
    studies_table,
)
from highways.report.layer_tables import (
    gates_cost,
    gates_table,
    lesion_cost,
    lesion_table,
    very_deep_cost,
    very_deep_table,
)
from highways.tracking import Listed, listed_records
from highways.tracking.reading import Source
from highways.tracking.records import write_atomically

Builder = Callable[[Listed, Profile], pd.DataFrame]


@dataclass(frozen=True)
class Table:
    """How a table is made.

    Attributes:
        schema: Profile schema of the notebook whose runs it holds.
        build: The table.
        cost: Its costs.
        title: One line for the report.
    """

    schema: type[Profile]
    build: Builder
    cost: Builder
    title: str


TABLES: dict[str, Table] = {
    "depth": Table(
        DepthProfile,
        depth_table,
        depth_cost,
        "Best training cross-entropy of a random search, by depth (P1 Fig. 1, P2 Fig. 1)",
    ),
    "bilstm_depth": Table(
        BiLSTMProfile,
        bilstm_table,
        bilstm_cost,
        "Accuracy of BiLSTMs and Highway BiLSTMs on sentiment, by depth (the Highway BiLSTM article)",
    ),
    "conv": Table(
        ConvProfile,
        conv_table,
        conv_cost,
        "Convolutional highway networks (P1 Table 1, P2 Tables 1 to 3, the Keras convolution post)",
    ),
    "gates": Table(
        GatesProfile,
        gates_table,
        gates_cost,
        "Transform gates layer by layer (P1 Fig. 2, P2 Figs. 2 and 3)",
    ),
    "lesion": Table(
        LesionProfile,
        lesion_table,
        lesion_cost,
        "Lesions: training loss with one layer's gate closed (P2 Fig. 4)",
    ),
    "very_deep": Table(
        VeryDeepProfile,
        very_deep_table,
        very_deep_cost,
        "Networks of hundreds of layers and a thousand (P1 sec. 1 and 3.3, P2 sec. 2.2)",
    ),
    "keras_lasagne": Table(
        KerasLasagneProfile,
        keras_lasagne_table,
        keras_lasagne_cost,
        "Two implementations of one network that did not agree, as a factorial (the Keras/Lasagne question)",
    ),
    "initialisation": Table(
        InitialisationProfile,
        initialisation_table,
        initialisation_cost,
        "Initial weights, by depth (the initialisation questions, a)",
    ),
    "initialisation_studies": Table(
        InitialisationProfile,
        studies_table,
        studies_cost,
        "The variance of a unit's input, and the network that learned nothing (the initialisation questions, a, c)",
    ),
    "l2_parity": Table(
        ParityProfile,
        parity_table,
        parity_cost,
        "NumPy beside PyTorch with Keras's penalty (the NumPy/Keras question)",
    ),
    "foundations": Table(
        FoundationsProfile,
        foundations_table,
        studies_cost,
        "A unit on five points, dropout, a recurrence, two heads on some labels (the initialisation questions, b, d, e, f)",
    ),
}
"""By name, in the order of the report."""


def _settings(name: str, profile: str) -> Profile:
    if name not in TABLES:
        raise HighwaysError(f"no table {name!r}; there are: {', '.join(TABLES)}")
    return load_profile(profile, TABLES[name].schema)


def build_table(name: str, settings: Profile, source: Source = "records") -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return a table and its costs, over exactly the runs that `settings` lists and that are finished."""
    records = listed_records(settings, source)
    return TABLES[name].build(records, settings), TABLES[name].cost(records, settings)


def csv_text(frame: pd.DataFrame) -> str:
    """Return a table as CSV: one header row, six significant digits, empty where there is nothing."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(frame.columns)
    writer.writerows([_cell(value) for value in row] for row in frame.itertuples(index=False))
    return text.getvalue()


def markdown_text(frame: pd.DataFrame) -> str:
    """Return a table as Markdown, with the cells of `csv_text`."""
    rows = [list(frame.columns), ["---"] * len(frame.columns)]
    rows += [[_cell(value).replace("|", "\\|") for value in row] for row in frame.itertuples(index=False)]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _cell(value: object) -> str:
    if value is None or value is pd.NA or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if isinstance(value, float):
        return f"{int(value)}" if value.is_integer() and abs(value) < 1e15 else f"{value:.6g}"
    return str(value)


def table_files(name: str) -> tuple[str, str, str]:
    """Return the names of a table's files: CSV, Markdown, costs."""
    return f"{name}.csv", f"{name}.md", f"{name}_cost.csv"


def table_texts(name: str, settings: Profile, source: Source = "records") -> dict[str, str]:
    """Return the content of a table's files by file name.

    Raises:
        NotYet: The runs follow from results of an earlier stage that are not there.
    """
    settings.runs()
    frame, cost = build_table(name, settings, source)
    return dict(zip(table_files(name), (csv_text(frame), markdown_text(frame), csv_text(cost)), strict=True))


def write_tables(
    profile: str,
    names: Iterable[str] = (),
    source: Source = "records",
    folder: Path | None = None,
    settings: Profile | None = None,
) -> list[Path]:
    """Write tables and return their paths.

    Args:
        profile: Name of the profile.
        names: Which tables; all that the profile has runs of by default.
        source: Where the records are read from.
        folder: Where to; by default the profile's.
        settings: Parameters to use instead of those in the profile's file (a notebook's own).
    """
    folder = folder or paths.Results(profile).tables
    written = []
    for name in names or TABLES:
        chosen = settings or _settings(name, profile)
        listed = listed_records(chosen, source)
        if not names and not listed and not listed.analyses:
            continue  # the profile has not run this notebook yet
        for file, text in table_texts(name, chosen, source).items():
            write_atomically(folder / file, text)
            written.append(folder / file)
    return written
