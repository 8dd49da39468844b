"""Plain and highway fully-connected networks (P1 sec. 3.1, P2 sec. 3.1)."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from highways.config import DenseConfig
from highways.config.run import Initialisation
from highways.nn.highway import Highway

ACTIVATIONS = {"relu": torch.relu, "tanh": torch.tanh}


class Dense(nn.Module):
    """A plain layer: f(W x + b).

    Args:
        inputs: Features in.
        outputs: Features out.
        activation: `relu` or `tanh`.
    """

    def __init__(self, inputs: int, outputs: int, activation: str):
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)
        self.activation = ACTIVATIONS[activation]

    def forward(self, x: Tensor) -> Tensor:
        """Map `(batch, inputs)` to `(batch, outputs)`."""
        return self.activation(self.linear(x))


class DenseNetwork(nn.Module):
    """A plain layer to `width`, `depth - 1` plain or highway blocks, and a linear read-out.

    The read-out returns logits; the softmax of the papers is in the loss.

    Args:
        config: Kind, depth, width, activation, transform bias.
        inputs: Features of an example.
        classes: Number of classes.
        seed: Of the initial weights.
    """

    def __init__(self, config: DenseConfig, inputs: int, classes: int, seed: int = 0):
        super().__init__()
        width = config.width
        self.config = config
        self.first = Dense(inputs, width, config.activation)
        self.blocks = nn.ModuleList(self._block(config) for _ in range(config.depth - 1))
        self.readout = nn.Linear(width, classes)
        initialise(self, seed)

    @staticmethod
    def _block(config: DenseConfig) -> nn.Module:
        width = config.width
        transform = Dense(width, width, config.activation)
        if config.kind == "plain":
            return transform
        return Highway(transform, nn.Linear(width, width), cast(float, config.transform_bias))

    def forward(self, x: Tensor) -> Tensor:
        """Map `(batch, inputs)` to logits `(batch, classes)`."""
        x = self.first(x)
        every = self.config.checkpoint_every
        if every is None or not torch.is_grad_enabled():
            return self.readout(self._pass(x, 0, len(self.blocks)))
        for start in range(0, len(self.blocks), every):
            x = cast(Tensor, checkpoint(self._pass, x, start, start + every, use_reentrant=False))
        return self.readout(x)

    def _pass(self, x: Tensor, start: int, stop: int) -> Tensor:
        for block in self.blocks[start:stop]:
            x = block(x)
        return x


def drawn(shape: torch.Size, how: Initialisation, random: torch.Generator) -> Tensor:
    """Return initial weights of a linear map, float32; see `highways.config.run.Initialisation`.

    Args:
        shape: `(outputs, inputs)`.
        how: The initialisation's name.
        random: Drawn from.
    """
    outputs, inputs = shape
    if how == "zeros":
        return torch.zeros(shape)
    if how == "glorot_uniform":
        return (2 * torch.rand(shape, generator=random) - 1) * math.sqrt(6 / (inputs + outputs))
    weight = torch.randn(shape, generator=random, dtype=torch.float32)
    if how == "orthogonal":
        tall = weight if outputs >= inputs else weight.T
        q, r = torch.linalg.qr(tall)
        q = q * r.diagonal().sign()  # else not uniform over the orthogonal matrices
        return q if outputs >= inputs else q.T
    return weight * {"he_normal": math.sqrt(2 / inputs), "normal": 1.0, "normal_fan_in": math.sqrt(1 / inputs)}[how]


def initialise(network: DenseNetwork, seed: int) -> None:
    """Draw all weights anew as the configuration says, set biases to 0 and gate biases to theirs.

    The weights are drawn on the CPU in the order in which the modules were made, from a stream of
    their own, so that a seed means the same weights everywhere.
    """
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Linear):
                module.weight.copy_(drawn(module.weight.shape, network.config.initialisation, random))
                module.bias.zero_()
        for module in network.modules():
            if isinstance(module, Highway):
                module.reset_gate_bias()
