"""Outcomes of initialisations, by network and depth (notebook 08)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from highways.config import DenseConfig
from highways.tracking import AnalysisRecord, Listed, RunRecord


@dataclass(frozen=True)
class Outcome:
    """One initialisation of one kind of network at one depth.

    Attributes:
        network: `plain` or `highway`.
        depth: Its depth.
        initialisation: Name.
        runs: At every rate, of every seed.
        signal: Before training; `None` where it was not measured.
    """

    network: str
    depth: int
    initialisation: str
    runs: tuple[RunRecord, ...]
    signal: AnalysisRecord | None

    @property
    def best(self) -> RunRecord | None:
        """The run with the lowest training cross-entropy; `None` where all have diverged."""
        ranked = [run for run in self.runs if run.status == "finished"]
        return min(ranked, key=lambda run: (run.best(), run.run_key), default=None)

    @property
    def best_loss(self) -> float:
        """Its training cross-entropy, nats; infinite where all runs diverged."""
        loss = self.best.best() if self.best is not None else None
        return math.inf if loss is None else loss


def outcomes_by_initialisation(records: Listed) -> dict[tuple[str, int, str], Outcome]:
    """Sort runs and signals by kind of network, depth and initialisation."""
    runs: dict[tuple[str, int, str], list[RunRecord]] = {}
    for run in records:
        network = run.config.network
        assert isinstance(network, DenseConfig)
        runs.setdefault((network.kind, network.depth, network.initialisation), []).append(run)
    signals = {}
    for analysis in records.analyses:
        if analysis.kind == "signal" and isinstance(analysis.run.network, DenseConfig):
            network = analysis.run.network
            signals[network.kind, network.depth, network.initialisation] = analysis
    return {key: Outcome(*key, tuple(found), signals.get(key)) for key, found in runs.items()}
