"""Plain and highway fully-connected networks (P1 sec. 3.1, P2 sec. 3.1)."""

import math
from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from highways.config import DenseConfig, Initialisation
from highways.nn.highway import Highway, reset_gate_biases

ACTIVATIONS = {"relu": torch.relu, "tanh": torch.tanh, "linear": lambda x: x}


def dropout_masks(config: DenseConfig, batch: int, *, seed: int, epoch: int, step: int) -> Tensor:
    """Draw the dropout masks of one training step of a network.

    The draw depends only on the run's seed, the epoch and the step, both from 0, so that a run sees the same masks when
    it is resumed or trained with others.

    Returns:
        `(depth, batch, width)` on the CPU, for the output of the first layer and of every block: 0, or 1 over the
        probability of being kept. The last mask has been drawn twice, since dropout comes twice before the read-out.
    """
    keep = 1 - config.dropout
    random = torch.Generator().manual_seed(((seed * 1_000_003 + epoch) * 1_000_003 + step) % 2**63)
    drawn = torch.rand(config.depth + 1, batch, config.width, generator=random) < keep
    masks = drawn[:-1] / keep
    masks[-1] *= drawn[-1] / keep
    return masks


class Dense(nn.Module):
    """A plain layer: f(W x + b), for an activation f of `ACTIVATIONS`."""

    def __init__(self, inputs: int, outputs: int, activation: str):
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)
        self.activation = ACTIVATIONS[activation]

    def forward(self, x: Tensor) -> Tensor:
        """Map `(batch, inputs)` to `(batch, outputs)`."""
        return self.activation(self.linear(x))


class DenseNetwork(nn.Module):
    """A plain layer to `width`, `depth - 1` plain or highway blocks, and a linear read-out.

    The read-out returns logits; the softmax of the papers is in the loss. `seed` determines the initial weights.
    """

    def __init__(self, config: DenseConfig, inputs: int, classes: int, seed: int = 0):
        super().__init__()
        width, bias = config.width, config.transform_bias
        self.config = config
        self.first = Dense(inputs, width, config.first)
        self.blocks = nn.ModuleList()
        for _ in range(config.depth - 1):
            block = Dense(width, width, config.activation)
            self.blocks.append(block if bias is None else Highway(block, nn.Linear(width, width), bias))
        self.readout = nn.Linear(width, classes)
        initialise(self, seed)

    def forward(self, x: Tensor, masks: Tensor | None = None) -> Tensor:
        """Map `(batch, inputs)` to logits `(batch, classes)`.

        For training with dropout, `masks` are those of `dropout_masks`, on the device.
        """
        x = self.first(x)
        if masks is not None:
            x = x * masks[0]
        every = self.config.checkpoint_every
        if every is None or not torch.is_grad_enabled():
            return self.readout(self._pass(x, 0, len(self.blocks), masks))
        for start in range(0, len(self.blocks), every):
            x = cast(Tensor, checkpoint(self._pass, x, start, start + every, masks, use_reentrant=False))
        return self.readout(x)

    def _pass(self, x: Tensor, start: int, stop: int, masks: Tensor | None) -> Tensor:
        for layer, block in enumerate(self.blocks[start:stop], start):
            x = block(x)
            if masks is not None:
                x = x * masks[layer + 1]
        return x


def build(config: DenseConfig, data: Any, seed: int) -> DenseNetwork:
    """Return the untrained network for a data set."""
    return DenseNetwork(config, data.features, data.classes, seed)


def drawn(shape: Sequence[int], how: Initialisation, random: torch.Generator) -> Tensor:
    """Draw float32 initial weights of a linear map or a convolution; see `highways.config.run.Initialisation`.

    `shape` is `(outputs, inputs)`, for a convolution also the sides of its kernel, whose pixels count in both fans.
    """
    inputs, outputs = math.prod(shape[1:]), math.prod(shape) // shape[1]
    if how == "zeros":
        return torch.zeros(shape)
    if how == "glorot_uniform":
        return (2 * torch.rand(shape, generator=random) - 1) * math.sqrt(6 / (inputs + outputs))
    if how == "orthogonal":
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # the last bits depend on the number of threads, and training amplifies them
        weight = nn.init.orthogonal_(torch.empty(shape, dtype=torch.float32), generator=random)
        torch.set_num_threads(threads)
        return weight
    weight = torch.randn(shape, generator=random, dtype=torch.float32)
    return weight * {"he_normal": math.sqrt(2 / inputs), "normal": 1.0, "normal_fan_in": math.sqrt(1 / inputs)}[how]


def initialise(network: DenseNetwork, seed: int) -> None:
    """Draw all weights as the configuration says; set biases to 0 and gate biases to `transform_bias`.

    The weights are drawn on the CPU, in the order in which the modules were created, from a stream of their own, so
    that a seed gives the same weights everywhere.
    """
    config, random = network.config, torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, module in network.named_modules():
            if isinstance(module, nn.Linear):
                own = config.block_initialisation if name.startswith("blocks.") else None
                module.weight.copy_(drawn(module.weight.shape, own or config.initialisation, random))
                module.bias.zero_()
    reset_gate_biases(network)
