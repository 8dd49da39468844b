"""The parity's figure."""

from __future__ import annotations

from functools import partial

import numpy as np
from matplotlib.axes import Axes

from highways.claims.studies import study
from highways.experiments.l2_parity.study import VARIANTS
from highways.show.figures import DASHES, OTHERS, Drawing, Panel, legend
from highways.show.layers import nothing
from highways.tracking import AnalysisRecord, Listed

FLOOR = 1e-17
"""Where a difference of nothing is drawn on the axis in logarithms."""


def parity_figure(records: Listed) -> Drawing:
    """Draw how far apart each pair is, step by step."""
    found = study(records, "parity")
    if found is None:
        return nothing("the study has not been made")
    ends = {variant: found.row(variant.replace("-", "_"))[-1] for variant in VARIANTS}
    alt = "After the last step the largest difference of two weights, over the largest weight, is " + "; ".join(
        f"{end:.1g} for {_label(variant)}" for variant, end in ends.items()
    )
    return Drawing([Panel(f"{found.data}: how far apart two networks are", f"{alt}.", partial(_gaps, found), 3.6)])


def _label(variant: str) -> str:
    return "Adam with penalty, AdamW" if variant == "adam" else f"NumPy, {variant}"


def _gaps(found: AnalysisRecord, axes: Axes) -> None:
    for place, variant in enumerate(VARIANTS):
        gaps = np.array(found.row(variant.replace("-", "_")))
        look = {"color": OTHERS[place % len(OTHERS)], "ls": DASHES[place % len(DASHES)], "lw": 2.6 - 0.25 * place}
        axes.plot(np.arange(1, len(gaps) + 1), np.maximum(gaps, FLOOR), label=_label(variant), **look)
    axes.set(xlabel="step", xscale="log", yscale="log")
    axes.set_ylabel("largest difference over largest weight")
    legend(axes)
