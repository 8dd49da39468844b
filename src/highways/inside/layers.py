"""Gates and lesions by layer, from the records of analyses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from highways.config import DenseConfig
from highways.tracking import AnalysisRecord, Listed

Row = NDArray[np.float64]


@dataclass(frozen=True)
class GateLayers:
    """Means over the units of each highway layer, `(layers,)` each.

    Attributes:
        initial_bias: Transform bias before training.
        bias: After it.
        share_below_start: Fraction of all biases that are below the initial value.
        gate: Mean transform gate over the examples.
        gates: The same unit by unit, `(layers, units)`.
        change: Mean length over the examples of what the layer adds to its input.
        routing: Mean absolute difference of a class's mean gate and that of all examples.
    """

    initial_bias: float
    bias: Row
    share_below_start: float
    gate: Row
    gates: Row
    change: Row
    routing: Row


def of_kind(records: Listed, label: str) -> list[AnalysisRecord]:
    """Return the analyses of one kind; see `Measure.label`."""
    return [analysis for analysis in records.analyses if analysis.config.measure.label == label]


def of_each_data_set(records: Listed, label: str) -> list[AnalysisRecord]:
    """Return the first analysis of one kind of every data set: that of the first run that did not diverge."""
    return list({analysis.data: analysis for analysis in reversed(of_kind(records, label))}.values())[::-1]


def layers_of(analysis: AnalysisRecord) -> GateLayers:
    """Return the layers' means of one record of gates of a dense network."""
    network = analysis.run.network
    assert isinstance(network, DenseConfig)
    start = float(network.transform_bias or 0.0)
    biases, mean = np.array(analysis.values["biases"]), np.array(analysis.values["mean"])
    classes = np.array(analysis.values["class_means"])
    return GateLayers(
        initial_bias=start,
        bias=biases.mean(axis=1),
        share_below_start=float((biases < start).mean()),
        gate=mean.mean(axis=1),
        gates=mean,
        change=np.array(analysis.row("change")),
        routing=np.abs(classes - mean[:, None]).mean(axis=(1, 2)),
    )


def gate_layers(records: Listed) -> GateLayers | None:
    """Return the layers' means of the first analysis of gates, `None` where there is none."""
    found = of_kind(records, "gates")
    return layers_of(found[0]) if found else None


def gates_of_example(records: Listed) -> Row | None:
    """Return one example's gates, `(layers, units)`, of the first analysis of gates; `None` where there is none."""
    found = of_kind(records, "gates")
    return np.array(found[0].values["example_gates"]) if found and "example_gates" in found[0].values else None
