"""The network that learned nothing, and each of its suspected causes alone (the initialisation questions, c)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from highways.config import RunConfig
from highways.config.analysis import Measure
from highways.inside.thinning import kept_steps
from highways.inside.values import lists
from highways.show.figures import DASHES, OTHERS, Panel, line, line_panel
from highways.tracking import AnalysisRecord


class StuckConfig(Measure):
    """The network that learned nothing, and its faults one by one (the initialisation questions, c).

    Rate, range of the output weights, batches and steps are the source's; sizes and data are ours.
    """

    kind: str = "stuck"
    version: ClassVar[int] = 3
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
class Version:
    """Which of the faults a network has."""

    one_logit: bool = False
    """Softmax cross-entropy over the one logit; else sigmoid cross-entropy."""
    zero_first: bool = False
    zero_second: bool = False
    small_output: bool = False
    """Output weights from U(-2/512, 2/512); else from N(0, 1 / hidden units)."""
    scalar_bias: bool = False
    """One scalar for all hidden units; else a bias for every one. The output's is a scalar of its own in both."""
    slow: bool = False
    """The source's rate and steps; else the healthy ones, rate 0.05 and 2,000 steps."""


AS_WRITTEN = Version(one_logit=True, zero_first=True, small_output=True, scalar_bias=True, slow=True)

VERSIONS = {
    "as-written": AS_WRITTEN,
    "right-loss": replace(AS_WRITTEN, one_logit=False),
    "right-loss-random-first": replace(AS_WRITTEN, one_logit=False, zero_first=False),
    "healthy": Version(),
    "only-one-logit": Version(one_logit=True),
    "only-zero-first": Version(zero_first=True),
    "only-slow": Version(slow=True),
    "only-scalar-bias": Version(scalar_bias=True),
    "only-small-output": Version(small_output=True),
    "all-zero": Version(zero_first=True, zero_second=True),
}
"""The network as its question has it, with fewer and fewer faults, and then, in one that learns, each fault alone.

Batches are the same for all; a subset smaller than a batch is one batch.
"""

KEPT = 51
"""Most steps at which losses and accuracies are recorded."""


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
        some steps, from before the first one to after the last one; `<version>_first_gradient`, the norm of the
        gradient of the first layer at the start, over all examples; `<version>_distinct_units`, how many hidden
        units have a gradient of their own there; `<version>_subset_accuracy`, after as many steps on the subset alone.
        `as_written_output_low` and `as_written_output_high`: the lowest and the highest sigmoid of the logit over all
        examples after the last step.
    """
    x, y = boolean_task(config)
    found: dict[str, Tensor] = {}
    for version, faults in VERSIONS.items():
        name = version.replace("-", "_")
        trained = _train(config, faults, x, y)
        found[f"{name}_loss"], found[f"{name}_accuracy"] = trained.losses, trained.accuracies
        found[f"{name}_first_gradient"] = trained.gradient.norm().reshape(1)
        found[f"{name}_distinct_units"] = torch.tensor([float(_distinct(trained.gradient))])
        subset = _train(config, faults, x[: config.subset], y[: config.subset])
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


class _Trained(NamedTuple):
    """Curves `(kept steps,)`; the first layer's gradient at the start; logits `(examples,)` after the last step."""

    losses: Tensor
    accuracies: Tensor
    gradient: Tensor
    logits: Tensor


def _weights(config: StuckConfig, version: Version) -> tuple[list[Tensor], list[Tensor]]:
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
    biases = [torch.zeros(1 if version.scalar_bias else config.hidden), torch.zeros(1)]
    trained = [first, second, *biases]
    for weight in trained:
        weight.requires_grad_()
    return trained, [first, biases[0].expand(config.hidden), second, biases[1]]


def _logits(x: Tensor, layers: list[Tensor]) -> Tensor:
    hidden = torch.sigmoid(functional.linear(x, layers[0], layers[1]))
    return functional.linear(hidden, layers[2], layers[3])[:, 0]


def _loss(version: Version, logits: Tensor, y: Tensor) -> Tensor:
    if version.one_logit:
        return -(y[:, None] * torch.log_softmax(logits[:, None], dim=1)).sum(dim=1).mean()
    return functional.binary_cross_entropy_with_logits(logits, y)


def _steps(config: StuckConfig, version: Version) -> int:
    return config.steps if version.slow else config.healthy_steps


def _train(config: StuckConfig, version: Version, x: Tensor, y: Tensor) -> _Trained:
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


# What is shown of it


def stuck_numbers(found: AnalysisRecord) -> Iterator[tuple[str, str, dict[str, float]]]:
    """Yield study, version, and numbers by what they are."""
    for version in VERSIONS:
        name = version.replace("-", "_")
        numbers = {
            "loss before": found.row(f"{name}_loss")[0],
            "loss after": found.row(f"{name}_loss")[-1],
            "accuracy after": found.row(f"{name}_accuracy")[-1],
            "gradient of the first layer before": found.row(f"{name}_first_gradient")[0],
            "hidden units with a gradient of their own": found.row(f"{name}_distinct_units")[0],
            "accuracy after, on the subset": found.row(f"{name}_subset_accuracy")[0],
        }
        if version == "as-written":
            numbers["lowest output after (the question: always close to 0)"] = found.row(f"{name}_output_low")[0]
            numbers["highest output after (the question: always close to 0)"] = found.row(f"{name}_output_high")[0]
        yield "learned nothing", version, numbers


def stuck_panels(found: AnalysisRecord) -> list[Panel]:
    """Return losses and accuracies of all versions over steps."""
    config, panels = found.config.measure, []
    assert isinstance(config, StuckConfig)
    for quantity, unit in (("loss", "loss, nats"), ("accuracy", "accuracy")):
        lines = []
        for place, (version, faults) in enumerate(VERSIONS.items()):
            steps = kept_steps(_steps(config, faults) + 1, most=KEPT)
            values = [value + 0 for value in found.row(f"{version.replace('-', '_')}_{quantity}")]  # no -0
            look = {"color": OTHERS[place % len(OTHERS)], "ls": DASHES[place // len(OTHERS) + place % 2], "lw": 1.6}
            lines.append(line(version, dict(zip(steps, values, strict=True)), **look))
        panels.append(line_panel(f"the network that learned nothing: {quantity}", lines, "step", unit, log=False))
    return panels
