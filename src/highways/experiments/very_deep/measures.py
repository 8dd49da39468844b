"""What the claims of very deep networks speak of."""

from __future__ import annotations

import math

from highways.claims.values import Interval, Records, guessing, in_units
from highways.tracking import RunRecord


@in_units("share")
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


@in_units("ratio")
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
        return Interval(0.0, math.inf)
    if _best_or_guessing(above) > 0.95 * guessing(above):
        return math.inf
    return _best_or_guessing(above) / _best_or_guessing(below)


def _best_or_guessing(run: RunRecord) -> float:
    best = run.best()
    return guessing(run) if run.status == "diverged" or best is None else best
