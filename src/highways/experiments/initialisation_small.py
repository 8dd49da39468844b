"""Small studies of initial weights: the variance of a unit's input, a 7-4-2-1 network, saturation."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, ClassVar

import torch
from matplotlib.axes import Axes
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from highways.config import DataConfig, RunConfig
from highways.config.analysis import Measure
from highways.config.run import ImageDataName, Initialisation
from highways.data import Images, examples, load
from highways.inside.statistics import moments
from highways.inside.thinning import kept_steps
from highways.inside.values import lists
from highways.nn.dense import drawn
from highways.show.figures import DASHES, OTHERS, Panel, bars, bars_alt, legend, line, line_panel, plain_ticks, sentence
from highways.tracking import AnalysisRecord

Numbers = Iterator[tuple[str, str, dict[str, float]]]
"""Study, version, and numbers by what they are."""

# The variance of z


class VarianceConfig(Measure):
    """Variance of z = w x + b for one example, over draws of the weights (the initialisation questions, a)."""

    kind: str = "variance"
    version: ClassVar[int] = 1
    inputs: int = Field(default=1_000, ge=1)
    active: int = Field(default=500, ge=1)
    """So many inputs are 1, the others 0."""
    draws: int = Field(default=20_000, ge=2)
    seed: int = Field(default=0, ge=0)

    def perform(self, run: RunConfig | None, network: nn.Module | None, where: torch.device) -> dict[str, Any]:
        """See `Measure`."""
        return lists(z_variance(self))


CALCULATED = {"normal": "501", "normal_fan_in": "1.5", "he_normal": "2"}
"""Variance of z, with 1,000 inputs of which 500 are on. The source's own formulas are lost in the text at hand."""


def z_variance(config: VarianceConfig) -> dict[str, Tensor]:
    """Measure the variance of z = sum of w x + b over draws of w and of b, which is drawn from N(0, 1).

    Returns:
        The variance for each way to draw the weights, one value each. By calculation it is the variance of a weight
        times the inputs that are on, and one for b.
    """
    weight_variances = {"normal": 1.0, "normal_fan_in": 1 / config.inputs, "he_normal": 2 / config.inputs}
    found = {}
    for name, variance in weight_variances.items():
        random = torch.Generator().manual_seed(config.seed)
        weights = torch.randn(config.draws, config.active, generator=random) * math.sqrt(variance)
        z = weights.sum(dim=1) + torch.randn(config.draws, generator=random)
        found[name] = z.double().var().reshape(1)
    return found


def variance_numbers(found: AnalysisRecord) -> Numbers:
    """Yield the variance of z for each way to draw weights."""
    for name in found.values:
        yield "variance of z", name, {f"variance, by calculation {CALCULATED[name]}": found.row(name)[0]}


def variance_panels(found: AnalysisRecord) -> list[Panel]:
    """Return the variances as bars."""
    values = {name.replace("_", " "): found.row(name)[0] for name in found.values}

    def draw(axes: Axes) -> None:
        axes.bar(list(values), list(values.values()), color=OTHERS[4])
        for place, value in enumerate(values.values()):
            axes.text(place, value, f"{value:.4g}", ha="center", va="bottom")
        axes.set(yscale="log", ylim=(0.5, 2000), ylabel="variance")
        axes.grid(visible=False, axis="x")
        plain_ticks(axes.yaxis, subs=(1,))

    words = ", ".join(f"{name} {value:.4g}" for name, value in values.items())
    return [Panel("variance of z, 1,000 inputs, 500 of them on", f"Bars: {words}.", draw)]


# The 7-4-2-1 network


class SmallNetConfig(Measure):
    """A 7-4-2-1 network of rectified units, from several initialisations (the first of the questions).

    The network, its linear output, Adam, the mean squared error and the mean absolute error are the question's; Adam's
    settings and the batches are Keras's (whose normal weights of He are truncated, not so here). Data and steps are
    ours: the question's are not known.
    """

    kind: str = "small-net"
    version: ClassVar[int] = 2
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

    def perform(self, run: RunConfig | None, network: nn.Module | None, where: torch.device) -> dict[str, Any]:
        """See `Measure`."""
        return lists(small_net(self))


SMALL_NET = (7, 4, 2, 1)
"""Units of its layers, inputs and output among them."""

SMALL_NET_INITIALISATIONS: tuple[Initialisation, ...] = ("he_normal", "glorot_uniform", "normal_fan_in", "normal")
"""The question's two, then two of ours."""


def small_task(config: SmallNetConfig) -> tuple[Tensor, Tensor]:
    """Return a task of regression: features `(examples, 7)` and targets `(examples,)`, float32; the last test.

    Features are from N(0, 1). The target is the output of a network of four tanh units with random weights, less its
    mean, over its standard deviation.
    """
    random = torch.Generator().manual_seed(config.seed)
    x = torch.randn(config.examples + config.test_examples, SMALL_NET[0], generator=random)
    first, second = torch.randn(SMALL_NET[0], 4, generator=random), torch.randn(4, generator=random)
    y = torch.tanh(x @ first) @ second
    return x, (y - y.mean()) / y.std()


def _initial(units: tuple[int, ...], kinds: tuple[Initialisation, ...], seeds: int) -> list[Tensor]:
    """Return weights and zero biases, layer by layer, of one network per kind and seed, on the first axis."""
    weights: list[Tensor] = []
    streams = [torch.Generator().manual_seed(seed) for seed in range(seeds)]
    for inputs, outputs in pairwise(units):
        shape = torch.Size((outputs, inputs))
        ones = [drawn(shape, how, stream).T for how in kinds for stream in streams]
        weights += [torch.stack(ones), torch.zeros(len(ones), 1, outputs)]
    return weights


def small_net(config: SmallNetConfig) -> dict[str, Tensor]:
    """Train the 7-4-2-1 network of rectified units by Adam on the mean squared error, from several initialisations.

    Biases start at 0. All seeds of all initialisations train side by side; a seed means the same batches in all.

    Returns:
        On fresh examples after training: `<initialisation>_absolute_error` and `<initialisation>_squared_error`, the
        mean ones, a value a seed, and `<initialisation>_constant`, the share of seeds whose outputs are the same for
        all; `guessing_absolute_error`, that of the mean of the training targets.
    """
    (x, y), kinds = small_task(config), len(SMALL_NET_INITIALISATIONS)
    weights = [weight.requires_grad_() for weight in _initial(SMALL_NET, SMALL_NET_INITIALISATIONS, config.seeds)]
    adam = torch.optim.Adam(weights, lr=config.learning_rate, eps=1e-7)
    streams = [torch.Generator().manual_seed(config.seeds + seed) for seed in range(config.seeds)]

    def outputs(inputs: Tensor) -> Tensor:
        out = inputs
        for weight, bias in zip(weights[0::2], weights[1::2], strict=True):
            out = torch.baddbmm(bias, torch.relu(out) if weight is not weights[0] else out, weight)
        return out[:, :, 0]

    for _ in range(config.steps):
        batches = [torch.randperm(config.examples, generator=stream)[: config.batch_size] for stream in streams]
        rows = torch.stack(batches).repeat(kinds, 1)
        adam.zero_grad()
        (outputs(x[rows]) - y[rows]).square().mean(dim=1).sum().backward()
        adam.step()
    fresh_x, fresh_y = x[config.examples :], y[config.examples :]
    with torch.no_grad():
        made = outputs(fresh_x.expand(len(weights[0]), -1, -1))
    errors, constant = made - fresh_y, (made.amax(dim=1) - made.amin(dim=1) <= 1e-6).double()
    found = {"guessing_absolute_error": (fresh_y - y[: config.examples].mean()).abs().mean().reshape(1)}
    for place, how in enumerate(SMALL_NET_INITIALISATIONS):
        own = slice(place * config.seeds, (place + 1) * config.seeds)
        found[f"{how}_absolute_error"] = errors[own].abs().mean(dim=1)
        found[f"{how}_squared_error"] = errors[own].square().mean(dim=1)
        found[f"{how}_constant"] = constant[own].mean().reshape(1)
    return found


def small_numbers(found: AnalysisRecord) -> Numbers:
    """Yield the errors of the 7-4-2-1 network from each kind of initial weights."""
    for name in SMALL_NET_INITIALISATIONS:
        values = found.row(f"{name}_absolute_error")
        numbers = {
            f"mean absolute error on fresh examples, mean of {len(values)} seeds": moments(values)[0],
            "mean absolute error on fresh examples, lowest": min(values),
            "mean absolute error on fresh examples, highest": max(values),
            "mean squared error on fresh examples": moments(found.row(f"{name}_squared_error"))[0],
            "share of seeds with one output for all inputs": found.row(f"{name}_constant")[0],
        }
        yield "7-4-2-1 network", name, numbers
    guessing = {"mean absolute error on fresh examples": found.row("guessing_absolute_error")[0]}
    yield "7-4-2-1 network", "guessing the mean", guessing


def small_panels(found: AnalysisRecord) -> list[Panel]:
    """Return the errors of the 7-4-2-1 network as dots."""
    rows = {name.replace("_", " "): found.row(f"{name}_absolute_error") for name in SMALL_NET_INITIALISATIONS}
    words = [f"{name} {min(row):.2f} to {max(row):.2f}, mean {moments(row)[0]:.3f}" for name, row in rows.items()]
    guessing = found.row("guessing_absolute_error")[0]

    def draw(axes: Axes) -> None:
        for place, row in enumerate(rows.values()):
            across = [place + 0.5 * (index / max(len(row) - 1, 1) - 0.5) for index in range(len(row))]
            axes.plot(across, sorted(row), "o", ms=4, color=OTHERS[4])
        axes.axhline(guessing, color="0.4", lw=1, ls=":", label="guessing the mean")
        axes.set_xticks(range(len(rows)), list(rows))
        axes.set(xlabel="initial weights", ylabel="mean absolute error")
        legend(axes)

    alt = sentence("; ".join([*words, f"guessing the mean {guessing:.3f}"]))
    return [Panel("7-4-2-1 network: error on fresh examples, a dot a seed", alt, draw)]


# A hidden layer of sigmoids


class SaturationConfig(Measure):
    """A network of one hidden layer of sigmoids, from N(0, 1) and N(0, 1 / n) weights (question a)."""

    kind: str = "saturation"
    version: ClassVar[int] = 1
    data: ImageDataName
    hidden: int = Field(default=30, ge=1)
    batch_size: int = Field(default=10, ge=1)
    learning_rate: float = Field(default=0.1, gt=0)
    """Of gradient descent."""
    steps: int = Field(default=6_000, ge=1)
    """At most one epoch's."""
    examples: int = Field(default=1_000, ge=1)
    """The first of the training set, on which activations, gradients and losses are measured."""
    seeds: int = Field(default=5, ge=2)
    """How many; each draws weights and the order of the examples."""

    @property
    def data_set(self) -> DataConfig | None:
        """See `Measure`."""
        return DataConfig(name=self.data)

    def perform(self, run: RunConfig | None, network: nn.Module | None, where: torch.device) -> dict[str, Any]:
        """See `Measure`."""
        return lists(saturation(self))


SATURATION_INITIALISATIONS: tuple[Initialisation, ...] = ("normal", "normal_fan_in")

SATURATED = 0.01
"""A sigmoid is saturated where its derivative, 0.25 at most, is below that."""


def saturation(config: SaturationConfig) -> dict[str, Tensor]:
    """Train a network of one hidden layer of sigmoids by gradient descent, softmax cross-entropy at its output.

    Biases start at 0, as weights from N(0, 1) or N(0, 1 / inputs of a unit). All seeds of both train side by side; a
    seed means the same order of the examples in both.

    Returns:
        For `normal` and `normal_fan_in`, a value a seed: `<initialisation>_saturated`, the share of hidden activations
        that are saturated at the start, over units and examples; `<initialisation>_first_gradient`, the norm of the
        first layer's gradient at the start, over its weights and biases, of the mean loss; both over the first
        training examples; `<initialisation>_accuracy`, on the test set after training. And `<initialisation>_loss`,
        mean cross-entropy on the first training examples, nats, averaged over seeds, at `kept_steps` of the steps,
        from before the first one to after the last one.
    """
    data = load(config.data)
    assert isinstance(data, Images)
    train_x, train_y = data.train_x.cpu(), data.train_y.cpu()
    few_x, few_y = train_x[: config.examples], train_y[: config.examples]
    weights = _initial((data.features, config.hidden, data.classes), SATURATION_INITIALISATIONS, config.seeds)
    networks, steps = len(weights[0]), min(config.steps, len(train_y) // config.batch_size)
    hidden = _hidden(few_x, weights)
    saturated = (hidden * (1 - hidden) < SATURATED).double().mean(dim=(1, 2))
    first = sigmoid_gradients(few_x.expand(networks, -1, -1), few_y.expand(networks, -1), weights)[:2]
    norms = torch.cat([gradient.flatten(1) for gradient in first], dim=1).norm(dim=1)
    streams = [torch.Generator().manual_seed(seed) for seed in range(config.seeds)]
    orders = torch.stack([torch.randperm(len(train_y), generator=stream) for stream in streams])
    order, kept, losses = orders.repeat(len(SATURATION_INITIALISATIONS), 1), set(kept_steps(steps + 1)), []
    for step in range(steps + 1):
        if step in kept:
            losses.append(_losses(few_x, few_y, weights))
        if step < steps:
            rows = order[:, step * config.batch_size : (step + 1) * config.batch_size]
            gradients = sigmoid_gradients(train_x[rows], train_y[rows], weights)
            for weight, gradient in zip(weights, gradients, strict=True):
                weight -= config.learning_rate * gradient
    test_x, test_y = data.test_x.cpu(), data.test_y.cpu()
    accuracies = (_logits(test_x, weights).argmax(dim=2) == test_y).double().mean(dim=1)
    curves, found = torch.stack(losses), {}
    for place, how in enumerate(SATURATION_INITIALISATIONS):
        own = slice(place * config.seeds, (place + 1) * config.seeds)
        found |= {f"{how}_saturated": saturated[own], f"{how}_first_gradient": norms[own]}
        found |= {f"{how}_loss": curves[:, own].mean(dim=1), f"{how}_accuracy": accuracies[own]}
    return found


def _hidden(x: Tensor, weights: list[Tensor]) -> Tensor:
    """Return activations of the sigmoids, `(networks, batch, hidden)`; inputs of all networks, or each one's own."""
    inputs = x if x.dim() == 3 else x.expand(len(weights[0]), -1, -1)
    return torch.sigmoid(torch.baddbmm(weights[1], inputs, weights[0]))


def _logits(x: Tensor, weights: list[Tensor]) -> Tensor:
    return torch.baddbmm(weights[3], _hidden(x, weights), weights[2])


def _losses(x: Tensor, y: Tensor, weights: list[Tensor]) -> Tensor:
    """Return each network's mean cross-entropy, `(networks,)`."""
    odds = torch.log_softmax(_logits(x, weights), dim=2)
    return -odds.gather(2, y.expand(len(odds), -1)[:, :, None]).mean(dim=(1, 2))


def sigmoid_gradients(x: Tensor, y: Tensor, weights: list[Tensor]) -> list[Tensor]:
    """Return each network's gradients of its mean cross-entropy, by backpropagation; see `saturation`.

    Args:
        x: `(networks, batch, features)`.
        y: Classes, `(networks, batch)`.
        weights: First layer's weights and biases, output weights and biases, the networks on the first axis.
    """
    hidden = _hidden(x, weights)
    above = torch.softmax(torch.baddbmm(weights[3], hidden, weights[2]), dim=2)
    above = (above - functional.one_hot(y, above.shape[2])) / y.shape[1]
    below = above @ weights[2].transpose(1, 2) * hidden * (1 - hidden)
    first, second = x.transpose(1, 2) @ below, hidden.transpose(1, 2) @ above
    return [first, below.sum(dim=1, keepdim=True), second, above.sum(dim=1, keepdim=True)]


def saturation_numbers(found: AnalysisRecord) -> Numbers:
    """Yield what the sigmoids are before and after training, from each kind of initial weights."""
    for name in SATURATION_INITIALISATIONS:
        loss, seeds = found.row(f"{name}_loss"), f"mean of {len(found.row(f'{name}_accuracy'))} seeds"
        numbers = {
            f"saturated hidden activations before, {seeds}": moments(found.row(f"{name}_saturated"))[0],
            f"gradient of the first layer before, {seeds}": moments(found.row(f"{name}_first_gradient"))[0],
            f"loss before, {seeds}": loss[0],
            f"loss after, {seeds}": loss[-1],
            f"test accuracy after, {seeds}": moments(found.row(f"{name}_accuracy"))[0],
        }
        yield f"one hidden layer of sigmoids, {found.data}", name, numbers


def saturation_panels(found: AnalysisRecord) -> list[Panel]:
    """Return the losses over steps, and what is saturated before and right after training."""
    config = found.config.measure
    assert isinstance(config, SaturationConfig)
    steps = kept_steps(min(config.steps, examples(config.data, "train") // config.batch_size) + 1)
    lines = []
    for place, name in enumerate(SATURATION_INITIALISATIONS):
        points = dict(zip(steps, found.row(f"{name}_loss"), strict=True))
        lines.append(line(name.replace("_", " "), points, color=OTHERS[place], ls=DASHES[place]))
    title = f"{found.data}: a hidden layer of sigmoids"
    losses = line_panel(f"{title}, loss", lines, "step", "loss, nats", lambda axes: plain_ticks(axes.yaxis))
    quantities = {"saturated": "saturated activations before", "accuracy": "test accuracy after"}

    def draw(axes: Axes) -> None:
        bars(axes, found, SATURATION_INITIALISATIONS, quantities)
        axes.set(ylabel="share")

    alt = f"Means over seeds: {bars_alt(found, SATURATION_INITIALISATIONS, quantities)}"
    return [losses, Panel(f"{title}, before and after", alt, draw)]
