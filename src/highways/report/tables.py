"""The comparison tables: one builder a table, whatever the records are read from.

A table is written as `NAME.csv` and `NAME.md`. What was measured with a clock goes into
`NAME_cost.csv`, apart, so that the others are the same to the byte from run to run.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from highways import paths
from highways.analysis.depth import searches
from highways.analysis.statistics import wilson_interval
from highways.config import DepthProfile, Profile, load_profile
from highways.data import examples
from highways.errors import HighwaysError
from highways.tracking import RunRecord, listed_records
from highways.tracking.reading import Source
from highways.tracking.records import write_atomically

DEPTH_COLUMNS = [
    "network",
    "depth",
    "data",
    "parameters",
    "trials",
    "diverged",
    "epochs",
    "best_train_cross_entropy",
    "paper_p1_same_epochs",
    "paper_p1",
    "paper_p2",
    "top10_mean_train_cross_entropy",
    "top10_sd_train_cross_entropy",
    "paper_p2_top10_mean",
    "epochs_to_0.01",
    "test_accuracy",
    "test_accuracy_low",
    "test_accuracy_high",
    "best_learning_rate",
    "best_momentum",
    "best_decay",
    "best_activation",
    "best_transform_bias",
]


def depth_table(records: Sequence[RunRecord], settings: Profile) -> pd.DataFrame:
    """Return a row for each kind of network and depth, the papers' values beside ours.

    `best_train_cross_entropy` is the lowest over trials and epochs; `test_accuracy` is the best trial's
    at its last epoch, with its Wilson interval; `best_*` are that trial's settings. `paper_p1` is the end
    of P1's curve (400 epochs), `paper_p1_same_epochs` its lowest point within as many epochs as ours had;
    that one is given for MNIST only, on which an epoch is the same.
    """
    papers = pd.read_csv(paths.references() / "depth_papers.csv").set_index(["network", "depth"])
    curves = pd.read_csv(paths.references() / "highway2015_fig1_curves.csv")
    rows = []
    for (network, depth), search in searches(records).items():
        best = search.best
        mean, deviation = search.top_mean
        first = search.trials[0]
        row: dict[str, object] = {
            "network": network,
            "depth": depth,
            "data": first.config.data.name,
            "parameters": first.parameters,
            "trials": len(search.trials),
            "diverged": search.diverged,
            "epochs": first.config.budget.epochs,
            "best_train_cross_entropy": search.best_loss,
            "top10_mean_train_cross_entropy": mean,
            "top10_sd_train_cross_entropy": deviation,
            "epochs_to_0.01": search.epochs_to(0.01),
        }
        if (network, depth) in papers.index:
            row |= papers.loc[(network, depth), ["paper_p1", "paper_p2", "paper_p2_top10_mean"]].to_dict()
            if row["data"] == "mnist":
                curve = curves[(curves.network == network) & (curves.depth == depth) & (curves.epoch <= row["epochs"])]
                row["paper_p1_same_epochs"] = curve.train_cross_entropy.min()
        if best is not None and (accuracy := best.last("test_accuracy")) is not None:
            low, high = wilson_interval(accuracy, examples(best.config.data.name, "test"))
            row |= {"test_accuracy": accuracy, "test_accuracy_low": low, "test_accuracy_high": high}
            row |= {f"best_{name}": value for name, value in best.config.optimiser if name != "kind"}
            row |= {f"best_{name}": getattr(best.config.network, name) for name in ("activation", "transform_bias")}
        rows.append(row)
    return pd.DataFrame(rows, columns=DEPTH_COLUMNS)


def depth_cost(records: Sequence[RunRecord], settings: Profile) -> pd.DataFrame:
    """Return what each row of the depth table cost, training and evaluation."""
    rows = []
    for (network, depth), search in searches(records).items():
        seconds = sum(record.timing["seconds"] for record in search.trials)
        examples_seen = sum(
            max(record.epochs, 1) * examples(record.config.data.name, "train") for record in search.trials
        )
        rows.append(
            {
                "network": network,
                "depth": depth,
                "process_seconds": seconds,
                "process_seconds_per_trial": seconds / len(search.trials),
                "examples_per_process_second": examples_seen / seconds if seconds else None,
                "processor": search.trials[0].environment["processor"],
                "device": search.trials[0].environment["device"],
                "threads": search.trials[0].environment["threads"],
                "workers": search.trials[0].engine["workers"],
            }
        )
    columns = ["network", "depth", "process_seconds", "process_seconds_per_trial", "examples_per_process_second"]
    return pd.DataFrame(rows, columns=[*columns, "processor", "device", "threads", "workers"])


Builder = Callable[[Sequence[RunRecord], Profile], pd.DataFrame]


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
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if isinstance(value, float):
        return f"{int(value)}" if value.is_integer() and abs(value) < 1e15 else f"{value:.6g}"
    return str(value)


def table_files(name: str) -> tuple[str, str, str]:
    """Return the names of a table's files: CSV, Markdown, costs."""
    return f"{name}.csv", f"{name}.md", f"{name}_cost.csv"


def table_texts(name: str, settings: Profile, source: Source = "records") -> dict[str, str]:
    """Return the content of a table's files by file name."""
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
        if not names and not listed_records(chosen, source):
            continue  # the profile has not run this notebook yet
        for file, text in table_texts(name, chosen, source).items():
            write_atomically(folder / file, text)
            written.append(folder / file)
    return written
