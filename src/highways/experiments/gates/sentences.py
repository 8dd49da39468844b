"""What came out of the look at gates, in sentences for its notebook."""

from __future__ import annotations

from highways.inside.layers import layers_of, of_each_data_set
from highways.tracking import Listed


def answer(records: Listed) -> str:
    """Return what training made of the transform biases, and how far the gates are open, a sentence a data set."""
    sentences = []
    for analysis in of_each_data_set(records, "gates"):
        layers = layers_of(analysis)
        sentences.append(
            f"**{analysis.data}**: training moved {layers.share_below_start:.0%} of the transform biases below their "
            f"start ({layers.initial_bias:g}); the gates are open by {layers.gate.mean():.0%} in the mean, from "
            f"{layers.gate.min():.0%} to {layers.gate.max():.0%} layer by layer, and the first 15 layers make "
            f"{layers.change[:15].sum() / layers.change.sum():.0%} of the change."
        )
    return "\n\n".join(sentences)
