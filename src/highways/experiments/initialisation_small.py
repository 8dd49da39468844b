"""Small studies of initial weights: the variance of a unit's input, a 7-4-2-1 network, saturation."""

import math
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from highways.config.run import ImageDataName, Initialisation
from highways.data import Images, examples, load
from highways.experiments.small import EVERY, FIRST, LAST, Quantity, SmallStudy, by_version, descend, number, streams
from highways.inside.values import kept_steps
from highways.nn.dense import drawn
from highways.show.figures import DASHES, OTHERS, Panel, line, line_panel, plain_ticks
from highways.show.tables import Row
from highways.tracking import AnalysisRecord

CALCULATED = {"normal": "501", "normal_fan_in": "1.5", "he_normal": "2"}
"""Variance of z, with 500 of 1,000 inputs on. The source's own formulas are lost in the text at hand."""


class Variance(SmallStudy):
    """Variance of z = sum of w x + b for one example, over draws of the weights (the initialisation questions, a)."""

    kind: str = "variance"
    version: ClassVar[int] = 1
    title: ClassVar[str] = "variance of z"
    inputs: int = Field(default=1_000, ge=1)
    active: int = Field(default=500, ge=1)
    """So many inputs are 1, the others 0."""
    draws: int = Field(default=20_000, ge=2)
    seed: int = Field(default=0, ge=0)

    def measure(self) -> dict[str, Tensor]:
        """Return the variance for each way to draw the weights, one value each; b is drawn from N(0, 1).

        By calculation it is the variance of a weight times the inputs that are on, and one for b.
        """
        found = {}
        for name, variance in {"normal": 1.0, "normal_fan_in": 1 / self.inputs, "he_normal": 2 / self.inputs}.items():
            (random,) = streams([self.seed])
            weights = torch.randn(self.draws, self.active, generator=random) * math.sqrt(variance)
            z = weights.sum(dim=1) + torch.randn(self.draws, generator=random)
            found[name] = z.double().var().reshape(1)
        return found

    def rows(self, found: AnalysisRecord) -> Iterator[Row]:
        """See `SmallStudy`."""
        for name in found.values:
            yield number(name, f"variance, by calculation {CALCULATED[name]}", found.row(name)[0])


# Networks side by side, on the first axis of their weights: all seeds of the first version, then of the second, ...


def _initial(units: tuple[int, ...], kinds: tuple[Initialisation, ...], seeds: int) -> list[Tensor]:
    """Return weights and zero biases, layer by layer, of one network per kind and seed."""
    weights: list[Tensor] = []
    generators = streams(range(seeds))
    for inputs, outputs in pairwise(units):
        shape = torch.Size((outputs, inputs))
        ones = [drawn(shape, how, generator).T for how in kinds for generator in generators]
        weights += [torch.stack(ones), torch.zeros(len(ones), 1, outputs)]
    return [weight.requires_grad_() for weight in weights]


def _outputs(x: Tensor, weights: list[Tensor], activation: Callable[[Tensor], Tensor]) -> Tensor:
    """Return outputs, `(networks, batch, units)`, of inputs of all networks, `(batch, features)`, or each one's own."""
    out = x if x.dim() == 3 else x.expand(len(weights[0]), -1, -1)
    for place in range(0, len(weights), 2):
        out = torch.baddbmm(weights[place + 1], activation(out) if place else out, weights[place])
    return out


# The 7-4-2-1 network

SMALL_NET = (7, 4, 2, 1)
"""Units of its layers, inputs and output among them."""

ERROR = "mean absolute error on fresh examples"


class SmallNet(SmallStudy):
    """A 7-4-2-1 network of rectified units, from several initialisations (the first of the questions).

    The network, its linear output, Adam, the mean squared error and the mean absolute error are the question's; Adam's
    settings and the batches are Keras's (whose normal weights of He are truncated, not so here). Data and steps are
    ours: the question's are not known. Biases start at 0; a seed means the same batches in all initialisations.
    """

    kind: str = "small-net"
    version: ClassVar[int] = 2
    title: ClassVar[str] = "7-4-2-1 network"
    versions: ClassVar[tuple[Initialisation, ...]] = ("he_normal", "glorot_uniform", "normal_fan_in", "normal")
    """The question's two, then two of ours."""
    quantities: ClassVar[Mapping[str, Quantity]] = {
        f"{ERROR}, mean of {{seeds}} seeds": ("absolute_error", EVERY),
        f"{ERROR}, lowest": ("absolute_error", lambda errors: [min(errors)]),
        f"{ERROR}, highest": ("absolute_error", lambda errors: [max(errors)]),
        "mean squared error on fresh examples": ("squared_error", EVERY),
        "share of seeds with one output for all inputs": ("constant", EVERY),
    }
    examples: int = Field(default=500, ge=32)
    """To train on."""
    test_examples: int = Field(default=2_000, ge=10)
    steps: int = Field(default=1_000, ge=1)
    batch_size: int = Field(default=32, ge=1)
    learning_rate: float = Field(default=0.001, gt=0)
    seeds: int = Field(default=30, ge=2)
    """How many; each draws weights and batches, the task is one."""
    seed: int = Field(default=0, ge=0)
    """Of the task."""

    def task(self) -> tuple[Tensor, Tensor]:
        """Return a task of regression: features `(examples, 7)` and targets `(examples,)`, float32; the last test.

        Features are from N(0, 1). The target is the output of a network of four tanh units with random weights, less
        its mean, over its standard deviation.
        """
        random = torch.Generator().manual_seed(self.seed)
        x = torch.randn(self.examples + self.test_examples, SMALL_NET[0], generator=random)
        first, second = torch.randn(SMALL_NET[0], 4, generator=random), torch.randn(4, generator=random)
        y = torch.tanh(x @ first) @ second
        return x, (y - y.mean()) / y.std()

    def measure(self) -> dict[str, Tensor]:
        """Train the network.

        Returns:
            On fresh examples after training, by initialisation: `absolute_error` and `squared_error`, the mean ones, a
            value a seed, and `constant`, the share of seeds whose outputs are the same for all;
            `guessing_absolute_error`, that of the mean of the training targets.
        """
        (x, y), kinds = self.task(), self.versions
        weights = _initial(SMALL_NET, kinds, self.seeds)
        adam = torch.optim.Adam(weights, lr=self.learning_rate, eps=1e-7)
        generators = streams(range(self.seeds, 2 * self.seeds))
        for _ in range(self.steps):
            batches = [torch.randperm(self.examples, generator=one)[: self.batch_size] for one in generators]
            rows = torch.stack(batches).repeat(len(kinds), 1)
            adam.zero_grad()
            (_outputs(x[rows], weights, torch.relu)[..., 0] - y[rows]).square().mean(dim=1).sum().backward()
            adam.step()
        fresh_x, fresh_y = x[self.examples :], y[self.examples :]
        with torch.no_grad():
            made = _outputs(fresh_x, weights, torch.relu)[..., 0]
        errors, constant = made - fresh_y, (made.amax(dim=1) - made.amin(dim=1) <= 1e-6).double()
        guessing = (fresh_y - y[: self.examples].mean()).abs().mean().reshape(1)
        values = {
            "absolute_error": errors.abs().mean(dim=1),
            "squared_error": errors.square().mean(dim=1),
            "constant": constant.reshape(len(kinds), -1).mean(dim=1),
        }
        return {"guessing_absolute_error": guessing} | by_version(kinds, values)

    def rows(self, found: AnalysisRecord) -> Iterator[Row]:
        """See `SmallStudy`."""
        yield from super().rows(found)
        yield number("guessing the mean", ERROR, found.row("guessing_absolute_error")[0])

    def panels(self, found: AnalysisRecord) -> list[Panel]:
        """Return the errors."""
        title = "7-4-2-1 network: error on fresh examples"
        return [self.bars(found, title, {"absolute_error": "mean absolute error"}, "mean of the seeds")]


# A hidden layer of sigmoids

SATURATED = 0.01
"""A sigmoid is saturated where its derivative, 0.25 at most, is below that."""


class Saturation(SmallStudy):
    """A network of one hidden layer of sigmoids, from N(0, 1) and N(0, 1 / inputs of a unit) weights (question a).

    Gradient descent on the softmax cross-entropy trains it. Biases start at 0; a seed means the same order of the
    examples from both kinds of weights.
    """

    kind: str = "saturation"
    version: ClassVar[int] = 2
    title: ClassVar[str] = "one hidden layer of sigmoids"
    versions: ClassVar[tuple[Initialisation, ...]] = ("normal", "normal_fan_in")
    quantities: ClassVar[Mapping[str, Quantity]] = {
        "saturated hidden activations before, mean of {seeds} seeds": ("saturated", EVERY),
        "gradient of the first layer over its weights before, mean of {seeds} seeds": ("relative_gradient", EVERY),
        "loss before, mean of {seeds} seeds": ("loss", FIRST),
        "loss after, mean of {seeds} seeds": ("loss", LAST),
        "test accuracy after, mean of {seeds} seeds": ("accuracy", EVERY),
    }
    data: ImageDataName
    hidden: int = Field(default=30, ge=1)
    batch_size: int = Field(default=10, ge=1)
    learning_rate: float = Field(default=0.1, gt=0)
    """Of gradient descent."""
    steps: int = Field(default=6_000, ge=1)
    """At most one epoch's."""
    examples: int = Field(default=1_000, ge=1)
    """The first of the training set, on which activations, gradients and losses are measured."""
    seeds: int = Field(default=20, ge=2)
    """How many; each draws weights and the order of the examples."""

    def measure(self) -> dict[str, Tensor]:
        """Train the network.

        Returns:
            For each kind of weights, a value a seed: `saturated`, the share of hidden activations that are saturated at
            the start, over units and examples; `relative_gradient`, the norm of the first layer's gradient of the mean
            loss there over that of its weights; both over the first training examples; `accuracy`, on the test set
            after training. And `loss`, mean cross-entropy on the first training examples, nats, averaged over seeds, at
            `kept_steps` of the steps, from before the first one to after the last one.
        """
        data, kinds = load(self.data), self.versions
        assert isinstance(data, Images)
        train_x, train_y = data.train_x.cpu(), data.train_y.cpu()
        few_x, few_y = train_x[: self.examples], train_y[: self.examples]
        weights = _initial((data.features, self.hidden, data.classes), kinds, self.seeds)
        hidden = torch.sigmoid(_outputs(few_x, weights[:2], torch.sigmoid)).detach()
        gradients = torch.autograd.grad(_losses(few_x, few_y, weights).sum(), weights[:2])
        slope, size = (
            torch.cat([one.detach().flatten(1) for one in parts], 1).norm(dim=1) for parts in (gradients, weights[:2])
        )
        orders = torch.stack([torch.randperm(len(train_y), generator=one) for one in streams(range(self.seeds))])
        order, steps = orders.repeat(len(kinds), 1), min(self.steps, len(train_y) // self.batch_size)
        kept, losses = set(kept_steps(steps + 1)), []
        for step in range(steps + 1):
            if step in kept:
                losses.append(_losses(few_x, few_y, weights).detach())
            if step < steps:
                rows = order[:, step * self.batch_size : (step + 1) * self.batch_size]
                descend(weights, _losses(train_x[rows], train_y[rows], weights).sum(), self.learning_rate)
        right = _outputs(data.test_x.cpu(), weights, torch.sigmoid).argmax(dim=2) == data.test_y.cpu()
        values = {
            "saturated": (hidden * (1 - hidden) < SATURATED).double().mean(dim=(1, 2)),
            "relative_gradient": slope / size,
            "accuracy": right.double().mean(dim=1),
        }
        curves = by_version(kinds, {"loss": torch.stack(losses, dim=1)})
        return by_version(kinds, values) | {name: curve.mean(dim=0) for name, curve in curves.items()}

    def panels(self, found: AnalysisRecord) -> list[Panel]:
        """Return the losses over steps, and what is saturated before and right after training."""
        steps, lines = min(self.steps, examples(self.data, "train") // self.batch_size), []
        for name, colour, dashes in zip(self.versions, OTHERS, DASHES, strict=False):
            points = dict(zip(kept_steps(steps + 1), found.row(f"{name}_loss"), strict=True))
            lines.append(line(name.replace("_", " "), points, color=colour, ls=dashes))
        title = f"{self.data}: a hidden layer of sigmoids"
        losses = line_panel(f"{title}, loss", lines, "step", "loss, nats", lambda axes: plain_ticks(axes.yaxis))
        shares = {"saturated": "saturated activations before", "accuracy": "test accuracy after"}
        return [losses, self.bars(found, f"{title}, before and after", shares, "share")]


def _losses(x: Tensor, y: Tensor, weights: list[Tensor]) -> Tensor:
    """Return each network's mean cross-entropy, `(networks,)`, of inputs of all networks or each one's own."""
    logits = _outputs(x, weights, torch.sigmoid).transpose(1, 2)
    return functional.cross_entropy(logits, y.expand(len(logits), -1), reduction="none").mean(dim=1)
