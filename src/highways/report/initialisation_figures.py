"""Figures of the initialisations, of the parity of two implementations, and of the small studies."""

from __future__ import annotations

import math
from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from highways.analysis.foundations import POINTS
from highways.analysis.initial_weights import outcomes_by_initialisation, study
from highways.analysis.initialisation import SATURATION_INITIALISATIONS, SMALL_NET_INITIALISATIONS
from highways.analysis.parity import VARIANTS
from highways.analysis.recurrence import RECURRENCE_VERSIONS
from highways.analysis.stuck import STUCK_VERSIONS, stuck_steps
from highways.analysis.thinning import kept_steps
from highways.analysis.two_heads import HEAD_VERSIONS, SMALL_BATCHES
from highways.config import DropoutConfig, RecurrenceConfig, SaturationConfig, StuckConfig
from highways.data import classes, examples
from highways.tracking import AnalysisRecord, Listed


def initialisation_figure(records: Listed) -> Figure:
    """Draw for plain and highway networks, by depth and initialisation: outputs, gradients, what training makes of it.

    First row plain networks, second row highway ones; the third has outputs and gradients of the deepest networks
    block by block, the fourth the network that learned nothing and the variance of z, the fifth the 7-4-2-1 network
    and a hidden layer of sigmoids.
    """
    found = outcomes_by_initialisation(records)
    names = list(dict.fromkeys(name for *_, name in found))
    colours = dict(zip(names, matplotlib.colormaps["tab10"].colors, strict=False))  # type: ignore[attr-defined]
    figure = Figure(figsize=(16, 22.5), layout="constrained")
    grid = figure.subplots(5, 3)
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
    _studies(records, grid[3:])
    return figure


def _studies(records: Listed, grid: np.ndarray) -> None:
    """Draw the studies of initial weights on two rows of three axes."""
    if (stuck := study(records, "stuck")) is not None and isinstance(stuck.config.measure, StuckConfig):
        for axes, quantity in ((grid[0, 0], "loss"), (grid[0, 1], "accuracy")):
            for version, line in zip(STUCK_VERSIONS, 3 * ("-", "--", "-.", ":"), strict=False):
                steps, values = (
                    stuck_steps(stuck.config.measure, version),
                    stuck.row(f"{version.replace('-', '_')}_{quantity}"),
                )
                axes.plot(steps, values, line, lw=1.6, label=version)
            axes.set(title=f"the network that learned nothing: {quantity}", xlabel="step", ylabel=quantity)
            axes.grid(alpha=0.25)
            axes.legend(fontsize=7)
    if (variance := study(records, "variance")) is not None:
        axes, labels = grid[0, 2], list(variance.values)
        axes.bar(labels, [variance.row(name)[0] for name in labels], color="#2166ac")
        for place, name in enumerate(labels):
            axes.text(place, variance.row(name)[0], f"{variance.row(name)[0]:.4g}", ha="center", va="bottom")
        axes.set(title="variance of z, 1,000 inputs, 500 of them on", yscale="log", ylim=(0.5, 2000))
    if (small := study(records, "small-net")) is not None:
        for place, name in enumerate(SMALL_NET_INITIALISATIONS):
            values = small.row(f"{name}_accuracy")
            across = np.linspace(-0.25, 0.25, len(values))
            grid[1, 0].plot(place + across, sorted(values), "o", ms=4, color="#2166ac")
        grid[1, 0].set_xticks(range(len(SMALL_NET_INITIALISATIONS)), SMALL_NET_INITIALISATIONS)
        grid[1, 0].set(title="7-4-2-1 network: accuracy on fresh examples, a dot a seed", ylabel="accuracy")
        grid[1, 0].grid(alpha=0.25)
    if (found := study(records, "saturation")) is not None and isinstance(found.config.measure, SaturationConfig):
        measure = found.config.measure
        epoch = examples(measure.data, "train") // measure.batch_size
        steps = kept_steps(min(measure.steps, epoch) + 1)
        for name in SATURATION_INITIALISATIONS:
            grid[1, 1].plot(steps, found.row(f"{name}_loss"), lw=1.8, label=name)
        grid[1, 1].set(
            title=f"{found.data}: a hidden layer of sigmoids", xlabel="step", ylabel="loss, nats", yscale="log"
        )
        grid[1, 1].grid(alpha=0.25)
        grid[1, 1].legend(fontsize=8)
        quantities = {"saturated": "saturated activations before", "accuracy": "test accuracy after"}
        _bars(grid[1, 2], found, SATURATION_INITIALISATIONS, quantities)
        grid[1, 2].set(title=f"{found.data}: a hidden layer of sigmoids", ylabel="share")


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
    """Draw the unit on five points, how it gets there and where it ends, dropout, the recurrence, the two heads."""
    figure = Figure(figsize=(18, 14), layout="constrained")
    grid = figure.subplots(3, 3)
    if (found := study(records, "perceptron")) is not None:
        _trajectory(grid[0, 0], grid[0, 1], found)
        _ends(grid[0, 2], found)
        _points(grid[1, 0], found)
    if (dropout := study(records, "dropout")) is not None and isinstance(dropout.config.measure, DropoutConfig):
        keep, axes = dropout.config.measure.keep, grid[1, 1]
        for name, marker, colour in (("inverted", "o", "#2166ac"), ("plain", "s", "#b2182b")):
            axes.plot(keep, dropout.row(f"printed_{name}"), "kx", ms=9, label=f"printed, {name}")
            if name == "inverted":
                errors = 2 * np.array(dropout.row("inverted_error"))
                axes.errorbar(keep, dropout.row(name), errors, fmt=marker, color=colour, label=name)
            else:
                axes.plot(keep, dropout.row(name), marker, color=colour, label=name)
        axes.set(title="(d) mean sum under dropout, over that without", xlabel="probability of keeping an input")
        axes.legend(fontsize=8)
    if (found := study(records, "recurrence")) is not None and isinstance(found.config.measure, RecurrenceConfig):
        steps, axes = np.array(kept_steps(found.config.measure.steps)) + 1, grid[1, 2]
        for part, line in (("lstm", "-"), ("readout", "--")):
            for version, colour in (("as-asked", "#b2182b"), ("frozen", "#2166ac")):
                norms = found.row(f"{version.replace('-', '_')}_{part}_gradient")
                axes.plot(steps, norms, line, color=colour, lw=1.2, label=f"{version}, {part}")
        axes.set(title="(e) gradient over the steps, mean of seeds", xlabel="step", ylabel="norm", yscale="log")
        axes.legend(fontsize=8)
        quantities = {"steps_error": "x + 1 follows", "sine_error": "sin(x) follows"}
        _bars(grid[2, 0], found, RECURRENCE_VERSIONS, quantities)
        grid[2, 0].set(title="(e) error after training, mean of seeds", ylabel="root mean square")
    if (found := study(records, "two-heads")) is not None:
        quantities = {"accuracy": "test accuracy", "confidence": "mean highest probability"}
        _bars(grid[2, 1], found, HEAD_VERSIONS, quantities)
        grid[2, 1].set(title=f"(f) {found.data}: two heads, few labels")
        for size in SMALL_BATCHES:
            values = found.row(f"batch_{size}_accuracy")
            grid[2, 2].plot([str(size)] * len(values), values, "o", color="#2166ac")
        grid[2, 2].set(
            title=f"(f) {found.data}: test accuracy by size of batch, a dot a seed", xlabel="rows of a batch"
        )
    return figure


def _trajectory(left: Axes, right: Axes, found: AnalysisRecord) -> None:
    """Draw our loss, and weight and bias, over the printed rows."""
    steps = np.array(found.row("printed_steps")) + 1  # an axis in logarithms has no 0
    for axes, name, colour in ((left, "loss", "#2166ac"), (right, "weight", "#2166ac"), (right, "bias", "#b2182b")):
        axes.plot(steps, found.row(f"sigmoid_{name}_rows"), color=colour, lw=1.8, label=f"{name}, ours")
        axes.plot(steps, found.row(f"printed_{name}"), "kx", ms=7, label=f"{name}, printed")
        axes.set(title=f"(b) {found.row('rows_within')[0]:.0f} of {len(steps)} printed rows met", xscale="log")
        axes.set_xlabel("step, and one")
        axes.legend(fontsize=8)


def _ends(axes: Axes, found: AnalysisRecord) -> None:
    """Draw what the sigmoid unit gets right, by where it starts."""
    starts = np.array([found.row("start_w"), found.row("start_b")])
    count = np.array(found.row("sigmoid_right"))
    for right in sorted(set(count)):
        share = f"{right:.0f} of 5 points right: {(count == right).mean():.0%} of the starts"
        axes.plot(*starts[:, count == right], "o", ms=4, color="#2166ac" if right == 4 else "#b2182b", label=share)
    axes.plot(found.row("printed_weight")[0], found.row("printed_bias")[0], "k*", ms=12, label="printed start")
    axes.set(title="(b) what the repaired unit gets right, by where it starts", xlabel="w", ylabel="b")
    axes.legend(fontsize=8)


def _points(axes: Axes, found: AnalysisRecord) -> None:
    """Draw the points, the sigmoid at the last printed state and the best line."""
    x = np.linspace(-1, 10, 300)
    inputs, targets = np.array(POINTS).T
    w, b = found.row("printed_weight")[-1], found.row("printed_bias")[-1]
    axes.plot(inputs, targets, "ko", ms=8, label="the points (two of them twice)")
    axes.plot(x, 1 / (1 + np.exp(-w * x - b)), color="#2166ac", label="sigmoid, last printed state")
    axes.plot(x, np.poly1d(np.polyfit(inputs, targets, 1))(x), color="#b2182b", label="linear output, fitted")
    axes.axhline(0.5, color="0.5", lw=1, ls=":")
    axes.set(title="(b) a linear output and a sigmoid on five points", xlabel="x", ylabel="y")
    axes.legend(fontsize=8)


def _bars(axes: Axes, found: AnalysisRecord, versions: Sequence[str], quantities: dict[str, str]) -> None:
    places = np.arange(len(versions))
    for shift, (quantity, label) in zip((-0.2, 0.2), quantities.items(), strict=True):
        values = [np.mean(found.row(f"{version.replace('-', '_')}_{quantity}")) for version in versions]
        axes.bar(places + shift, values, width=0.4, label=label)
    axes.set_xticks(places, versions, rotation=20, ha="right")
    axes.legend(fontsize=8)
