"""Update rules: the optimisers of a population, each trial with its own rate.

Each is `torch.optim`'s rule of the same name over a leading trial axis; `tests/test_population.py` compares the two.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

import torch
from torch import Tensor

from highways.config import AdadeltaConfig, AdagradConfig, SGDConfig

Settings = TypeVar("Settings")


class Moment(NamedTuple):
    """A point of a training: the epoch and the step that follow, both from 0, and the steps of the schedule."""

    epoch: int
    step: int
    steps: int


class Rule(ABC, Generic[Settings]):
    """Steps of an optimiser, for the trials that are still alive.

    Args:
        settings: Of each trial.
        moment: The one from which on it is used.
        like: A tensor of the weights' device and type.
    """

    state: ClassVar[tuple[str, ...]]
    """Names of what is kept from step to step, each a tensor of the weight's shape."""
    at_once: ClassVar[bool] = True
    """Better done once for all layers, after the backward pass, than layer by layer within it: where a step has many
    operations, small ones cost most by their number. The numbers are the same."""
    every_step: ClassVar[bool] = False
    """Made for every step, as by a schedule or a correction that depends on it, and not for every epoch."""

    @staticmethod
    def initial(settings: Settings) -> float:
        """Return the value that the state starts at."""
        return 0.0

    @abstractmethod
    def __init__(self, settings: Sequence[Settings], moment: Moment, like: Tensor): ...

    @abstractmethod
    def update(self, weight: Tensor, gradient: Tensor, *state: Tensor) -> None:
        """Change a weight, `(..., trials, inputs, outputs)`, and its state in place; `gradient` may be overwritten."""


def _column(values: Sequence[float], like: Tensor) -> Tensor:
    return like.new_tensor(values)[:, None, None]


class SGD(Rule[SGDConfig]):
    """v = momentum * v + g; w = w - rate * v."""

    state = ("velocity",)
    at_once = False  # two operations, while the weight is still in the cache

    def __init__(self, settings: Sequence[SGDConfig], moment: Moment, like: Tensor):
        self.step = _column([-one.learning_rate * one.decay**moment.epoch for one in settings], like)
        self.momentum = _column([one.momentum for one in settings], like)

    def update(self, weight: Tensor, gradient: Tensor, *state: Tensor) -> None:
        """See `Rule`."""
        (velocity,) = state
        torch.addcmul(gradient, velocity, self.momentum, out=velocity)
        weight.addcmul_(velocity, self.step)


class Adagrad(Rule[AdagradConfig]):
    """s = s + g^2; w = w - rate * g / (sqrt(s) + epsilon)."""

    state = ("squares",)

    @staticmethod
    def initial(settings: AdagradConfig) -> float:
        """See `Rule`."""
        return settings.initial_accumulator

    def __init__(self, settings: Sequence[AdagradConfig], moment: Moment, like: Tensor):
        self.step = _column([-one.learning_rate for one in settings], like)
        self.epsilon = _column([one.epsilon for one in settings], like)

    def update(self, weight: Tensor, gradient: Tensor, *state: Tensor) -> None:
        """See `Rule`."""
        (squares,) = state
        squares.addcmul_(gradient, gradient)
        weight.addcmul_(gradient.div_(squares.sqrt().add_(self.epsilon)), self.step)


class Adadelta(Rule[AdadeltaConfig]):
    """u = g * sqrt(d + epsilon) / sqrt(s + epsilon), with decaying means s of g^2 and d of u^2; w = w - rate * u."""

    state = ("squares", "deltas")

    def __init__(self, settings: Sequence[AdadeltaConfig], moment: Moment, like: Tensor):
        self.step = _column([-one.learning_rate for one in settings], like)
        self.rest = _column([1 - one.rho for one in settings], like)
        self.epsilon = _column([one.epsilon for one in settings], like)

    def update(self, weight: Tensor, gradient: Tensor, *state: Tensor) -> None:
        """See `Rule`."""
        squares, deltas = state
        squares.lerp_(gradient.square(), self.rest)
        gradient.mul_((deltas + self.epsilon).div_(squares + self.epsilon).sqrt_())
        deltas.lerp_(gradient.square(), self.rest)
        weight.addcmul_(gradient, self.step)


RULES: dict[str, type[Rule[Any]]] = {"sgd": SGD, "adagrad": Adagrad, "adadelta": Adadelta}
"""By the optimiser's kind."""
