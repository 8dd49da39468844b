"""Two implementations of one network that did not agree, as a factorial (the Keras/Lasagne question)."""

import math
from collections.abc import Iterator
from statistics import fmean
from typing import ClassVar

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
    LASAGNE,
    LASAGNE_LONG,
    NETWORKS,
    Cell,
    Factorial,
    Logistic,
    cells,
    factorials,
    run_of,
)
from highways.inside.statistics import FEWEST_FOR_INTERVAL, each, student_interval
from highways.show.figures import OTHERS, POINTS, Drawing, Line, Panel, legend, level, line_panel
from highways.show.tables import Row
from highways.tracking import Listed

COLOURS = [OTHERS[place] for place in (3, 1, 0, 4, 2)]


# Parameters and runs


class KerasLasagneProfile(Profile):
    """Parameters of `07_keras_vs_lasagne`: a factorial over what two implementations differ in."""

    experiment: ClassVar[str] = "07_keras_vs_lasagne"

    data: Distinct[FeatureDataName]
    training_examples: int | None = Field(default=None, ge=1)
    """Use only this many of the first training examples; all by default."""
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


def keras_lasagne_rows(records: Listed) -> Iterator[Row]:
    """Yield accuracies of the configurations, the effect of every factor and pair, and what makes up the difference.

    `quantity` is `test accuracy` (of a configuration), `gain` (of Keras's network, by one of Lasagne's levels),
    `effect after ...` (a main effect, after each number of epochs), `interaction` (see `Factorial`), or `share` of the
    difference of the two networks (Shapley's); the last two of a whole factorial only. Values are fractions of the test
    set, means over seeds, with 95 % intervals (Student's, over seeds) where there are five seeds or more.
    """
    for found in factorials(records).values():
        trained_on = records.on(found.data)[0].config.data.training_examples or examples(found.data, "train")
        for quantity, term, values in _estimates(found):
            if values:  # of a fraction not all cells were trained
                low, high = student_interval(values) if len(values) >= FEWEST_FOR_INTERVAL else (None, None)
                yield {
                    "data": found.data,
                    "training_examples": trained_on,
                    "quantity": quantity,
                    "term": term,
                    "value": fmean(values),
                    "interval_low": low,
                    "interval_high": high,
                    "values": each(values),
                    "seeds": len(values),
                }


def _estimates(found: Factorial) -> Iterator[tuple[str, str, list[float]]]:
    """Yield a data set's estimates: quantity, term, and a value per seed."""
    yield "test accuracy", "logistic regression", [] if found.logistic is None else [found.logistic]
    for name, cell in found.configurations().items():
        yield "test accuracy", name, found.accuracies.get(cell, [])
    for name in FACTORS:
        one_step = tuple(int(factor == name) for factor in FACTORS)
        yield "gain", f"Keras, {found.switch(name)}", found.difference(one_step, KERAS)
    for when, measured in found.effects().items():
        yield from ((f"effect {when}", term, values) for term, values in measured.items())
    for (one, other), values in found.interactions().items():
        yield "interaction", f"{FACTORS[one].text} x {FACTORS[other].text}", values
    for name, values in found.shares().items():
        yield "share", FACTORS[name].text, values


def keras_lasagne_figure(records: Listed) -> Drawing:
    """Draw, for each data set, all cells in order, and the effects."""
    panels = [panel(found) for found in factorials(records).values() for panel in (_cells_panel, _effects_panel)]
    return Drawing(panels, columns=2, empty="no factorial is complete")


def _cells_panel(found: Factorial) -> Panel:
    ranked = sorted(found.accuracies, key=lambda cell: math.fsum(found.accuracies[cell]))
    ranks, means = range(1, len(ranked) + 1), [fmean(found.accuracies[cell]) for cell in ranked]
    grey = {"marker": ".", "ls": "none", "color": "0.6", "ms": 3.5}
    lines = [Line(f"{len(ranked) // 2} cells at two epochs, by rank", ranks, means, grey)]
    for (name, cell), marker, colour in zip(found.configurations().items(), POINTS, COLOURS, strict=False):
        values, rank = found.accuracies[cell], ranked.index(cell) + 1
        look = {"marker": marker, "color": colour, "ms": 6, "lw": 0}
        lines.append(Line(f"{name}: {fmean(values):.3f}, each seed", [rank] * len(values), values, look))
    if (height := found.logistic) is not None:
        lines.append(level(f"logistic regression: {height:.3f}", height, color="0.2", lw=1, ls="--"))
    return line_panel(f"{found.data}: every cell", lines, "rank", "test accuracy", log=False, columns=1)


def _effects_panel(found: Factorial) -> Panel:
    """Return the effects, means and every seed, in points; those of one factor stand next to each other."""
    effects = found.effects()
    names = list(dict.fromkeys(name for estimates in effects.values() for name in estimates))
    colours = dict(zip(effects, (OTHERS[0], OTHERS[1], OTHERS[5]), strict=True))

    def draw(axes: Axes) -> None:
        axes.axvline(0, color="0.4", lw=1)
        for label, colour in colours.items():
            for name, shares in effects[label].items():
                values, sharing = [100 * share for share in shares], [one for one in effects if name in effects[one]]
                place = names.index(name) + 0.3 * (sharing.index(label) - (len(sharing) - 1) / 2)
                fill = colour if min(values) > 0 or max(values) < 0 else "white"
                axes.plot(values, [place] * len(values), "|", ms=7, color=colour)
                axes.plot(fmean(values), place, "o", color=colour, mfc=fill)
            axes.plot([], [], "o", color=colour, label=label)
        axes.set_yticks(range(len(names)), [name.replace(": ", ":\n") for name in names])
        axes.invert_yaxis()
        axes.set(xlabel="points (filled: seeds of one sign)")
        axes.set_xscale("symlog", linthresh=1)  # from a tenth of a point to forty
        axes.set_xticks((ticks := (-30, -10, -3, -1, 0, 1, 3)), [f"{tick:g}" for tick in ticks])
        legend(axes)

    means = {f"{name}, {label}": 100 * fmean(values) for label in effects for name, values in effects[label].items()}
    alt = f"Points of accuracy, means over seeds: {'; '.join(f'{text} {mean:+.1f}' for text, mean in means.items())}."
    return Panel(f"{found.data}: effects on test accuracy", alt, draw, height=4.2)


# Measures: 95 % intervals over seeds


@in_units("points")
def configuration_difference(records: Records, of: str, less: str, data: str | None = None) -> Interval | None:
    """Return the interval of the difference in test accuracy of two of `NETWORKS`, or of one and `logistic`.

    `data` is a data set that no other may stand in for.
    """
    found, other = _factorial(records, data), NETWORKS[less][0] if less in NETWORKS else None
    return _over_seeds(found.difference(NETWORKS[of][0], other) if found else [])


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


def answer(records: Listed) -> str:
    """Return how Lasagne's network compares with Keras's, a sentence per data set."""
    sentences = []
    for found in factorials(records).values():
        means = [f"{name} {fmean(found.accuracies[cell]):.3f}" for name, cell in found.configurations().items()]
        level = "" if found.logistic is None else f", logistic regression {found.logistic:.3f}"
        sentences.append(
            f"**{found.data}**: Lasagne's network {_against_keras(found, LASAGNE)}; trained for {found.epochs} epochs, "
            f"it {_against_keras(found, LASAGNE_LONG)} ({'; '.join(means)}{level})."
        )
    return "\n\n".join(sentences) or "Not all runs are there yet."


def _against_keras(found: Factorial, cell: Cell) -> str:
    difference = found.difference(cell, KERAS)
    low, high = student_interval(difference)
    words = "is better than" if low > 0 else "is worse than" if high < 0 else "cannot be told from"
    return f"{words} Keras's ({fmean(difference):+.3f})"


KERAS_LASAGNE = Experiment(
    name="07_keras_vs_lasagne",
    title="One network in Keras and in Lasagne, two results",
    schema=KerasLasagneProfile,
    tables=(
        Table(
            "keras_lasagne",
            keras_lasagne_rows,
            "Two implementations of one network that did not agree, as a factorial (the Keras/Lasagne question)",
            shown={"data": "data", "quantity": "quantity", "term": "of", "value": "mean", "values": "each seed"},
            rows=lambda frame: frame.loc[frame["quantity"] == "test accuracy"],
        ),
    ),
    figures={"keras_lasagne": keras_lasagne_figure},
    measures=(configuration_difference, factor_effect),
    answer=answer,
)
