"""Convolutional networks, built from a configuration: stages of plain or highway convolutions, and a head.

Source: P2 sec. 3.2 and 3.3, and the networks that the authors released (`highways.config.conv`).
"""

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from highways.config import ConvConfig
from highways.errors import HighwaysError
from highways.nn.dense import drawn
from highways.nn.highway import Highway, reset_gate_biases


class Conv(nn.Conv2d):
    """A convolution of stride 1 with padding `same` or `none`; `same` preserves the size for even kernels, too.

    For an even kernel, the odd pixel of padding goes to the right and to the bottom, as in Keras 1.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, padding: str = "same"):
        same = padding == "same"
        super().__init__(inputs, outputs, kernel, padding=(kernel - 1) // 2 if same else 0)
        self.odd = int(same and kernel % 2 == 0)

    def forward(self, input: Tensor) -> Tensor:
        """Map `(batch, inputs, height, width)` to `(batch, outputs, height', width')`."""
        return super().forward(functional.pad(input, (0, self.odd, 0, self.odd)) if self.odd else input)


class Activated(nn.Module):
    """A plain layer: a convolution, or a fully-connected layer if `kernel` is `None`, and its activation.

    The activation is `relu` or `maxout`; maxout has twice as many units and takes the larger of each pair.
    """

    def __init__(self, inputs: int, outputs: int, activation: str, kernel: int | None, padding: str = "same"):
        super().__init__()
        units = outputs * (2 if activation == "maxout" else 1)
        self.linear = nn.Linear(inputs, units) if kernel is None else Conv(inputs, units, kernel, padding)
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """Map `(batch, inputs, ...)` to `(batch, outputs, ...)`."""
        x = self.linear(x)
        return torch.relu(x) if self.activation == "relu" else torch.maximum(*x.chunk(2, dim=1))


class ConvNetwork(nn.Module):
    """The network that a configuration describes, for images of `shape`, `(channels, height, width)`.

    `seed` determines the initial weights. A convolution or a pooling window that does not fit raises `HighwaysError`,
    whose message names the stage.
    """

    def __init__(self, config: ConvConfig, shape: tuple[int, int, int], classes: int, seed: int = 0):
        super().__init__()
        self.config = config
        channels, x = shape[0], torch.zeros(1, *shape)
        layers: list[nn.Module] = [nn.Dropout(config.input_dropout)]
        self.blocks: list[nn.Module] = []
        """The highway blocks, or the plain layers in their place, in order."""
        for number, stage in enumerate(config.stages, start=1):
            where = f"network {config.name!r}, stage {number}"
            if stage.entry is not None:
                layers.append(Activated(channels, stage.width, config.activation, stage.entry, stage.entry_padding))
                x = _through(layers[-1], x, f"{where}: its first convolution, {stage.entry}x{stage.entry},", shape)
            elif channels != stage.width:
                raise HighwaysError(f"{where}: {channels} channels come in, its width is {stage.width}")
            channels = stage.width
            for index in range(stage.blocks):
                kernel = stage.kernels[index % len(stage.kernels)]
                block: nn.Module = Activated(channels, channels, config.activation, kernel)
                if config.transform_bias is not None:
                    block = Highway(block, Conv(channels, channels, kernel), config.transform_bias)
                self.blocks.append(block)
                layers.append(block)
            if stage.pool is not None:
                up = config.pool_rounding == "up"
                layers.append(nn.MaxPool2d(stage.pool, stage.pool_stride or stage.pool, ceil_mode=up))
                x = _through(layers[-1], x, f"{where}: its pooling, {stage.pool}x{stage.pool},", shape)
            layers.append(nn.Dropout(stage.dropout))
        if config.one_by_one is not None:
            layers.append(Activated(channels, config.one_by_one, config.activation, 1))
            channels = config.one_by_one
        if config.head == "convolution":
            self.body = nn.Sequential(*layers, nn.Dropout(config.head_dropout))
            self.classifier: nn.Module = Conv(channels, classes, 1)
        else:
            layers += [nn.AdaptiveAvgPool2d(1)] if config.head == "average" else []
            features = channels * (1 if config.head == "average" else x[0, 0].numel())
            layers += [nn.Flatten(), nn.Dropout(config.head_dropout)]
            for width in config.hidden:
                layers += [Activated(features, width, config.activation, None), nn.Dropout(config.hidden_dropout)]
                features = width
            self.body = nn.Sequential(*layers)
            self.classifier = nn.Linear(features, classes)
        initialise(self, seed)

    def forward(self, x: Tensor) -> Tensor:
        """Map images `(batch, channels, height, width)` to logits `(batch, classes)`."""
        x = self.classifier(self.body(x))
        return x.mean(dim=(2, 3)) if self.config.head == "convolution" else x


def build(config: ConvConfig, data: Any, seed: int) -> nn.Module:
    """Return the untrained network for a data set."""
    network = ConvNetwork(config, data.shape, data.classes, seed)
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


@torch.no_grad()
def _through(layer: nn.Module, x: Tensor, what: str, shape: tuple[int, int, int]) -> Tensor:
    """Return the output of a layer for an image; if the image is too small, the error names the layer, `what`."""
    try:
        return layer(x)
    except RuntimeError:
        raise HighwaysError(f"{what} does not fit; the image is {shape[1]}x{shape[2]} at the start") from None


def initialise(network: ConvNetwork, seed: int) -> None:
    """Draw all weights as the configuration says; set biases to 0 and gate biases to the configured value.

    The weights are drawn on the CPU, in the order in which the modules were created, from a stream of their own.
    """
    config, random = network.config, torch.Generator().manual_seed(seed)
    layers = [module for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    deviations = {network.classifier: config.classifier_std, layers[0]: config.first_std}
    with torch.no_grad():
        for layer in layers:
            std = deviations.get(layer) if config.initialisation == "he_normal" else None
            weight = drawn(layer.weight.shape, config.initialisation if std is None else "normal", random)
            layer.weight.copy_(weight if std is None else weight * std)
            cast(Tensor, layer.bias).zero_()
    reset_gate_biases(network)
