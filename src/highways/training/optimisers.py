"""Optimisers of single runs: `torch.optim`'s, built, scheduled and clipped as a run's settings say.

Populations have rules of their own (`highways.training.rules`); `tests/test_population.py` holds both together.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Generic, TypeVar

import torch
from torch import nn

from highways.config import AdadeltaConfig, AdagradConfig, AdamConfig, CaffeConfig, SGDConfig
from highways.errors import HighwaysError

Settings = TypeVar("Settings")


class Optimiser(ABC, Generic[Settings]):
    """What a run's settings make of a network's gradients.

    Args:
        settings: Of the run.
    """

    recordable: ClassVar[bool] = False
    """Its step can be recorded (`highways.nn.gpu`): once its rates are tensors, nothing else changes."""

    def __init__(self, settings: Settings):
        self.settings = settings

    @abstractmethod
    def build(self, network: nn.Module) -> torch.optim.Optimizer:
        """Return the optimiser of a network's weights."""

    def rates(self, epoch: int, done: float) -> Sequence[float] | None:
        """Return the learning rate of every parameter group for the next step, `None` if they never change.

        Args:
            epoch: From 0.
            done: What part of all steps has been taken.
        """
        return None

    def clip(self, network: nn.Module) -> None:
        """Change the gradients before a step."""


class SGD(Optimiser[SGDConfig]):
    """Gradient descent with momentum, its rate decaying from epoch to epoch."""

    def build(self, network: nn.Module) -> torch.optim.Optimizer:
        """See `Optimiser`."""
        return torch.optim.SGD(network.parameters(), self.settings.learning_rate, self.settings.momentum)

    def rates(self, epoch: int, done: float) -> Sequence[float]:
        """See `Optimiser`."""
        return [self.settings.learning_rate * self.settings.decay**epoch]


class Adam(Optimiser[AdamConfig]):
    """Adam, with decay that is added to the gradient, and a bound on the gradient's norm."""

    def build(self, network: nn.Module) -> torch.optim.Optimizer:
        """See `Optimiser`."""
        own = self.settings
        decay = own.weight_decay
        return torch.optim.Adam(
            network.parameters(), own.learning_rate, eps=own.epsilon, weight_decay=decay, fused=True
        )

    def clip(self, network: nn.Module) -> None:
        """Cut the norm of the whole gradient."""
        if self.settings.clip_norm is not None:
            nn.utils.clip_grad_norm_(network.parameters(), self.settings.clip_norm)


class Adagrad(Optimiser[AdagradConfig]):
    """Adagrad."""

    def build(self, network: nn.Module) -> torch.optim.Optimizer:
        """See `Optimiser`."""
        own = self.settings
        start = own.initial_accumulator
        return torch.optim.Adagrad(
            network.parameters(), own.learning_rate, initial_accumulator_value=start, eps=own.epsilon
        )


class Adadelta(Optimiser[AdadeltaConfig]):
    """Adadelta."""

    def build(self, network: nn.Module) -> torch.optim.Optimizer:
        """See `Optimiser`."""
        own = self.settings
        return torch.optim.Adadelta(network.parameters(), own.learning_rate, own.rho, own.epsilon)


class Caffe(Optimiser[CaffeConfig]):
    """The authors' solver of convolutional networks; biases and the classifier have settings of their own."""

    recordable = True

    def build(self, network: nn.Module) -> torch.optim.Optimizer:
        """See `Optimiser`; the groups are weights, the classifier's weights, biases."""
        own, classifier = self.settings, network.get_parameter("classifier.weight")
        named = list(network.named_parameters())
        weights = [parameter for name, parameter in named if name.endswith("weight") and parameter is not classifier]
        biases = [parameter for name, parameter in named if name.endswith("bias")]
        groups = [
            {"params": weights, "weight_decay": own.weight_decay},
            {"params": [classifier], "weight_decay": own.weight_decay * own.classifier_decay},
            {"params": biases, "weight_decay": 0.0},
        ]
        return torch.optim.SGD(groups, own.learning_rate, own.momentum, nesterov=True, fused=True)

    def rates(self, epoch: int, done: float) -> Sequence[float]:
        """See `Optimiser`."""
        passed = sum(done >= milestone for milestone in self.settings.milestones)
        rate = self.settings.learning_rate * self.settings.factor**passed
        return [rate, rate, rate * self.settings.bias_rate]


OPTIMISERS: dict[str, type[Optimiser[Any]]] = {
    "sgd": SGD,
    "adam": Adam,
    "caffe": Caffe,
    "adagrad": Adagrad,
    "adadelta": Adadelta,
}
"""By the configuration's kind."""


def optimiser(settings: Any) -> Optimiser[Any]:
    """Return what a run's settings mean.

    Args:
        settings: A configuration with a `kind`.

    Raises:
        HighwaysError: Nothing trains a single run with this kind.
    """
    if (found := OPTIMISERS.get(settings.kind)) is None:
        raise HighwaysError(f"a single run has no optimiser {settings.kind!r}: there are {', '.join(OPTIMISERS)}")
    return found(settings)
