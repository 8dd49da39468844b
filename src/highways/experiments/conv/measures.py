"""What its claims speak of: accuracies after the last epoch; a pair of numbers is a 95 % interval."""

from __future__ import annotations

import math

from highways.claims.values import Interval, Records, calculation, in_units
from highways.data import examples
from highways.experiments.conv.outcomes import outcomes, papers, parameters
from highways.inside.statistics import difference_interval

SINGLE_RUN_SD = 0.0016
"""Deviation from run to run of a CIFAR-10 network, P2 Table 2's of Highway B."""


@in_units("points")
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
    ours = (*chosen[0].moments, len(chosen[0].last))
    interval = difference_interval(ours, theirs, examples(chosen[0].data, "test"))
    return Interval(*interval, tuple(accuracy - theirs[0] for accuracy in chosen[0].last))


@in_units("points")
def difference_of_networks(records: Records, of: str, to: str) -> Interval | None:
    """Return the interval of the difference in mean accuracy of two networks."""
    found = {outcome.network: outcome for outcome in outcomes(records).values()}
    if of not in found or to not in found:
        return None
    one, other = found[of], found[to]
    ours, theirs = (*one.moments, len(one.last)), (*other.moments, len(other.last))
    interval = difference_interval(ours, theirs, examples(one.data, "test"))
    return Interval(*interval, tuple(accuracy - theirs[0] for accuracy in one.last))


@in_units("points")
def difference_from_another(records: Records, network: str, data: str, other: str) -> Interval | None:
    """Return the interval of our mean accuracy less the one that the papers state of another network.

    Args:
        records: Of one data set, of `data` or of what stands in for it.
        network: Name of ours.
        data: The papers' data set.
        other: Name of theirs in `references/conv_papers.csv`.
    """
    return _less_published(records, network, data, other)


@in_units("share")
def least_accuracy(records: Records, networks: tuple[str, ...]) -> float | None:
    """Return the lowest mean accuracy of some networks after the last epoch."""
    found = {outcome.network: outcome.moments[0] for outcome in outcomes(records).values()}
    return min(found[name] for name in networks) if set(networks) <= set(found) else None


@calculation
@in_units("parameters")
def built_parameters(records: Records, network: str, data: str) -> float:
    """Return the parameters of a network, counted on one built for a data set; nothing is trained."""
    return parameters(network, data)
