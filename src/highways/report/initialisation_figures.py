"""Figures of the initialisations, of the parity of two implementations, and of the small studies."""

from __future__ import annotations

import math
from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from highways.analysis.foundations import HEAD_VERSIONS, POINTS, PRINTED, RECURRENCE_VERSIONS
from highways.analysis.initial_weights import outcomes_by_initialisation, study
from highways.analysis.initialisation import STUCK_VERSIONS
from highways.analysis.parity import VARIANTS
from highways.config import DropoutConfig
from highways.data import classes
from highways.tracking import AnalysisRecord, Listed


def initialisation_figure(records: Listed) -> Figure:
    """Draw for plain and highway networks, by depth and initialisation: outputs, gradients, what training makes of it.

    First row plain networks, second row highway ones; the third has outputs and gradients of the deepest networks
    block by block, the fourth the network that learned nothing.
    """
    found = outcomes_by_initialisation(records)
    names = list(dict.fromkeys(name for *_, name in found))
    colours = dict(zip(names, matplotlib.colormaps["tab10"].colors, strict=False))  # type: ignore[attr-defined]
    figure = Figure(figsize=(16, 18), layout="constrained")
    grid = figure.subplots(4, 3)
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
        row[0].set(title=f"{network}: output of the last block, untrained", ylabel="root mean square")
        row[1].set(title=f"{network}: gradient at the first block, untrained", ylabel="norm")
        row[2].set(title=f"{network}: {data}, best training cross-entropy", ylabel="nats")
        row[2].axhline(math.log(classes(data)), color="0.5", lw=1, ls=":", label="guessing")
        for axes in row:
            axes.set(xlabel="layers", xscale="log", yscale="log")
            ticks = sorted({depth for _, depth, _ in found})
            axes.set_xticks(ticks, [str(depth) for depth in ticks])
            axes.minorticks_off()
            axes.grid(alpha=0.25)
            axes.legend(fontsize=7)
    deepest = max(depth for _, depth, _ in found)
    panels = (("plain", "output"), ("plain", "weight_gradient"), ("highway", "weight_gradient"))
    for axes, (network, quantity) in zip(grid[2], panels, strict=True):
        for name in names:
            outcome = found.get((network, deepest, name))
            if outcome is not None and outcome.signal is not None:
                values = [value if value > 0 else math.nan for value in outcome.signal.row(quantity)]
                axes.plot(range(1, len(values) + 1), values, color=colours[name], lw=1.5, label=name)
        what = "output, root mean square" if quantity == "output" else "gradient, norm"
        axes.set(title=f"{network}, {deepest} layers, untrained: {what}", xlabel="block", yscale="log")
        axes.grid(alpha=0.25)
        axes.legend(fontsize=7)
    if (stuck := study(records, "stuck")) is not None:
        for axes, quantity in ((grid[3, 0], "loss"), (grid[3, 1], "accuracy")):
            for version in STUCK_VERSIONS:
                axes.plot(stuck.row(f"{version.replace('-', '_')}_{quantity}"), lw=1.8, label=version)
            axes.set(title=f"the network that learned nothing: {quantity}", xlabel="step", ylabel=quantity)
            axes.grid(alpha=0.25)
            axes.legend(fontsize=8)
    if (variance := study(records, "variance")) is not None:
        axes, labels = grid[3, 2], list(variance.values)
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


def foundations_figure(records: Listed) -> Figure:
    """Draw where the unit on five points ends, dropout's means, the recurrence, the two heads."""
    figure = Figure(figsize=(18, 9.5), layout="constrained")
    (first, second, left), (middle, third, right) = figure.subplots(2, 3)
    if (found := study(records, "perceptron")) is not None:
        starts = np.array([found.row("start_w"), found.row("start_b")])
        count = np.array(found.row("sigmoid_right"))
        for right_ones in sorted(set(count)):
            chosen = starts[:, count == right_ones]
            share = f"{right_ones:.0f} of 5 points right: {(count == right_ones).mean():.0%} of the starts"
            first.plot(*chosen, "o", ms=4, color="#2166ac" if right_ones == 4 else "#b2182b", label=share)
        first.plot(PRINTED["w"], PRINTED["b"], "k*", ms=12, label="last printed state, an end")
        first.set(title="(b) what the repaired unit gets right, by where it starts", xlabel="w", ylabel="b")
        first.legend(fontsize=8)
        x = np.linspace(-1, 10, 300)
        inputs, targets = np.array(POINTS).T
        second.plot(inputs, targets, "ko", ms=8, label="the points (two of them twice)")
        second.plot(x, 1 / (1 + np.exp(-PRINTED["w"] * x - PRINTED["b"])), color="#2166ac", label="last printed state")
        second.plot(x, np.poly1d(np.polyfit(inputs, targets, 1))(x), color="#b2182b", label="linear output, fitted")
        second.axhline(0.5, color="0.5", lw=1, ls=":")
        second.set(title="(b) a linear output and a sigmoid on five points", xlabel="x", ylabel="y")
        second.legend(fontsize=8)
    if (dropout := study(records, "dropout")) is not None and isinstance(dropout.config.measure, DropoutConfig):
        keep = dropout.config.measure.keep
        left.errorbar(keep, dropout.row("inverted"), dropout.row("inverted_error"), fmt="o-", label="inverted")
        left.plot(keep, dropout.row("plain"), "s--", label="plain")
        left.set(title="(d) mean activation under dropout", xlabel="probability of keeping an input")
        left.legend()
    if (found := study(records, "recurrence")) is not None:
        for part, line in (("lstm", "-"), ("readout", "--")):
            for version, colour in (("as-asked", "#b2182b"), ("frozen", "#2166ac")):
                norms = found.row(f"{version.replace('-', '_')}_{part}_gradient")
                middle.plot(norms, line, color=colour, lw=1.2, label=f"{version}, {part}")
        middle.set(title="(e) gradient over the steps", xlabel="step", ylabel="norm", yscale="log")
        middle.legend(fontsize=8)
        _bars(third, found, RECURRENCE_VERSIONS, {"steps_error": "x + 1 follows", "sine_error": "sin(x) follows"})
        third.set(title="(e) error after training", ylabel="root mean square")
    if (found := study(records, "two-heads")) is not None:
        _bars(right, found, HEAD_VERSIONS, {"accuracy": "test accuracy", "confidence": "mean highest probability"})
        right.set(title=f"(f) {found.data}: two heads, few labels")
    return figure


def _bars(axes: Axes, found: AnalysisRecord, versions: Sequence[str], quantities: dict[str, str]) -> None:
    places = np.arange(len(versions))
    for shift, (quantity, label) in zip((-0.2, 0.2), quantities.items(), strict=True):
        values = [np.mean(found.row(f"{version.replace('-', '_')}_{quantity}")) for version in versions]
        axes.bar(places + shift, values, width=0.4, label=label)
    axes.set_xticks(places, versions, rotation=20, ha="right")
    axes.legend(fontsize=8)
