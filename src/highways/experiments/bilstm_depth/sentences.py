"""What came out of the sentiment experiment, in sentences for its notebook."""

from __future__ import annotations

from highways.experiments.bilstm_depth.accuracies import by_depth, label, variant
from highways.tracking import Listed


def answer(records: Listed) -> str:
    """Return each variant's accuracy at its least and its greatest depth, a sentence a data set."""
    sentences = []
    for data in dict.fromkeys(run.config.data.name for run in records):
        chosen = records.on(data)
        parts = []
        for name in dict.fromkeys(variant(run) for run in chosen):
            found = by_depth(chosen, name)
            if len(found) > 1:
                least, most = min(found), max(found)
                layers = f"from {found[least]:.3f} with {least} layer{'s' if least > 1 else ''} to {found[most]:.3f}"
                parts.append(f"`{label(name)}` {layers} with {most}")
        if parts:
            sentences.append(f"**{data}**: test accuracy goes {'; '.join(parts)}.")
    return "\n\n".join(sentences)
