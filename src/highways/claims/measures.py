"""Measures: the numbers that criteria speak of, each a function of an experiment's runs and analyses.

A measure returns `None` where the runs do not contain what it needs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

from highways.analysis.conv import outcomes, papers, parameters
from highways.analysis.depth import searches
from highways.analysis.factorial import Factorial, factorials, summary
from highways.analysis.initial_weights import outcomes_by_initialisation, study
from highways.analysis.sentiment import by_depth
from highways.analysis.statistics import difference_interval, student_interval
from highways.claims import layer_measures
from highways.claims.layer_measures import Interval, Records, guessing
from highways.config import DenseConfig
from highways.config.factorial import KERAS, KERAS_1_0_0, KERAS_1_2_2, LASAGNE
from highways.data import classes, examples
from highways.nn import DenseNetwork

SINGLE_RUN_SD = 0.0016
"""Deviation from run to run of a CIFAR-10 network, P2 Table 2's of Highway B."""


def best_loss(records: Records, network: str, depth: int) -> float | None:
    """Return the best training cross-entropy of one kind of network at one depth, nats."""
    search = searches(records).get((network, depth))
    return search.best_loss if search is not None else None


def loss_ratio(records: Records, of: tuple[str, int], to: tuple[str, int]) -> float | None:
    """Return the ratio of two best training cross-entropies."""
    return worst_loss_ratio(records, [of], [to])


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


def top_mean_ratio(records: Records, of: tuple[str, int], to: tuple[str, int]) -> float | None:
    """Return the ratio of two means of the ten best outcomes."""
    found = searches(records)
    if tuple(of) not in found or tuple(to) not in found:
        return None
    above, below = found[of[0], of[1]].top_mean[0], found[to[0], to[1]].top_mean[0]
    return None if math.isnan(above) or math.isnan(below) else above / below


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


def built_parameters_per_layer(records: Records, network: Literal["plain", "highway"], width: int) -> float:
    """Return the parameters that one more layer of a width has, counted on two networks built for it."""
    bias = -1.0 if network == "highway" else None
    counts = [
        sum(p.numel() for p in DenseNetwork(config, inputs=784, classes=10).parameters())
        for config in (DenseConfig(kind=network, depth=depth, width=width, transform_bias=bias) for depth in (10, 11))
    ]
    return counts[1] - counts[0]


# The sentiment experiment. Accuracies are test accuracies at the best development snapshot, means over seeds.


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def mean_accuracy(records: Records, variant: str, depths: tuple[int, int]) -> float | None:
    """Return the mean accuracy of a variant over the depths from the first to the second, both included."""
    low, high = depths
    return _mean([value for depth, value in by_depth(records, variant).items() if low <= depth <= high])


def largest_gain_from_depth(records: Records, variant: str) -> float | None:
    """Return how much the best deeper network of a variant is better than that of one layer."""
    found = by_depth(records, variant)
    deeper = [value for depth, value in found.items() if depth > 1]
    return max(deeper) - found[1] if deeper and 1 in found else None


def decline(records: Records, variant: str, depths: tuple[int, int]) -> float | None:
    """Return accuracy at one layer less the mean accuracy over a range of depths, both ends included."""
    mean, shallow = mean_accuracy(records, variant, depths), by_depth(records, variant).get(1)
    return None if mean is None or shallow is None else shallow - mean


def difference_in_decline(records: Records, of: str, to: str, depths: tuple[int, int]) -> float | None:
    """Return how much further the accuracy of one variant declines than that of another."""
    further, less = decline(records, of, depths), decline(records, to, depths)
    return None if further is None or less is None else further - less


def mean_difference(records: Records, of: str, to: str, depths: tuple[int, int]) -> float | None:
    """Return the mean difference in accuracy of two variants over a range of depths, both ends included."""
    one, other = by_depth(records, of), by_depth(records, to)
    return _mean([one[d] - other[d] for d in one if d in other and depths[0] <= d <= depths[1]])


# The convolutional networks. Accuracies after the last epoch; a pair of numbers is a 95 % interval.


def difference_from_paper(records: Records, network: str, data: str) -> Interval | None:
    """Return the interval of our mean accuracy less the paper's, or less its one number where it states no mean.

    Such a number is taken for one run, with the deviation that P2 states for Highway B, 0.0016.

    Args:
        records: Of one data set, of `data` or of what stands in for it.
        network: Name of the network.
        data: The paper's data set.
    """
    return _less_published(records, network, data, network)


def _less_published(records: Records, network: str, data: str, other: str) -> Interval | None:
    chosen = [outcome for outcome in outcomes(records).values() if outcome.network == network]
    if not chosen:
        return None
    row = papers().loc[(other, data)]
    stated = not math.isnan(row["paper_mean"])
    theirs = (
        (row["paper_mean"], row["paper_sd"], int(row["paper_runs"])) if stated else (row["paper"], SINGLE_RUN_SD, 1)
    )
    return difference_interval((*chosen[0].moments, len(chosen[0].last)), theirs, examples(chosen[0].data, "test"))


def difference_of_networks(records: Records, of: str, to: str) -> Interval | None:
    """Return the interval of the difference in mean accuracy of two networks."""
    found = {outcome.network: outcome for outcome in outcomes(records).values()}
    if of not in found or to not in found:
        return None
    one, other = found[of], found[to]
    ours, theirs = (*one.moments, len(one.last)), (*other.moments, len(other.last))
    return difference_interval(ours, theirs, examples(one.data, "test"))


def difference_from_another(records: Records, network: str, data: str, other: str) -> Interval | None:
    """Return the interval of our mean accuracy less the one that the papers state of another network.

    Args:
        records: Of one data set, of `data` or of what stands in for it.
        network: Name of ours.
        data: The papers' data set.
        other: Name of theirs in `references/conv_papers.csv`.
    """
    return _less_published(records, network, data, other)


def least_accuracy(records: Records, networks: tuple[str, ...]) -> float | None:
    """Return the lowest mean accuracy of some networks after the last epoch."""
    found = {outcome.network: outcome.moments[0] for outcome in outcomes(records).values()}
    return min(found[name] for name in networks) if set(networks) <= set(found) else None


def built_parameters(records: Records, network: str, data: str) -> float:
    """Return the parameters of a network, counted on one built for a data set; nothing is trained."""
    return parameters(network, data)


# The factorial of Keras and Lasagne. Intervals are over seeds, 95 %.

CELLS = {"keras": KERAS, "keras-1.0.0": KERAS_1_0_0, "keras-1.2.2": KERAS_1_2_2, "lasagne": LASAGNE}


def configuration_difference(records: Records, of: str, less: str, data: str | None = None) -> Interval | None:
    """Return the interval of the difference in test accuracy of two configurations.

    Args:
        records: Of one data set.
        of: `keras`, `keras-1.0.0`, `keras-1.2.2` or `lasagne`.
        less: Another one, or `logistic`, the regression.
        data: Of this data set and of no other in its place.
    """
    found = _factorial(records, data)
    difference = found.difference(CELLS[of], None if less == "logistic" else CELLS[less]) if found else []
    return summary(difference)[1:] if difference else None


def _factorial(records: Records, data: str | None) -> Factorial | None:
    return next((found for name, found in factorials(records).items() if data in (None, name)), None)


def factor_effect(records: Records, factor: str, third_level: bool = False, data: str | None = None) -> Interval | None:
    """Return the interval of a factor's effect: test accuracy at Lasagne's level less that at Keras's, over all cells.

    Args:
        records: Of one data set.
        factor: A name in `highways.config.factorial.FACTORS`.
        third_level: Of Keras 1.2.2's level in place of Lasagne's.
        data: Of this data set and of no other in its place.
    """
    found = _factorial(records, data)
    effect = (found.third_level() if third_level else found.effect(factor)) if found else []
    return summary(effect)[1:] if effect else None


# Initial weights, and studies without runs.


def initialisation_ratio(records: Records, network: str, depth: int, names: tuple[str, ...]) -> float | None:
    """Return the best training cross-entropy with the worst of some initialisations over that with the best."""
    found = outcomes_by_initialisation(records)
    if any((network, depth, name) not in found for name in names):
        return None
    losses = [found[network, depth, name].best_loss for name in names]
    return None if math.isinf(min(losses)) else max(losses) / min(losses)


def initialisation_share_of_guessing(
    records: Records, network: str, depth: int, names: tuple[str, ...]
) -> float | None:
    """Return the best training cross-entropy with the worst of some initialisations over that of guessing.

    Where all runs diverged it is infinite.
    """
    found = outcomes_by_initialisation(records)
    if any((network, depth, name) not in found for name in names):
        return None
    return max(found[network, depth, name].best_loss for name in names) / guessing(records[0])


def study_value(records: Records, of: str, value: str, take: str = "last") -> float | None:
    """Return a number of a study.

    Args:
        records: With the study.
        of: Kind of the study.
        value: Name in its record.
        take: Of several numbers the `first`, the `last`, the `largest` in size, or their `mean`.
    """
    found = study(records, of)
    if found is None or value not in found.values:
        return None
    numbers = found.row(value)
    largest = math.nan if any(map(math.isnan, numbers)) else max(map(abs, numbers))
    mean = math.fsum(numbers) / len(numbers)
    return {"first": numbers[0], "last": numbers[-1], "largest": largest, "mean": mean}[take]


def study_difference(records: Records, of: str, value: str, less: str) -> float | Interval | None:
    """Return the mean difference of two values of a study; of several seeds, its 95 % interval."""
    found = study(records, of)
    if found is None or value not in found.values or less not in found.values:
        return None
    pairs = [one - other for one, other in zip(found.row(value), found.row(less), strict=True)]
    return pairs[0] if len(pairs) == 1 else student_interval(pairs)


def study_ratio(records: Records, of: str, value: str, to: str, take: str = "last") -> float | None:
    """Return the ratio of two values of a study; `take` as in `study_value`."""
    one, other = study_value(records, of, value, take), study_value(records, of, to, take)
    return None if one is None or not other else one / other


CALCULATIONS = ("built_parameters", "built_parameters_per_layer")
"""Measures that need no runs."""

MEASURES: dict[str, Callable[..., float | Interval | None]] = {
    function.__name__: function
    for function in (
        best_loss,
        loss_ratio,
        worst_loss_ratio,
        top_mean_ratio,
        share_of_depths_faster,
        worst_activation,
        built_parameters_per_layer,
        mean_accuracy,
        largest_gain_from_depth,
        decline,
        difference_in_decline,
        mean_difference,
        difference_from_paper,
        difference_of_networks,
        difference_from_another,
        least_accuracy,
        built_parameters,
        configuration_difference,
        factor_effect,
        initialisation_ratio,
        initialisation_share_of_guessing,
        study_value,
        study_difference,
        study_ratio,
        *layer_measures.MEASURES,
    )
}


def measure(records: Records, name: str, arguments: dict[str, Any]) -> float | Interval | None:
    """Return what a measure gives for records; lists of the YAML file stand for tuples."""
    return MEASURES[name](records, **{key: _tuples(value) for key, value in arguments.items()})


def _tuples(value: Any) -> Any:
    if isinstance(value, list):
        return [_tuples(item) for item in value] if value and isinstance(value[0], list) else tuple(value)
    return value
