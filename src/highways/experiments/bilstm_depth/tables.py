"""The sentiment experiment's table and its costs."""

from __future__ import annotations

import pandas as pd

from highways.config import Profile
from highways.data import examples
from highways.experiments.bilstm_depth.accuracies import accuracies, label, variant
from highways.inside.statistics import wilson_interval
from highways.show.tables import MACHINE, machine, reference
from highways.tracking import Listed

COLUMNS = [
    "variant",
    "depth",
    "seed",
    "data",
    "status",
    "epochs",
    "parameters",
    "accuracy_test_last",
    "interval_low",
    "interval_high",
    "accuracy_test_best_dev",
    "accuracy_test_best_snapshot",
    "paper",
    "train_cross_entropy_last",
    "gradient_norm_first_block_start",
    "gradient_norm_first_block_end",
    "gradient_norm_last_block_start",
    "gradient_norm_last_block_end",
]

COST_COLUMNS = ["variant", "depth", "seed", "data", "process_seconds", "process_seconds_per_epoch"]


def bilstm_table(records: Listed, settings: Profile) -> pd.DataFrame:
    """Return a row for each run: data set, variant, depth, seed; the longer ones last.

    Test accuracy stands there by three rules (`Accuracies`); the 95 % Wilson
    interval is that of the last epoch's; a run that diverged is guessing. `paper` is what the sources report,
    with pretrained word vectors.
    """
    papers = reference("bilstm_sources.csv").set_index(["variant", "depth", "data"])
    rows = []
    for record in [*records, *records.auxiliary]:
        data = record.config.data.name
        name, depth = variant(record), record.config.network.depth
        key = (name, depth, data)
        row: dict[str, object] = {"variant": label(name), "depth": depth, "data": data}
        row |= {"seed": record.config.seed, "status": record.status, "epochs": record.config.budget.epochs}
        row |= {"parameters": record.parameters, "train_cross_entropy_last": record.last("train_cross_entropy")}
        taken = accuracies(record)
        low, high = wilson_interval(taken.last, examples(data, "test"))
        row |= {"accuracy_test_last": taken.last, "interval_low": low, "interval_high": high}
        row |= {"accuracy_test_best_dev": taken.best_dev, "accuracy_test_best_snapshot": taken.best_snapshot}
        for block in ("first", "last"):
            norms = record.measurements.get(f"gradient_norm_{block}_block", [])
            row |= {f"gradient_norm_{block}_block_{when}": norm for when, norm in zip(("start", "end"), norms)}  # noqa: B905
        if key in papers.index:
            row["paper"] = papers.loc[key, "accuracy"]
        rows.append(row)
    return pd.DataFrame(rows, columns=COLUMNS)


def bilstm_cost(records: Listed, settings: Profile) -> pd.DataFrame:
    """Return what each run cost: training, evaluation and snapshots."""
    rows = [
        {
            "variant": label(variant(record)),
            "depth": record.config.network.depth,
            "seed": record.config.seed,
            "data": record.config.data.name,
            "process_seconds": record.timing["seconds"],
            "process_seconds_per_epoch": record.timing["seconds"] / max(record.epochs, 1),
        }
        | machine(record.environment, record.engine["workers"])
        for record in [*records, *records.auxiliary]
    ]
    return pd.DataFrame(rows, columns=[*COST_COLUMNS, *MACHINE])


def some_depths(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a few depths, seeds beside each other, for a page."""
    return _seeds_beside_each_other(frame.loc[frame["depth"].isin([0, 1, 5, 10, 20])])


def some_variants(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the sources' networks and the papers', shallow, in the middle and deep, for the report."""
    names = ["plain", "highway", "highway-article", "highway-released"]
    return _seeds_beside_each_other(frame.loc[frame["variant"].isin(names) & frame["depth"].isin([1, 10, 20])])


def _seeds_beside_each_other(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a row a network and number of epochs, where it has several seeds with the accuracies of all."""
    rows = []
    for _, seeds in frame.groupby(["data", "variant", "depth", "epochs"], sort=False):
        row = seeds.iloc[0].to_dict()
        if len(seeds) > 1:
            row |= {name: ", ".join(f"{value:.3f}" for value in seeds[name]) for name in seeds if "accuracy_" in name}
            row["seed"] = ", ".join(map(str, seeds["seed"]))
        rows.append(row)
    return pd.DataFrame(rows, columns=frame.columns)
