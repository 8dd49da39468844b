"""Figures of the initialisations and of the parity of two implementations, drawn from records."""

from __future__ import annotations

import math

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from highways.analysis.initial_weights import outcomes_by_initialisation, study
from highways.analysis.initialisation import STUCK_VERSIONS
from highways.analysis.parity import VARIANTS
from highways.data import classes
from highways.tracking import Listed


def initialisation_figure(records: Listed) -> Figure:
    """Draw for plain and highway networks, by depth and initialisation: outputs, gradients, what training makes of it.

    First row plain networks, second row highway ones; the third row has the network that learned nothing.
    """
    found = outcomes_by_initialisation(records)
    names = list(dict.fromkeys(name for *_, name in found))
    colours = dict(zip(names, matplotlib.colormaps["tab10"].colors, strict=False))  # type: ignore[attr-defined]
    figure = Figure(figsize=(16, 14), layout="constrained")
    grid = figure.subplots(3, 3)
    data = records[0].config.data.name
    for row, network in zip(grid, ("plain", "highway"), strict=False):
        for name in names:
            chosen = sorted((depth, o) for (kind, depth, n), o in found.items() if (kind, n) == (network, name))
            depths = [depth for depth, _ in chosen]
            measured = [(depth, o.signal) for depth, o in chosen if o.signal is not None]
            for axes, quantity in ((row[0], "output"), (row[1], "weight_gradient")):
                place = -1 if quantity == "output" else 0
                values = [signal.row(quantity)[place] for _, signal in measured]
                values = [value if value > 0 else math.nan for value in values]
                axes.plot([depth for depth, _ in measured], values, marker="o", ms=4, color=colours[name], label=name)
            losses = [o.best_loss if math.isfinite(o.best_loss) else math.nan for _, o in chosen]
            row[2].plot(depths, losses, marker="o", ms=4, color=colours[name], label=name)
        row[0].set(title=f"{network}: output of the last layer, untrained", ylabel="root mean square")
        row[1].set(title=f"{network}: gradient at the first layer, untrained", ylabel="norm")
        row[2].set(title=f"{network}: {data}, best training cross-entropy", ylabel="nats")
        row[2].axhline(math.log(classes(data)), color="0.5", lw=1, ls=":", label="guessing")
        for axes in row:
            axes.set(xlabel="layers", xscale="log", yscale="log")
            ticks = sorted({depth for _, depth, _ in found})
            axes.set_xticks(ticks, [str(depth) for depth in ticks])
            axes.minorticks_off()
            axes.grid(alpha=0.25)
            axes.legend(fontsize=7)
    if (stuck := study(records, "stuck")) is not None:
        for axes, quantity in ((grid[2, 0], "loss"), (grid[2, 1], "accuracy")):
            for version in STUCK_VERSIONS:
                axes.plot(stuck.row(f"{version.replace('-', '_')}_{quantity}"), lw=1.8, label=version)
            axes.set(title=f"the network that learned nothing: {quantity}", xlabel="step", ylabel=quantity)
            axes.grid(alpha=0.25)
            axes.legend(fontsize=8)
    if (variance := study(records, "variance")) is not None:
        axes, labels = grid[2, 2], list(variance.values)
        axes.bar(labels, [variance.row(name)[0] for name in labels], color="#2166ac")
        for place, name in enumerate(labels):
            axes.text(place, variance.row(name)[0], f"{variance.row(name)[0]:.4g}", ha="center", va="bottom")
        axes.set(title="variance of z, 1,000 inputs, 500 of them on", yscale="log", ylim=(0.5, 2000))
    return figure


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
