"""What the claims of initial weights speak of."""

from __future__ import annotations

import math

from highways.claims.values import Records, guessing, in_units
from highways.experiments.initialisation.outcomes import outcomes_by_initialisation


@in_units("ratio")
def initialisation_ratio(records: Records, network: str, depth: int, names: tuple[str, ...]) -> float | None:
    """Return the best training cross-entropy with the worst of some initialisations over that with the best."""
    found = outcomes_by_initialisation(records)
    if any((network, depth, name) not in found for name in names):
        return None
    losses = [found[network, depth, name].best_loss for name in names]
    return None if math.isinf(min(losses)) else max(losses) / min(losses)


@in_units("share")
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
