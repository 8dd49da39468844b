"""The network that learned nothing, and each of its suspected causes alone (the initialisation questions, c)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from highways.config import RunConfig
from highways.config.analysis import Measure
from highways.inside.thinning import kept_steps
from highways.inside.values import lists


class StuckConfig(Measure):
    """The network that learned nothing, and its faults one by one (the initialisation questions, c).

    Rate, range of the output weights, batches and steps are the source's; sizes and data are ours.
    """

    kind: str = "stuck"
    version: ClassVar[int] = 2
    features: int = Field(default=512, ge=1)
    hidden: int = Field(default=256, ge=1)
    examples: int = Field(default=2_000, ge=10)
    subset: int = Field(default=20, ge=2)
    """Size of the subset of the answer's advice: can it be overfitted?"""
    steps: int = Field(default=500, ge=1)
    batch_size: int = Field(default=300, ge=1)
    learning_rate: float = Field(default=0.005, gt=0)
    healthy_rate: float = Field(default=0.05, gt=0)
    """Of the healthy network, which has each fault alone; ours, as its steps."""
    healthy_steps: int = Field(default=2_000, ge=1)
    output_range: float = Field(default=2 / 512, gt=0)
    """Output weights are uniform from the negative of this to this."""
    seed: int = Field(default=0, ge=0)

    def perform(self, run: RunConfig | None, network: nn.Module | None, where: torch.device) -> dict[str, Any]:
        """See `Measure`."""
        return lists(stuck_versions(self))


@dataclass(frozen=True)
class _Version:
    one_logit: bool = False
    """Softmax cross-entropy over the one logit; else sigmoid cross-entropy."""
    zero_first: bool = False
    zero_second: bool = False
    small_output: bool = False
    """Output weights from U(-2/512, 2/512); else from N(0, 1 / hidden units)."""
    shared_bias: bool = False
    """One scalar, added in both layers; else a bias for every unit."""
    slow: bool = False
    """The source's rate and steps; else the healthy ones."""


_SOURCE = _Version(one_logit=True, zero_first=True, small_output=True, shared_bias=True, slow=True)

_VERSIONS = {
    "as-written": _SOURCE,
    "right-loss": replace(_SOURCE, one_logit=False),
    "right-loss-random-first": replace(_SOURCE, one_logit=False, zero_first=False),
    "healthy": _Version(),
    "only-one-logit": _Version(one_logit=True),
    "only-zero-first": _Version(zero_first=True),
    "only-slow": _Version(slow=True),
    "only-shared-bias": _Version(shared_bias=True),
    "only-small-output": _Version(small_output=True),
    "all-zero": _Version(zero_first=True, zero_second=True),
}

STUCK_VERSIONS = tuple(_VERSIONS)
"""The network that learned nothing, as its question has it and with fewer and fewer faults, then each fault alone:

- `as-written`: softmax cross-entropy over one logit; first layer zero, output weights from U(-2/512, 2/512), one scalar
  bias for both layers, rate 0.005, batches of 300, 500 steps;
- `right-loss`: the same with sigmoid cross-entropy;
- `right-loss-random-first`: the same, and a random first layer;
- `healthy`: sigmoid cross-entropy, both layers from N(0, 1 / inputs of a unit), biases of their own, rate 0.05, 2,000
  steps;
- `only-...`: healthy but for one fault: the loss, the first layer, rate and steps, the bias or the output weights;
- `all-zero`: healthy but for both layers, which start at zero.

Batches are the same for all; a subset smaller than a batch is one batch.
"""

KEPT = 51
"""Most steps at which losses and accuracies are recorded."""


def stuck_steps(config: StuckConfig, version: str) -> list[int]:
    """Return the steps at which losses and accuracies are recorded; each is a pass over all examples."""
    return kept_steps(_steps(config, _VERSIONS[version]) + 1, most=KEPT)


def _steps(config: StuckConfig, version: _Version) -> int:
    return config.steps if version.slow else config.healthy_steps


def boolean_task(config: StuckConfig) -> tuple[Tensor, Tensor]:
    """Return boolean features `(examples, features)`, float32, and labels `(examples,)` of a linear rule.

    The label is 1 where the sum of random weights over the features that are on is above its median.
    """
    random = torch.Generator().manual_seed(config.seed)
    x = (torch.rand(config.examples, config.features, generator=random) < 0.5).float()
    score = x @ torch.randn(config.features, generator=random)
    return x, (score > score.median()).float()


def stuck_versions(config: StuckConfig) -> dict[str, Tensor]:
    """Train the versions by gradient descent on batches drawn at random, on all examples and on a small subset.

    Returns:
        For each version, with `_` for `-`: `<version>_loss` and `<version>_accuracy`, over all training examples, at
        `stuck_steps`, from before the first one to after the last one; `<version>_first_gradient`, the norm of the
        gradient of the first layer at the start, over all examples; `<version>_distinct_units`, how many hidden
        units have a gradient of their own there; `<version>_subset_accuracy`, after as many steps on the subset alone.
        `as_written_output_low` and `as_written_output_high`: the lowest and the highest sigmoid of the logit over all
        examples after the last step.
    """
    x, y = boolean_task(config)
    found: dict[str, Tensor] = {}
    for version in STUCK_VERSIONS:
        name = version.replace("-", "_")
        trained = _train(config, _VERSIONS[version], x, y)
        found[f"{name}_loss"], found[f"{name}_accuracy"] = trained.losses, trained.accuracies
        found[f"{name}_first_gradient"] = trained.gradient.norm().reshape(1)
        found[f"{name}_distinct_units"] = torch.tensor([float(_distinct(trained.gradient))])
        subset = _train(config, _VERSIONS[version], x[: config.subset], y[: config.subset])
        found[f"{name}_subset_accuracy"] = subset.accuracies[-1:]
        if version == "as-written":
            found[f"{name}_output_low"] = torch.sigmoid(trained.logits).min().reshape(1)
            found[f"{name}_output_high"] = torch.sigmoid(trained.logits).max().reshape(1)
    return found


def _distinct(gradient: Tensor) -> int:
    """Return how many rows differ from each other, to a ten-thousandth of the largest entry; none of zeros."""
    if not gradient.any():
        return 0
    return len(torch.unique((gradient / gradient.abs().max() * 1e4).round(), dim=0))


@dataclass(frozen=True)
class _Trained:
    losses: Tensor
    """`(kept steps,)`, as `accuracies`."""
    accuracies: Tensor
    gradient: Tensor
    """Of the first layer at the start, `(hidden, features)`."""
    logits: Tensor
    """After the last step, `(examples,)`."""


def _weights(config: StuckConfig, version: _Version) -> tuple[list[Tensor], list[Tensor]]:
    """Return what is trained, and first layer's weights and biases, output weights and biases, which are of it."""
    random = torch.Generator().manual_seed(config.seed + 1)
    first = torch.randn(config.hidden, config.features, generator=random) / math.sqrt(config.features)
    second = torch.randn(1, config.hidden, generator=random) / math.sqrt(config.hidden)
    if version.small_output:
        second = (2 * torch.rand(1, config.hidden, generator=random) - 1) * config.output_range
    if version.zero_first:
        first.zero_()
    if version.zero_second:
        second.zero_()
    biases = [torch.zeros(1)] if version.shared_bias else [torch.zeros(config.hidden), torch.zeros(1)]
    trained = [first, second, *biases]
    for weight in trained:
        weight.requires_grad_()
    return trained, [first, biases[0].expand(config.hidden), second, biases[-1]]


def _logits(x: Tensor, layers: list[Tensor]) -> Tensor:
    hidden = torch.sigmoid(functional.linear(x, layers[0], layers[1]))
    return functional.linear(hidden, layers[2], layers[3])[:, 0]


def _loss(version: _Version, logits: Tensor, y: Tensor) -> Tensor:
    if version.one_logit:
        return -(y[:, None] * torch.log_softmax(logits[:, None], dim=1)).sum(dim=1).mean()
    return functional.binary_cross_entropy_with_logits(logits, y)


def _train(config: StuckConfig, version: _Version, x: Tensor, y: Tensor) -> _Trained:
    trained, layers = _weights(config, version)
    random = torch.Generator().manual_seed(config.seed + 2)
    rate, steps = (config.learning_rate if version.slow else config.healthy_rate), _steps(config, version)
    kept = set(kept_steps(steps + 1, most=KEPT))
    losses, accuracies = [], []
    gradient = torch.autograd.grad(_loss(version, _logits(x, layers), y), trained)[0]
    logits = torch.empty(0)
    for step in range(steps + 1):
        if step in kept:
            with torch.no_grad():
                logits = _logits(x, layers)
            losses.append(_loss(version, logits, y))
            accuracies.append(((logits > 0).float() == y).float().mean())
        if step == steps:
            break
        rows = torch.randperm(len(x), generator=random)[: config.batch_size]
        loss = _loss(version, _logits(x[rows], layers), y[rows])
        with torch.no_grad():
            for weight, slope in zip(trained, torch.autograd.grad(loss, trained), strict=True):
                weight -= rate * slope
    return _Trained(torch.stack(losses), torch.stack(accuracies), gradient, logits)
