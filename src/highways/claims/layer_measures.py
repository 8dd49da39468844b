"""Measures of gates, lesions and very deep networks; see `highways.claims.measures`."""

from __future__ import annotations

import math

import numpy as np

from highways.analysis.layers import gate_layers, gates_of_example, idle_share, lesion_ratios
from highways.analysis.statistics import rank_correlation
from highways.config.run import STAND_INS
from highways.data import classes
from highways.tracking import Listed, RunRecord

Records = Listed
Interval = tuple[float, float]

# Gates and lesions. Layers are counted from 1, the first highway block; they are the layers of the papers' figures.


def mean_bias_change(records: Records) -> float | None:
    """Return how far the transform biases have moved from their initial value, the mean over all units."""
    layers = gate_layers(records)
    return None if layers is None else float((layers.bias - layers.initial_bias).mean())


def share_of_biases_below_start(records: Records) -> float | None:
    """Return the fraction of all transform biases that are below their initial value."""
    layers = gate_layers(records)
    return None if layers is None else layers.share_below_start


def trend_over_layers(records: Records, of: str) -> float | None:
    """Return Spearman's correlation of the layers' means with the number of the layer.

    Args:
        records: Of one network.
        of: `bias`, `gate` (mean T), `change` (of the state, by the layer) or `routing`.
    """
    layers = gate_layers(records)
    return None if layers is None else rank_correlation(range(len(layers.bias)), getattr(layers, of))


def bias_gate_correlation(records: Records) -> float | None:
    """Return Spearman's correlation, over layers, of mean bias and mean transform gate."""
    layers = gate_layers(records)
    return None if layers is None else rank_correlation(layers.bias, layers.gate)


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


def difference_in_first_layers(records: Records, of: str, layers: int, data: str, less: str) -> float | None:
    """Return by how much more of a sum the first layers have on one data set than on another."""
    one, other = (share_in_first_layers(_on(records, name), of, layers) for name in (data, less))
    return None if one is None or other is None else one - other


def gate_over_bias(records: Records, layers: int) -> float | None:
    """Return the mean transform gate of the first layers over the gate that their mean biases alone would give."""
    found = gate_layers(records)
    if found is None or layers > len(found.bias):
        return None
    return float(found.gate[:layers].mean() / (1 / (1 + np.exp(-found.bias[:layers]))).mean())


def share_of_open_gates(records: Records, above: float, data: str | None = None) -> float | None:
    """Return the fraction of the gates, means over the examples, that are above a value."""
    found = gate_layers(records if data is None else _on(records, data))
    return None if found is None else float((found.gates > above).mean())


def share_of_an_examples_gates(records: Records, above: float, data: str | None = None) -> float | None:
    """Return the fraction of one example's gates that are above a value."""
    found = gates_of_example(records if data is None else _on(records, data))
    return None if found is None else float((found > above).mean())


def difference_of_an_examples_gates(records: Records, above: float, data: str, less: str) -> float | None:
    """Return the difference between two data sets in the fraction of one example's gates that are above a value."""
    one, other = (share_of_an_examples_gates(records, above, name) for name in (data, less))
    return None if one is None or other is None else one - other


def least_lesion(records: Records, layers: tuple[int, int]) -> float | None:
    """Return the lowest training cross-entropy with a lesion over that without, over a range of layers."""
    ratios = lesion_ratios(records)
    return None if ratios is None or layers[1] > len(ratios) else float(ratios[layers[0] - 1 : layers[1]].min())


def worst_lesion(records: Records, layers: tuple[int, int]) -> float | None:
    """Return the highest training cross-entropy with a lesion over that without, over a range of layers."""
    ratios = lesion_ratios(records)
    if ratios is None or layers[1] > len(ratios):
        return None
    return float(ratios[layers[0] - 1 : layers[1]].max())


def share_of_idle_layers(records: Records, rise: float, layers: tuple[int, int]) -> float | None:
    """Return the fraction of a range of layers whose lesion raises the training cross-entropy by less than `rise`.

    Args:
        records: Of one network.
        rise: As a fraction of the cross-entropy without lesions.
        layers: First and last.
    """
    ratios = lesion_ratios(records)
    return None if ratios is None or layers[1] > len(ratios) else idle_share(ratios, rise, layers)


def share_of_guessing(records: Records, network: str, depth: int) -> float | None:
    """Return the best training cross-entropy of a run over that of guessing, the logarithm of the classes.

    A run that diverged guesses.
    """
    run = _judged(records).get((network, depth))
    return None if run is None else _best_or_guessing(run) / guessing(run)


def _judged(records: Records) -> dict[tuple[str, int], RunRecord]:
    """Return for every kind of network and depth the first run that did not diverge, or else the first."""
    found: dict[tuple[str, int], RunRecord] = {}
    for run in records:
        key = (run.config.network.kind, run.config.network.depth)
        if key not in found or (found[key].status == "diverged" and run.status == "finished"):
            found[key] = run
    return found


def depth_ratio(records: Records, of: tuple[str, int], to: tuple[str, int]) -> float | Interval | None:
    """Return the ratio of the best training cross-entropies of two single runs of the same settings.

    One that has not learned, that is, diverged or is within 5 % of guessing, makes it infinite. Where the first
    settings that did not diverge at both depths are not the same, nothing is known: the interval from 0 to
    infinity.
    """
    found = _judged(records)
    if tuple(of) not in found or tuple(to) not in found:
        return None
    above, below = found[of[0], of[1]], found[to[0], to[1]]
    if above.status == "finished" and above.config.optimiser != below.config.optimiser:
        return 0.0, math.inf
    if _best_or_guessing(above) > 0.95 * guessing(above):
        return math.inf
    return _best_or_guessing(above) / _best_or_guessing(below)


def guessing(run: RunRecord) -> float:
    """Return the cross-entropy of guessing on a run's data, nats."""
    return math.log(classes(run.config.data.name))


def _best_or_guessing(run: RunRecord) -> float:
    best = run.best()
    return guessing(run) if run.status == "diverged" or best is None else best


MEASURES = (
    mean_bias_change,
    share_of_biases_below_start,
    trend_over_layers,
    bias_gate_correlation,
    share_in_first_layers,
    difference_in_first_layers,
    gate_over_bias,
    share_of_open_gates,
    share_of_an_examples_gates,
    difference_of_an_examples_gates,
    least_lesion,
    worst_lesion,
    share_of_idle_layers,
    share_of_guessing,
    depth_ratio,
)
