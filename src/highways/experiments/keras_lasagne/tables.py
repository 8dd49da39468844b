"""The table of the factorial over what a Keras and a Lasagne network differ in, and what it says in a sentence."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping

import pandas as pd

from highways.config import Profile
from highways.data import examples
from highways.experiments.keras_lasagne.effects import Factorial, factorials, summary
from highways.experiments.keras_lasagne.factors import FACTORS, KERAS, KERAS_1_0_0, KERAS_1_2_2, LASAGNE, Cell, aliases
from highways.experiments.keras_lasagne.profile import KerasLasagneProfile
from highways.inside.statistics import FEWEST_FOR_INTERVAL, each
from highways.show.tables import MACHINE, by_machine
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

THIRD_LEVEL = "transform bias: -2 to 1"
"""What Keras 1.2.2 makes of it."""


def keras_lasagne_table(records: Listed, settings: Profile) -> pd.DataFrame:
    """Return accuracies of the configurations, the effect of every factor and pair, and what makes up the difference.

    `quantity` is `test accuracy` (of a configuration), `gain` (of Keras's network, by one of Lasagne's levels),
    `effect`, `interaction` (see `effects`), or `share` of the difference of the two networks (Shapley's; of a whole
    factorial only). Values are fractions of the test set, means over seeds, with 95 % intervals (Student's, over
    seeds) where there are five seeds or more. `aliases` are what a fraction cannot tell from the effect: of one
    factor the threes, of a pair the pairs. `cells` are those that a value was computed from, each epoch that is
    looked at one of its own.
    """
    assert isinstance(settings, KerasLasagneProfile)
    rows: list[dict[str, object]] = []
    for found in factorials(records).values():
        count = settings.training_examples or examples(found.data, "train")
        base = {"data": found.data, "training_examples": count}
        rows += [base | row for row in _rows(found)]
    columns = [
        "data",
        "training_examples",
        "quantity",
        "term",
        "aliases",
        "value",
        "interval_low",
        "interval_high",
        "values",
    ]
    return pd.DataFrame(rows, columns=[*columns, "seeds", "cells", "source_says"])


def _rows(found: Factorial) -> Iterable[dict[str, object]]:
    fractional = not found.full
    if found.logistic is not None:
        yield {"quantity": "test accuracy", "term": "logistic regression", "value": found.logistic}
    for name, cell in CONFIGURATIONS.items():
        says = {"source_says": SOURCE_SAYS.get(name)}
        yield from _row("test accuracy", name, found.accuracies.get(cell, []), 1, says)
    ranked = sorted(found.accuracies, key=lambda cell: (-math.fsum(found.accuracies[cell]), cell))
    for name, cell in (("best cell, by test accuracy", ranked[0]), ("worst cell", ranked[-1])):
        yield from _row("test accuracy", f"{name}: {described(cell, found)}", found.accuracies[cell], 1)
    for name in FACTORS:
        yield from _row("gain", f"Keras, {effect_text(name, found)}", found.one_step_from_keras(name), 2)
    cells = sum(max(cell) <= 1 for cell in found.accuracies)
    for name in FACTORS:
        more = {"aliases": _named(aliases(frozenset({name}), 3)) if fractional else None}
        yield from _row("effect", effect_text(name, found), found.effect(name), cells, more)
    yield from _row("effect", THIRD_LEVEL, found.third_level(), cells)
    told = set()
    for pair in itertools.combinations(FACTORS, 2):
        same = aliases(frozenset(pair)) if fractional else []
        if frozenset(pair) in told:
            continue
        told |= set(same)
        term = f"{FACTORS[pair[0]].text} x {FACTORS[pair[1]].text}"
        yield from _row("interaction", term, found.effect(*pair), cells, {"aliases": _named(same) or None})
    for name, factor in FACTORS.items():
        if name != "transform_bias":
            yield from _row("interaction", f"{THIRD_LEVEL} x {factor.text}", found.third_level(name), cells)
    for name, values in found.shares().items():
        yield from _row("share", FACTORS[name].text, values, cells)


def _row(
    quantity: str, term: str, values: list[float], cells: int, more: Mapping[str, object] | None = None
) -> Iterable[dict[str, object]]:
    if values:
        mean, low, high = summary(values)
        if len(values) < FEWEST_FOR_INTERVAL:
            low, high = math.nan, math.nan
        ends: dict[str, object] = {
            "value": mean,
            "interval_low": low,
            "interval_high": high,
            "seeds": len(values),
            "cells": cells,
        }
        ends["values"] = each(values)
        yield {"quantity": quantity, "term": term} | ends | dict(more or {})


def _levels(name: str, found: Factorial) -> tuple[object, ...]:
    return (found.epochs, 1) if name == "epochs" else FACTORS[name].levels


def effect_text(name: str, found: Factorial) -> str:
    """Return a factor and its two levels, such as `batch size: 100 to 128`."""
    one, other = _levels(name, found)[:2]
    return f"{FACTORS[name].text}: {_level(one)} to {_level(other)}"


def _level(level: object) -> str:
    if isinstance(level, bool):
        return "yes" if level else "no"
    return f"{level:g}" if isinstance(level, float) else str(level).replace("_", " ")


def described(cell: Cell, found: Factorial) -> str:
    """Return a cell's levels in words."""
    levels = {name: _levels(name, found)[place] for name, place in zip(FACTORS, cell, strict=True)}
    return ", ".join(f"{FACTORS[name].text} {_level(level)}" for name, level in levels.items())


def _named(effects: Iterable[frozenset[str]]) -> str:
    def text(effect: frozenset[str]) -> str:
        return " x ".join(FACTORS[name].text for name in FACTORS if name in effect)

    return "; ".join(text(effect) for effect in effects)


def keras_lasagne_cost(records: Listed, settings: Profile) -> pd.DataFrame:
    """Return what training cost, by data set and machine."""
    rows = [
        {"data": data, "runs": len(runs), "process_seconds": sum(run.timing["seconds"] for run in runs)} | on
        for data in records.data
        for on, runs in by_machine(run for run in records if run.config.data.name == data)
    ]
    return pd.DataFrame(rows, columns=["data", "runs", "process_seconds", *MACHINE])


def answer(records: Listed) -> str:
    """Return what the factorial says, a sentence a data set, from what the table is made of."""
    sentences = [_answer(found) for found in factorials(records).values()]
    return "\n\n".join(sentences) or "Not all runs are there yet."


def _answer(found: Factorial) -> str:
    means = {name: f"{name} {summary(found.accuracies[cell])[0]:.3f}" for name, cell in CONFIGURATIONS.items()}
    level = "" if found.logistic is None else f", logistic regression {found.logistic:.3f}"
    difference, low, high = summary(found.difference(LASAGNE, KERAS))
    if low > 0:
        verdict = "Lasagne's network is the better one, as in the source"
    elif high < 0:
        verdict = "Keras's network is the better one, the reverse of the source"
    else:
        verdict = "the two networks cannot be told apart"
    text = f"**{found.data}**: {verdict} ({difference:+.3f}; {'; '.join(means.values())}{level})"
    if shares := found.shares():
        sizes = _by_size({name: summary(values) for name, values in shares.items()})
        shown = ", ".join(f"{FACTORS[name].text} {value[0]:+.3f}" for name, value in sizes[:3])
        rest = math.fsum(value[0] for _, value in sizes[3:])
        text += f"; the difference is made of {shown}, and all others together {rest:+.3f}"
    measured = {effect_text(name, found): summary(found.effect(name)) for name in FACTORS}
    if third := found.third_level():
        measured[THIRD_LEVEL] = summary(third)
    told = [(text, value) for text, value in _by_size(measured) if value[1] > 0 or value[2] < 0]
    over = "over all settings of the others" if found.full else "over a fraction of the settings (see its aliases)"
    effects = ", ".join(f"{name} ({value[0]:+.3f} in the mean of the seeds)" for name, value in told[:2])
    return f"{text}; {over}, " + (f"what moves accuracy most is {effects}." if told else "no effect is told from 0.")


def _by_size(found: dict[str, tuple[float, float, float]]) -> list[tuple[str, tuple[float, float, float]]]:
    return sorted(found.items(), key=lambda item: -abs(item[1][0]))


def main_rows(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the configurations, the effects and the shares, for a page."""
    whole = ~frame["term"].str.contains(": ") | (frame["quantity"] != "test accuracy")
    return frame.loc[frame["quantity"].isin(["test accuracy", "effect", "share"]) & whole]


def written_configurations(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the networks as written and logistic regression, for the report."""
    return main_rows(frame).loc[lambda rows: rows["quantity"] == "test accuracy"]
