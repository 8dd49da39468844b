"""The two networks of `09_l2_parity`: from scratch in NumPy, and in PyTorch with autograd; float64.

Inputs, a hidden layer, some outputs, sigmoids throughout, mean squared error, weights zero at first, gradient descent
over all examples at once. Weights decay, biases do not.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

Array = NDArray[np.float64]
Weights = list[Array]
"""First layer's weights `(inputs, hidden)` and biases, second layer's `(hidden, outputs)` and biases."""


class State(NamedTuple):
    """A network after a step: weights, cost with the penalty if it has one, training accuracy, the cost's gradient."""

    weights: Weights
    cost: float
    accuracy: float
    gradient: Weights


def zeros(x: Array | Tensor, y: Array | Tensor, hidden: int) -> Weights:
    """Return the weights that both networks start with."""
    shapes: list[tuple[int, ...]] = [(x.shape[1], hidden), (hidden,), (hidden, y.shape[1]), (y.shape[1],)]
    return [np.zeros(shape) for shape in shapes]


def _sigmoid(z: Array) -> Array:
    return 1 / (1 + np.exp(-z))


def forward(x: Array, weights: Weights) -> tuple[Array, Array]:
    """Return hidden activations and outputs."""
    hidden = _sigmoid(x @ weights[0] + weights[1])
    return hidden, _sigmoid(hidden @ weights[2] + weights[3])


def gradient(x: Array, y: Array, weights: Weights) -> Weights:
    """Return the gradient of the mean squared error, over examples and outputs, by backpropagation."""
    hidden, out = forward(x, weights)
    delta = 2 * (out - y) * out * (1 - out) / y.size
    below = delta @ weights[2].T * hidden * (1 - hidden)
    return [x.T @ below, below.sum(axis=0), hidden.T @ delta, delta.sum(axis=0)]


def gradient_loop(x: Array, y: Array, weights: Weights) -> Weights:
    """Return the same, example by example, as the source does it."""
    total = [np.zeros_like(weight) for weight in weights]
    for one, target in zip(x, y, strict=True):
        for sum_, part in zip(total, gradient(one[None], target[None], weights), strict=True):
            sum_ += part / len(x)
    return total


def _accuracy(out: Array, y: Array) -> float:
    return float((out.argmax(axis=1) == y.argmax(axis=1)).mean())


def train_in_numpy(x: Array, y: Array, hidden: int, steps: int, rate: float, decay: float) -> list[State]:
    """Return the network from scratch after every step; it decays by `decay * w`, its cost has half `decay * w^2`."""
    weights, history = zeros(x, y, hidden), []
    for step in range(steps + 1):
        out, slopes = forward(x, weights)[1], gradient(x, y, weights)
        for place in (0, 2):
            slopes[place] = slopes[place] + decay * weights[place]
        if step:
            cost = np.mean((out - y) ** 2) + decay / 2 * sum(float((weight**2).sum()) for weight in weights[0::2])
            history.append(State(weights, float(cost), _accuracy(out, y), slopes))
        weights = [weight - rate * slope for weight, slope in zip(weights, slopes, strict=True)]
    return history


def train_in_torch(
    x: Tensor,
    y: Tensor,
    hidden: int,
    steps: int,
    rate: float,
    optimiser: type[torch.optim.SGD] | type[torch.optim.AdamW] = torch.optim.SGD,
    penalty: float = 0.0,
    weight_decay: float = 0.0,
    decoupled: float = 0.0,
) -> list[State]:
    """Return the network in PyTorch after every step.

    Its loss has `penalty` times the sum of squares, as Keras's `l2`; `weight_decay` is the optimiser's own; and before
    each step weights are multiplied by 1 - rate * `decoupled`.
    """
    weights = [torch.from_numpy(weight).requires_grad_() for weight in zeros(x, y, hidden)]
    groups = [{"params": weights[0::2], "weight_decay": weight_decay}, {"params": weights[1::2], "weight_decay": 0.0}]
    rule, history = optimiser(groups, lr=rate), []
    for step in range(steps + 1):
        activations = torch.sigmoid(x @ weights[0] + weights[1])
        out = torch.sigmoid(activations @ weights[2] + weights[3])
        loss = functional.mse_loss(out, y)
        loss = loss + penalty * sum((weight.square().sum() for weight in weights[0::2]), start=torch.zeros(()))
        rule.zero_grad()
        loss.backward()
        if step:
            now = [weight.detach().numpy().copy() for weight in weights]
            slopes = [weight.grad.numpy().copy() for weight in weights if weight.grad is not None]
            history.append(State(now, float(loss.detach()), _accuracy(out.detach().numpy(), y.numpy()), slopes))
        if decoupled:
            with torch.no_grad():
                for weight in weights[0::2]:
                    weight.mul_(1 - rate * decoupled)
        rule.step()
    return history
