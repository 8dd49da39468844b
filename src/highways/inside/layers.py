"""Gates and lesions by layer, from the records of analyses."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from highways.config import DenseConfig
from highways.tracking import AnalysisRecord, Listed

Row = NDArray[np.float64]


class GateLayers(NamedTuple):
    """Means over the units of each highway layer, `(layers,)` each."""

    initial_bias: float
    """Transform bias before training."""
    bias: Row
    """After it."""
    share_below_start: float
    """Fraction of all biases that are below the initial value."""
    gate: Row
    """Mean transform gate over the examples."""
    gates: Row
    """The same unit by unit, `(layers, units)`."""
    change: Row
    """Mean length over the examples of what the layer adds to its input."""
    by_class: Row
    """The mean gates of each class less those of all examples, `(layers, classes, units)`."""
    routing: Row
    """Mean absolute difference of a class's mean gate and that of all examples."""
    of_example: Row
    """One example's gates, `(layers, units)`."""
    outputs: Row
    """For it, the input of the first layer and the output of each, `(layers + 1, units)`."""


def of_kind(records: Listed, kind: str) -> list[AnalysisRecord]:
    """Return the analyses of one kind, except controls."""
    return [analysis for analysis in records.analyses if analysis.kind == kind]


class Inside(NamedTuple):
    """Analyses of one kind of the networks of one data set, the best first; and of the same before training."""

    networks: list[AnalysisRecord]
    controls: list[AnalysisRecord]


def inside(records: Listed, kind: str) -> dict[str, Inside]:
    """Return the analyses of one kind by data set; what controls alone are measured of does not count."""
    found = {name: [one for one in of_kind(records, kind) if one.data == name] for name in records.data}
    controls = {name: [one for one in records.controls if (one.kind, one.data) == (kind, name)] for name in found}
    return {name: Inside(networks, controls[name]) for name, networks in found.items() if networks}


def numbered(records: Listed, kind: str) -> Iterator[tuple[str, str, AnalysisRecord]]:
    """Yield every data set, network and analysis: the best network is `1`, `untrained 1` the same before training."""
    for data, found in inside(records, kind).items():
        number = {analysis.run: place for place, analysis in enumerate(found.networks, start=1)}
        yield from ((data, str(number[analysis.run]), analysis) for analysis in found.networks)
        yield from ((data, f"untrained {number[one.run]}", one) for one in found.controls if one.run in number)


def layers_of(analysis: AnalysisRecord) -> GateLayers:
    """Return the layers' means of one record of gates of a dense network."""
    network = analysis.run.network
    assert isinstance(network, DenseConfig)
    start = float(network.transform_bias or 0.0)
    biases, mean = np.array(analysis.values["biases"]), np.array(analysis.values["mean"])
    by_class = np.array(analysis.values["class_means"]) - mean[:, None]
    return GateLayers(
        initial_bias=start,
        bias=biases.mean(axis=1),
        share_below_start=float((biases < start).mean()),
        gate=mean.mean(axis=1),
        gates=mean,
        change=np.array(analysis.row("change")),
        by_class=by_class,
        routing=np.abs(by_class).mean(axis=(1, 2)),
        of_example=np.array(analysis.values["example_gates"]),
        outputs=np.array(analysis.values["example_outputs"]),
    )
