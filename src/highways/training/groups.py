"""Which runs are trained together."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from highways.config import RunConfig

FREE = {
    "optimiser": {"learning_rate", "momentum", "decay"},
    "network": {"transform_bias", "initialisation", "block_initialisation"},
    "seed": True,
}
"""What members of a population may differ in: nothing that changes shapes, operations, the kind of
optimiser, the batch size, the order of the examples or the number of steps."""
MAX_MEMBERS = 256
"""Networks in one population; a larger group is trained in parts. The papers' searches have 100 trials."""


def trains_together(config: RunConfig) -> bool:
    """Tell whether runs like this one can be trained as a population: dense networks can."""
    return config.network.family == "dense"


def signature(config: RunConfig) -> str:
    """Return what runs must agree in to be trained together."""
    return json.dumps(config.model_dump(mode="json", exclude=FREE), sort_keys=True)


def group_name(config: RunConfig, key: str) -> str:
    """Return the name that all runs share that could be trained together with this one: of their lock, for example."""
    return hashlib.sha256((signature(config) if trains_together(config) else key).encode()).hexdigest()[:16]


def groups(configs: Sequence[RunConfig], keys: Sequence[str]) -> list[list[int]]:
    """Split runs into groups that train together, of at most `MAX_MEMBERS` each.

    Computed from all runs of a sweep, finished or not, so that the grouping of what is left after an
    interruption is that of the uninterrupted sweep.

    Returns:
        Lists of indices, in order of first appearance. A run given twice counts once.
    """
    members: dict[str, list[int]] = {}
    seen = set()
    for index, (config, key) in enumerate(zip(configs, keys, strict=True)):
        if key not in seen:
            seen.add(key)
            members.setdefault(signature(config) if trains_together(config) else key, []).append(index)
    return [
        group[start : start + MAX_MEMBERS] for group in members.values() for start in range(0, len(group), MAX_MEMBERS)
    ]
