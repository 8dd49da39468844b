"""The very deep networks' figure."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from highways.experiments.very_deep.tables import step_costs, step_exponents
from highways.show.figures import COLOURS, STYLES
from highways.show.layers import signal_panel
from highways.tracking import Listed


def very_deep_figure(records: Listed) -> Figure:
    """Draw training and gradients of the very deep networks, a row a data set, then what a step costs by depth."""
    names = list(dict.fromkeys(record.config.data.name for record in records))
    figure = Figure(figsize=(15, 5 * (len(names) + 1)), layout="constrained")
    grid = figure.subplots(len(names) + 1, 2)
    for (left, right), name in zip(grid, names, strict=False):
        chosen = records.on(name)
        depths = sorted({record.config.network.depth for record in chosen})
        for record in chosen:
            curve, network = record.curves.get("train_cross_entropy", []), record.config.network
            colour = COLOURS(0.85 * depths.index(network.depth) / max(len(depths) - 1, 1))
            style = {"plain": "--", "highway": "-"}[network.kind]
            label = f"{network.kind}, {network.depth} layers" + (", diverged" if record.status == "diverged" else "")
            left.plot(range(1, len(curve) + 1), curve, style, color=colour, marker=".", lw=2, label=label)
        left.set(title=f"{name}: training", xlabel="epoch", ylabel="training cross-entropy, nats", yscale="log")
        left.xaxis.get_major_locator().set_params(integer=True)
        left.grid(alpha=0.25, which="both")
        left.legend(fontsize=8)
        signals = [analysis for analysis in chosen.analyses if analysis.kind == "signal"]
        signal_panel(right, signals)
    for axes, name, title in (
        (grid[-1, 0], "seconds_per_step", "seconds a training step"),
        (grid[-1, 1], "bytes", "mebibytes a training step holds"),
    ):
        for kind, (colour, marker) in STYLES.items():
            costs = step_costs(records, kind)
            depths = [cost.run.network.depth for cost in costs]
            values = np.array([cost.row(name)[0] for cost in costs]) / (2**20 if name == "bytes" else 1)
            power = step_exponents(records, kind)[name == "bytes"]
            label = f"{kind}: depth to the power {power:.2f}"
            axes.plot(depths, values, color=colour, marker=marker, lw=1.8, label=label)
        axes.set(title=title, xlabel="layers", xscale="log", yscale="log")
        axes.grid(alpha=0.25, which="both")
        axes.legend(fontsize=8)
    return figure
