"""The figure of small questions."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from highways.claims.studies import study
from highways.experiments.foundations.recurrence import RECURRENCE_VERSIONS, RecurrenceConfig
from highways.experiments.foundations.small import POINTS, DropoutConfig
from highways.experiments.foundations.two_heads import HEAD_VERSIONS, SMALL_BATCHES
from highways.inside.thinning import kept_steps
from highways.show.figures import bars
from highways.tracking import AnalysisRecord, Listed


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
        bars(grid[2, 0], found, RECURRENCE_VERSIONS, quantities)
        grid[2, 0].set(title="(e) error after training, mean of seeds", ylabel="root mean square")
    if (found := study(records, "two-heads")) is not None:
        quantities = {"accuracy": "test accuracy", "confidence": "mean highest probability"}
        bars(grid[2, 1], found, HEAD_VERSIONS, quantities)
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
