"""Figures, drawn from records."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import matplotlib.ticker
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from highways import paths
from highways.analysis.conv import authors_logs, outcomes
from highways.analysis.depth import MIN_TRIALS_FOR_TOP, searches
from highways.analysis.sentiment import accuracies, by_depth, variant
from highways.analysis.statistics import wilson_interval
from highways.data import classes, examples, majority
from highways.tracking import Listed, RunRecord

COLOURS = matplotlib.colormaps["viridis"]
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
STYLES = {"plain": ("#b2182b", "s"), "highway": ("#2166ac", "o")}


def save(figure: Figure, path: Path) -> Path:
    """Save a figure as PNG, without a date in it, and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130, metadata={"Software": None})
    return path


def depth_figure(records: Sequence[RunRecord]) -> Figure:
    """Draw the depth study: best training curves of plain and of highway nets, and the outcome over depth.

    Ours are the thick lines; the thin dashed ones are P1's, read off its Fig. 1 (MNIST, 400 epochs).
    The third panel has the best trial of each depth and, for twenty trials or more, the mean of the
    top ten, with P1's and P2's values.
    """
    found = searches(records)
    curves = pd.read_csv(paths.references() / "highway2015_fig1_curves.csv")
    papers = pd.read_csv(paths.references() / "depth_papers.csv")
    depths = sorted({depth for _, depth in found})
    colour = {depth: COLOURS(0.85 * index / max(len(depths) - 1, 1)) for index, depth in enumerate(depths)}
    data = records[0].config.data.name
    trials = max(len(search.trials) for search in found.values())
    pruned = any(len(search.rungs) > 1 for search in found.values())

    figure = Figure(figsize=(14, 5.4), layout="constrained")
    left, middle, right = figure.subplots(1, 3, sharey=True, width_ratios=[1, 1, 0.9])
    left.set(yscale="log", ylabel="training cross-entropy, nats")
    how = f"{trials} trials of a random search{', the best trained to the end' if pruned else ''}"
    figure.suptitle(f"Depth study, {data}: best of {how}; P1's MNIST curves dashed")
    for axes, network in ((left, "plain"), (middle, "highway")):
        for depth in depths:
            theirs = curves[(curves.network == network) & (curves.depth == depth)]
            axes.plot(theirs.epoch, theirs.train_cross_entropy, "--", lw=0.9, alpha=0.75, color=colour[depth])
            search = found.get((network, depth))
            if search is not None and search.best is not None:
                ours = search.best.curves["train_cross_entropy"]
                epochs = np.arange(1, len(ours) + 1)
                axes.plot(
                    epochs,
                    ours,
                    lw=2.2,
                    color=colour[depth],
                    label=f"{depth} layers",
                    marker="." if len(ours) < 50 else None,
                )
        axes.set(title=f"{network} networks", xlabel="epoch", xscale="log")
        axes.legend(fontsize=9)
        axes.grid(alpha=0.25, which="major")
    for network, (line, marker) in STYLES.items():
        rows = [(depth, search) for (kind, depth), search in sorted(found.items()) if kind == network]
        best = [(depth, search.best_loss) for depth, search in rows if math.isfinite(search.best_loss)]
        if best:
            right.plot(*zip(*best, strict=True), color=line, marker=marker, lw=2, label=f"{network}, best of {trials}")
        if trials >= MIN_TRIALS_FOR_TOP and not pruned:
            means = [(depth, search.top_mean[0]) for depth, search in rows]
            right.plot(*zip(*means, strict=True), color=line, marker=marker, mfc="white", lw=1, label="mean of top 10")
            theirs = papers[papers.network == network]
            hollow = {"marker": marker, "ms": 4, "mfc": "white"}
            right.plot(theirs.depth, theirs.paper_p2_top10_mean, ":", color=line, lw=0.7, label="P2, top 10", **hollow)
        theirs = papers[papers.network == network]
        right.plot(theirs.depth, theirs.paper_p1, "--", color=line, lw=0.9, alpha=0.75, label="P1, best of 40")
        right.plot(theirs.depth, theirs.paper_p2, ":", color=line, lw=1.1, alpha=0.75, label="P2, best of 100")
    right.set(title="outcome over depth", xlabel="layers", xscale="log", xticks=depths)
    right.set_xticks(depths, [str(depth) for depth in depths])
    right.minorticks_off()
    right.legend(fontsize=8, ncol=2, loc="upper center", bbox_to_anchor=(0.5, -0.14))
    right.grid(alpha=0.25, which="major")
    return figure


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
            axes.fill_between(depths, *zip(*ends, strict=True), color=colour, alpha=0.1, lw=0)
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


def conv_figure(records: Sequence[RunRecord]) -> Figure:
    """Draw the test error of the convolutional networks over epochs, the authors' own curves underneath.

    Ours are the thick lines, means over runs; the authors' logs are the thin ones. One panel a data set.
    """
    found = outcomes(records)
    names = list(dict.fromkeys(data for _, data in found))
    figure = Figure(figsize=(7 * len(names), 5.4), layout="constrained")
    figure.suptitle("Convolutional networks: test error; the authors' own runs thin")
    for axes, data in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        chosen = [outcome for outcome in found.values() if outcome.data == data]
        for index, outcome in enumerate(chosen):
            colour = COLOURS(0.9 * index / max(len(chosen) - 1, 1))
            curves = [run.curves["test_accuracy"] for run in outcome.runs if run.status == "finished"]
            if not curves:
                continue
            errors = 100 * (1 - np.mean(curves, axis=0))
            runs = f", {len(curves)} runs" if len(curves) > 1 else ""
            epochs = np.arange(1, len(errors) + 1)
            axes.plot(epochs, errors, color=colour, lw=2.2, marker=".", label=f"{outcome.network}{runs}")
        for log, name in authors_logs(data):
            error = 100 * (1 - log["test_accuracy"])
            axes.plot(log["epoch"], error, color="0.45", lw=0.9, label=f"{name}, the authors' log", zorder=1)
        axes.set(title=data, xlabel="epoch", ylabel="test error, %", xscale="log", yscale="log")
        axes.yaxis.set_major_formatter(matplotlib.ticker.FormatStrFormatter("%g"))
        axes.yaxis.set_minor_formatter(matplotlib.ticker.FormatStrFormatter("%g"))
        axes.xaxis.set_major_formatter(matplotlib.ticker.FormatStrFormatter("%g"))
        axes.grid(alpha=0.25, which="both")
        axes.legend(fontsize=8)
    return figure
