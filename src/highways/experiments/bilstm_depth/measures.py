"""What its claims speak of: test accuracies at the best development snapshot, means over seeds."""

from __future__ import annotations

from collections.abc import Sequence

from highways.claims.values import Records, in_units
from highways.experiments.bilstm_depth.accuracies import by_depth


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


@in_units("share")
def mean_accuracy(records: Records, variant: str, depths: tuple[int, int]) -> float | None:
    """Return the mean accuracy of a variant over the depths from the first to the second, both included."""
    low, high = depths
    return _mean([value for depth, value in by_depth(records, variant).items() if low <= depth <= high])


@in_units("points")
def largest_gain_from_depth(records: Records, variant: str) -> float | None:
    """Return how much the best deeper network of a variant is better than that of one layer."""
    found = by_depth(records, variant)
    deeper = [value for depth, value in found.items() if depth > 1]
    return max(deeper) - found[1] if deeper and 1 in found else None


@in_units("points")
def decline(records: Records, variant: str, depths: tuple[int, int]) -> float | None:
    """Return accuracy at one layer less the mean accuracy over a range of depths, both ends included."""
    mean, shallow = mean_accuracy(records, variant, depths), by_depth(records, variant).get(1)
    return None if mean is None or shallow is None else shallow - mean


@in_units("points")
def difference_in_decline(records: Records, of: str, to: str, depths: tuple[int, int]) -> float | None:
    """Return how much further the accuracy of one variant declines than that of another."""
    further, less = decline(records, of, depths), decline(records, to, depths)
    return None if further is None or less is None else further - less


@in_units("points")
def mean_difference(records: Records, of: str, to: str, depths: tuple[int, int]) -> float | None:
    """Return the mean difference in accuracy of two variants over a range of depths, both ends included."""
    one, other = by_depth(records, of), by_depth(records, to)
    return _mean([one[d] - other[d] for d in one if d in other and depths[0] <= d <= depths[1]])
