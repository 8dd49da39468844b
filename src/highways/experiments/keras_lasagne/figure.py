"""The figure of the factorial over what a Keras and a Lasagne network differ in."""

from __future__ import annotations

import math

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from highways.experiments.keras_lasagne.effects import Factorial, factorials, summary
from highways.experiments.keras_lasagne.factors import FACTORS
from highways.experiments.keras_lasagne.tables import CONFIGURATIONS, THIRD_LEVEL, effect_text
from highways.inside.statistics import FEWEST_FOR_INTERVAL
from highways.tracking import Listed

COLOURS = dict(zip(CONFIGURATIONS, ("#b2182b", "#7b3294", "#ef8a62", "#2166ac"), strict=True))


def keras_lasagne_figure(records: Listed) -> Figure:
    """Draw, for each data set: all cells in order, the effects, the interactions, the shares of the difference.

    A fraction has no shares.
    """
    found = factorials(records)
    figure = Figure(figsize=(18, 5.4 * max(len(found), 1)), layout="constrained")
    rows = figure.subplots(max(len(found), 1), 4, squeeze=False, width_ratios=(1.15, 1, 1.15, 1))
    for row, one in zip(rows, found.values(), strict=False):
        _cells(row[0], one)
        effects = {effect_text(name, one): one.effect(name) for name in FACTORS}
        if third := one.third_level():
            effects[THIRD_LEVEL] = third
        _intervals(row[1], effects, f"{one.data}: effects")
        _interactions(row[2], one)
        shares = {FACTORS[name].text: values for name, values in one.shares().items()}
        if shares:
            _intervals(row[3], shares, f"{one.data}: shares of Lasagne - Keras")
        else:
            row[3].set_visible(False)
    return figure


def _cells(axes: Axes, found: Factorial) -> None:
    ranked = sorted(found.accuracies, key=lambda cell: math.fsum(found.accuracies[cell]))
    means = [math.fsum(found.accuracies[cell]) / len(found.accuracies[cell]) for cell in ranked]
    axes.plot(
        range(1, len(ranked) + 1),
        means,
        ".",
        color="0.6",
        ms=4,
        label=f"{len(ranked) // 2} cells at two epochs, by rank",
    )
    for name, cell in CONFIGURATIONS.items():
        values = found.accuracies[cell]
        label = f"{name}: {math.fsum(values) / len(values):.3f}, each seed"
        axes.plot([ranked.index(cell) + 1] * len(values), values, "o", ms=6, color=COLOURS[name], label=label)
    if found.logistic is not None:
        axes.axhline(found.logistic, color="0.2", lw=1, ls="--", label=f"logistic regression: {found.logistic:.3f}")
    axes.set(title=f"{found.data}: every cell", xlabel="rank", ylabel="test accuracy")
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8, loc="center right")


def _intervals(axes: Axes, estimates: dict[str, list[float]], title: str) -> None:
    axes.axvline(0, color="0.4", lw=1)
    for place, values in enumerate(estimates.values()):
        mean, low, high = summary(values)
        colour = "#2166ac" if low > 0 else "#b2182b" if high < 0 else "0.5"
        if len(values) < FEWEST_FOR_INTERVAL:
            axes.plot(values, [place] * len(values), "|", ms=9, color=colour)
            axes.plot(mean, place, "o", color=colour)
        else:
            axes.errorbar(mean, place, xerr=[[mean - low], [high - mean]], fmt="o", color=colour, capsize=3)
    axes.set_yticks(range(len(estimates)), list(estimates), fontsize=8)
    axes.invert_yaxis()
    axes.set_title(title, loc="right", fontsize=11)
    axes.set(xlabel="test accuracy")
    axes.grid(alpha=0.25, axis="x")


def _interactions(axes: Axes, found: Factorial) -> None:
    names = list(FACTORS)
    table = np.full((len(names), len(names)), np.nan)
    for i, one in enumerate(names):
        for j, other in enumerate(names[:i]):
            table[i, j] = summary(found.effect(one, other))[0]
    limit = float(np.nanmax(np.abs(table))) or 1.0
    axes.imshow(table, cmap=matplotlib.colormaps["RdBu"], vmin=-limit, vmax=limit)
    for i, j in zip(*np.nonzero(~np.isnan(table)), strict=True):
        axes.text(j, i, f"{100 * table[i, j]:+.1f}", ha="center", va="center", fontsize=8)
    texts = [FACTORS[name].text for name in names]
    axes.set_xticks(range(len(names)), texts, rotation=35, ha="right", fontsize=7)
    axes.set_yticks(range(len(names)), texts, fontsize=7)
    axes.set(title=f"{found.data}: interactions, points of accuracy" + ("" if found.full else " (aliased)"))
