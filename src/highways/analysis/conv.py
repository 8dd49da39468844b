"""Outcomes of the convolutional networks (P1 Table 1, P2 Tables 1 to 3)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from highways import paths
from highways.analysis.statistics import moments
from highways.config import ConvConfig
from highways.tracking.records import RunRecord

AUTHORS_LOGS = {
    ("highway-mnist-32", "mnist"): ("mnist", 600),
    ("highway-b", "cifar10"): ("cifar10", 500),
    ("highway-b", "cifar100"): ("cifar100", 500),
}
"""Which of the authors' own test curves is that of a network on a data set, and its iterations an epoch."""


@dataclass(frozen=True)
class Outcome:
    """Runs of one network on one data set; the papers' numbers are those of the last iteration, and so are ours."""

    network: str
    data: str
    runs: tuple[RunRecord, ...]

    @property
    def last(self) -> list[float]:
        """Test accuracy of each run after its last epoch, fractions; of runs that did not diverge."""
        found = (run.last("test_accuracy") for run in self.runs if run.status == "finished")
        return [value for value in found if value is not None]

    @property
    def best(self) -> float | None:
        """The best of them."""
        return max(self.last, default=None)

    @property
    def moments(self) -> tuple[float, float] | None:
        """Their mean and standard deviation."""
        return moments(self.last) if self.last else None


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
    name, iterations = AUTHORS_LOGS[network, data]
    log = pd.read_csv(paths.references() / f"authors_log_{name}.csv")
    return log.assign(epoch=log["iteration"] / iterations)


def papers() -> pd.DataFrame:
    """Return the papers' accuracies by network and data set."""
    return pd.read_csv(paths.references() / "conv_papers.csv").set_index(["network", "data"])
