"""What the claims of gates speak of. Layers count from 1, the first highway block, as in the papers' figures."""

from __future__ import annotations

import numpy as np

from highways.claims.values import Records, in_units
from highways.config.run import STAND_INS
from highways.inside.layers import gate_layers, gates_of_example
from highways.inside.statistics import rank_correlation


def mean_bias_change(records: Records) -> float | None:
    """Return how far the transform biases have moved from their initial value, the mean over all units."""
    layers = gate_layers(records)
    return None if layers is None else float((layers.bias - layers.initial_bias).mean())


@in_units("share")
def share_of_biases_below_start(records: Records) -> float | None:
    """Return the fraction of all transform biases that are below their initial value."""
    layers = gate_layers(records)
    return None if layers is None else layers.share_below_start


@in_units("correlation")
def trend_over_layers(records: Records, of: str) -> float | None:
    """Return Spearman's correlation of the layers' means with the number of the layer.

    Args:
        records: Of one network.
        of: `bias`, `gate` (mean T), `change` (of the state, by the layer) or `routing`.
    """
    layers = gate_layers(records)
    return None if layers is None else rank_correlation(range(len(layers.bias)), getattr(layers, of))


@in_units("correlation")
def bias_gate_correlation(records: Records) -> float | None:
    """Return Spearman's correlation, over layers, of mean bias and mean transform gate."""
    layers = gate_layers(records)
    return None if layers is None else rank_correlation(layers.bias, layers.gate)


@in_units("share")
def share_in_first_layers(records: Records, of: str, layers: int) -> float | None:
    """Return the part of a sum over all layers that the first ones have; `of` as in `trend_over_layers`."""
    found = gate_layers(records)
    if found is None or layers >= len(found.bias):
        return None
    values = getattr(found, of)
    return float(values[:layers].sum() / values.sum())


def _on(records: Records, data: str) -> Records:
    """Return those on a data set or, where there are none, on what stands in for it."""
    return records.on(data if data in records.data else STAND_INS.get(data))


@in_units("points")
def difference_in_first_layers(records: Records, of: str, layers: int, data: str, less: str) -> float | None:
    """Return by how much more of a sum the first layers have on one data set than on another."""
    one, other = (share_in_first_layers(_on(records, name), of, layers) for name in (data, less))
    return None if one is None or other is None else one - other


@in_units("ratio")
def gate_over_bias(records: Records, layers: int) -> float | None:
    """Return the mean transform gate of the first layers over the gate that their mean biases alone would give."""
    found = gate_layers(records)
    if found is None or layers > len(found.bias):
        return None
    return float(found.gate[:layers].mean() / (1 / (1 + np.exp(-found.bias[:layers]))).mean())


@in_units("share")
def share_of_open_gates(records: Records, above: float, data: str | None = None) -> float | None:
    """Return the fraction of the gates, means over the examples, that are above a value."""
    found = gate_layers(records if data is None else _on(records, data))
    return None if found is None else float((found.gates > above).mean())


@in_units("share")
def share_of_an_examples_gates(records: Records, above: float, data: str | None = None) -> float | None:
    """Return the fraction of one example's gates that are above a value."""
    found = gates_of_example(records if data is None else _on(records, data))
    return None if found is None else float((found > above).mean())


@in_units("points")
def difference_of_an_examples_gates(records: Records, above: float, data: str, less: str) -> float | None:
    """Return the difference between two data sets in the fraction of one example's gates that are above a value."""
    one, other = (share_of_an_examples_gates(records, above, name) for name in (data, less))
    return None if one is None or other is None else one - other
