"""The factorial of the Keras/Lasagne question: factors, cells, and effects; every seed is a replicate.

A cell is a choice of one level of every factor. Level 0 is Keras's as written, level 1 Lasagne's as written. Level 2
is what another version of Keras makes of it: 1.2.2 ignores the transform bias and starts at +1; the Adagrad up to
1.0.2 has another epsilon in another place (`highways.config.AdagradConfig`). The source prints `show_accuracy=True`,
which is Keras 0.x: that Adagrad is its likeliest one. Its Lasagne network keeps no examples for validation
(`TrainSplit(eval_size=0)`), so that this is no factor.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import mul
from typing import Any, ClassVar, NamedTuple

import torch
from pydantic import Field
from torch import Tensor

from highways.claims.studies import study_value
from highways.config.run import (
    AdadeltaConfig,
    AdagradConfig,
    BudgetConfig,
    DataConfig,
    DenseConfig,
    FeatureDataName,
    RunConfig,
)
from highways.data import Images, load
from highways.errors import HighwaysError
from highways.experiments.small import SmallStudy
from highways.tracking import Listed, RunRecord

Cell = tuple[int, ...]
"""A level of every factor, in the order of `FACTORS`."""


class Factor(NamedTuple):
    """One thing that the two networks differ in; its levels are Keras's, Lasagne's, another version of Keras's."""

    text: str
    levels: tuple[Any, ...]


OPTIMISERS = {
    "adagrad": AdagradConfig(kind="adagrad"),
    "adadelta": AdadeltaConfig(kind="adadelta"),
    "adagrad of Keras 1.0.0": AdagradConfig(kind="adagrad", epsilon=0.0, initial_accumulator=1e-6),
}

FACTORS = {
    "initialisation": Factor("initial weights", ("glorot_uniform", "orthogonal")),
    "optimiser": Factor("optimiser", tuple(OPTIMISERS)),
    "transform_bias": Factor("transform bias", (-2.0, -4.0, 1.0)),
    "first_layer": Factor("first layer", ("linear", "relu")),
    "highway_layers": Factor("highway layers", (32, 31)),
    "batch_size": Factor("batch size", (100, 128)),
    "shuffle": Factor("shuffled every epoch", (True, False)),
    "epochs": Factor("epochs", (10, 1)),
}
"""Source: the Keras/Lasagne question; the defaults of Keras 1, Lasagne and nolearn. The initial weights are those of
the highway layers, H and T; the layers around them are Glorot-uniform in both. The loss is no factor: binary
cross-entropy, averaged over the two outputs of a softmax, is categorical cross-entropy. For Lasagne the program sets
`epochs = 10` and calls `fit` with `max_epochs=1`: a loop that is not printed (`LASAGNE_LONG`) is as likely as one
epoch."""

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
"""What the two networks may have been, and are called, by the names that claims use; `{epochs}` is the larger level."""

WORDS = (
    ("initialisation", "optimiser", "transform_bias", "highway_layers"),
    ("optimiser", "transform_bias", "first_layer", "batch_size"),
    ("initialisation", "transform_bias", "first_layer", "shuffle"),
)
"""Of the fraction: in its cells the levels of each of these fours have an even sum."""


def _sign(cell: Cell, names: Sequence[str]) -> int:
    return math.prod(1 if level else -1 for name, level in zip(FACTORS, cell, strict=True) if name in names)


def cells(fraction: bool) -> list[Cell]:
    """Return the cells that are trained, with the epochs at level 0.

    A fraction is an eighth of the 128 cells of the levels as written, sixteen of resolution IV, 2^(7-3): no main effect
    is mixed with another or with a pair. Otherwise there are all of them, and with the transform bias of Keras 1.2.2 as
    a third level 192. Both hold Keras's cell, those of its other versions, and with one epoch Lasagne's.
    """
    levels = [(0, 1, 2) if name == "transform_bias" and not fraction else (0, 1) for name in list(FACTORS)[:-1]]
    whole = [(*chosen, 0) for chosen in itertools.product(*levels)]
    if not fraction:
        return [*whole, KERAS_1_0_0]
    part = [cell for cell in whole if all(_sign(cell, word) == 1 for word in WORDS)]
    return [*part, KERAS_1_2_2, KERAS_1_0_0]


def cell_of(config: RunConfig) -> Cell:
    """Return a run's cell, with the epochs, which are read off its curve, at level 0."""
    network = config.network
    assert isinstance(network, DenseConfig)
    levels = {
        "initialisation": network.block_initialisation or network.initialisation,
        "optimiser": next(name for name, settings in OPTIMISERS.items() if settings == config.optimiser),
        "transform_bias": network.transform_bias,
        "first_layer": network.first,
        "highway_layers": network.depth - 1,
        "batch_size": config.budget.batch_size,
        "shuffle": config.budget.shuffle,
    }
    return (*(FACTORS[name].levels.index(level) for name, level in levels.items()), 0)


def run_of(
    cell: Cell, data: FeatureDataName, training_examples: int | None, epochs: int, width: int, dropout: float, seed: int
) -> RunConfig:
    """Return the run of a cell, whose level of the epochs does not matter: `epochs` is the larger level.

    The source has a width of 32 units in every layer and a dropout rate of 0.04. The seed is that of initial weights
    and dropout; examples come in one order for all, so that they train together.
    """
    level = {name: FACTORS[name].levels[place] for name, place in zip(FACTORS, cell, strict=True)}
    return RunConfig(
        data=DataConfig(name=data, training_examples=training_examples),
        network=DenseConfig(
            kind="highway",
            depth=level["highway_layers"] + 1,
            width=width,
            transform_bias=level["transform_bias"],
            initialisation="glorot_uniform",
            block_initialisation="orthogonal" if level["initialisation"] == "orthogonal" else None,
            first_activation="linear" if level["first_layer"] == "linear" else None,
            dropout=dropout,
        ),
        optimiser=OPTIMISERS[level["optimiser"]],
        budget=BudgetConfig(epochs=epochs, batch_size=level["batch_size"], shuffle=level["shuffle"]),
        seed=seed,
    )


GUESSING = 0.5
"""Accuracy of a run that diverged; all data sets here have two classes of nearly equal size."""


@dataclass(frozen=True)
class Factorial:
    """Test accuracies by cell.

    Every estimate is a list with one value per seed, each from that seed's runs alone: their spread over seeds is that
    of the estimate, whatever the runs of one seed have in common. A seed draws initial weights and dropout; the data,
    the test examples and the order of the batches are the same for all, and their part of the uncertainty is not in it.
    """

    data: str
    epochs: int
    """The larger level of the epochs."""
    accuracies: dict[Cell, list[float]]
    """By cell, one value per seed."""
    logistic: float | None
    """That of logistic regression; `None` where it was not fitted."""

    @property
    def written(self) -> list[Cell]:
        """The cells of the levels as written."""
        return [cell for cell in self.accuracies if max(cell) <= 1]

    @property
    def full(self) -> bool:
        """Whether all cells of the levels as written are there, and not a fraction of them."""
        return len(self.written) == 2 ** len(FACTORS)

    def effect(self, *names: str, epochs: int | None = None) -> list[float]:
        """Return the effect of a factor, or the interaction of several, over the levels as written.

        A main effect is the mean accuracy at Lasagne's level less that at Keras's, over all cells; an interaction of
        two is half of what the one's effect differs by between the other's levels; in a fraction it is mixed with
        those of other pairs. `epochs` is a level: its cells alone count.
        """
        chosen = [cell for cell in self.written if epochs in (None, cell[-1])]
        return self._contrast({cell: _sign(cell, names) * 2 / len(chosen) for cell in chosen})

    def interactions(self) -> dict[tuple[str, str], list[float]]:
        """Return the interaction of every pair of factors. Empty of a fraction, in which pairs are mixed."""
        return {pair: self.effect(*pair) for pair in itertools.combinations(FACTORS, 2) if self.full}

    def third_level(self, epochs: int) -> list[float]:
        """Return the effect of Keras 1.2.2's transform bias against Keras's as written; empty of a fraction.

        `epochs` is a level: its cells alone count.
        """
        bias = list(FACTORS).index("transform_bias")
        low = [cell for cell in self.written if cell[bias] == 0 and cell[-1] == epochs and self.full]
        raised = {(*cell[:bias], 2, *cell[bias + 1 :]): 1 / len(low) for cell in low}
        return self._contrast(raised | dict.fromkeys(low, -1 / len(low))) if low else []

    def shares(self) -> dict[str, list[float]]:
        """Divide the difference of Lasagne's accuracy and Keras's among the factors: Shapley values.

        A factor's share is what switching it to Lasagne's level adds, averaged over all orders in which the factors
        can be switched, one after the other (Shapley 1953). The shares add up to the difference. Empty of a fraction.
        """

        def weight(cell: Cell, place: int) -> float:
            before = sum(cell) - cell[place]  # factors that have been switched
            return (2 * cell[place] - 1) / (len(cell) * math.comb(len(cell) - 1, before))

        return {
            name: self._contrast({cell: weight(cell, place) for cell in self.written})
            for place, name in enumerate(FACTORS if self.full else ())
        }

    def difference(self, of: Cell, less: Cell | None) -> list[float]:
        """Return the difference of two cells, or of a cell and logistic regression; empty where one is missing."""
        ones = self.accuracies.get(of, [])
        level = [] if self.logistic is None else [self.logistic] * len(ones)
        others = self.accuracies.get(less, []) if less else level
        return [one - other for one, other in zip(ones, others, strict=False)]

    def effects(self) -> dict[str, dict[str, list[float]]]:
        """Return main effects by the number of epochs after which they are measured, then by factor and levels.

        Effects change sign between the two numbers, so that their means over both say nothing.
        """
        measured: dict[str, dict[str, list[float]]] = {}
        for level, epochs in enumerate(self._levels("epochs")):
            third = self.third_level(epochs=level)
            measured[f"after {epochs} epoch{'' if epochs == '1' else 's'}"] = {
                self.switch(name): self.effect(name, epochs=level) for name in FACTORS if name != "epochs"
            } | ({"transform bias: -2 to 1": third} if third else {})
        return measured | {"over all settings": {self.switch("epochs"): self.effect("epochs")}}

    def configurations(self) -> dict[str, Cell]:
        """Return the cells of `NETWORKS` by what they are called."""
        return {text.format_map(vars(self)): cell for cell, text in NETWORKS.values()}

    def switch(self, name: str) -> str:
        """Return a factor and its two levels, such as `batch size: 100 to 128`."""
        one, other = self._levels(name)[:2]
        return f"{FACTORS[name].text}: {one} to {other}".replace("_", " ")

    def _levels(self, name: str) -> list[str]:
        levels = (self.epochs, 1) if name == "epochs" else FACTORS[name].levels
        texts = [str(level).removesuffix(".0") for level in levels]
        return [{"True": "yes", "False": "no"}.get(text, text) for text in texts]

    def _contrast(self, weights: Mapping[Cell, float]) -> list[float]:
        of_seeds = zip(*(self.accuracies[cell] for cell in weights), strict=True)
        return [math.fsum(map(mul, weights.values(), accuracies)) for accuracies in of_seeds]


class Logistic(SmallStudy):
    """Logistic regression, the level to beat (the Keras/Lasagne question)."""

    kind: str = "logistic"
    version: ClassVar[int] = 1
    data: FeatureDataName
    training_examples: int | None = Field(default=None, ge=1)
    """Use only this many of the first training examples; all by default."""

    def measure(self) -> dict[str, Tensor]:
        """Return `test_accuracy` and `train_accuracy` of scikit-learn's with its defaults, on standardised features."""
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        assert self.data_set is not None
        data = load(self.data_set)
        assert isinstance(data, Images)
        if len(data.train_y.unique()) < 2:
            raise HighwaysError(f"{self.data}: its first {len(data.train_y)} training examples have one class only")
        train, test = (data.train_x.numpy(), data.train_y.numpy()), (data.test_x.numpy(), data.test_y.numpy())
        fitted = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1_000)).fit(*train)
        scores = {"test_accuracy": fitted.score(*test), "train_accuracy": fitted.score(*train)}
        return {name: torch.tensor([score], dtype=torch.float64) for name, score in scores.items()}


def factorials(records: Listed) -> dict[str, Factorial]:
    """Return the factorial of each data set that is finished: the whole or the fraction, with every seed."""

    def accuracy(run: RunRecord, level: int) -> float:
        curve = run.curves.get("test_accuracy", [])
        return GUESSING if run.status == "diverged" and (level == 0 or not curve) else curve[0 if level else -1]

    made = {}
    for data in records.data:
        runs = {(cell_of(run.config), run.config.seed): run for run in records.on(data)}
        trained, seeds = dict.fromkeys(cell for cell, _ in runs), sorted({seed for _, seed in runs})
        if len(runs) < len(trained) * len(seeds) or trained.keys() not in (set(cells(True)), set(cells(False))):
            continue
        accuracies = {
            (*cell[:-1], level): [accuracy(runs[cell, seed], level) for seed in seeds]
            for cell in trained
            for level in (0, 1)
        }
        logistic = study_value(records.on(data), "logistic", "test_accuracy")
        made[data] = Factorial(data, runs[KERAS, seeds[0]].config.budget.epochs, accuracies, logistic)
    return made
