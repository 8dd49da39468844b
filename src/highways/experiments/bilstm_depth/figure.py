"""The sentiment experiment's figure."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from statistics import median

import matplotlib.ticker
from matplotlib.axes import Axes

from highways.data import classes, examples, majority
from highways.experiments.bilstm_depth.accuracies import accuracies, by_depth, label, variant
from highways.inside.statistics import wilson_interval
from highways.show.figures import NETWORK, Drawing, Panel, legend, logarithmic
from highways.tracking import Listed, RunRecord

VARIANT_STYLES = {
    "plain": (NETWORK["plain"], "s", "-"),
    "plain-matched": ("#e69f00", "s", "--"),
    "highway": (NETWORK["highway"], "o", "-"),
    "highway-article": ("#56b4e9", "D", "-"),
    "highway-described": ("#cc79a7", "^", "-"),
    "highway-released": ("#4b2e83", "v", "-"),
    "highway-released-padded": ("#4b2e83", "v", ":"),
    "highway-zero-padding": ("#7f7f7f", "<", "--"),
}


def bilstm_figure(records: Listed) -> Drawing:
    """Draw the sentiment experiment: accuracy over depth, and the gradient that reaches the first block.

    Accuracies are those of the snapshot that is best on the development set: the lines are means over seeds, the
    small marks every seed; of a single seed the 95 % interval of as many test sentences as there are is shaded. Three
    panels a data set: accuracies, gradients before training and after it; of gradients the lines are the median seeds.
    """
    names = list(dict.fromkeys(record.config.data.name for record in records))
    panels = []
    for name in names:
        chosen = records.on(name)
        panels.append(_accuracies_panel(chosen, name))
        panels += [_gradients_panel(chosen, name, when) for when in (0, 1)]
    return Drawing(panels)


def _accuracies_panel(records: Listed, data: str) -> Panel:
    seeds = max(len({record.config.seed for record in records}), 1)
    words = []
    for name in VARIANT_STYLES:
        if found := by_depth(records, name):
            first, last = min(found), max(found)
            words.append(f"{label(name)} {found[first]:.1%} at depth {first}, {found[last]:.1%} at {last}")
    alt = f"Test accuracy: {'; '.join(words)}. Chance is {1 / classes(data):.1%}."
    title = f"{data}: test accuracy by depth, {seeds} seed{'s' if seeds > 1 else ''}"
    return Panel(title, alt, partial(_accuracies, records, data, seeds), height=3.6)


def _accuracies(records: Listed, data: str, seeds: int, axes: Axes) -> None:
    chance = 1 / classes(data)
    for name, (colour, marker, line) in VARIANT_STYLES.items():
        if not (found := by_depth(records, name)):
            continue
        depths, values = list(found), list(found.values())
        axes.plot(depths, values, line, color=colour, marker=marker, label=label(name))
        if seeds > 1:
            each = [(run.config.network.depth, accuracies(run).best_dev) for run in records if variant(run) == name]
            axes.plot(*zip(*each, strict=True), marker, color=colour, ms=3, alpha=0.45, lw=0)
        else:
            ends = [wilson_interval(value, examples(data, "test")) for value in values]
            lows, highs = zip(*ends, strict=True)
            axes.fill_between(depths, lows, highs, color=colour, alpha=0.1, lw=0)
    _longer(axes, records.auxiliary)
    for level in by_depth(records, "bag-of-words").values():
        axes.axhline(level, color="0.1", lw=1.2, ls="-.", label=f"bag of words, {level:.3f}")
    axes.axhline(majority(data), color="0.4", lw=1, ls=":", label=f"the majority, {majority(data):.3f}")
    axes.axhline(chance, color="0.4", lw=1, label=f"chance, {chance:.3f}")
    axes.set(xlabel="layers", ylabel="accuracy, at the best development snapshot")
    ticks = sorted({record.config.network.depth for record in records} - {0})
    axes.set_xticks(ticks, [str(depth) if len(ticks) < 12 or depth in (1, 5, 10, 15, 20) else "" for depth in ticks])
    legend(axes)


def _longer(axes: Axes, records: Sequence[RunRecord]) -> None:
    """Draw accuracies of longer runs, thin and dotted; those that stand beside the study."""
    for name, (colour, marker, _) in VARIANT_STYLES.items():
        if found := by_depth(records, name):
            epochs = max(record.config.budget.epochs for record in records)
            text = f"{name}, {epochs} epochs" if name == "highway" else None
            points = zip(*found.items(), strict=True)
            axes.plot(*points, ":", color=colour, marker=marker, mfc="white", lw=1, label=text)


def _norms(records: Sequence[RunRecord], name: str, when: int) -> dict[int, list[float]]:
    """Return a variant's norms at the first block by depth, every seed's; what float32 cannot hold is left out."""
    found: dict[int, list[float]] = {}
    for record in records:
        norms = record.measurements.get("gradient_norm_first_block", []) if variant(record) == name else []
        if len(norms) > when and norms[when] > 0:
            found.setdefault(record.config.network.depth, []).append(norms[when])
    return dict(sorted(found.items()))


def _gradients_panel(records: Listed, data: str, when: int) -> Panel:
    words = []
    for name in VARIANT_STYLES:
        if norms := _norms(records, name, when):
            ends = [f"{median(norms[depth]):.1g} at depth {depth}" for depth in (min(norms), max(norms))]
            words.append(f"{label(name)} {', '.join(ends)}")
    moment = ("before training", "after training")[when]
    alt = f"Norm of the gradient: {'; '.join(words) or 'none measured'}."
    return Panel(f"{data}: gradient at the first block, {moment}", alt, partial(_gradients, records, when), height=3.6)


def _gradients(records: Listed, when: int, axes: Axes) -> None:
    for name, (colour, marker, line) in VARIANT_STYLES.items():
        if norms := _norms(records, name, when):
            middle = [median(values) for values in norms.values()]
            axes.plot(list(norms), middle, line, color=colour, marker=marker, label=label(name))
            if any(len(values) > 1 for values in norms.values()):
                each = [(depth, norm) for depth, values in norms.items() for norm in values]
                axes.plot(*zip(*each, strict=True), marker, color=colour, ms=3, alpha=0.45, lw=0)
    axes.set(xlabel="layers", ylabel="norm of the gradient")
    logarithmic(axes)
    axes.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(integer=True))
    legend(axes)
