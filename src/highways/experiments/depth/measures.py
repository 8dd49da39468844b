"""What the claims of the depth study speak of."""

from __future__ import annotations

import math
from typing import Literal

from highways.claims.values import Records, calculation, in_units
from highways.config import DenseConfig
from highways.data import classes
from highways.experiments.depth.outcomes import searches
from highways.nn import DenseNetwork


@in_units("nats")
def best_loss(records: Records, network: str, depth: int) -> float | None:
    """Return the best training cross-entropy of one kind of network at one depth, nats."""
    search = searches(records).get((network, depth))
    return search.best_loss if search is not None else None


@in_units("ratio")
def loss_ratio(records: Records, of: tuple[str, int], to: tuple[str, int]) -> float | None:
    """Return the ratio of two best training cross-entropies."""
    return worst_loss_ratio(records, [of], [to])


@in_units("ratio")
def worst_loss_ratio(records: Records, of: list[tuple[str, int]], to: list[tuple[str, int]]) -> float | None:
    """Return the highest best training cross-entropy among `of` over the lowest among `to`.

    A network all of whose trials diverged has an infinite loss; of two such there is no ratio.
    """
    found = searches(records)
    if any(tuple(key) not in found for key in [*of, *to]):
        return None
    above = max(found[key[0], key[1]].best_loss for key in of)
    below = min(found[key[0], key[1]].best_loss for key in to)
    return None if math.isinf(above) and math.isinf(below) else above / below


@in_units("ratio")
def top_mean_ratio(records: Records, of: tuple[str, int], to: tuple[str, int]) -> float | None:
    """Return the ratio of two means of the ten best outcomes."""
    found = searches(records)
    if tuple(of) not in found or tuple(to) not in found:
        return None
    above, below = found[of[0], of[1]].top_mean[0], found[to[0], to[1]].top_mean[0]
    return None if math.isnan(above) or math.isnan(below) else above / below


@in_units("share")
def share_of_depths_faster(records: Records, loss: float) -> float | None:
    """Return the fraction of depths at which the best highway trial reaches `loss` before the best plain one.

    Where at some depth neither reaches it, there is nothing to compare.
    """
    found = searches(records)
    depths = {depth for _, depth in found}
    if not depths or any((network, depth) not in found for network in ("plain", "highway") for depth in depths):
        return None
    faster = 0
    for depth in depths:
        highway, plain = found["highway", depth].epochs_to(loss), found["plain", depth].epochs_to(loss)
        if highway is None and plain is None:
            return None
        faster += highway is not None and (plain is None or highway < plain)
    return faster / len(depths)


@in_units("share")
def worst_activation(records: Records, network: str) -> float | None:
    """Return the best training cross-entropy over that of guessing, of the worse activation at its worst depth."""
    outcomes: dict[tuple[int, str], float] = {}
    for run in records:
        config = run.config.network
        if config.kind == network and isinstance(config, DenseConfig):
            loss = run.best()
            place = (config.depth, config.activation)
            outcomes[place] = min(outcomes.get(place, math.inf), math.inf if loss is None else loss)
    activations = {activation for _, activation in outcomes}
    if len(activations) < 2 or any((depth, one) not in outcomes for depth, _ in outcomes for one in activations):
        return None
    return max(outcomes.values()) / math.log(classes(records[0].config.data.name))


@calculation
@in_units("parameters")
def built_parameters_per_layer(records: Records, network: Literal["plain", "highway"], width: int) -> float:
    """Return the parameters that one more layer of a width has, counted on two networks built for it."""
    bias = -1.0 if network == "highway" else None
    counts = [
        sum(p.numel() for p in DenseNetwork(config, inputs=784, classes=10).parameters())
        for config in (DenseConfig(kind=network, depth=depth, width=width, transform_bias=bias) for depth in (10, 11))
    ]
    return counts[1] - counts[0]
