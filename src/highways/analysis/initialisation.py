"""Small studies of initial weights: the variance of a unit's input, and the network that learned nothing (seed 001)."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from highways.config import StuckConfig, VarianceConfig

DRAWN = {
    "normal": lambda inputs: 1.0,
    "normal_fan_in": lambda inputs: 1 / inputs,
    "he_normal": lambda inputs: 2 / inputs,
}
"""Variance of a weight, by the name of the initialisation and the number of a unit's inputs."""


def z_variance(config: VarianceConfig) -> dict[str, Tensor]:
    """Measure the variance of z = sum of w x + b over draws of w and of b, which is drawn from N(0, 1).

    Returns:
        The variance for each way to draw the weights, one value each; by seed 001 (a) 501 for N(0, 1) and 1.5
        for N(0, 1 / n).
    """
    found = {}
    for name, variance in DRAWN.items():
        random = torch.Generator().manual_seed(config.seed)
        weights = torch.randn(config.draws, config.active, generator=random) * math.sqrt(variance(config.inputs))
        z = weights.sum(dim=1) + torch.randn(config.draws, generator=random)
        found[name] = z.double().var().reshape(1)
    return found


STUCK_VERSIONS = ("as-written", "sigmoid", "all-zero", "random")
"""The four versions of the network that learned nothing:

- `as-written`: softmax cross-entropy over one logit; first layer zero, second one random;
- `sigmoid`: the same weights, sigmoid cross-entropy;
- `all-zero`: sigmoid cross-entropy, both layers zero;
- `random`: sigmoid cross-entropy, both layers random.
"""


def boolean_task(config: StuckConfig) -> tuple[Tensor, Tensor]:
    """Return boolean features `(examples, features)`, float32, and labels `(examples,)` of a linear rule.

    The label is 1 where the sum of random weights over the features that are on is above its median.
    """
    random = torch.Generator().manual_seed(config.seed)
    x = (torch.rand(config.examples, config.features, generator=random) < 0.5).float()
    score = x @ torch.randn(config.features, generator=random)
    return x, (score > score.median()).float()


def stuck_versions(config: StuckConfig) -> dict[str, Tensor]:
    """Train the four versions with full-batch gradient descent, on all examples and on a small subset.

    Returns:
        For each version, with `_` for `-`: `<version>_loss` and `<version>_accuracy` over the steps, from before
        the first one; `<version>_first_gradient`, the norm of the gradient of the first layer at the start;
        `<version>_distinct_units`, how many hidden units have a gradient of their own there;
        `<version>_subset_accuracy`, after as many steps on the subset.
    """
    x, y = boolean_task(config)
    found: dict[str, Tensor] = {}
    for version in STUCK_VERSIONS:
        name = version.replace("-", "_")
        losses, accuracies, gradient = _train_stuck(config, version, x, y)
        found[f"{name}_loss"], found[f"{name}_accuracy"] = losses, accuracies
        found[f"{name}_first_gradient"] = gradient.norm().reshape(1)
        rows = torch.unique((gradient / gradient.abs().max().clamp_min(1e-30) * 1e4).round(), dim=0)
        found[f"{name}_distinct_units"] = torch.tensor([float(len(rows)) if gradient.any() else 0.0])
        subset = _train_stuck(config, version, x[: config.subset], y[: config.subset])
        found[f"{name}_subset_accuracy"] = subset[1][-1:]
    return found


def _train_stuck(config: StuckConfig, version: str, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    random = torch.Generator().manual_seed(config.seed + 1)
    first = torch.randn(config.hidden, config.features, generator=random) / math.sqrt(config.features)
    second = torch.randn(1, config.hidden, generator=random) / math.sqrt(config.hidden)
    if version != "random":
        first.zero_()
    if version == "all-zero":
        second.zero_()
    weights = [first, torch.zeros(config.hidden), second, torch.zeros(1)]
    for weight in weights:
        weight.requires_grad_()
    losses, accuracies, start = [], [], torch.empty(0)
    for step in range(config.steps + 1):
        hidden = torch.sigmoid(functional.linear(x, weights[0], weights[1]))
        logit = functional.linear(hidden, weights[2], weights[3])
        if version == "as-written":
            loss = -(y[:, None] * torch.log_softmax(logit, dim=1)).sum(dim=1).mean()
        else:
            loss = functional.binary_cross_entropy_with_logits(logit[:, 0], y)
        losses.append(loss.detach())
        accuracies.append(((logit[:, 0] > 0).float() == y).float().mean())
        gradients = torch.autograd.grad(loss, weights)
        if step == 0:
            start = gradients[0]
        with torch.no_grad():
            for weight, gradient in zip(weights, gradients, strict=True):
                weight -= config.learning_rate * gradient
    return torch.stack(losses), torch.stack(accuracies), start
