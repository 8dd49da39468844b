"""What came out of the two networks, in a sentence for their notebook."""

from __future__ import annotations

from highways.claims.studies import study
from highways.experiments.l2_parity.tables import PARITY_VALUES
from highways.tracking import Listed


def answer(records: Listed) -> str:
    """Return how far apart the two networks are after the last step, without decay, with it, and with half of it."""
    if (found := study(records, "parity")) is None:
        return ""
    last = {variant: found.row(name)[-1] for variant, name in PARITY_VALUES.items()}
    parts = ", ".join(f"`{variant}` {value:.1g}" for variant, value in last.items() if ":" not in variant)
    hidden = found.row("hidden_units")[0]
    return (
        f"Largest difference of two weights after the last step, over the largest weight: {parts}. Of the hidden units "
        f"{hidden:.0f} differ from each other; the accuracy on the training examples is {found.row('accuracy')[0]:.3f}."
    )
