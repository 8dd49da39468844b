"""Two implementations of one network that did not agree, as a factorial (the Keras/Lasagne question).

A cell is a choice of one level for every factor. Level 0 is Keras's as written, level 1 Lasagne's as written. Level 2
is that of another version of Keras: 1.2.2 ignores the transform bias and starts at +1; the Adagrad up to 1.0.2 has
another epsilon in another place (`highways.config.run.AdagradConfig`). The source prints `show_accuracy=True`, which is
Keras 0.x, so that Adagrad is the likeliest. Its Lasagne network keeps no validation examples
(`TrainSplit(eval_size=0)`), so this is not a factor. Every seed is a replicate of the whole factorial.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter, mul
from statistics import fmean
from typing import Any, ClassVar

import torch
from matplotlib.axes import Axes
from pydantic import Field
from torch import Tensor

from highways.claims.values import Interval, in_units, study_value
from highways.config import AnalysisConfig, DataConfig, Distinct, Epochs, FeatureDataName, Profile, Width
from highways.config.run import AdadeltaConfig, AdagradConfig, RunConfig
from highways.data import Images, examples, load
from highways.errors import HighwaysError
from highways.experiments.base import Experiment, Table
from highways.experiments.small import SmallStudy
from highways.inside.statistics import FEWEST_FOR_INTERVAL, each, student_interval
from highways.show.figures import OTHERS, POINTS, Drawing, Line, Panel, legend, level, line_panel
from highways.show.tables import Row
from highways.tracking import Listed, RunRecord

# The factors and their cells

Cell = tuple[int, ...]
"""A level of every factor, in the order of `FACTORS`."""
FACTORS: dict[str, tuple[str, dict[str, Any]]] = {
    "initialisation": ("network.block_initialisation", {"glorot uniform": None, "orthogonal": "orthogonal"}),
    "optimiser": (
        "optimiser",
        {
            "adagrad": AdagradConfig(kind="adagrad"),
            "adadelta": AdadeltaConfig(kind="adadelta"),
            "adagrad of Keras 1.0.0": AdagradConfig(kind="adagrad", epsilon=0.0, initial_accumulator=1e-6),
        },
    ),
    "transform_bias": ("network.transform_bias", {"-2": -2.0, "-4": -4.0, "1": 1.0}),
    "first_layer": ("network.first_activation", {"linear": "linear", "relu": None}),
    "highway_layers": ("network.depth", {"32": 33, "31": 32}),
    "batch_size": ("budget.batch_size", {"100": 100, "128": 128}),
    "shuffle": ("budget.shuffle", {"yes": True, "no": False}),
    "epochs": ("budget.epochs", {"10": 10, "1": 1}),
}
"""Where each factor is set in a run, and its levels. Source: the Keras/Lasagne question; the defaults of Keras 1,
Lasagne and nolearn. The initial weights are those of the highway layers, H and T; the layers around them are
Glorot-uniform in both. The loss is not a factor: binary cross-entropy, averaged over the two outputs of a softmax,
equals categorical cross-entropy. For Lasagne, the program sets `epochs = 10` and calls `fit` with `max_epochs=1`: a
loop that is not printed (`LASAGNE_LONG`) is as likely as one epoch."""
TEXTS = {name: name.replace("_", " ") for name in FACTORS}
TEXTS |= {"initialisation": "initial weights", "shuffle": "shuffled every epoch"}
KERAS: Cell = (0,) * len(FACTORS)
LASAGNE: Cell = (1,) * len(FACTORS)
LASAGNE_LONG: Cell = (*LASAGNE[:-1], 0)
KERAS_1_2_2: Cell = tuple(2 if name == "transform_bias" else 0 for name in FACTORS)
KERAS_1_0_0: Cell = tuple(2 if name == "optimiser" else 0 for name in FACTORS)
NETWORKS = {
    "keras-1.0.0": (KERAS_1_0_0, "Keras up to 1.0.2 (the likeliest)"),
    "keras": (KERAS, "Keras from 1.0.3"),
    "keras-1.2.2": (KERAS_1_2_2, "Keras 1.2.2, gates start at +1"),
    "lasagne": (LASAGNE, "Lasagne"),
    "lasagne-long": (LASAGNE_LONG, "Lasagne, {epochs} epochs"),
}
"""Candidates for the two networks, with their display names, by the names in claims; `{epochs}` is the larger level."""
WORDS = (
    ("initialisation", "optimiser", "transform_bias", "highway_layers"),
    ("optimiser", "transform_bias", "first_layer", "batch_size"),
    ("initialisation", "transform_bias", "first_layer", "shuffle"),
)
"""Defining words of the fraction: in its cells, the levels of the four factors of each word have an even sum."""


def _sign(cell: Cell, names: Sequence[str]) -> int:
    return math.prod(1 if level else -1 for name, level in zip(FACTORS, cell, strict=True) if name in names)


def cells(fraction: bool) -> list[Cell]:
    """Return the cells that are trained, with the epochs at level 0: Lasagne's one is read off the same curves.

    A fraction is an eighth of the 128 cells of the levels as written: sixteen, of resolution IV, 2^(7-3), in which no
    main effect is confounded with another or with a pair. Otherwise it is all of them, 192 with the transform bias of
    Keras 1.2.2 as a third level. Both include Keras's cell, those of its other versions and, with one epoch, Lasagne's.
    """
    levels = [(0, 1, 2) if name == "transform_bias" and not fraction else (0, 1) for name in list(FACTORS)[:-1]]
    whole = [(*chosen, 0) for chosen in itertools.product(*levels)]
    if not fraction:
        return [*whole, KERAS_1_0_0]
    part = [cell for cell in whole if all(_sign(cell, word) == 1 for word in WORDS)]
    return [*part, KERAS_1_2_2, KERAS_1_0_0]


def cell_of(config: RunConfig) -> Cell:
    """Return a run's cell, with the epochs at level 0."""
    trained = [*FACTORS.values()][:-1]
    return (*([*levels.values()].index(attrgetter(place)(config)) for place, levels in trained), 0)


class Logistic(SmallStudy):
    """Logistic regression, the baseline."""

    kind: str = "logistic"
    data: FeatureDataName
    training_examples: int | None = Field(default=None, ge=1)
    """Use only this many of the first training examples; all by default."""

    def measure(self) -> dict[str, Tensor]:
        """Return scikit-learn's `test_accuracy` and `train_accuracy`, with its defaults, on standardised features."""
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        data = load(DataConfig(name=self.data, training_examples=self.training_examples))
        assert isinstance(data, Images)
        if len(data.y["train"].unique()) < 2:
            raise HighwaysError(f"{self.data}: its first {len(data.y['train'])} training examples have one class only")
        train, test = ((data.x[part].numpy(), data.y[part].numpy()) for part in data.parts)
        fitted = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1_000)).fit(*train)
        scores = torch.tensor([[fitted.score(*test)], [fitted.score(*train)]], dtype=torch.float64)
        return {"test_accuracy": scores[0], "train_accuracy": scores[1]}


class KerasLasagneProfile(Profile):
    """Parameters of `07_keras_vs_lasagne`: a factorial over the differences between two implementations."""

    experiment: ClassVar[str] = "07_keras_vs_lasagne"

    data: Distinct[FeatureDataName]
    training_examples: int | None = Field(default=None, ge=1)
    """Use only this many of the first training examples; all by default."""
    fraction: bool
    """Sixteen of the 128 cells of the levels as written, and two of other versions of Keras; otherwise all 193."""
    seeds: int = Field(default=3, ge=2, le=10_000)
    """Seeds of initial weights and dropout. All runs share one order of the batches, so that they train together."""
    epochs: Epochs = Field(default=10, ge=2)
    """Keras's; Lasagne's 1 is read off the same curves, since training does not depend on how long it will last."""
    width: Width = 32
    dropout: float = Field(default=0.04, ge=0, lt=1)

    def runs(self) -> list[RunConfig]:
        chosen = itertools.product(self.data, cells(self.fraction), range(self.seeds))
        return [self.run(cell, data, seed) for data, cell, seed in chosen]

    def run(self, cell: Cell, data: FeatureDataName, seed: int = 0) -> RunConfig:
        """Return the run of a cell; the cell's level of the epochs does not matter."""
        network = {"kind": "highway", "width": self.width, "dropout": self.dropout, "initialisation": "glorot_uniform"}
        data_set = DataConfig(name=data, training_examples=self.training_examples)
        settings: dict[str, Any] = {"data": data_set, "network": network, "budget": {}, "seed": seed}
        for (place, levels), number in zip(FACTORS.values(), cell, strict=True):
            part, _, field = place.partition(".")
            value = [*levels.values()][number]
            settings[part] = settings[part] | {field: value} if field else value
        settings["budget"]["epochs"] = self.epochs
        return RunConfig.model_validate(settings)

    def analyses(self) -> list[AnalysisConfig]:
        levels = [Logistic(data=data, training_examples=self.training_examples) for data in self.data]
        return [AnalysisConfig(measure=level) for level in levels]


# Effects


@dataclass(frozen=True)
class Factorial:
    """Test accuracies by cell.

    Every estimate is a list with one value per seed, each from that seed's runs alone: their spread over seeds is that
    of the estimate, whatever the runs of one seed have in common. A seed draws initial weights and dropout. Data, test
    examples and the order of the batches are shared; their part of the uncertainty is not included.
    """

    data: str
    epochs: int
    """The larger level of the epochs."""
    accuracies: dict[Cell, list[float]]
    logistic: float | None
    """Test accuracy of logistic regression; `None` if it was not fitted."""

    def effect(self, name: str, epochs: int | None = None, high: int = 1) -> list[float]:
        """Return the effect of a factor: the mean accuracy at its `high` level, Lasagne's by default, minus Keras's.

        It is over all cells of the levels as written, or those with one level of epochs. A fraction has no third level.
        """
        if high == 2 and len(self.accuracies) < 2 * len(cells(fraction=False)):
            return []
        levels = [(0, high if factor == name else 1) for factor in FACTORS]
        chosen = [cell for cell in itertools.product(*levels) if cell in self.accuracies and epochs in (None, cell[-1])]
        weights = [_sign(cell, [name]) * 2 / len(chosen) for cell in chosen]
        of_seeds = zip(*(self.accuracies[cell] for cell in chosen), strict=True)
        return [math.fsum(map(mul, weights, accuracies)) for accuracies in of_seeds]

    def difference(self, of: Cell, less: Cell | None) -> list[float]:
        """Return the difference of two cells, or of a cell and logistic regression; empty if one is missing."""
        ones = self.accuracies.get(of, [])
        level = [] if self.logistic is None else [self.logistic] * len(ones)
        others = self.accuracies.get(less, []) if less else level
        return [one - other for one, other in zip(ones, others, strict=False)]

    def effects(self) -> dict[str, dict[str, list[float]]]:
        """Return main effects by the number of epochs after which they are measured, then by factor and levels.

        Effects change sign between the two numbers of epochs, so their means over both say nothing.
        """
        measured: dict[str, dict[str, list[float]]] = {}
        for place, epochs in enumerate((self.epochs, 1)):
            effects = {self.switch(name): self.effect(name, epochs=place) for name in FACTORS if name != "epochs"}
            effects["transform bias: -2 to 1"] = self.effect("transform_bias", epochs=place, high=2)
            when = f"after {epochs} epoch{'' if epochs == 1 else 's'}"
            measured[when] = {term: values for term, values in effects.items() if values}
        return measured | {"over all settings": {self.switch("epochs"): self.effect("epochs")}}

    def configurations(self) -> dict[str, Cell]:
        """Return the cells of `NETWORKS` by display name."""
        return {text.format_map(vars(self)): cell for cell, text in NETWORKS.values()}

    def switch(self, name: str) -> str:
        """Return a factor and its two levels, such as `batch size: 100 to 128`."""
        one, other = (self.epochs, 1) if name == "epochs" else [*FACTORS[name][1]][:2]
        return f"{TEXTS[name]}: {one} to {other}"

    def estimates(self) -> Iterator[tuple[str, str, list[float]]]:
        """Yield the estimates of the table: quantity, term, and one value per seed, none if cells were not trained."""
        yield "test accuracy", "logistic regression", [] if self.logistic is None else [self.logistic]
        for name, cell in self.configurations().items():
            yield "test accuracy", name, self.accuracies.get(cell, [])
        for name in FACTORS:
            one_step = tuple(int(factor == name) for factor in FACTORS)
            yield "gain", f"Keras, {self.switch(name)}", self.difference(one_step, KERAS)
        for when, measured in self.effects().items():
            yield from ((f"effect {when}", term, values) for term, values in measured.items())


def factorials(records: Listed) -> dict[str, Factorial]:
    """Return the factorial of each data set that is finished: the whole or the fraction, with every seed."""

    def accuracy(run: RunRecord, level: int) -> float:  # 0.5, guessing one of two equal classes, if it diverged
        curve = run.curves.get("test_accuracy", [])
        return 0.5 if run.status == "diverged" and (level == 0 or not curve) else curve[0 if level else -1]

    made = {}
    for data in records.data:
        runs = {(cell_of(run.config), run.config.seed): run for run in records.on(data)}
        trained, seeds = dict.fromkeys(cell for cell, _ in runs), sorted({seed for _, seed in runs})
        if len(runs) < len(trained) * len(seeds) or trained.keys() not in (set(cells(True)), set(cells(False))):
            continue
        accuracies = {
            (*cell[:-1], level): [accuracy(runs[cell, seed], level) for seed in seeds]
            for cell, level in itertools.product(trained, (0, 1))
        }
        logistic = study_value(records.on(data), "logistic", "test_accuracy")
        made[data] = Factorial(data, runs[KERAS, seeds[0]].config.budget.epochs, accuracies, logistic)
    return made


def keras_lasagne_rows(records: Listed) -> Iterator[Row]:
    """Yield the accuracy of every configuration and the effect of every factor.

    `quantity` is `test accuracy` (of a configuration), `gain` (of Keras's network, by one of Lasagne's levels) or
    `effect after ...` (a main effect, after each number of epochs). Values are fractions of the test set, means over
    seeds; from five seeds on they have 95 % intervals (Student's, over seeds).
    """
    for data, found in factorials(records).items():
        trained_on = records.on(data)[0].config.data.training_examples or examples(data, "train")
        for quantity, term, values in found.estimates():
            if values:
                low, high = student_interval(values) if len(values) >= FEWEST_FOR_INTERVAL else (None, None)
                yield {
                    "data": data,
                    "training_examples": trained_on,
                    "quantity": quantity,
                    "term": term,
                    "value": fmean(values),
                    "interval_low": low,
                    "interval_high": high,
                    "values": each(values),
                    "seeds": len(values),
                }


def _cells_panel(found: Factorial) -> Panel:
    ranked = sorted(found.accuracies, key=lambda cell: math.fsum(found.accuracies[cell]))
    ranks, means = range(1, len(ranked) + 1), [fmean(found.accuracies[cell]) for cell in ranked]
    grey = {"marker": ".", "ls": "none", "color": "0.6", "ms": 3.5}
    lines = [Line(f"{len(ranked) // 2} cells at two epochs, by rank", ranks, means, grey)]
    for (name, cell), marker, place in zip(found.configurations().items(), POINTS, (3, 1, 0, 4, 2), strict=False):
        values, rank = found.accuracies[cell], ranked.index(cell) + 1
        look = {"marker": marker, "color": OTHERS[place], "ms": 6, "lw": 0}
        lines.append(Line(f"{name}: {fmean(values):.3f}, each seed", [rank] * len(values), values, look))
    if (height := found.logistic) is not None:
        lines.append(level(f"logistic regression: {height:.3f}", height, color="0.2", lw=1, ls="--"))
    return line_panel(f"{found.data}: every cell", lines, "rank", "test accuracy", log=False, columns=1)


def _effects_panel(found: Factorial) -> Panel:
    """Return the effects in points, means and every seed; those of one factor are next to each other."""
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


# Measures: 95 % intervals over seeds. `data` is a data set that no other may stand in for


@in_units("points")
def configuration_difference(records: Listed, of: str, less: str, data: str | None = None) -> Interval | None:
    """Return the interval of the difference in test accuracy between two of `NETWORKS`, or one and `logistic`."""
    other = NETWORKS[less][0] if less in NETWORKS else None
    return _over_seeds(records, data, lambda found: found.difference(NETWORKS[of][0], other))


@in_units("points")
def factor_effect(records: Listed, factor: str, third_level: bool = False, data: str | None = None) -> Interval | None:
    """Return the interval of a factor's effect: test accuracy at Lasagne's level minus that at Keras's.

    It is over all cells with the larger number of epochs: with one epoch, some effects have another sign. `third_level`
    uses that of Keras 1.2.2 instead of Lasagne's.
    """
    return _over_seeds(records, data, lambda found: found.effect(factor, epochs=0, high=2 if third_level else 1))


def _over_seeds(records: Listed, data: str | None, values: Callable[[Factorial], list[float]]) -> Interval | None:
    factorial = next((found for name, found in factorials(records).items() if data in (None, name)), None)
    of_seeds = values(factorial) if factorial else []
    return Interval(*student_interval(of_seeds), tuple(of_seeds)) if of_seeds else None


def answer(records: Listed) -> Iterator[str]:
    """State for each data set how Lasagne's network compares with Keras's."""
    for found in factorials(records).values():
        compared = []
        for cell in (LASAGNE, LASAGNE_LONG):
            difference = found.difference(cell, KERAS)
            low, high = student_interval(difference)
            words = "is better than" if low > 0 else "is worse than" if high < 0 else "cannot be told from"
            compared.append(f"{words} Keras's ({fmean(difference):+.3f})")
        means = [f"{name} {fmean(found.accuracies[cell]):.3f}" for name, cell in found.configurations().items()]
        level = "" if found.logistic is None else f", logistic regression {found.logistic:.3f}"
        yield (
            f"**{found.data}**: Lasagne's network {compared[0]}; trained for {found.epochs} epochs, it {compared[1]} "
            f"({'; '.join(means)}{level})."
        )


KERAS_LASAGNE = Experiment(
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
    figures={
        "keras_lasagne": lambda records: Drawing(
            [draw(one) for one in factorials(records).values() for draw in (_cells_panel, _effects_panel)], columns=2
        )
    },
    answer=answer,
)
