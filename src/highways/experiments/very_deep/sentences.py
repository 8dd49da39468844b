"""What came out of the very deep networks, in sentences for their notebook."""

from __future__ import annotations

from highways.claims.values import guessing
from highways.tracking import Listed


def answer(records: Listed) -> str:
    """Return how far below guessing each network came."""
    parts = []
    for run in records:
        network, best = run.config.network, run.best()
        name = f"{network.kind}, {network.depth:,} layers on {run.config.data.name}"
        shown = "diverged" if run.status == "diverged" or best is None else f"{best:.3g} (guessing {guessing(run):.3g})"
        parts.append(f"{name}: {shown}")
    return f"Best training cross-entropy: {'; '.join(parts)}." if parts else ""
