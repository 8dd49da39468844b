"""The network that learned nothing, and each of its suspected causes alone (the initialisation questions, c)."""

import math
from collections.abc import Mapping, Set
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from highways.experiments.small import EVERY, FIRST, LAST, Quantity, SmallStudy, descend, stored
from highways.inside.values import kept_steps
from highways.show.figures import DASHES, OTHERS, Line, Panel, line_panel
from highways.tracking import AnalysisRecord

AS_WRITTEN = frozenset({"one-logit", "zero-first", "small-output", "scalar-bias", "slow"})
"""The faults of the network as its question has it.

`one-logit`: softmax cross-entropy over the one logit, else sigmoid cross-entropy; `zero-first`: weights of the first
layer, else from N(0, 1 / features); `small-output`: output weights from U(-2/512, 2/512), else from N(0, 1 / hidden
units); `scalar-bias`: one scalar for all hidden units, else a bias for every one (the output's is a scalar of its own
in both); `slow`: the source's rate and steps, else the healthy ones, rate 0.05 and 2,000 steps."""

VERSIONS: dict[str, Set[str]] = {
    "as-written": AS_WRITTEN,
    "right-loss": AS_WRITTEN - {"one-logit"},
    "right-loss-random-first": AS_WRITTEN - {"one-logit", "zero-first"},
    "healthy": frozenset(),
    **{f"only-{fault}": {fault} for fault in ("one-logit", "zero-first", "slow", "scalar-bias", "small-output")},
    "all-zero": {"zero-first", "zero-second"},
}
"""The network as its question has it, with fewer and fewer faults, and then, in one that learns, each fault alone.

Batches are the same for all; a subset smaller than a batch is one batch.
"""

KEPT = 51
"""Most steps at which losses and accuracies are recorded."""


class Stuck(SmallStudy):
    """The network that learned nothing, and its faults one by one (the initialisation questions, c).

    Rate, range of the output weights, batches and steps are the source's; sizes and data are ours.
    """

    kind: str = "stuck"
    version: ClassVar[int] = 3
    title: ClassVar[str] = "learned nothing"
    versions: ClassVar[tuple[str, ...]] = tuple(VERSIONS)
    quantities: ClassVar[Mapping[str, Quantity]] = {
        "loss before": ("loss", FIRST),
        "loss after": ("loss", LAST),
        "accuracy after": ("accuracy", LAST),
        "gradient of the first layer before": ("first_gradient", EVERY),
        "hidden units with a gradient of their own": ("distinct_units", EVERY),
        "accuracy after, on the subset": ("subset_accuracy", EVERY),
        "lowest output after (the question: always close to 0)": ("output_low", EVERY),
        "highest output after (the question: always close to 0)": ("output_high", EVERY),
    }
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

    def task(self) -> tuple[Tensor, Tensor]:
        """Return boolean features `(examples, features)`, float32, and labels `(examples,)` of a linear rule.

        The label is 1 where the sum of random weights over the features that are on is above its median.
        """
        random = torch.Generator().manual_seed(self.seed)
        x = (torch.rand(self.examples, self.features, generator=random) < 0.5).float()
        score = x @ torch.randn(self.features, generator=random)
        return x, (score > score.median()).float()

    def measure(self) -> dict[str, Tensor]:
        """Train the versions by gradient descent on batches drawn at random, on all examples and on a small subset.

        Returns:
            For each version: `loss` and `accuracy`, over all training examples, at some steps, from before the first
            one to after the last one; `first_gradient`, the norm of the gradient of the first layer at the start, over
            all examples; `distinct_units`, how many hidden units have a gradient of their own there; `subset_accuracy`,
            after as many steps on the subset alone. `as_written_output_low` and `as_written_output_high`: the lowest
            and the highest sigmoid of the logit over all examples after the last step.
        """
        x, y = self.task()
        found: dict[str, Tensor] = {}
        for version, faults in VERSIONS.items():
            whole, subset = (self._train(faults, x[:size], y[:size]) for size in (self.examples, self.subset))
            for quantity, values in (whole | {"subset_accuracy": subset["accuracy"][-1:]}).items():
                if version == "as-written" or not quantity.startswith("output_"):
                    found[stored(version, quantity)] = values
        return found

    def _weights(self, faults: Set[str]) -> list[Tensor]:
        """Return first layer's weights and biases, output weights and biases."""
        random = torch.Generator().manual_seed(self.seed + 1)
        first = torch.randn(self.hidden, self.features, generator=random) / math.sqrt(self.features)
        second = torch.randn(1, self.hidden, generator=random) / math.sqrt(self.hidden)
        if "small-output" in faults:
            second = (2 * torch.rand(1, self.hidden, generator=random) - 1) * self.output_range
        first, second = first * ("zero-first" not in faults), second * ("zero-second" not in faults)
        weights = [first, torch.zeros(1 if "scalar-bias" in faults else self.hidden), second, torch.zeros(1)]
        return [weight.requires_grad_() for weight in weights]

    def _speed(self, faults: Set[str]) -> tuple[float, int]:
        """Return rate and steps."""
        return (self.learning_rate, self.steps) if "slow" in faults else (self.healthy_rate, self.healthy_steps)

    def _train(self, faults: Set[str], x: Tensor, y: Tensor) -> dict[str, Tensor]:
        weights, (rate, steps) = self._weights(faults), self._speed(faults)
        random = torch.Generator().manual_seed(self.seed + 2)
        kept, losses, accuracies = set(kept_steps(steps + 1, most=KEPT)), [], []
        gradient = torch.autograd.grad(_loss(faults, _logits(x, weights), y), weights)[0]
        for step in range(steps + 1):
            if step in kept:
                logits = _logits(x, weights).detach()
                losses.append(_loss(faults, logits, y))
                accuracies.append(((logits > 0).float() == y).float().mean())
            if step < steps:
                rows = torch.randperm(len(x), generator=random)[: self.batch_size]
                descend(weights, _loss(faults, _logits(x[rows], weights), y[rows]), rate)
        outputs = torch.sigmoid(_logits(x, weights)).detach()
        return {
            "loss": torch.stack(losses),
            "accuracy": torch.stack(accuracies),
            "first_gradient": gradient.norm().reshape(1),
            "distinct_units": torch.tensor([float(_distinct(gradient))]),
            "output_low": outputs.min().reshape(1),
            "output_high": outputs.max().reshape(1),
        }

    def panels(self, found: AnalysisRecord) -> list[Panel]:
        """Return losses and accuracies of all versions over steps."""
        panels = []
        for quantity, unit in (("loss", "loss, nats"), ("accuracy", "accuracy")):
            lines = []
            for place, (version, faults) in enumerate(VERSIONS.items()):
                steps = kept_steps(self._speed(faults)[1] + 1, most=KEPT)
                values = [value + 0 for value in found.row(stored(version, quantity))]  # no -0
                look = {"color": OTHERS[place % len(OTHERS)], "ls": DASHES[place // len(OTHERS) + place % 2], "lw": 1.6}
                lines.append(Line(version, steps, values, look))
            panels.append(line_panel(f"the network that learned nothing: {quantity}", lines, "step", unit, log=False))
        return panels


def _logits(x: Tensor, weights: list[Tensor]) -> Tensor:
    first, bias, second, output_bias = weights
    hidden = torch.sigmoid(functional.linear(x, first, bias.expand(len(first))))
    return functional.linear(hidden, second, output_bias)[:, 0]


def _loss(faults: Set[str], logits: Tensor, y: Tensor) -> Tensor:
    if "one-logit" in faults:
        return -(y[:, None] * torch.log_softmax(logits[:, None], dim=1)).sum(dim=1).mean()
    return functional.binary_cross_entropy_with_logits(logits, y)


def _distinct(gradient: Tensor) -> int:
    """Return how many rows differ from each other, to a ten-thousandth of the largest entry; none of zeros."""
    if not gradient.any():
        return 0
    return len(torch.unique((gradient / gradient.abs().max() * 1e4).round(), dim=0))
