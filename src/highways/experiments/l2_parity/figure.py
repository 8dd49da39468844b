"""The parity's figure."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from highways.claims.studies import study
from highways.experiments.l2_parity.study import VARIANTS
from highways.tracking import Listed


def parity_figure(records: Listed) -> Figure:
    """Draw how far apart each pair is, step by step."""
    figure = Figure(figsize=(9, 5.2), layout="constrained")
    axes = figure.subplots()
    found = study(records, "parity")
    if found is not None:
        for variant in VARIANTS:
            gaps = np.array(found.row(variant.replace("-", "_")))
            label = "Adam with penalty, AdamW" if variant == "adam" else f"NumPy, {variant}"
            axes.plot(np.arange(1, len(gaps) + 1), np.maximum(gaps, 1e-17), lw=1.8, label=label)
        axes.set(title=f"{found.data}: how far apart two networks are", xlabel="step", xscale="log", yscale="log")
        axes.set_ylabel("largest difference of two weights, over the largest weight")
        axes.grid(alpha=0.25)
        axes.legend(fontsize=8)
    return figure
