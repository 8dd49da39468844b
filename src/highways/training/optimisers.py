"""Optimisers of single runs: `torch.optim`'s, built, scheduled and clipped as a run's settings say.

Populations have rules of their own (`highways.training.rules`); `tests/test_population.py` compares the two.
"""

from collections.abc import Callable, Sequence
from typing import Any

from torch import nn
from torch.optim import SGD, Adadelta, Adagrad, Adam, Optimizer

from highways.config import CaffeConfig
from highways.errors import HighwaysError


def _caffe_groups(own: CaffeConfig, network: nn.Module) -> list[dict[str, Any]]:
    """Return weights, classifier and biases, each with the authors' own weight decay."""
    classifier = network.get_parameter("classifier.weight")
    named = list(network.named_parameters())
    weights = [parameter for name, parameter in named if name.endswith("weight") and parameter is not classifier]
    biases = [parameter for name, parameter in named if name.endswith("bias")]
    return [
        {"params": weights, "weight_decay": own.weight_decay},
        {"params": [classifier], "weight_decay": own.weight_decay * own.classifier_decay},
        {"params": biases, "weight_decay": 0.0},
    ]


OPTIMISERS: dict[str, Callable[[Any, nn.Module], Optimizer]] = {
    "sgd": lambda own, network: SGD(network.parameters(), own.learning_rate, own.momentum),
    "adam": lambda own, network: Adam(
        network.parameters(), own.learning_rate, eps=own.epsilon, weight_decay=own.weight_decay, fused=True
    ),
    "caffe": lambda own, network: SGD(
        _caffe_groups(own, network), own.learning_rate, own.momentum, nesterov=True, fused=True
    ),
    "adagrad": lambda own, network: Adagrad(
        network.parameters(), own.learning_rate, initial_accumulator_value=own.initial_accumulator, eps=own.epsilon
    ),
    "adadelta": lambda own, network: Adadelta(network.parameters(), own.learning_rate, own.rho, own.epsilon),
}
"""By the configuration's kind: builds the optimiser of a network's weights."""


def _stepwise(own: CaffeConfig, epoch: int, done: float) -> Sequence[float]:
    """Return the rates of the weights, the classifier's weights and the biases; they fall at the milestones."""
    rate = own.learning_rate * own.factor ** sum(done >= milestone for milestone in own.milestones)
    return [rate, rate, rate * own.bias_rate]


RATES: dict[str, Callable[[Any, int, float], Sequence[float]]] = {
    "sgd": lambda own, epoch, done: [own.learning_rate * own.decay**epoch],
    "caffe": _stepwise,
}
"""By kind, where rates change: the learning rate of every parameter group; see `rates`."""


def build(settings: Any, network: nn.Module) -> Optimizer:
    """Return the optimiser of a network's weights.

    Raises:
        HighwaysError: There is none of this kind.
    """
    if settings.kind not in OPTIMISERS:
        raise HighwaysError(f"a single run has no optimiser {settings.kind!r}: there are {', '.join(OPTIMISERS)}")
    return OPTIMISERS[settings.kind](settings, network)


def rates(settings: Any, epoch: int, done: float) -> Sequence[float] | None:
    """Return the learning rate of every parameter group for the next step, `None` if they never change.

    Args:
        settings: Of the optimiser.
        epoch: From 0.
        done: The fraction of the schedule's steps that has been taken.
    """
    changing = RATES.get(settings.kind)
    return None if changing is None else changing(settings, epoch, done)


def clip(settings: Any, network: nn.Module) -> None:
    """Cut the norm of the whole gradient before a step, where the settings have a bound."""
    if (bound := getattr(settings, "clip_norm", None)) is not None:
        nn.utils.clip_grad_norm_(network.parameters(), bound)
