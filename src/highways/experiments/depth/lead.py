"""What the report begins with: do plain networks fail with depth, and do highway networks not?"""

from __future__ import annotations

from collections.abc import Sequence

from highways.claims.judge import Judgement
from highways.experiments.base import Lead
from highways.experiments.depth.figure import outcome_panel
from highways.experiments.depth.outcomes import Search, searches
from highways.tracking import Listed

QUESTIONS = {
    "plain": ("Do plain networks fail with depth?", "depth-plain-degrades"),
    "highway": ("Do highway networks not?", "depth-highway-does-not-degrade"),
}
"""By kind of network: the question, and the claim that answers it."""

NAMES = {"mnist": "MNIST", "digits": "scikit-learn's digits"}


def lead(records: Listed, judgements: Sequence[Judgement]) -> Lead:
    """Return the two answers, with the numbers of the shallowest and the deepest network, and the figure."""
    found = searches(records)
    by_id = {row.claim_id: row for row in judgements}
    answers = []
    for kind, (question, claim) in QUESTIONS.items():
        outcome = _outcome(found, kind)
        verdict = _verdict(by_id[claim]) if claim in by_id else ""
        answers.append((question, f"{outcome}{verdict}", (claim,)))
    return Lead(tuple(answers), outcome_panel(found) if found else None)


def _outcome(found: dict[tuple[str, int], Search], kind: str) -> str:
    chosen = {
        depth: search for (one, depth), search in sorted(found.items()) if one == kind and search.best is not None
    }
    if len(chosen) < 2:
        return "Such networks of two depths have not been trained in this profile"
    shallow, deep = min(chosen), max(chosen)
    first, last = chosen[shallow].best_loss, chosen[deep].best_loss
    data, had = chosen[deep].trials[0].config.data.name, (chosen[shallow].epochs, chosen[deep].epochs)
    after = f", after {had[0]} epochs," if had[0] == had[1] else ""
    found_at = [f"at {shallow} layers", f"at {deep}"]
    if not after:
        found_at = [f"{place} after {epochs} epochs" for place, epochs in zip(found_at, had, strict=True)]
    compared = f", {last / first:.2g} times as high" if after else ""
    return (
        f"On {NAMES.get(data, data)}{after} the best of {len(chosen[deep].trials)} {kind} networks has a training "
        f"cross-entropy of {first:.2g} nats {found_at[0]} and {last:.2g} {found_at[1]}{compared}"
    )


def _verdict(row: Judgement) -> str:
    if row.verdict == "not run":
        return ": not judged yet, runs that the claim needs are missing."
    if row.verdict == "inconclusive" and row.scope in ("reduced", "stand-in"):
        why = "on other data than the papers'" if row.scope == "stand-in" else "after less training than the papers'"
        return f": inconclusive, {why}."
    scope = {"full": "with all that the claim requires", "pruned": "by a search whose best trials went to the end"}
    return f": {row.verdict}, {scope.get(row.scope, f'scope {row.scope}')}."
