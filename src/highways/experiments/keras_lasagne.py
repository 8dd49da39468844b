"""Two implementations of one network that did not agree, as a factorial (the Keras/Lasagne question)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from pydantic import Field

from highways.claims.values import Interval, Records, in_units
from highways.config import AnalysisConfig, RunConfig
from highways.config.base import Distinct, Width
from highways.config.profiles import Profile
from highways.config.run import FeatureDataName
from highways.data import examples
from highways.experiments.base import Experiment, Table
from highways.experiments.keras_lasagne_factors import (
    FACTORS,
    KERAS,
    KERAS_1_0_0,
    KERAS_1_2_2,
    LASAGNE,
    Cell,
    Factorial,
    aliases,
    cells,
    factorials,
    run_of,
    summary,
)
from highways.experiments.keras_lasagne_logistic import LogisticConfig
from highways.inside.statistics import FEWEST_FOR_INTERVAL, each, student_interval
from highways.show.figures import OTHERS, POINTS, Drawing, Line, Panel, line_panel
from highways.show.tables import Row, cost_rows
from highways.tracking import Listed

CONFIGURATIONS: dict[str, Cell] = {
    "Keras up to 1.0.2 (the likeliest)": KERAS_1_0_0,
    "Keras from 1.0.3": KERAS,
    "Keras 1.2.2, gates start at +1": KERAS_1_2_2,
    "Lasagne": LASAGNE,
}
"""What the two networks may have been; first the version of Keras that the source's `show_accuracy=True` points to."""

SOURCE_SAYS = {
    "Keras up to 1.0.2 (the likeliest)": "hardly better than logistic regression",
    "Lasagne": "by far the best",
}
"""The Keras/Lasagne question gives no numbers."""

COLOURS = dict(zip(CONFIGURATIONS, (OTHERS[3], OTHERS[1], OTHERS[0], OTHERS[4]), strict=True))

THIRD_LEVEL = "transform bias: -2 to 1"
"""What Keras 1.2.2 makes of it."""


# Parameters and runs


class KerasLasagneProfile(Profile):
    """Parameters of `07_keras_vs_lasagne`: a factorial over what two implementations differ in."""

    experiment: ClassVar[str] = "07_keras_vs_lasagne"

    data: Distinct[FeatureDataName]
    training_examples: int | None = Field(default=None, ge=1)
    """Of each data set, the first so many; all by default."""
    fraction: bool
    """Sixteen cells of the 128 of the levels as written, and two of other versions of Keras; otherwise all 193. See
    `highways.experiments.keras_lasagne_factors`."""
    seeds: int = Field(default=3, ge=2, le=10_000)
    """Of initial weights and dropout; each is a whole factorial of its own. The batches come in one order for all."""
    epochs: int = Field(default=10, ge=2, le=100_000)
    """Keras's; Lasagne's 1 is read off the same curves, since nothing in training depends on how long it will last."""
    width: Width = 32
    dropout: float = Field(default=0.04, ge=0, lt=1)

    def runs(self) -> list[RunConfig]:
        """Return every data set's cells, each with every seed."""
        return [
            run_of(cell, data, self.training_examples, self.epochs, self.width, self.dropout, seed)
            for data in self.data
            for cell in cells(self.fraction)
            for seed in range(self.seeds)
        ]

    def analyses(self) -> list[AnalysisConfig]:
        """Return a logistic regression on each data set."""
        levels = [LogisticConfig(data=data, training_examples=self.training_examples) for data in self.data]
        return [AnalysisConfig(measure=level) for level in levels]


# Table


def keras_lasagne_rows(records: Listed) -> Iterator[Row]:
    """Yield accuracies of the configurations, the effect of every factor and pair, and what makes up the difference.

    `quantity` is `test accuracy` (of a configuration), `gain` (of Keras's network, by one of Lasagne's levels),
    `effect`, `interaction` (see `Factorial`), or `share` of the difference of the two networks (Shapley's; of a whole
    factorial only). Values are fractions of the test set, means over seeds, with 95 % intervals (Student's, over
    seeds) where there are five seeds or more. `aliases` are what a fraction cannot tell from the effect: of one
    factor the threes, of a pair the pairs. `cells` are those that a value was computed from, each epoch that is
    looked at counted as one.
    """
    for found in factorials(records).values():
        trained_on = records.on(found.data)[0].config.data.training_examples or examples(found.data, "train")
        base = {"data": found.data, "training_examples": trained_on}
        if found.logistic is not None:
            yield base | _row("test accuracy", "logistic regression", found.logistic)
        for quantity, term, values, count, more in _estimates(found):
            if values:
                yield base | _row(quantity, term, summary(values)[0], values, count, **more)


def _row(
    quantity: str,
    term: str,
    value: float,
    values: Sequence[float] = (),
    cells: int | None = None,
    aliases: str | None = None,
    says: str | None = None,
) -> Row:
    low, high = student_interval(values) if len(values) >= FEWEST_FOR_INTERVAL else (None, None)
    row = {"quantity": quantity, "term": term, "aliases": aliases, "value": value}
    row |= {"interval_low": low, "interval_high": high, "values": each(values), "seeds": len(values) or None}
    return row | {"cells": cells, "source_says": says}


Estimate = tuple[str, str, list[float], int, dict[str, str | None]]
"""Quantity, term, one value per seed (none where its cells were not trained), number of cells, further columns."""


def _estimates(found: Factorial) -> Iterator[Estimate]:
    """Yield the estimates of the table."""
    for name, cell in CONFIGURATIONS.items():
        yield "test accuracy", name, found.accuracies.get(cell, []), 1, {"says": SOURCE_SAYS.get(name)}
    ranked = sorted(found.accuracies, key=lambda cell: (-math.fsum(found.accuracies[cell]), cell))
    for name, cell in (("best cell, by test accuracy", ranked[0]), ("worst cell", ranked[-1])):
        yield "test accuracy", f"{name}: {described(cell, found)}", found.accuracies[cell], 1, {}
    for name in FACTORS:
        yield "gain", f"Keras, {effect_text(name, found)}", found.one_step_from_keras(name), 2, {}
    count = len(found.written)
    for name in FACTORS:
        mixed = None if found.full else _named(aliases(frozenset({name}), 3))
        yield "effect", effect_text(name, found), found.effect(name), count, {"aliases": mixed}
    yield "effect", THIRD_LEVEL, found.third_level(), count, {}
    told: set[frozenset[str]] = set()
    for one, other in itertools.combinations(FACTORS, 2):
        mixed_pairs = [] if found.full else aliases(frozenset({one, other}))
        if frozenset({one, other}) not in told:
            told |= set(mixed_pairs)
            term = f"{FACTORS[one].text} x {FACTORS[other].text}"
            yield "interaction", term, found.effect(one, other), count, {"aliases": _named(mixed_pairs) or None}
    for name, factor in FACTORS.items():
        if name != "transform_bias":
            yield "interaction", f"{THIRD_LEVEL} x {factor.text}", found.third_level(name), count, {}
    for name, values in found.shares().items():
        yield "share", FACTORS[name].text, values, count, {}


def _levels(name: str, found: Factorial) -> list[str]:
    levels = (found.epochs, 1) if name == "epochs" else FACTORS[name].levels
    words = {True: "yes", False: "no"}
    return [
        words[level] if isinstance(level, bool) else f"{level:g}" if isinstance(level, float) else str(level)
        for level in levels
    ]


def effect_text(name: str, found: Factorial) -> str:
    """Return a factor and its two levels, such as `batch size: 100 to 128`."""
    one, other = _levels(name, found)[:2]
    return f"{FACTORS[name].text}: {one} to {other}".replace("_", " ")


def described(cell: Cell, found: Factorial) -> str:
    """Return a cell's levels in words."""
    words = [f"{FACTORS[name].text} {_levels(name, found)[at]}" for name, at in zip(FACTORS, cell, strict=True)]
    return ", ".join(words).replace("_", " ")


def _named(effects: Iterable[frozenset[str]]) -> str:
    return "; ".join(" x ".join(FACTORS[name].text for name in FACTORS if name in effect) for effect in effects)


def keras_lasagne_cost(records: Listed) -> Iterator[Row]:
    """Yield what training cost, by data set and machine."""
    groups = (({"data": data, "runs": None}, records.on(data)) for data in records.data)
    return cost_rows(groups, lambda runs, _: {"runs": len(runs)})


def main_rows(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the configurations, the effects and the shares, for a page."""
    whole = ~frame["term"].str.contains(": ") | (frame["quantity"] != "test accuracy")
    return frame.loc[frame["quantity"].isin(["test accuracy", "effect", "share"]) & whole]


def written_configurations(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the networks as written and logistic regression, for the report."""
    return main_rows(frame).loc[lambda rows: rows["quantity"] == "test accuracy"]


# Figure


def keras_lasagne_figure(records: Listed) -> Drawing:
    """Draw, for each data set: all cells in order, the effects, the interactions, the shares of the difference.

    A fraction has no shares.
    """
    panels = []
    for found in factorials(records).values():
        panels += [_cells_panel(found), _intervals_panel(f"{found.data}: effects on test accuracy", effects(found))]
        panels.append(_interactions_panel(found))
        if shares := {FACTORS[name].text: values for name, values in found.shares().items()}:
            panels.append(_intervals_panel(f"{found.data}: shares of Lasagne minus Keras", shares))
    return Drawing(panels, columns=2, empty="no factorial is complete")


def effects(found: Factorial) -> dict[str, list[float]]:
    """Return the main effects, by factor and levels, with that of Keras 1.2.2's bias where it was trained."""
    third = {THIRD_LEVEL: values} if (values := found.third_level()) else {}
    return {effect_text(name, found): found.effect(name) for name in FACTORS} | third


def _cells_panel(found: Factorial) -> Panel:
    ranked = sorted(found.accuracies, key=lambda cell: math.fsum(found.accuracies[cell]))
    ranks, means = range(1, len(ranked) + 1), [summary(found.accuracies[cell])[0] for cell in ranked]
    grey = {"marker": ".", "ls": "none", "color": "0.6", "ms": 3.5}
    lines = [Line(f"{len(ranked) // 2} cells at two epochs, by rank", ranks, means, grey)]
    for (name, cell), marker in zip(CONFIGURATIONS.items(), POINTS, strict=False):
        values, rank = found.accuracies[cell], ranked.index(cell) + 1
        look = {"marker": marker, "color": COLOURS[name], "ms": 6, "lw": 0}
        lines.append(Line(f"{name}: {summary(values)[0]:.3f}, each seed", [rank] * len(values), values, look))

    def level(axes: Axes) -> None:
        if (height := found.logistic) is not None:
            axes.axhline(height, color="0.2", lw=1, ls="--", label=f"logistic regression: {height:.3f}")

    return line_panel(f"{found.data}: every cell", lines, "rank", "test accuracy", level, log=False, columns=1)


def _intervals_panel(title: str, estimates: Mapping[str, list[float]]) -> Panel:
    """Return means with 95 % intervals, or with every seed where they are few, in points of accuracy."""
    few = any(len(values) < FEWEST_FOR_INTERVAL for values in estimates.values())
    points = {name: [100 * value for value in values] for name, values in estimates.items()}
    words = []
    for name, values in points.items():
        mean, low, high = summary(values)
        spread = " ".join(f"{value:+.1f}" for value in values) if few else f"{low:+.1f} to {high:+.1f}"
        words.append(f"{name} {mean:+.1f} ({spread})")

    def draw(axes: Axes) -> None:
        axes.axvline(0, color="0.4", lw=1)
        for place, values in enumerate(points.values()):
            mean, low, high = summary(values)
            clear = min(values) > 0 or max(values) < 0 if few else low > 0 or high < 0
            look: dict[str, Any] = {"color": "#000000" if clear else "0.55", "mfc": "#000000" if clear else "white"}
            if few:
                axes.plot(values, [place] * len(values), "|", ms=9, color=look["color"])
                axes.plot(mean, place, "o", **look)
            else:
                axes.errorbar(mean, place, xerr=[[mean - low], [high - mean]], fmt="o", capsize=3, **look)
        axes.set_yticks(range(len(points)), [name.replace(": ", ":\n") for name in points])
        axes.invert_yaxis()
        axes.set(xlabel=f"points of accuracy (filled: {'seeds of one sign' if few else 'clearly not 0'})")

    alt = f"Points of accuracy, means with {'every seed' if few else '95 % intervals'}: {'; '.join(words)}."
    return Panel(title, alt, draw, height=3.3)


def _interactions_panel(found: Factorial) -> Panel:
    names, texts = list(FACTORS), [factor.text for factor in FACTORS.values()]
    table = np.full((len(names), len(names)), np.nan)
    pairs = [(i, j) for i in range(len(names)) for j in range(i)]
    for i, j in pairs:
        table[i, j] = 100 * summary(found.effect(names[i], names[j]))[0]
    limit = float(np.nanmax(np.abs(table))) or 1.0

    def draw(axes: Axes) -> None:
        axes.imshow(table[1:, :-1], cmap=matplotlib.colormaps["PuOr"], vmin=-limit, vmax=limit, aspect="auto")
        for i, j in pairs:
            colour = "white" if abs(table[i, j]) > 0.6 * limit else "black"
            axes.text(j, i - 1, f"{table[i, j]:+.1f}", ha="center", va="center", fontsize=8.5, color=colour)
        axes.set_xticks(range(len(texts) - 1), [str(number) for number in range(1, len(texts))])
        axes.set_yticks(range(len(texts) - 1), [f"{number + 2} {text}" for number, text in enumerate(texts[1:])])
        axes.set(xlabel=f"1 {texts[0]}, the others by their numbers")
        axes.grid(visible=False)

    largest = sorted(pairs, key=lambda pair: -abs(table[pair]))[:3]
    words = [f"{texts[i]} with {texts[j]} {table[i, j]:+.1f}" for i, j in largest]
    title = f"{found.data}: interactions, points of accuracy" + ("" if found.full else " (aliased)")
    alt = f"A triangle of {len(pairs)} pairs of factors; the largest: {', '.join(words)}."
    return Panel(title, alt, draw, height=3.3)


# Measures: 95 % intervals over seeds

CELLS = {"keras": KERAS, "keras-1.0.0": KERAS_1_0_0, "keras-1.2.2": KERAS_1_2_2, "lasagne": LASAGNE, "logistic": None}


@in_units("points")
def configuration_difference(records: Records, of: str, less: str, data: str | None = None) -> Interval | None:
    """Return the interval of the difference in test accuracy of two configurations.

    Args:
        records: Of one data set.
        of: A name in `CELLS`, not `logistic`.
        less: Another one.
        data: Of this data set and of no other in its place.
    """
    found, cell = _factorial(records, data), CELLS[of]
    return _over_seeds(found.difference(cell, CELLS[less]) if found and cell else [])


@in_units("points")
def factor_effect(records: Records, factor: str, third_level: bool = False, data: str | None = None) -> Interval | None:
    """Return the interval of a factor's effect: test accuracy at Lasagne's level less that at Keras's, over all cells.

    Args:
        records: Of one data set.
        factor: A name in `FACTORS`.
        third_level: Of Keras 1.2.2's level in place of Lasagne's.
        data: Of this data set and of no other in its place.
    """
    if (found := _factorial(records, data)) is None:
        return None
    return _over_seeds(found.third_level() if third_level else found.effect(factor))


def _factorial(records: Records, data: str | None) -> Factorial | None:
    return next((found for name, found in factorials(records).items() if data in (None, name)), None)


def _over_seeds(values: list[float]) -> Interval | None:
    return Interval(*student_interval(values), tuple(values)) if values else None


# Words


def answer(records: Listed) -> str:
    """Return what the factorial says, a sentence per data set, from what the table is made of."""
    return "\n\n".join(map(in_words, factorials(records).values())) or "Not all runs are there yet."


def in_words(found: Factorial) -> str:
    """Return what one data set's factorial says."""
    means = [f"{name} {summary(found.accuracies[cell])[0]:.3f}" for name, cell in CONFIGURATIONS.items()]
    level = "" if found.logistic is None else f", logistic regression {found.logistic:.3f}"
    difference, low, high = summary(found.difference(LASAGNE, KERAS))
    if low > 0:
        verdict = "Lasagne's network is the better one, as in the source"
    elif high < 0:
        verdict = "Keras's network is the better one, the reverse of the source"
    else:
        verdict = "the two networks cannot be told apart"
    text = f"**{found.data}**: {verdict} ({difference:+.3f}; {'; '.join(means)}{level})"
    if shares := _by_size({FACTORS[name].text: values for name, values in found.shares().items()}):
        first = ", ".join(f"{name} {mean:+.3f}" for name, (mean, _, _) in shares[:3])
        rest = math.fsum(mean for _, (mean, _, _) in shares[3:])
        text += f"; the difference is made of {first}, and all others together {rest:+.3f}"
    told = [(name, mean) for name, (mean, low, high) in _by_size(effects(found)) if low > 0 or high < 0]
    over = "over all settings of the others" if found.full else "over a fraction of the settings (see its aliases)"
    largest = ", ".join(f"{name} ({mean:+.3f} in the mean of the seeds)" for name, mean in told[:2])
    return f"{text}; {over}, " + (f"what moves accuracy most is {largest}." if told else "no effect is told from 0.")


def _by_size(estimates: Mapping[str, list[float]]) -> list[tuple[str, tuple[float, float, float]]]:
    """Return means and intervals by name, the largest mean in size first."""
    found = {name: summary(values) for name, values in estimates.items()}
    return sorted(found.items(), key=lambda item: -abs(item[1][0]))


KERAS_LASAGNE = Experiment(
    name="07_keras_vs_lasagne",
    title="One network in Keras and in Lasagne, two results",
    schema=KerasLasagneProfile,
    tables=(
        Table(
            "keras_lasagne",
            keras_lasagne_rows,
            keras_lasagne_cost,
            "Two implementations of one network that did not agree, as a factorial (the Keras/Lasagne question)",
            shown={"data": "data", "quantity": "quantity", "term": "of", "value": "mean", "values": "each seed"},
            rows=main_rows,
            plot=("term", "value"),
            main=written_configurations,
        ),
    ),
    figures={"keras_lasagne": keras_lasagne_figure},
    measures=(configuration_difference, factor_effect),
    answer=answer,
)
