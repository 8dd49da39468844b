"""What came out of the depth study, in sentences for its notebook."""

from __future__ import annotations

import math

from highways.experiments.depth.outcomes import searches
from highways.show.tables import reference
from highways.tracking import Listed


def answer(records: Listed) -> str:
    """Return how the best highway network compares with the best plain one, at the least and the greatest depth."""
    found = searches(records)
    depths = sorted(depth for kind, depth in found if kind == "plain" and ("highway", depth) in found)
    sentences = []
    for depth in dict.fromkeys(depths[:1] + depths[-1:]):
        plain, highway = found["plain", depth].best_loss, found["highway", depth].best_loss
        if not math.isfinite(plain) or not math.isfinite(highway):
            sentences.append(f"At **{depth} layers** every trial of one kind of network diverged.")
            continue
        ratio = max(plain, highway) / min(plain, highway)
        lower = "highway" if highway <= plain else "plain"
        sentences.append(
            f"At **{depth} layers** the best plain network reaches a training cross-entropy of {plain:.3g}, the best "
            f"highway network {highway:.3g}: the {lower} one is {ratio:.3g} times lower."
        )
    return " ".join(sentences + _regret(records))


def _regret(records: Listed) -> list[str]:
    """Return what the rungs missed, as far as trials drawn among those thrown out tell, in a sentence or none."""
    found, drawn = searches(records), searches(records.auxiliary)
    lower = [
        f"{kind} of {depth} layers, {other.best_loss:.2g} against {found[kind, depth].best_loss:.2g}"
        for (kind, depth), other in drawn.items()
        if (kind, depth) in found and other.best_loss < found[kind, depth].best_loss
    ]
    if not drawn:
        return []
    ended = f"ended lower than what was kept in {len(lower)} of {len(drawn)} networks"
    return [
        f"Of the trials that the rungs threw out some were drawn and trained as long: the best of them {ended}"
        + (f" ({'; '.join(lower)})." if lower else ".")
    ]


def caption(records: Listed) -> str:
    """Return what the curves are, and which of them the paper has."""
    depths = {depth for _, depth in searches(records)}
    curves = reference("highway2015_fig1_curves.csv")
    theirs = ", ".join(str(depth) for depth in sorted(depths & set(curves.depth)))
    ours = "Thick: ours, of the best trial."
    if not theirs:
        return f"{ours} P1 Fig. 1 has no curves of these depths, only of 10, 20, 50 and 100 layers."
    return f"{ours} Dashed: P1 Fig. 1, networks of {theirs} layers on MNIST, best of 40 trials, 400 epochs."
