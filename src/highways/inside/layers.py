"""Gates and lesions by layer, from the records of analyses."""

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from highways.tracking import AnalysisRecord, Listed

Row = NDArray[np.float64]


class GateLayers:
    """A record of gates by highway layer; values are `(layers,)` unless another shape is given.

    Values by unit require that all layers of the network are equally wide.
    """

    def __init__(self, analysis: AnalysisRecord):
        values: Any = analysis.values
        self.values = values
        self.initial_bias = float(analysis.run.network.transform_bias or 0.0)
        self.bias: Row = np.array([np.mean(layer) for layer in values["biases"]])
        """Mean transform bias after training."""
        self.gate: Row = np.array([np.mean(layer) for layer in values["mean"]])
        """Mean transform gate over the examples."""
        self.change: Row = np.array(values["change"])
        """Mean norm, over the examples, of what the layer adds to its input."""

    @property
    def share_below_start(self) -> float:
        """Fraction of all biases that are below the initial value."""
        return float((np.array(self.values["biases"]) < self.initial_bias).mean())

    @property
    def by_class(self) -> Row:
        """The mean gates of each class minus those of all examples, `(layers, classes, units)`."""
        return np.array(self.values["class_means"]) - self.units("mean")[:, None]

    @property
    def routing(self) -> Row:
        """Mean absolute difference between a class's mean gates and those of all examples."""
        return np.abs(self.by_class).mean(axis=(1, 2))

    def units(self, name: Literal["mean", "example_gates", "example_outputs"]) -> Row:
        """Return by unit the mean gates, one example's gates, or its first layer's input and every layer's output."""
        return np.array(self.values[name])


def of_kind(records: Listed, kind: str) -> list[AnalysisRecord]:
    """Return the analyses of one kind, except controls."""
    return [analysis for analysis in records.analyses if analysis.kind == kind]


class Inside(NamedTuple):
    """Analyses of one kind for the networks of one data set, best first, and for the same networks before training."""

    networks: list[AnalysisRecord]
    controls: list[AnalysisRecord]


def inside(records: Listed, kind: str) -> dict[str, Inside]:
    """Return the analyses of one kind by data set, without data sets that have only controls."""
    found = {name: [one for one in of_kind(records, kind) if one.data == name] for name in records.data}
    controls = {name: [one for one in records.controls if (one.kind, one.data) == (kind, name)] for name in found}
    return {name: Inside(networks, controls[name]) for name, networks in found.items() if networks}


def numbered(records: Listed, kind: str) -> Iterator[tuple[str, str, AnalysisRecord]]:
    """Yield data set, network and analysis: the best network is `1`, the same before training `untrained 1`."""
    for data, found in inside(records, kind).items():
        number = {analysis.run: place for place, analysis in enumerate(found.networks, start=1)}
        yield from ((data, str(number[analysis.run]), analysis) for analysis in found.networks)
        yield from ((data, f"untrained {number[one.run]}", one) for one in found.controls if one.run in number)
