"""What came out of the look at gates, in sentences for its notebook."""

from __future__ import annotations

from highways.inside.layers import layers_of, of_each_data_set
from highways.tracking import Listed


def answer(records: Listed) -> str:
    """Return how well each network is trained, what that made of its biases, how far its gates are open."""
    ends = {run.config: run.curves["train_cross_entropy"][-1] for run in records if run.curves}
    sentences = []
    for analysis in of_each_data_set(records, "gates"):
        layers = layers_of(analysis)
        trained = f"ends at a training cross-entropy of {end:.2g}; it " if (end := ends.get(analysis.run)) else ""
        sentences.append(
            f"**{analysis.data}**: the network {trained}moved {layers.share_below_start:.0%} of its transform biases "
            f"below their start ({layers.initial_bias:g}); the gates are open by {layers.gate.mean():.0%} in the mean, "
            f"from {layers.gate.min():.0%} to {layers.gate.max():.0%} layer by layer, and the first 15 layers make "
            f"{layers.change[:15].sum() / layers.change.sum():.0%} of the change."
        )
    return "\n\n".join(sentences)
