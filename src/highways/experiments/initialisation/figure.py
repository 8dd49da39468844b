"""The figure of initial weights."""

from __future__ import annotations

import math

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from highways.claims.studies import study
from highways.data import classes, examples
from highways.experiments.initialisation.outcomes import outcomes_by_initialisation
from highways.experiments.initialisation.stuck import STUCK_VERSIONS, StuckConfig, stuck_steps
from highways.experiments.initialisation.studies import (
    SATURATION_INITIALISATIONS,
    SMALL_NET_INITIALISATIONS,
    SaturationConfig,
)
from highways.inside.thinning import kept_steps
from highways.show.figures import bars
from highways.tracking import Listed


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
        bars(grid[1, 2], found, SATURATION_INITIALISATIONS, quantities)
        grid[1, 2].set(title=f"{found.data}: a hidden layer of sigmoids", ylabel="share")
