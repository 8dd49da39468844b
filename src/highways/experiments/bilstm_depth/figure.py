"""The sentiment experiment's figure."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.ticker
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from highways.data import classes, examples, majority
from highways.experiments.bilstm_depth.accuracies import accuracies, by_depth, variant
from highways.inside.statistics import wilson_interval
from highways.tracking import Listed, RunRecord

VARIANT_STYLES = {
    "plain": ("#b2182b", "s", "-"),
    "plain-matched": ("#ef8a62", "s", "--"),
    "highway": ("#2166ac", "o", "-"),
    "highway-article": ("#b8860b", "D", "-"),
    "highway-described": ("#1b7837", "^", "-"),
    "highway-released": ("#762a83", "v", "-"),
    "highway-released-padded": ("#762a83", "v", ":"),
    "highway-zero-padding": ("#5aae61", "<", "--"),
}


def bilstm_figure(records: Listed) -> Figure:
    """Draw the sentiment experiment: accuracy over depth, and the gradient that reaches the first block.

    Accuracies are those of the snapshot that is best on the development set: the lines are means over seeds, the
    small marks every seed; of a single seed the 95 % interval of as many test sentences as there are is shaded. One
    row of panels a data set.
    """
    names = list(dict.fromkeys(record.config.data.name for record in records))
    figure = Figure(figsize=(14, 5.6 * len(names)), layout="constrained")
    rows = figure.subplots(len(names), 2, squeeze=False, width_ratios=[1.3, 1])
    for (left, right), name in zip(rows, names, strict=True):
        chosen = records.on(name)
        _draw_accuracies(left, chosen, name)
        _draw_longer(left, chosen.auxiliary)
        _draw_gradients(right, chosen)
    return figure


def _draw_accuracies(axes: Axes, records: Sequence[RunRecord], data: str) -> None:
    chance = 1 / classes(data)
    axes.axhline(chance, color="0.4", lw=1, label=f"chance, {chance:.3f}")
    axes.axhline(majority(data), color="0.4", lw=1, ls=":", label=f"always the majority, {majority(data):.3f}")
    for level in by_depth(records, "bag-of-words").values():
        axes.axhline(level, color="0.1", lw=1.2, ls="-.", label=f"bag of words, {level:.3f}")
    seeds = max(len({record.config.seed for record in records}), 1)
    for name, (colour, marker, line) in VARIANT_STYLES.items():
        if not (found := by_depth(records, name)):
            continue
        depths, values = list(found), list(found.values())
        axes.plot(depths, values, line, color=colour, marker=marker, ms=5, lw=1.8, label=name)
        if seeds > 1:
            each = [(run.config.network.depth, accuracies(run).best_dev) for run in records if variant(run) == name]
            axes.plot(*zip(*each, strict=True), marker, color=colour, ms=3, alpha=0.45, lw=0)
        else:
            ends = [wilson_interval(value, examples(data, "test")) for value in values]
            lows, highs = zip(*ends, strict=True)
            axes.fill_between(depths, lows, highs, color=colour, alpha=0.1, lw=0)
    title = f"{data}: test accuracy at the best development snapshot, {seeds} seed{'s' if seeds > 1 else ''}"
    axes.set(title=title, xlabel="layers", ylabel="accuracy")
    ticks = sorted({record.config.network.depth for record in records} - {0})
    axes.set_xticks(ticks, [str(depth) for depth in ticks])
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8, ncol=2, loc="best")


def _draw_longer(axes: Axes, records: Sequence[RunRecord]) -> None:
    """Draw accuracies of longer runs, thin and dotted; those that stand beside the study."""
    for name, (colour, marker, _) in VARIANT_STYLES.items():
        if found := by_depth(records, name):
            epochs = max(record.config.budget.epochs for record in records)
            label = f"{name}, {epochs} epochs" if name == "highway" else None
            axes.plot(
                *zip(*found.items(), strict=True), ":", color=colour, marker=marker, mfc="white", lw=1, label=label
            )


def _draw_gradients(axes: Axes, records: Sequence[RunRecord]) -> None:
    for name, (colour, marker, _) in VARIANT_STYLES.items():
        norms = {
            record.config.network.depth: record.measurements.get("gradient_norm_first_block", [])
            for record in records
            if variant(record) == name and record.config.seed == 0
        }
        for when, line in ((0, "-"), (1, ":")):
            points = [(depth, values[when]) for depth, values in sorted(norms.items()) if len(values) > when]
            points = [(depth, norm) for depth, norm in points if norm > 0]  # float32 ends at 1e-38
            if points:
                label = name if when == 0 else None
                axes.plot(*zip(*points, strict=True), line, color=colour, marker=marker, ms=4, lw=1.4, label=label)
    axes.set(yscale="log", xlabel="layers", ylabel="norm of the gradient")
    axes.set_title("gradient at the first block, before training and after (dotted)")
    axes.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(integer=True))
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8)
