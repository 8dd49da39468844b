"""The factorial of the Keras/Lasagne question: what its two networks are known to differ in, as factors.

A cell is a choice of one level of every factor. Level 0 is Keras's as written, level 1 Lasagne's as written. Level 2
is what another version of Keras makes of it: 1.2.2 ignores the transform bias and starts at +1; the Adagrad up to
1.0.2 has another epsilon in another place (`highways.config.AdagradConfig`). The source prints `show_accuracy=True`,
which is Keras 0.x: that Adagrad is its likeliest one. Its Lasagne network keeps no examples for validation
(`TrainSplit(eval_size=0)`), so that this is no factor.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from operator import xor
from typing import Any

from highways.config.run import (
    AdadeltaConfig,
    AdagradConfig,
    BudgetConfig,
    DataConfig,
    DenseConfig,
    FeatureDataName,
    RunConfig,
)

Cell = tuple[int, ...]
"""A level of every factor, in the order of `FACTORS`."""


@dataclass(frozen=True)
class Factor:
    """One thing that the two networks differ in.

    Attributes:
        text: What it is, in words.
        levels: Keras's, Lasagne's, another version of Keras's.
        read: Finds the level's value in a run; `None` for the epochs, which are read off a run's curve.
    """

    text: str
    levels: tuple[Any, ...]
    read: Callable[[RunConfig], Any] | None


def _dense(config: RunConfig) -> DenseConfig:
    assert isinstance(config.network, DenseConfig)
    return config.network


KERAS_1_0_0_ADAGRAD = "adagrad of Keras 1.0.0"


def _optimiser(config: RunConfig) -> str:
    settings = config.optimiser
    older = isinstance(settings, AdagradConfig) and settings.initial_accumulator > 0
    return KERAS_1_0_0_ADAGRAD if older else settings.kind


FACTORS: dict[str, Factor] = {
    "initialisation": Factor(
        "initial weights",
        ("glorot_uniform", "orthogonal"),
        lambda config: _dense(config).block_initialisation or _dense(config).initialisation,
    ),
    "optimiser": Factor("optimiser", ("adagrad", "adadelta", KERAS_1_0_0_ADAGRAD), _optimiser),
    "transform_bias": Factor("transform bias", (-2.0, -4.0, 1.0), lambda config: _dense(config).transform_bias),
    "first_layer": Factor("first layer", ("linear", "relu"), lambda config: _dense(config).first),
    "highway_layers": Factor("highway layers", (32, 31), lambda config: _dense(config).depth - 1),
    "batch_size": Factor("batch size", (100, 128), lambda config: config.budget.batch_size),
    "shuffle": Factor("shuffled every epoch", (True, False), lambda config: config.budget.shuffle),
    "epochs": Factor("epochs", (10, 1), None),
}
"""Source: the Keras/Lasagne question; the defaults of Keras 1, Lasagne and nolearn. The initial weights are those of
the highway layers, H and T; the layers around them are Glorot-uniform in both. The loss is no factor: binary
cross-entropy, averaged over the two outputs of a softmax, is categorical cross-entropy."""

KERAS: Cell = (0,) * len(FACTORS)

LASAGNE: Cell = (1,) * len(FACTORS)

KERAS_1_2_2: Cell = tuple(2 if name == "transform_bias" else 0 for name in FACTORS)

KERAS_1_0_0: Cell = tuple(2 if name == "optimiser" else 0 for name in FACTORS)

GENERATORS = {
    "highway_layers": ("initialisation", "optimiser", "transform_bias"),
    "batch_size": ("optimiser", "transform_bias", "first_layer"),
    "shuffle": ("initialisation", "transform_bias", "first_layer"),
}
"""Of the fraction: in its cells the level of each of these three is the others' sum, modulo two."""


def cells(fraction: bool) -> list[Cell]:
    """Return the cells that are trained, with the epochs at level 0.

    Args:
        fraction: An eighth of the 128 cells of the levels as written, sixteen of resolution IV, 2^(7-3): no main effect
            is mixed with another or with a pair. Otherwise all of them, and with the transform bias of Keras 1.2.2 as
            a third level 192. Both hold Keras's cell, those of its other versions, and with one epoch Lasagne's.
    """
    trained = [name for name in FACTORS if name != "epochs"]
    if not fraction:
        levels = [range(3 if name == "transform_bias" else 2) for name in trained]
        return [*((*chosen, 0) for chosen in itertools.product(*levels)), KERAS_1_0_0]
    free = [name for name in trained if name not in GENERATORS]
    found = []
    for chosen in itertools.product((0, 1), repeat=len(free)):
        cell = dict(zip(free, chosen, strict=True))
        cell |= {name: reduce(xor, (cell[of] for of in generator)) for name, generator in GENERATORS.items()}
        found.append(tuple(cell.get(name, 0) for name in FACTORS))
    return [*found, KERAS_1_2_2, KERAS_1_0_0]


def aliases(effect: frozenset[str], largest: int = 2) -> list[frozenset[str]]:
    """Return the effects that the fraction cannot tell from `effect`, of up to `largest` factors.

    Args:
        effect: One factor (its main effect), two (their interaction), ...
        largest: Of how many factors.
    """
    words = [frozenset({name, *generator}) for name, generator in GENERATORS.items()]
    group = {
        reduce(lambda one, other: one ^ other, chosen, frozenset[str]())
        for count in range(1, len(words) + 1)
        for chosen in itertools.combinations(words, count)
    }
    found = {effect ^ word for word in group}
    order = list(FACTORS)
    return sorted(
        (alias for alias in found if 0 < len(alias) <= largest),
        key=lambda alias: sorted(order.index(name) for name in alias),
    )


def cell_of(config: RunConfig) -> Cell:
    """Return the cell that a run is of, with the epochs at level 0."""
    return tuple(0 if f.read is None else f.levels.index(f.read(config)) for f in FACTORS.values())


def run_of(
    cell: Cell, data: FeatureDataName, training_examples: int | None, epochs: int, width: int, dropout: float, seed: int
) -> RunConfig:
    """Return the run of a cell.

    Args:
        cell: Its level of the epochs does not matter.
        data: Name of the data set.
        training_examples: How many; all by default.
        epochs: The larger level.
        width: Units of every layer; 32 in the source.
        dropout: Rate; 0.04 in the source.
        seed: Of initial weights and dropout. Examples come in one order for all, so that they train together.
    """
    level = {name: FACTORS[name].levels[place] for name, place in zip(FACTORS, cell, strict=True)}
    orthogonal = level["initialisation"] == "orthogonal"
    optimiser = {
        "adagrad": AdagradConfig(kind="adagrad"),
        "adadelta": AdadeltaConfig(kind="adadelta"),
        KERAS_1_0_0_ADAGRAD: AdagradConfig(kind="adagrad", epsilon=0.0, initial_accumulator=1e-6),
    }[level["optimiser"]]
    return RunConfig(
        data=DataConfig(name=data, training_examples=training_examples),
        network=DenseConfig(
            kind="highway",
            depth=level["highway_layers"] + 1,
            width=width,
            transform_bias=level["transform_bias"],
            initialisation="glorot_uniform",
            block_initialisation="orthogonal" if orthogonal else None,
            first_activation="linear" if level["first_layer"] == "linear" else None,
            dropout=dropout,
        ),
        optimiser=optimiser,
        budget=BudgetConfig(epochs=epochs, batch_size=level["batch_size"], shuffle=level["shuffle"]),
        seed=seed,
    )
