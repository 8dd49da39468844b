"""Two implementations of one network that did not agree, as a factorial (the Keras/Lasagne question)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import ClassVar

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
    LASAGNE_LONG,
    OVER_ALL,
    THIRD_LEVEL,
    Cell,
    Factorial,
    Logistic,
    aliases,
    cells,
    factorials,
    run_of,
    summary,
)
from highways.inside.statistics import FEWEST_FOR_INTERVAL, each, student_interval
from highways.show.figures import OTHERS, POINTS, Drawing, Line, Panel, legend, level, line_panel
from highways.show.tables import Row, cost_rows
from highways.tracking import Listed

SOURCE_SAYS = {
    KERAS_1_0_0: "hardly better than logistic regression",
    LASAGNE: "by far the best",
    LASAGNE_LONG: "by far the best",
}
"""The Keras/Lasagne question gives no numbers."""

COLOURS = [OTHERS[place] for place in (3, 1, 0, 4, 2)]


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
        levels = [Logistic(data=data, training_examples=self.training_examples) for data in self.data]
        return [AnalysisConfig(measure=level) for level in levels]


# Table


def keras_lasagne_rows(records: Listed) -> Iterator[Row]:
    """Yield accuracies of the configurations, the effect of every factor and pair, and what makes up the difference.

    `quantity` is `test accuracy` (of a configuration), `gain` (of Keras's network, by one of Lasagne's levels),
    `effect after ...` (a main effect, after each number of epochs), `interaction` (see `Factorial`), or `share` of the
    difference of the two networks (Shapley's; of a whole factorial only). Values are fractions of the test set, means
    over seeds, with 95 % intervals (Student's, over seeds) where there are five seeds or more. `aliases` are what a
    fraction cannot tell from the effect: of one factor the threes, of a pair the pairs. `cells` are those that a value
    was computed from, each epoch that is looked at counted as one.
    """
    for found in factorials(records).values():
        trained_on = records.on(found.data)[0].config.data.training_examples or examples(found.data, "train")
        base = {"data": found.data, "training_examples": trained_on}
        yield from (base | row for row in _rows(found) if row["value"] is not None)


def _row(quantity: str, term: str, values: Sequence[float], cells: int | None, aliases: str | None = None) -> Row:
    """Return a row; its value is `None` where there are no values, one per seed, for not all cells were trained."""
    low, high = student_interval(values) if len(values) >= FEWEST_FOR_INTERVAL else (None, None)
    return {
        "quantity": quantity,
        "term": term,
        "aliases": aliases,
        "value": summary(values)[0] if values else None,
        "interval_low": low,
        "interval_high": high,
        "values": each(values),
        "seeds": len(values) or None,
        "cells": cells,
        "source_says": None,
    }


def _rows(found: Factorial) -> Iterator[Row]:
    """Yield a data set's estimates."""
    yield _row("test accuracy", "logistic regression", [], None) | {"value": found.logistic}
    for name, cell in found.configurations().items():
        yield _row("test accuracy", name, found.accuracies.get(cell, []), 1) | {"source_says": SOURCE_SAYS.get(cell)}
    ranked = sorted(found.accuracies, key=lambda cell: (-math.fsum(found.accuracies[cell]), cell))
    for name, cell in (("best cell, by test accuracy", ranked[0]), ("worst cell", ranked[-1])):
        yield _row("test accuracy", f"{name}: {found.described(cell)}", found.accuracies[cell], 1)
    for name in FACTORS:
        one_step = tuple(int(factor == name) for factor in FACTORS)
        yield _row("gain", f"Keras, {found.switch(name)}", found.difference(one_step, KERAS), 2)
    count, mixed = len(found.written), {}
    if not found.full:
        mixed = {found.switch(name): _named(aliases(name, largest=3)) for name in FACTORS}
    for when, measured in found.effects().items():
        for term, values in measured.items():
            yield _row(f"effect {when}", term, values, count if when == OVER_ALL else count // 2, mixed.get(term))
    told: list[tuple[str, ...]] = []
    for pair in itertools.combinations(FACTORS, 2):
        if pair not in told:
            told += (others := [] if found.full else aliases(*pair))
            yield _row("interaction", _named([pair]), found.effect(*pair), count, _named(others) or None)
    for name, factor in FACTORS.items():
        if name != "transform_bias":
            yield _row("interaction", f"{THIRD_LEVEL} x {factor.text}", found.third_level(name), count)
    for name, values in found.shares().items():
        yield _row("share", FACTORS[name].text, values, count)


def _named(effects: Iterable[Sequence[str]]) -> str:
    return "; ".join(" x ".join(FACTORS[name].text for name in effect) for effect in effects)


def keras_lasagne_cost(records: Listed) -> Iterator[Row]:
    """Yield what training cost, by data set and machine."""
    groups = (({"data": data, "runs": None}, records.on(data)) for data in records.data)
    return cost_rows(groups, lambda runs, _: {"runs": len(runs)})


def written_configurations(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the networks as written and logistic regression."""
    return frame.loc[(frame["quantity"] == "test accuracy") & ~frame["term"].str.contains(": ")]


# Figure


def keras_lasagne_figure(records: Listed) -> Drawing:
    """Draw, for each data set: all cells in order, the effects, the interactions, the shares of the difference.

    A fraction has no shares.
    """
    panels = []
    for found in factorials(records).values():
        panels += [_cells_panel(found), _intervals_panel(f"{found.data}: effects on test accuracy", found.effects())]
        panels.append(_interactions_panel(found))
        if shares := {FACTORS[name].text: values for name, values in found.shares().items()}:
            panels.append(_intervals_panel(f"{found.data}: shares of Lasagne minus Keras", {"": shares}))
    return Drawing(panels, columns=2, empty="no factorial is complete")


def _cells_panel(found: Factorial) -> Panel:
    ranked = sorted(found.accuracies, key=lambda cell: math.fsum(found.accuracies[cell]))
    ranks, means = range(1, len(ranked) + 1), [summary(found.accuracies[cell])[0] for cell in ranked]
    grey = {"marker": ".", "ls": "none", "color": "0.6", "ms": 3.5}
    lines = [Line(f"{len(ranked) // 2} cells at two epochs, by rank", ranks, means, grey)]
    for (name, cell), marker, colour in zip(found.configurations().items(), POINTS, COLOURS, strict=False):
        values, rank = found.accuracies[cell], ranked.index(cell) + 1
        look = {"marker": marker, "color": colour, "ms": 6, "lw": 0}
        lines.append(Line(f"{name}: {summary(values)[0]:.3f}, each seed", [rank] * len(values), values, look))
    if (height := found.logistic) is not None:
        lines.append(level(f"logistic regression: {height:.3f}", height, color="0.2", lw=1, ls="--"))
    return line_panel(f"{found.data}: every cell", lines, "rank", "test accuracy", log=False, columns=1)


def _intervals_panel(title: str, series: Mapping[str, Mapping[str, list[float]]]) -> Panel:
    """Return means and every seed, in points of accuracy.

    `series` has by label estimates by name; those of one name stand next to each other.
    """
    names = list(dict.fromkeys(name for estimates in series.values() for name in estimates))
    points = {
        (label, name): [100 * value for value in values]
        for label, estimates in series.items()
        for name, values in estimates.items()
    }
    colours = dict(zip(series, (OTHERS[0], OTHERS[1], OTHERS[5]), strict=False))

    def draw(axes: Axes) -> None:
        axes.axvline(0, color="0.4", lw=1)
        for (label, name), values in points.items():
            sharing = [one for one in series if name in series[one]]
            place = names.index(name) + 0.3 * (sharing.index(label) - (len(sharing) - 1) / 2)
            fill = colours[label] if min(values) > 0 or max(values) < 0 else "white"
            axes.plot(values, [place] * len(values), "|", ms=7, color=colours[label])
            axes.plot(summary(values)[0], place, "o", color=colours[label], mfc=fill)
        axes.set_yticks(range(len(names)), [name.replace(": ", ":\n") for name in names])
        axes.invert_yaxis()
        axes.set(xlabel="points (filled: seeds of one sign)")
        if len(series) > 1:
            for label, colour in colours.items():
                axes.plot([], [], "o", color=colour, label=label)
            axes.set_xscale("symlog", linthresh=1)  # from a tenth of a point to forty
            axes.set_xticks((ticks := (-30, -10, -3, -1, 0, 1, 3)), [f"{tick:g}" for tick in ticks])
            legend(axes)

    words = [
        f"{name}{label and f', {label},'} {summary(values)[0]:+.1f} ({min(values):+.1f} to {max(values):+.1f})"
        for (label, name), values in points.items()
    ]
    alt = f"Points of accuracy, means over seeds (the lowest to the highest): {'; '.join(words)}."
    return Panel(title, alt, draw, height=3.3 if len(series) == 1 else 4.2)


def _interactions_panel(found: Factorial) -> Panel:
    texts = [factor.text for factor in FACTORS.values()]
    pairs = [(i, j) for i in range(len(texts)) for j in range(i)]
    names, table = list(FACTORS), np.full((len(texts), len(texts)), np.nan)
    for i, j in pairs:
        table[i, j] = 100 * summary(found.effect(names[i], names[j]))[0]
    limit = float(np.nanmax(np.abs(table))) or 1.0

    def draw(axes: Axes) -> None:
        axes.imshow(table[1:, :-1], cmap="PuOr", vmin=-limit, vmax=limit, aspect="auto")
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

CELLS = {
    "keras": KERAS,
    "keras-1.0.0": KERAS_1_0_0,
    "keras-1.2.2": KERAS_1_2_2,
    "lasagne": LASAGNE,
    "lasagne-long": LASAGNE_LONG,
    "logistic": None,
}
"""The networks by the names that claims use; `lasagne-long` is Lasagne's with as many epochs as Keras's."""


@in_units("points")
def configuration_difference(records: Records, of: str, less: str, data: str | None = None) -> Interval | None:
    """Return the interval of the difference in test accuracy of two configurations of `CELLS`.

    The first is not `logistic`; `data` is a data set that no other may stand in for.
    """
    found, cell = _factorial(records, data), CELLS[of]
    return _over_seeds(found.difference(cell, CELLS[less]) if found and cell else [])


@in_units("points")
def factor_effect(records: Records, factor: str, third_level: bool = False, data: str | None = None) -> Interval | None:
    """Return the interval of a factor's effect: test accuracy at Lasagne's level less that at Keras's.

    Over all cells with the larger number of epochs: with one epoch some effects have another sign. `third_level` is
    Keras 1.2.2's in place of Lasagne's; `data` is a data set that no other may stand in for.
    """
    if (found := _factorial(records, data)) is None:
        return None
    return _over_seeds(found.third_level(epochs=0) if third_level else found.effect(factor, epochs=0))


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
    means = [f"{name} {summary(found.accuracies[cell])[0]:.3f}" for name, cell in found.configurations().items()]
    level = "" if found.logistic is None else f", logistic regression {found.logistic:.3f}"
    text = f"**{found.data}**: Lasagne's network {_against_keras(found, LASAGNE)}; trained for {found.epochs} epochs, "
    text += f"it {_against_keras(found, LASAGNE_LONG)} ({'; '.join(means)}{level})"
    if shares := _by_size({FACTORS[name].text: values for name, values in found.shares().items()}):
        first = ", ".join(f"{name} {mean:+.3f}" for name, (mean, _, _) in shares[:3])
        rest = math.fsum(mean for _, (mean, _, _) in shares[3:])
        text += f". With one epoch, the difference is made of {first}, and all others together {rest:+.3f}"
    over = "all settings of the others" if found.full else "a fraction of the settings (see its aliases)"
    text += f". Over {over}, means of the seeds"
    told = {
        when: {name: mean for name, (mean, low, high) in _by_size(measured) if low > 0 or high < 0}
        for when, measured in found.effects().items()
    }
    for when, size in told.items():
        if when != OVER_ALL:
            largest = ", ".join(f"{name} ({mean:+.3f})" for name, mean in list(size.items())[:3])
            text += f", {when} " + (f"what moves accuracy most is {largest}" if size else "no effect is told from 0")
    late, early, _ = told.values()
    turned = [f"{name} ({late[name]:+.3f}, {early[name]:+.3f})" for name in late if late[name] * early.get(name, 0) < 0]
    return f"{text}{'; the sign changes of ' if turned else ''}{' and '.join(turned)}."


def _against_keras(found: Factorial, cell: Cell) -> str:
    mean, low, high = summary(found.difference(cell, KERAS))
    words = "is better than" if low > 0 else "is worse than" if high < 0 else "cannot be told from"
    return f"{words} Keras's ({mean:+.3f})"


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
            plot=("term", "value"),
            rows=written_configurations,
        ),
    ),
    figures={"keras_lasagne": keras_lasagne_figure},
    measures=(configuration_difference, factor_effect),
    answer=answer,
)
