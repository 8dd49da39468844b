"""Outcomes of the convolutional networks (P1 Table 1, P2 Tables 1 to 3)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

import pandas as pd

from highways.config import ConvConfig
from highways.config.run import ImageDataName
from highways.data import classes
from highways.experiments.conv.profile import recipe
from highways.inside.statistics import moments
from highways.nn import ConvNetwork
from highways.show.tables import reference
from highways.tracking.records import RunRecord

AUTHORS_LOGS = {
    ("highway-mnist-32", "mnist"): ("mnist", 600),
    ("highway-b", "cifar10"): ("cifar10", 500),
    ("highway-b", "cifar100"): ("cifar100", 500),
}
"""Which of the authors' own test curves is that of a network on a data set, and its iterations an epoch."""

LABELS = {"seed-003": "keras-post, epsilon 1e-8"}
"""Names of networks where they are shown, if others than in their records."""


@dataclass(frozen=True)
class Outcome:
    """Runs of one network on one data set; the papers' numbers are those of the last iteration, and so are ours."""

    network: str
    data: str
    runs: tuple[RunRecord, ...]

    @property
    def last(self) -> list[float]:
        """Test accuracy of each run after its last epoch, fractions; one that diverged is guessing."""
        guessing = 1 / classes(self.data)
        return [run.curves["test_accuracy"][-1] if run.status == "finished" else guessing for run in self.runs]

    @property
    def diverged(self) -> int:
        """How many diverged."""
        return sum(run.status == "diverged" for run in self.runs)

    @property
    def moments(self) -> tuple[float, float]:
        """Mean and standard deviation of the accuracies; the deviation of a single one is NaN."""
        return moments(self.last)


def outcomes(records: Iterable[RunRecord]) -> dict[tuple[str, str], Outcome]:
    """Sort records by network and data set."""
    found: dict[tuple[str, str], list[RunRecord]] = {}
    for record in records:
        network = record.config.network
        if isinstance(network, ConvConfig):
            found.setdefault((network.name, record.config.data.name), []).append(record)
    return {key: Outcome(*key, tuple(runs)) for key, runs in found.items()}


def authors_log(network: str, data: str) -> pd.DataFrame | None:
    """Return the authors' own test curve, with its epochs, or `None` where they published none."""
    if (network, data) not in AUTHORS_LOGS:
        return None
    return _log(*AUTHORS_LOGS[network, data])


def authors_logs(data: str) -> list[tuple[pd.DataFrame, str]]:
    """Return all of the authors' test curves on a data set from the first epoch on, each with its network's name.

    On CIFAR-10 there are two, of the corrected release and of the first one (100 outputs by mistake).
    """
    found = [(name, network, iterations) for (network, on), (name, iterations) in AUTHORS_LOGS.items() if on == data]
    if data == "cifar10":
        found.append(("cifar10_v1", "highway-b, first release", 500))
    logs = [(_log(name, iterations), network) for name, network, iterations in found]
    return [(log.query("epoch >= 1"), network) for log, network in logs]


def _log(name: str, iterations: int) -> pd.DataFrame:
    log = reference(f"authors_log_{name}.csv")
    return log.assign(epoch=log["iteration"] / iterations)


def papers() -> pd.DataFrame:
    """Return the papers' accuracies by network and data set."""
    return reference("conv_papers.csv").set_index(["network", "data"])


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
