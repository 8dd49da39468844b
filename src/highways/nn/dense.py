"""Plain and highway fully-connected networks (P1 sec. 3.1, P2 sec. 3.1)."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from highways.config import DenseConfig
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


def initialise(network: nn.Module, seed: int) -> None:
    """Draw all weights anew from N(0, 2 / fan-in), set biases to 0 and gate biases to theirs.

    The weights are drawn on the CPU in the order in which the modules were made, from a stream of
    their own, so that a seed means the same weights everywhere.

    Source: He et al. 2015, as P1 sec. 3.1 has it.
    """
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Linear):
                weight = torch.randn(module.weight.shape, generator=random, dtype=torch.float32)
                module.weight.copy_(weight * math.sqrt(2 / module.in_features))
                module.bias.zero_()
        for module in network.modules():
            if isinstance(module, Highway):
                module.reset_gate_bias()
