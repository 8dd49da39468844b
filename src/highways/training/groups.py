"""Which runs are trained together."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise

from highways.config import RunConfig
from highways.training.checkpoints import ResumePoint

FREE = {
    "optimiser": {"learning_rate", "momentum", "decay"},
    "network": {"transform_bias", "initialisation", "block_initialisation"},
    "seed": True,
}
"""What members of a population may differ in: nothing that changes shapes, operations, the kind of
optimiser, the batch size, the order of the examples or the number of steps."""


def trains_together(config: RunConfig) -> bool:
    """Tell whether runs like this one can be trained as a population: dense networks can."""
    return config.network.family == "dense"


def signature(config: RunConfig) -> str:
    """Return what runs must agree in to be trained together."""
    return json.dumps(config.model_dump(mode="json", exclude=FREE), sort_keys=True)


def groups(configs: Sequence[RunConfig], keys: Sequence[str]) -> list[list[int]]:
    """Split runs into groups that train together.

    Computed from all runs of a sweep, finished or not, so that the grouping of what is left after an
    interruption is that of the uninterrupted sweep.

    Returns:
        Lists of indices, in order of first appearance. A run given twice counts once.
    """
    found: dict[str, list[int]] = {}
    seen = set()
    for index, (config, key) in enumerate(zip(configs, keys, strict=True)):
        if key not in seen:
            seen.add(key)
            found.setdefault(signature(config) if trains_together(config) else key, []).append(index)
    return list(found.values())


def parts(group: Sequence[int], bytes_of_all: int, most: int) -> list[list[int]]:
    """Split a group that does not fit into memory into as few parts as do, equal but for one member.

    It depends on the whole group and the memory's size alone, so that the same machine splits the same way every time.

    Args:
        group: Indices of the group's runs.
        bytes_of_all: What it would hold as one population.
        most: What one may hold.
    """
    count = min(len(group), max(1, -(-bytes_of_all // max(most, 1))))
    ends = [len(group) * number // count for number in range(count + 1)]
    return [list(group[start:end]) for start, end in pairwise(ends)]


def pending(group: Sequence[str], finished: set[str], points: Sequence[ResumePoint]) -> list[list[str]]:
    """Split what is left of a group into the portions to be trained.

    A resume point whose runs all belong to the group is taken up with exactly its runs, so that they
    go on to the bit; the other unfinished runs make a portion of their own.

    Args:
        group: Keys of the group.
        finished: Keys of the runs that have a record.
        points: All resume points of the group's way of training, population or not.
    """
    left = [key for key in group if key not in finished]
    portions = []
    for point in points:
        if set(point.keys) <= set(group) and any(key in left for key in point.keys):
            portions.append(point.keys)
            left = [key for key in left if key not in point.keys]
    return [*portions, left] if left else portions
