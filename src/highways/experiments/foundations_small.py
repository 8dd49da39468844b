"""A unit on five points, and dropout (the initialisation questions, b and d)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, ClassVar

import pandas as pd
import torch
from pydantic import Field
from torch import Tensor, nn

from highways.config import RunConfig
from highways.config.analysis import Measure
from highways.inside.values import lists
from highways.show.tables import reference

FLOAT32_DIGITS = 9
"""Significant digits that tell any two numbers of float32 apart."""

POINTS = ((0.0, 0), (0.0, 0), (2.0, 1), (2.0, 1), (9.0, 0))
"""Inputs and classes, the source's."""

WITHIN = 1e-6
"""A row of our trajectory is the printed one where loss, weight and bias are each that close to it: eight to sixteen
units in the last place of float32 at these sizes."""

STATE = ("loss", "weight", "bias")


class PerceptronConfig(Measure):
    """One unit on five points, trained for squared error, and what it gets right (the initialisation questions, b)."""

    kind: str = "perceptron"
    version: ClassVar[int] = 3
    learning_rate: float = Field(default=0.01, gt=0)
    """The source's, as are the steps."""
    steps: int = Field(default=10_000, ge=1)
    starts: int = Field(default=500, ge=1)
    """Initial states, drawn from N(0, 1)."""
    seed: int = Field(default=0, ge=0)

    def perform(self, run: RunConfig | None, network: nn.Module | None, where: torch.device) -> dict[str, Any]:
        """See `Measure`."""
        found = perceptron(self)
        exact = {name: value for name, value in found.items() if name.startswith("printed_") or name.endswith("_rows")}
        return lists(found) | lists(exact, digits=FLOAT32_DIGITS)


def printed_trajectory() -> pd.DataFrame:
    """Return the 16 rows that the answer prints: `step`, `loss`, `weight`, `bias`.

    The loss of a row is that of its weight and bias; row 0 is the state before the first step.
    """
    return reference("perceptron_trajectory.csv")


def _descend(
    w: Tensor, b: Tensor, config: PerceptronConfig, *, sigmoid: bool, keep: Iterable[int] = ()
) -> tuple[Tensor, Tensor, Tensor]:
    """Train y = w x + b, or its sigmoid, by gradient descent on the mean squared error of the five points.

    Args:
        w: Initial weights, one row per start, `(starts, 1)`; all arithmetic is in their precision.
        b: Initial biases, as `w`.
        config: Rate and steps.
        sigmoid: On the output.
        keep: Steps whose states are kept; the state of step k has been updated k times.

    Returns:
        Points right and loss after the last step, each `(starts,)`, float64, and the kept states of the first start,
        `(kept, 3)`: loss, weight, bias.
    """
    x, y = (torch.tensor(values, dtype=w.dtype) for values in zip(*POINTS, strict=True))
    kept, states = set(keep), [torch.empty(0, 3, dtype=torch.float64)]
    out = torch.empty(0)
    for step in range(config.steps + 1):
        z = w * x + b
        out = torch.sigmoid(z) if sigmoid else z
        if step in kept:
            states.append(torch.stack([(out[0] - y).square().mean(), w[0, 0], b[0, 0]]).double()[None])
        if step < config.steps:
            slope = 2 / len(x) * (out - y) * (out * (1 - out) if sigmoid else 1)
            w = w - config.learning_rate * (slope * x).sum(dim=1, keepdim=True)
            b = b - config.learning_rate * slope.sum(dim=1, keepdim=True)
    right = ((out > 0.5) == y).sum(dim=1).double()
    return right, (out - y).square().mean(dim=1).double(), torch.cat(states)


def perceptron(config: PerceptronConfig) -> dict[str, Tensor]:
    """Train y = w x + b, as asked, and y = sigmoid(w x + b), as the answer has it, by gradient descent on all points.

    A point is right where y is above 0.5 for class 1 and not for class 0. The loss is the mean squared error. The
    trajectory is followed in float32, as the source did; the many starts are in float64.

    Returns:
        `printed_steps`, `printed_loss`, `printed_weight` and `printed_bias`, the source's rows up to the last step;
        `sigmoid_loss_rows`, `sigmoid_weight_rows` and `sigmoid_bias_rows`, ours from the printed state at step 0;
        `rows_within`, the number of rows whose loss, weight and bias are each within `WITHIN` of the printed ones, and
        `farthest`, the largest difference from them;
        `sigmoid_right_printed_start` and `linear_right_printed_start`, points right after the last step from there.
        `threshold_right`, the most points that any threshold on x gets right; one value per start drawn from N(0, 1):
        `start_w` and `start_b`, and after the last step `linear_right`, `linear_loss`, `sigmoid_right`,
        `sigmoid_loss`.
    """
    printed = printed_trajectory()
    printed = printed[printed["step"] <= config.steps]
    theirs = torch.tensor(printed[list(STATE)].to_numpy())
    w, b = theirs[:1, 1:2].float(), theirs[:1, 2:].float()
    right, _, ours = _descend(w, b, config, sigmoid=True, keep=printed["step"])
    found = {"printed_steps": torch.tensor(printed["step"].to_numpy(float))}
    for place, name in enumerate(STATE):
        found |= {f"printed_{name}": theirs[:, place], f"sigmoid_{name}_rows": ours[:, place]}
    found["rows_within"] = ((ours - theirs).abs() <= WITHIN).all(dim=1).sum().reshape(1).double()
    found["farthest"] = (ours - theirs).abs().max().reshape(1)
    found["sigmoid_right_printed_start"] = right
    found["linear_right_printed_start"] = _descend(w, b, config, sigmoid=False)[0]
    found["threshold_right"] = _threshold_right().reshape(1)
    random = torch.Generator().manual_seed(config.seed)
    w, b = torch.randn(2, config.starts, 1, generator=random, dtype=torch.float64)
    found |= {"start_w": w[:, 0], "start_b": b[:, 0]}
    for name in ("linear", "sigmoid"):
        found[f"{name}_right"], found[f"{name}_loss"], _ = _descend(w, b, config, sigmoid=name == "sigmoid")
    return found


def _threshold_right() -> Tensor:
    x, y = (torch.tensor(values, dtype=torch.float64) for values in zip(*POINTS, strict=True))
    above = x > torch.tensor([-1.0, *x.unique()], dtype=x.dtype)[:, None]
    return torch.cat([(above == y).sum(dim=1), (above != y).sum(dim=1)]).max().double()


class DropoutConfig(Measure):
    """Sum of a linear unit under inverted dropout, all inputs one (the initialisation questions, d)."""

    kind: str = "dropout"
    version: ClassVar[int] = 2
    keep: tuple[Annotated[float, Field(gt=0, le=1)], ...] = (1.0, 0.7, 0.5, 0.3)
    """Probabilities of keeping an input."""
    inputs: int = Field(default=1_000_000, ge=1)
    """As many weights, drawn from N(0, 1); the source's number, as are the draws."""
    draws: int = Field(default=1_000, ge=2)
    seed: int = Field(default=0, ge=0)

    def perform(self, run: RunConfig | None, network: nn.Module | None, where: torch.device) -> dict[str, Any]:
        """See `Measure`."""
        return lists(dropout_means(self))


PRINTED_SUMS = {
    1.0: (-1003.99, -1003.99),
    0.7: (-700.61, -1000.88),
    0.5: (-512.16, -1024.32),
    0.3: (-303.21, -1010.71),
}
"""What the source prints for a probability of keeping an input: the mean sum without scaling, and with it."""


def dropout_means(config: DropoutConfig) -> dict[str, Tensor]:
    """Measure the mean over draws of a linear unit's sum under dropout, over the sum without.

    All inputs are one, the weights are from N(0, 1), as in the source. Our weights are another draw than its own, so
    that ratios are compared. The sum of such weights may happen to be near zero, where no ratio can be measured:
    the weights are of the first seed, from `config.seed` on, whose sum is above half the root of their number in
    size (500 for the source's million). A draw is the same for all probabilities: what is kept with a low one is kept
    with a higher one, too.

    Returns:
        One value for each of `config.keep`: `plain`, the mean over draws of the sum of the weights whose inputs are
        kept, over `sum`; `inverted`, that divided by the probability of keeping an input; `inverted_error`, its
        standard error; `printed_plain` and `printed_inverted`, the source's over its sum without dropout, NaN for a
        probability that it has not. `sum`, that of our weights.
    """
    seed, weight = config.seed, torch.empty(0)
    while not len(weight) or abs(weight.sum()) <= 0.5 * config.inputs**0.5:
        weight = torch.randn(config.inputs, generator=torch.Generator().manual_seed(seed)).double()
        seed += 1
    whole = weight.sum()
    random = torch.Generator().manual_seed(seed)
    sums = torch.empty(len(config.keep), config.draws, dtype=torch.float64)
    rows = max(1, 4_000_000 // config.inputs)  # 32 MB at a time
    for start in range(0, config.draws, rows):
        drawn = torch.rand(min(rows, config.draws - start), config.inputs, generator=random)
        for place, keep in enumerate(config.keep):
            sums[place, start : start + rows] = (drawn < keep).double() @ weight
    plain, keep = sums.mean(dim=1) / whole, torch.tensor(config.keep, dtype=torch.float64)
    printed = torch.tensor([PRINTED_SUMS.get(one, (torch.nan, torch.nan)) for one in config.keep], dtype=torch.float64)
    printed = printed / PRINTED_SUMS[1.0][0]
    return {
        "inverted": plain / keep,
        "plain": plain,
        "inverted_error": sums.std(dim=1) / keep / config.draws**0.5 / whole.abs(),
        "sum": whole.reshape(1),
        "printed_plain": printed[:, 0],
        "printed_inverted": printed[:, 1],
    }
