"""One network twice: from scratch in NumPy, and in PyTorch with the penalty that Keras has (seed 004).

Inputs, a hidden layer, ten outputs, sigmoids throughout, mean squared error, weights zero at first, gradient
descent over all examples at once. The network from scratch decays its weights by lambda * w; Keras's `l2(lambda)`
adds lambda * sum(w^2) to the loss, whose gradient is 2 * lambda * w.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from highways.config import ParityConfig
from highways.data import Images, load
from highways.errors import HighwaysError

Array = NDArray[np.float64]
Weights = list[Array]
"""First layer's weights `(inputs, hidden)` and biases, second layer's `(hidden, outputs)` and biases."""

VARIANTS = ("no-decay", "penalty", "half-penalty", "decoupled", "weight-decay", "adam")
"""What is compared with the network from scratch, whose decay is lambda:

- `no-decay`: both with lambda 0;
- `penalty`: Keras's penalty, with lambda;
- `half-penalty`: Keras's penalty, with lambda / 2;
- `decoupled`: every weight times 1 - rate * lambda before each step, as AdamW does it, under gradient descent;
- `weight-decay`: `torch.optim.SGD(weight_decay=lambda)`;
- `adam`: not with the network from scratch, but Adam with the penalty of lambda / 2 beside AdamW with lambda.
"""


def parity(config: ParityConfig) -> dict[str, Tensor]:
    """Train the pairs, and return how far apart they are.

    Returns:
        `<variant>` (with `_` for `-`): after every step, the largest difference of two weights over the largest
        weight; `accuracy` of the network from scratch with decay, on its training examples, and `loss`;
        `hidden_units`, the number of different hidden units it ends with; `loop_seconds` and
        `vectorised_seconds`, the gradient over `loop_examples` examples, medians of five.

    Raises:
        HighwaysError: There are fewer examples than asked for.
    """
    data = load(config.data)
    assert isinstance(data, Images)
    if config.examples is not None and config.examples > len(data.train_y):
        raise HighwaysError(f"{config.examples} examples were asked for, {config.data} has {len(data.train_y)}")
    x = data.train_x[: config.examples].double().cpu()
    y = functional.one_hot(data.train_y[: config.examples].cpu(), data.classes).double()
    rate, decay = config.learning_rate, config.decay

    def scratch(decayed: float) -> list[Weights]:
        return _scratch(x.numpy(), y.numpy(), config, decayed)

    without, with_decay = scratch(0.0), scratch(decay)
    pairs: dict[str, Callable[[], tuple[list[Weights], list[Weights]]]] = {
        "no-decay": lambda: (without, _torch(x, y, config, "sgd", rate)),
        "penalty": lambda: (with_decay, _torch(x, y, config, "sgd", rate, penalty=decay)),
        "half-penalty": lambda: (with_decay, _torch(x, y, config, "sgd", rate, penalty=decay / 2)),
        "decoupled": lambda: (with_decay, _torch(x, y, config, "sgd", rate, decoupled=decay)),
        "weight-decay": lambda: (with_decay, _torch(x, y, config, "sgd", rate, weight_decay=decay)),
        "adam": lambda: (
            _torch(x, y, config, "adam", config.adam_rate, penalty=decay / 2),
            _torch(x, y, config, "adam", config.adam_rate, decoupled=decay),
        ),
    }
    found = {}
    for name in VARIANTS:
        one, other = pairs[name]()
        gaps = [_gap(a, b) for a, b in zip(one, other, strict=True)]
        found[name.replace("-", "_")] = torch.tensor(gaps, dtype=torch.float64)
    end = with_decay[-1]
    out = _forward(x.numpy(), end)[1]
    found["loss"] = torch.tensor([float(np.mean((out - y.numpy()) ** 2))])
    found["accuracy"] = torch.tensor([float((out.argmax(axis=1) == data.train_y[: config.examples].numpy()).mean())])
    found["hidden_units"] = torch.tensor([float(len(np.unique(end[0].round(12), axis=1).T))])
    few = slice(0, config.loop_examples)
    for name, step in (("loop", _gradient_loop), ("vectorised", _gradient)):
        times = []
        for _ in range(5):
            began = time.perf_counter()
            step(x.numpy()[few], y.numpy()[few], end)
            times.append(time.perf_counter() - began)
        found[f"{name}_seconds"] = torch.tensor([statistics.median(times)])
    found["loop_examples"] = torch.tensor([float(len(x[few]))])
    return found


def _gap(one: Weights, other: Weights) -> float:
    size = max(float(np.abs(weight).max()) for weight in one)
    difference = max(float(np.abs(a - b).max()) for a, b in zip(one, other, strict=True))
    return difference / size if size else difference


def _sigmoid(z: Array) -> Array:
    return 1 / (1 + np.exp(-z))


def _forward(x: Array, weights: Weights) -> tuple[Array, Array]:
    hidden = _sigmoid(x @ weights[0] + weights[1])
    return hidden, _sigmoid(hidden @ weights[2] + weights[3])


def _gradient(x: Array, y: Array, weights: Weights) -> Weights:
    """Return the gradient of the mean squared error, over examples and outputs, by backpropagation."""
    hidden, out = _forward(x, weights)
    delta = 2 * (out - y) * out * (1 - out) / y.size
    below = delta @ weights[2].T * hidden * (1 - hidden)
    return [x.T @ below, below.sum(axis=0), hidden.T @ delta, delta.sum(axis=0)]


def _gradient_loop(x: Array, y: Array, weights: Weights) -> Weights:
    """Return the same, example by example, as the source does it."""
    total = [np.zeros_like(weight) for weight in weights]
    for one, target in zip(x, y, strict=True):
        for sum_, part in zip(total, _gradient(one[None], target[None], weights), strict=True):
            sum_ += part / len(x)
    return total


def _zeros(x: Array, y: Array, hidden: int) -> Weights:
    shapes: list[tuple[int, ...]] = [(x.shape[1], hidden), (hidden,), (hidden, y.shape[1]), (y.shape[1],)]
    return [np.zeros(shape) for shape in shapes]


def _scratch(x: Array, y: Array, config: ParityConfig, decay: float) -> list[Weights]:
    """Return the weights after every step of the network from scratch; biases do not decay."""
    weights, history = _zeros(x, y, config.hidden), []
    for _ in range(config.steps):
        gradients = _gradient(x, y, weights)
        for index, gradient in enumerate(gradients):
            decayed = decay * weights[index] if index % 2 == 0 else 0.0
            weights[index] = weights[index] - config.learning_rate * (gradient + decayed)
        history.append(list(weights))
    return history


def _torch(
    x: Tensor,
    y: Tensor,
    config: ParityConfig,
    optimiser: str,
    rate: float,
    penalty: float = 0.0,
    decoupled: float = 0.0,
    weight_decay: float = 0.0,
) -> list[Weights]:
    """Return the weights after every step of the network in PyTorch, with autograd."""
    weights = [torch.from_numpy(weight).requires_grad_() for weight in _zeros(x.numpy(), y.numpy(), config.hidden)]
    groups = [
        {"params": weights[0::2], "weight_decay": decoupled if optimiser == "adam" else weight_decay},
        {"params": weights[1::2], "weight_decay": 0.0},
    ]
    made = torch.optim.AdamW if optimiser == "adam" else torch.optim.SGD  # without decay AdamW is Adam
    torch_optimiser: torch.optim.Optimizer = made(groups, lr=rate)
    history = []
    for _ in range(config.steps):
        hidden = torch.sigmoid(x @ weights[0] + weights[1])
        loss = functional.mse_loss(torch.sigmoid(hidden @ weights[2] + weights[3]), y)
        loss = loss + penalty * sum((weight.square().sum() for weight in weights[0::2]), start=torch.zeros(()))
        torch_optimiser.zero_grad()
        loss.backward()
        if decoupled and optimiser == "sgd":
            with torch.no_grad():
                for weight in weights[0::2]:
                    weight.mul_(1 - rate * decoupled)
        torch_optimiser.step()
        history.append([weight.detach().numpy().copy() for weight in weights])
    return history
