"""What came out of the initial weights, in sentences for their notebook."""

from __future__ import annotations

import math

from highways.experiments.initialisation.outcomes import outcomes_by_initialisation
from highways.tracking import Listed


def answer(records: Listed) -> str:
    """Return which initial weights did best and worst at the greatest depth, a sentence a kind of network."""
    found = list(outcomes_by_initialisation(records).values())
    sentences = []
    for kind in dict.fromkeys(outcome.network for outcome in found):
        depth = max(outcome.depth for outcome in found if outcome.network == kind)
        here = [outcome for outcome in found if (outcome.network, outcome.depth) == (kind, depth)]
        ranked = sorted(here, key=lambda outcome: outcome.best_loss)
        best, worst = ranked[0], ranked[-1]
        if not math.isfinite(best.best_loss):
            sentences.append(f"With {depth} layers every {kind} network diverged.")
            continue
        last = f"at {worst.best_loss:.3g}" if math.isfinite(worst.best_loss) else "in a loss that is not finite"
        sentences.append(
            f"With {depth} layers {kind} networks end lowest from `{best.initialisation}`, at a training cross-entropy "
            f"of {best.best_loss:.3g}, and highest from `{worst.initialisation}`, {last}."
        )
    return " ".join(sentences)
