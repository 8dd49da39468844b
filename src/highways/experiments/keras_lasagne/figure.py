"""The figure of the factorial over what a Keras and a Lasagne network differ in."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes

from highways.experiments.keras_lasagne.effects import Factorial, factorials, summary
from highways.experiments.keras_lasagne.factors import FACTORS
from highways.experiments.keras_lasagne.tables import CONFIGURATIONS, THIRD_LEVEL, effect_text
from highways.inside.statistics import FEWEST_FOR_INTERVAL
from highways.show.figures import OTHERS, POINTS, Drawing, Panel, legend
from highways.show.layers import nothing
from highways.tracking import Listed

COLOURS = dict(zip(CONFIGURATIONS, (OTHERS[3], OTHERS[1], OTHERS[0], OTHERS[4]), strict=True))
MARKERS = dict(zip(CONFIGURATIONS, POINTS, strict=False))


def keras_lasagne_figure(records: Listed) -> Drawing:
    """Draw, for each data set: all cells in order, the effects, the interactions, the shares of the difference.

    A fraction has no shares.
    """
    panels = []
    for one in factorials(records).values():
        panels.append(Panel(f"{one.data}: every cell", _cells_in_words(one), partial(_cells, one)))
        effects = {effect_text(name, one): one.effect(name) for name in FACTORS}
        if third := one.third_level():
            effects[THIRD_LEVEL] = third
        panels.append(_intervals_panel(f"{one.data}: effects on test accuracy", effects))
        panels.append(_interactions_panel(one))
        if shares := {FACTORS[name].text: values for name, values in one.shares().items()}:
            panels.append(_intervals_panel(f"{one.data}: shares of Lasagne minus Keras", shares))
    return Drawing(panels, columns=2) if panels else nothing("no factorial is complete")


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)


def _cells_in_words(found: Factorial) -> str:
    means = sorted(_mean(values) for values in found.accuracies.values())
    named = [f"{name} {_mean(found.accuracies[cell]):.3f}" for name, cell in CONFIGURATIONS.items()]
    known = "" if found.logistic is None else f" Logistic regression: {found.logistic:.3f}."
    half = f"half of them above {np.median(means):.3f}"
    return f"Cells from {means[0]:.3f} to {means[-1]:.3f}, {half}; {', '.join(named)}.{known}"


def _cells(found: Factorial, axes: Axes) -> None:
    ranked = sorted(found.accuracies, key=lambda cell: math.fsum(found.accuracies[cell]))
    means = [_mean(found.accuracies[cell]) for cell in ranked]
    label = f"{len(ranked) // 2} cells at two epochs, by rank"
    axes.plot(range(1, len(ranked) + 1), means, ".", color="0.6", ms=3.5, label=label)
    for name, cell in CONFIGURATIONS.items():
        values = found.accuracies[cell]
        label = f"{name}: {_mean(values):.3f}, each seed"
        look: dict[str, Any] = {"marker": MARKERS[name], "color": COLOURS[name], "ms": 6, "lw": 0}
        axes.plot([ranked.index(cell) + 1] * len(values), values, label=label, **look)
    if found.logistic is not None:
        axes.axhline(found.logistic, color="0.2", lw=1, ls="--", label=f"logistic regression: {found.logistic:.3f}")
    axes.set(xlabel="rank", ylabel="test accuracy")
    legend(axes, columns=1)


def _intervals_panel(title: str, estimates: dict[str, list[float]]) -> Panel:
    words = []
    few = any(len(values) < FEWEST_FOR_INTERVAL for values in estimates.values())
    for name, values in estimates.items():
        mean, low, high = summary(values)
        spread = (
            " ".join(f"{100 * value:+.1f}" for value in values) if few else f"{100 * low:+.1f} to {100 * high:+.1f}"
        )
        words.append(f"{name} {100 * mean:+.1f} ({spread})")
    alt = f"Points of accuracy, means with {'every seed' if few else '95 % intervals'}: {'; '.join(words)}."
    return Panel(title, alt, partial(_intervals, estimates), height=3.3)


def _intervals(estimates: dict[str, list[float]], axes: Axes) -> None:
    axes.axvline(0, color="0.4", lw=1)
    few = any(len(values) < FEWEST_FOR_INTERVAL for values in estimates.values())
    for place, values in enumerate(estimates.values()):
        mean, low, high = (100 * value for value in summary(values))
        clear = min(values) > 0 or max(values) < 0 if few else low > 0 or high < 0
        look: dict[str, Any] = {"color": "#000000" if clear else "0.55", "mfc": "#000000" if clear else "white"}
        if few:
            axes.plot([100 * value for value in values], [place] * len(values), "|", ms=9, color=look["color"])
            axes.plot(mean, place, "o", **look)
        else:
            axes.errorbar(mean, place, xerr=[[mean - low], [high - mean]], fmt="o", capsize=3, **look)
    axes.set_yticks(range(len(estimates)), [name.replace(": ", ":\n") for name in estimates])
    axes.invert_yaxis()
    axes.set(xlabel=f"points of accuracy (filled: {'seeds of one sign' if few else 'clearly not 0'})")


def _interactions_table(found: Factorial) -> np.ndarray:
    names = list(FACTORS)
    table = np.full((len(names), len(names)), np.nan)
    for i, one in enumerate(names):
        for j, other in enumerate(names[:i]):
            table[i, j] = 100 * summary(found.effect(one, other))[0]
    return table


def _interactions_panel(found: Factorial) -> Panel:
    table, texts = _interactions_table(found), [FACTORS[name].text for name in FACTORS]
    pairs = sorted(zip(*np.nonzero(~np.isnan(table)), strict=True), key=lambda pair: -abs(table[pair]))
    words = [f"{texts[i]} with {texts[j]} {table[i, j]:+.1f}" for i, j in pairs[:3]]
    title = f"{found.data}: interactions, points of accuracy" + ("" if found.full else " (aliased)")
    alt = f"A triangle of {len(pairs)} pairs of factors; the largest: {', '.join(words)}."
    return Panel(title, alt, partial(_interactions, table, texts), height=3.3)


def _interactions(table: np.ndarray, texts: list[str], axes: Axes) -> None:
    limit = float(np.nanmax(np.abs(table))) or 1.0
    axes.imshow(table[1:, :-1], cmap=matplotlib.colormaps["PuOr"], vmin=-limit, vmax=limit, aspect="auto")
    for i, j in zip(*np.nonzero(~np.isnan(table)), strict=True):
        colour = "white" if abs(table[i, j]) > 0.6 * limit else "black"
        axes.text(j, i - 1, f"{table[i, j]:+.1f}", ha="center", va="center", fontsize=8.5, color=colour)
    axes.set_xticks(range(len(texts) - 1), [str(number) for number in range(1, len(texts))])
    axes.set_yticks(range(len(texts) - 1), [f"{number + 2} {text}" for number, text in enumerate(texts[1:])])
    axes.set(xlabel=f"1 {texts[0]}, the others by their numbers")
    axes.grid(visible=False)
