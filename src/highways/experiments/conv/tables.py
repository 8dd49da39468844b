"""The convolutional networks' table and its costs."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from highways.config import Profile
from highways.config.conv import NETWORKS
from highways.data import examples
from highways.experiments.conv.outcomes import LABELS, SHAPES, authors_log, outcomes, papers, parameters
from highways.inside.statistics import each, mean_interval
from highways.show.tables import MACHINE, by_machine
from highways.tracking import RunRecord

COLUMNS = [
    "network",
    "data",
    "layers",
    "parameters",
    "paper_parameters",
    "epochs",
    "runs",
    "accuracy_last_mean",
    "accuracy_last_sd",
    "accuracy_last_each",
    "accuracy_best",
    "diverged",
    "interval_low",
    "interval_high",
    "paper",
    "paper_mean",
    "paper_sd",
    "authors_log_same_epoch",
    "note",
]


def conv_table(records: Sequence[RunRecord], settings: Profile) -> pd.DataFrame:
    """Return a row for each network that is described, on each data set that it was run or published on.

    Accuracies are those after the last epoch, as in the papers; a run that diverged is guessing. The interval is
    the mean's: Student's of five runs or more, Wilson's for one; a few runs stand there each by itself.
    `authors_log_same_epoch` is the accuracy in the authors' own log after as many epochs as ours had; their rate had
    not been lowered yet there, ours had, unless ours had all its epochs. What others published stands below.
    """
    found, published = outcomes(records), papers()
    rows = []
    for network, data in _rows(list(found), list(published.index)):
        row: dict[str, object] = {"network": LABELS.get(network, network), "data": data}
        if network in NETWORKS:
            row["layers"] = NETWORKS[network].depth
            row["parameters"] = parameters(network, data) if data in SHAPES else None
        if (network, data) in published.index:
            columns = ["paper_parameters", "paper", "paper_mean", "paper_sd", "note"]
            row |= published.loc[(network, data), columns].to_dict()
        if (outcome := found.get((network, data))) is not None:
            epochs = outcome.runs[0].config.budget.epochs
            row |= {"epochs": epochs, "runs": len(outcome.runs), "diverged": outcome.diverged}
            row |= {"accuracy_best": max(outcome.last), "parameters": outcome.runs[0].parameters}
            row["accuracy_last_mean"], row["accuracy_last_sd"] = outcome.moments
            row["accuracy_last_each"] = each(outcome.last)
            row["interval_low"], row["interval_high"] = mean_interval(outcome.last, examples(data, "test"))
            if (log := authors_log(network, data)) is not None:
                row["authors_log_same_epoch"] = log.set_index("epoch")["test_accuracy"].to_dict().get(float(epochs))
        rows.append(row)
    return pd.DataFrame(rows, columns=COLUMNS)


def _rows(run: list[tuple[str, str]], published: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return what has a row: everything run or published, and every other network on its own data set."""
    known = [*run, *(pair for pair in published if pair not in run)]
    for network in NETWORKS:
        if network not in {name for name, _ in known}:
            known.append((network, "mnist" if "mnist" in network or network in LABELS else "cifar10"))
    data_sets = [*SHAPES, *(data for _, data in known if data not in SHAPES)]
    order = [*NETWORKS, *(network for network, _ in known if network not in NETWORKS)]
    return sorted(known, key=lambda pair: (pair not in run, order.index(pair[0]), data_sets.index(pair[1])))


def _trained_on(run: RunRecord) -> int:
    pictures = run.config.data.pictures
    return (pictures and pictures.training_images) or examples(run.config.data.name, "train")


def conv_cost(records: Sequence[RunRecord], settings: Profile) -> pd.DataFrame:
    """Return what each network cost, by machine: training and evaluation."""
    rows = []
    for (network, data), outcome in outcomes(records).items():
        for on, runs in by_machine(outcome.runs):
            seconds = sum(run.timing["seconds"] for run in runs)
            epochs = sum(max(run.epochs, 1) for run in runs)
            rows.append(
                {
                    "network": LABELS.get(network, network),
                    "data": data,
                    "process_seconds": seconds,
                    "process_seconds_per_epoch": seconds / epochs,
                    "training_images_per_process_second": epochs * _trained_on(runs[0]) / seconds,
                }
                | on
            )
    columns = ["network", "data", "process_seconds", "process_seconds_per_epoch", "training_images_per_process_second"]
    return pd.DataFrame(rows, columns=[*columns, *MACHINE])


def run_first(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the networks that were run, then those with a number in the papers, for the report."""
    was_run = frame["runs"].notna()
    published = frame["network"].str.startswith("highway") & (frame["paper"].notna() | frame["paper_mean"].notna())
    return pd.concat([frame.loc[was_run], frame.loc[~was_run & published]])
