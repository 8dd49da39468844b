"""Optimisers of single runs: `torch.optim`'s, built, scheduled and clipped as a run's settings say.

Populations have rules of their own (`highways.training.rules`); `tests/test_population.py` compares the two.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from highways.config import AdadeltaConfig, AdagradConfig, AdamConfig, CaffeConfig, SGDConfig
from highways.errors import HighwaysError


def _sgd(own: SGDConfig, network: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(network.parameters(), own.learning_rate, own.momentum)


def _adam(own: AdamConfig, network: nn.Module) -> torch.optim.Optimizer:
    decay = own.weight_decay
    return torch.optim.Adam(network.parameters(), own.learning_rate, eps=own.epsilon, weight_decay=decay, fused=True)


def _adagrad(own: AdagradConfig, network: nn.Module) -> torch.optim.Optimizer:
    start = own.initial_accumulator
    return torch.optim.Adagrad(
        network.parameters(), own.learning_rate, initial_accumulator_value=start, eps=own.epsilon
    )


def _adadelta(own: AdadeltaConfig, network: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.Adadelta(network.parameters(), own.learning_rate, own.rho, own.epsilon)


def _caffe(own: CaffeConfig, network: nn.Module) -> torch.optim.Optimizer:
    """Build the authors' solver of convolutional networks; biases and the classifier have settings of their own."""
    classifier = network.get_parameter("classifier.weight")
    named = list(network.named_parameters())
    weights = [parameter for name, parameter in named if name.endswith("weight") and parameter is not classifier]
    biases = [parameter for name, parameter in named if name.endswith("bias")]
    groups = [
        {"params": weights, "weight_decay": own.weight_decay},
        {"params": [classifier], "weight_decay": own.weight_decay * own.classifier_decay},
        {"params": biases, "weight_decay": 0.0},
    ]
    return torch.optim.SGD(groups, own.learning_rate, own.momentum, nesterov=True, fused=True)


OPTIMISERS: dict[str, Callable[[Any, nn.Module], torch.optim.Optimizer]] = {
    "sgd": _sgd,
    "adam": _adam,
    "caffe": _caffe,
    "adagrad": _adagrad,
    "adadelta": _adadelta,
}
"""By the configuration's kind: builds the optimiser of a network's weights."""


def _decaying(own: SGDConfig, epoch: int, done: float) -> Sequence[float]:
    return [own.learning_rate * own.decay**epoch]


def _stepwise(own: CaffeConfig, epoch: int, done: float) -> Sequence[float]:
    """Return the rates of the weights, the classifier's weights and the biases; they fall at the milestones."""
    rate = own.learning_rate * own.factor ** sum(done >= milestone for milestone in own.milestones)
    return [rate, rate, rate * own.bias_rate]


RATES: dict[str, Callable[[Any, int, float], Sequence[float]]] = {"sgd": _decaying, "caffe": _stepwise}
"""By kind, where rates change: the learning rate of every parameter group; see `Optimiser.rates`."""


@dataclass(frozen=True)
class Optimiser:
    """What a run's settings make of a network's gradients."""

    settings: Any

    def build(self, network: nn.Module) -> torch.optim.Optimizer:
        """Return the optimiser of a network's weights."""
        return OPTIMISERS[self.settings.kind](self.settings, network)

    def rates(self, epoch: int, done: float) -> Sequence[float] | None:
        """Return the learning rate of every parameter group for the next step, `None` if they never change.

        Args:
            epoch: From 0.
            done: The fraction of all steps that has been taken.
        """
        rates = RATES.get(self.settings.kind)
        return None if rates is None else rates(self.settings, epoch, done)

    def clip(self, network: nn.Module) -> None:
        """Cut the norm of the whole gradient before a step, where the settings have a bound."""
        if (bound := getattr(self.settings, "clip_norm", None)) is not None:
            nn.utils.clip_grad_norm_(network.parameters(), bound)


def optimiser(settings: Any) -> Optimiser:
    """Return the optimiser of a single run.

    Raises:
        HighwaysError: There is none of this kind.
    """
    if settings.kind not in OPTIMISERS:
        raise HighwaysError(f"a single run has no optimiser {settings.kind!r}: there are {', '.join(OPTIMISERS)}")
    return Optimiser(settings)
