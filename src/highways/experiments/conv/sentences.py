"""What came out of the convolutional networks, in sentences for their notebook."""

from __future__ import annotations

import math

from highways.experiments.conv.outcomes import LABELS, authors_log, outcomes, papers
from highways.tracking import Listed


def answer(records: Listed) -> str:
    """Return every network's test accuracy, with the papers' where they have one on these data."""
    published, parts = papers(), []
    for (name, data), outcome in outcomes(records).items():
        text = f"`{LABELS.get(name, name)}` on {data} {outcome.moments[0]:.4f}"
        theirs = published.loc[(name, data)] if (name, data) in published.index else None
        if theirs is not None and not math.isnan(theirs["paper"]):
            text += f" (paper {theirs['paper']:.4f})"
        parts.append(text)
    return f"Test accuracy after the last epoch: {'; '.join(parts)}." if parts else ""


def caption(records: Listed) -> str:
    """Return what the curves are, and whether the authors' logs are among them."""
    logs = [name for name, data in outcomes(records) if authors_log(name, data) is not None]
    ours = "Thick: ours."
    if not logs:
        return f"{ours} The authors' logs are of other networks or data than these."
    return f"{ours} Thin: the authors' own runs, at their full schedule, of {', '.join(f'`{name}`' for name in logs)}."
