"""The convolutional networks' table and its costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import pandas as pd

from highways.analysis.conv import authors_log, outcomes, papers
from highways.analysis.statistics import mean_interval
from highways.config import Profile
from highways.config.conv import NETWORKS
from highways.config.profiles import recipe
from highways.config.run import ImageDataName
from highways.data import classes, examples
from highways.nn import ConvNetwork
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
SHAPES: dict[str, tuple[int, int, int]] = {
    "digits": (1, 8, 8),
    "mnist": (1, 28, 28),
    "cifar10": (3, 32, 32),
    "cifar100": (3, 32, 32),
}


def parameters(network: str, data: str) -> int:
    """Return the number of weights and biases of a network on a data set, from its description."""
    described, pictures, _, _ = recipe(network, cast(ImageDataName, data))
    channels, height, width = SHAPES[data]
    shape = channels, height * pictures.enlarge, width * pictures.enlarge
    return sum(parameter.numel() for parameter in ConvNetwork(described, shape, classes(data)).parameters())


def conv_table(records: Sequence[RunRecord], settings: Profile) -> pd.DataFrame:
    """Return a row for each network that is described, on each data set that it was run or published on.

    Accuracies are those after the last epoch, as in the papers; a run that diverged is guessing. The interval is
    the mean's: Student's where there are several runs, Wilson's for one. `authors_log_same_epoch` is the accuracy
    in the authors' own log after as many epochs as ours had; their schedule was at another point there unless
    ours had all its epochs.
    """
    found, published = outcomes(records), papers()
    rows = []
    for network, data in _rows(list(found), list(published.index)):
        row: dict[str, object] = {"network": network, "data": data, "layers": NETWORKS[network].depth}
        row["parameters"] = parameters(network, data)
        if (network, data) in published.index:
            columns = ["paper_parameters", "paper", "paper_mean", "paper_sd", "note"]
            row |= published.loc[(network, data), columns].to_dict()
        if (outcome := found.get((network, data))) is not None:
            epochs = outcome.runs[0].config.budget.epochs
            row |= {"epochs": epochs, "runs": len(outcome.runs), "diverged": outcome.diverged}
            row |= {"accuracy_best": max(outcome.last), "parameters": outcome.runs[0].parameters}
            row["accuracy_last_mean"], row["accuracy_last_sd"] = outcome.moments
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
            known.append((network, "mnist" if "mnist" in network else "cifar10"))
    order = list(NETWORKS)
    return sorted(known, key=lambda pair: (pair not in run, order.index(pair[0]), list(SHAPES).index(pair[1])))


def _trained_on(run: RunRecord) -> int:
    pictures = run.config.data.pictures
    return (pictures and pictures.training_images) or examples(run.config.data.name, "train")


def conv_cost(records: Sequence[RunRecord], settings: Profile) -> pd.DataFrame:
    """Return what each network cost: training and evaluation."""
    rows = []
    for (network, data), outcome in outcomes(records).items():
        seconds = sum(run.timing["seconds"] for run in outcome.runs)
        epochs = sum(max(run.epochs, 1) for run in outcome.runs)
        first = outcome.runs[0]
        rows.append(
            {
                "network": network,
                "data": data,
                "process_seconds": seconds,
                "process_seconds_per_epoch": seconds / epochs,
                "training_images_per_process_second": epochs * _trained_on(first) / seconds,
                "processor": first.environment["processor"],
                "device": first.environment["device"],
                "threads": first.environment["threads"],
                "workers": first.engine["workers"],
            }
        )
    columns = ["network", "data", "process_seconds", "process_seconds_per_epoch", "training_images_per_process_second"]
    return pd.DataFrame(rows, columns=[*columns, "processor", "device", "threads", "workers"])
