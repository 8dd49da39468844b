"""Optimisers: those of `torch.optim` for single runs, the same rules over a leading trial axis for populations.

Each kind of optimiser has an entry in `OPTIMISERS`, one in `RATES` if its rate changes, and one in `RULES` if it can
train populations: a rule has a rate for every trial. `tests/test_population.py` compares the two.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

import torch
from torch import Tensor, nn, optim

from highways.config.run import AdadeltaConfig, AdagradConfig, CaffeConfig, SGDConfig
from highways.errors import HighwaysError

# Single runs


def _caffe_groups(own: CaffeConfig, network: nn.Module) -> list[dict[str, Any]]:
    """Return parameter groups of weights, classifier and biases, each with the authors' weight decay."""
    classifier = network.get_parameter("classifier.weight")
    named = list(network.named_parameters())
    weights = [parameter for name, parameter in named if name.endswith("weight") and parameter is not classifier]
    biases = [parameter for name, parameter in named if name.endswith("bias")]
    return [
        {"params": weights, "weight_decay": own.weight_decay},
        {"params": [classifier], "weight_decay": own.weight_decay * own.classifier_decay},
        {"params": biases, "weight_decay": 0.0},
    ]


OPTIMISERS: dict[str, Callable[[Any, nn.Module], optim.Optimizer]] = {
    "sgd": lambda own, network: optim.SGD(network.parameters(), own.learning_rate, own.momentum),
    "adam": lambda own, network: optim.Adam(
        network.parameters(), own.learning_rate, eps=own.epsilon, weight_decay=own.weight_decay, fused=True
    ),
    "caffe": lambda own, network: optim.SGD(
        _caffe_groups(own, network), own.learning_rate, own.momentum, nesterov=True, fused=True
    ),
    "adagrad": lambda own, network: optim.Adagrad(
        network.parameters(), own.learning_rate, initial_accumulator_value=own.initial_accumulator, eps=own.epsilon
    ),
    "adadelta": lambda own, network: optim.Adadelta(network.parameters(), own.learning_rate, own.rho, own.epsilon),
}
"""Functions that build the optimiser of a network's weights, by the kind in the configuration."""


def _stepwise(own: CaffeConfig, epoch: int, done: float) -> Sequence[float]:
    """Return the rates of the weights, the classifier's weights and the biases; all drop at the milestones."""
    rate = own.learning_rate * own.factor ** sum(done >= milestone for milestone in own.milestones)
    return [rate, rate, rate * own.bias_rate]


RATES: dict[str, Callable[[Any, int, float], Sequence[float]]] = {
    "sgd": lambda own, epoch, done: [own.learning_rate * own.decay**epoch],
    "caffe": _stepwise,
}
"""For kinds with changing rates: the learning rate of every parameter group for the next step, from the optimiser's
settings, the epoch (from 0), and the fraction of the schedule's steps that is completed."""


def build(settings: Any, network: nn.Module) -> optim.Optimizer:
    """Return the optimiser for a network's weights."""
    if settings.kind not in OPTIMISERS:
        raise HighwaysError(f"a single run has no optimiser {settings.kind!r}: there are {', '.join(OPTIMISERS)}")
    return OPTIMISERS[settings.kind](settings, network)


def clip(settings: Any, network: nn.Module) -> None:
    """Clip the norm of the whole gradient before a step, if the settings set a bound."""
    if (bound := getattr(settings, "clip_norm", None)) is not None:
        nn.utils.clip_grad_norm_(network.parameters(), bound)


# Populations

Settings = TypeVar("Settings")


class Moment(NamedTuple):
    """A point in training: the next epoch and the next step, both from 0, and the number of steps of the schedule."""

    epoch: int
    step: int
    steps: int


class Rule(ABC, Generic[Settings]):
    """The update rule of an optimiser, with the settings of every trial that is still alive, from a moment on.

    `like` is a tensor with the weights' device and dtype.
    """

    state: ClassVar[tuple[str, ...]]
    """Names of the tensors that are kept from step to step, each of the weight's shape. They start at 0, or at the
    settings' `initial_accumulator`."""
    at_once: ClassVar[bool] = True
    """Whether all layers are updated together after the backward pass, rather than one by one within it. This is faster
    for rules of many operations, where the number of small ones dominates the cost; the results are the same."""
    every_step: ClassVar[bool] = False
    """Whether the rule is rebuilt every step, as a schedule or a step-dependent correction needs, or once an epoch."""

    @abstractmethod
    def __init__(self, settings: Sequence[Settings], moment: Moment, like: Tensor): ...

    @abstractmethod
    def update(self, weight: Tensor, gradient: Tensor, *state: Tensor) -> None:
        """Update a weight, `(..., trials, inputs, outputs)`, and its state in place; `gradient` may be overwritten."""


def _column(values: Sequence[float], like: Tensor) -> Tensor:
    return like.new_tensor(values)[:, None, None]


class SGD(Rule[SGDConfig]):
    """v = momentum * v + g; w = w - rate * v."""

    state = ("velocity",)
    at_once = False  # only two operations, while the weight is still in the cache

    def __init__(self, settings: Sequence[SGDConfig], moment: Moment, like: Tensor):
        self.step = _column([-one.learning_rate * one.decay**moment.epoch for one in settings], like)
        self.momentum = _column([one.momentum for one in settings], like)

    def update(self, weight: Tensor, gradient: Tensor, *state: Tensor) -> None:
        (velocity,) = state
        torch.addcmul(gradient, velocity, self.momentum, out=velocity)
        weight.addcmul_(velocity, self.step)


class Adagrad(Rule[AdagradConfig]):
    """s = s + g^2; w = w - rate * g / (sqrt(s) + epsilon)."""

    state = ("squares",)

    def __init__(self, settings: Sequence[AdagradConfig], moment: Moment, like: Tensor):
        self.step = _column([-one.learning_rate for one in settings], like)
        self.epsilon = _column([one.epsilon for one in settings], like)

    def update(self, weight: Tensor, gradient: Tensor, *state: Tensor) -> None:
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
        squares, deltas = state
        squares.lerp_(gradient.square(), self.rest)
        gradient.mul_((deltas + self.epsilon).div_(squares + self.epsilon).sqrt_())
        deltas.lerp_(gradient.square(), self.rest)
        weight.addcmul_(gradient, self.step)


RULES: dict[str, type[Rule[Any]]] = {"sgd": SGD, "adagrad": Adagrad, "adadelta": Adadelta}
"""Update rules of populations, by the optimiser's kind."""
