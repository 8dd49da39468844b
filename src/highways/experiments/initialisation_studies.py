"""Small studies of initial weights: a unit's variance, a 7-4-2-1 network, saturation, a network that did not learn."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from itertools import pairwise
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from highways.config import Count, ImageDataName, Initialisation
from highways.data import Images, load
from highways.experiments.small import EVERY, FIRST, LAST, Bars, Quantity, SmallStudy, by_version, stored, streams
from highways.inside.values import kept_steps
from highways.nn.dense import drawn
from highways.show.figures import DASHES, OTHERS, Line, Panel, line_panel
from highways.tracking import AnalysisRecord


class Variance(SmallStudy):
    """Variance of z = sum of w x + b for one example, over draws of the weights (the initialisation questions, a)."""

    kind: str = "variance"
    title: ClassVar[str] = "variance of z"
    numbers: ClassVar = [
        (name, f"variance, by calculation {variance}", name)
        for name, variance in {"he_normal": "2", "normal": "501", "normal_fan_in": "1.5"}.items()
    ]
    """With 500 of 1,000 inputs on. The source's own formulas are missing from the available text."""
    inputs: Count = 1_000
    active: Count = 500
    """Number of inputs that are 1; the others are 0."""
    draws: int = Field(default=20_000, ge=2)
    seed: int = Field(default=0, ge=0)

    def measure(self) -> dict[str, Tensor]:
        """Return the variance for each way to draw the weights, one value each; b is drawn from N(0, 1).

        By calculation it is the variance of a weight times the number of inputs that are on, plus one for b.
        """
        found = {}
        for name, variance in {"normal": 1.0, "normal_fan_in": 1 / self.inputs, "he_normal": 2 / self.inputs}.items():
            (random,) = streams([self.seed])
            weights = torch.randn(self.draws, self.active, generator=random) * math.sqrt(variance)
            z = weights.sum(dim=1) + torch.randn(self.draws, generator=random)
            found[name] = z.double().var().reshape(1)
        return found


# Networks are stacked on the first axis of their weights: all seeds of the first version, then of the second, ...


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
    """Return outputs, `(networks, batch, units)`, for inputs shared by all, `(batch, features)`, or each one's own."""
    out = x if x.dim() == 3 else x.expand(len(weights[0]), -1, -1)
    for place in range(0, len(weights), 2):
        out = torch.baddbmm(weights[place + 1], activation(out) if place else out, weights[place])
    return out


def _losses(x: Tensor, y: Tensor, weights: list[Tensor], activation: Callable[[Tensor], Tensor]) -> Tensor:
    """Return the mean cross-entropy of each network, `(networks,)`."""
    logits = _outputs(x, weights, activation).transpose(1, 2)
    return functional.cross_entropy(logits, y.expand(len(logits), -1), reduction="none").mean(dim=1)


def _squares(x: Tensor, y: Tensor, weights: list[Tensor], activation: Callable[[Tensor], Tensor]) -> Tensor:
    """Return half the squared error of each network's sigmoid outputs, summed over classes, averaged over examples."""
    outputs = torch.sigmoid(_outputs(x, weights, activation))
    return (outputs - functional.one_hot(y, outputs.shape[2])).square().sum(dim=2).mean(dim=1) / 2


def _descend(weights: Sequence[Tensor], loss: Tensor, rate: float) -> None:
    """Take a step of gradient descent."""
    with torch.no_grad():
        for weight, slope in zip(weights, torch.autograd.grad(loss, weights), strict=True):
            weight -= rate * slope


SMALL_NET = (7, 4, 2, 1)
"""Units per layer, from the inputs to the output."""
ERROR = "mean absolute error on fresh examples"


class SmallNet(SmallStudy):
    """A 7-4-2-1 network of rectified units, from several initialisations (the first of the questions).

    The network, its linear output, Adam, the mean squared error and the mean absolute error are the question's. Adam's
    settings and the batches are Keras's, but Keras truncates He's normal weights and we do not. Data and steps are
    ours: the question's are unknown. Biases start at 0; a seed gives all initialisations the same batches.
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
    numbers: ClassVar = [("guessing the mean", ERROR, "guessing_absolute_error")]
    bars: ClassVar = [
        Bars("7-4-2-1 network: error on fresh examples", {"absolute_error": "mean absolute error"}, "mean of the seeds")
    ]
    examples: int = Field(default=500, ge=32)
    test_examples: int = Field(default=2_000, ge=10)
    steps: Count = 1_000
    batch_size: Count = 32
    learning_rate: float = Field(default=0.001, gt=0)
    seeds: int = Field(default=30, ge=2)
    """Number of seeds; each draws weights and batches, and all share one task."""
    seed: int = Field(default=0, ge=0)
    """Seed of the task."""

    def task(self) -> tuple[Tensor, Tensor]:
        """Return a regression task: features `(examples, 7)`, targets `(examples,)`, float32; test examples come last.

        Features are from N(0, 1). The target is the output of a network of four tanh units with random weights, minus
        its mean, over its standard deviation.
        """
        random = torch.Generator().manual_seed(self.seed)
        x = torch.randn(self.examples + self.test_examples, SMALL_NET[0], generator=random)
        first, second = torch.randn(SMALL_NET[0], 4, generator=random), torch.randn(4, generator=random)
        y = torch.tanh(x @ first) @ second
        return x, (y - y.mean()) / y.std()

    def measure(self) -> dict[str, Tensor]:
        """Train the network, and return the `quantities` on fresh examples by initialisation, with a value per seed."""
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


RATES = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)


class Saturation(SmallStudy):
    """A network of one hidden layer of sigmoids from N(0, 1) and N(0, 1 / n) weights (question a), and advice on it.

    Each piece of advice, alone, is compared with `sigmoid`, all from N(0, 1 / n) weights and at the best of some rates:
    cross-entropy instead of `squared-error`, rectified units or SELUs instead of sigmoids, normalised batches (the test
    set is one batch; no scale is learned). Training is gradient descent; biases start at 0, and a seed gives all the
    same weights and order of the examples.
    """

    kind: str = "saturation"
    version: ClassVar[int] = 4
    title: ClassVar[str] = "one hidden layer"
    weights: ClassVar[tuple[Initialisation, ...]] = ("normal", "normal_fan_in")
    learners: ClassVar[dict[str, tuple[Callable[[Tensor], Tensor], Callable[..., Tensor]]]] = {
        "normal": (torch.sigmoid, _losses),
        "normal_fan_in": (torch.sigmoid, _losses),
        "sigmoid": (torch.sigmoid, _losses),
        "squared-error": (torch.sigmoid, _squares),
        "relu": (torch.relu, _losses),
        "selu": (functional.selu, _losses),
        "batch-normalised": (lambda z: torch.sigmoid(functional.instance_norm(z.mT).mT), _losses),
    }
    """Activation and loss, from N(0, 1 / n) weights, n inputs of a unit, except the first. The first two are trained at
    `learning_rate`, the others at each of `RATES`: the best rate after a tenth of the steps counts."""
    versions: ClassVar[tuple[str, ...]] = tuple(learners)
    quantities: ClassVar[Mapping[str, Quantity]] = {
        "saturated hidden activations before, mean of {seeds} seeds": ("saturated", EVERY),
        "gradient of the first layer over its weights before, mean of {seeds} seeds": ("relative_gradient", EVERY),
        "loss before, mean of {seeds} seeds": ("loss", FIRST),
        "loss after, mean of {seeds} seeds": ("loss", LAST),
        "test accuracy after a tenth of the steps, mean of {seeds} seeds": ("early_accuracy", EVERY),
        "test accuracy after, mean of {seeds} seeds": ("accuracy", EVERY),
        "learning rate": ("rate", EVERY),
    }
    bars: ClassVar = [
        Bars(
            "{data}: one hidden layer, weights and advice",
            {"early_accuracy": "test accuracy after a tenth of the steps", "accuracy": "after all"},
        )
    ]
    data: ImageDataName
    hidden: Count = 30
    batch_size: Count = 10
    learning_rate: float = Field(default=0.1, gt=0)
    """Learning rate of the first two, with gradient descent."""
    steps: Count = 6_000
    """At most those of one epoch."""
    examples: Count = 1_000
    """Number of training examples, the first ones, on which activations, gradients and losses are measured."""
    seeds: int = Field(default=20, ge=2)
    """Number of seeds; each draws weights and the order of the examples."""

    def measure(self) -> dict[str, Tensor]:
        """Train the networks, and return the `quantities` of each version.

        There is one value per seed: the share of saturated hidden activations at the start, over units and examples;
        the norm of the first layer's gradient of the mean loss over that of its weights; test accuracies. Losses, in
        nats, are averaged over seeds, at `kept_steps` of the steps, from before the first one to after the last one.
        """
        data = load(self.data)
        assert isinstance(data, Images)
        initial = _initial((data.features, self.hidden, data.classes), self.weights, self.seeds)
        few_x, few_y = data.x["train"][: self.examples].cpu(), data.y["train"][: self.examples].cpu()
        hidden = torch.sigmoid(_outputs(few_x, initial[:2], torch.sigmoid)).detach()
        gradients = torch.autograd.grad(_losses(few_x, few_y, initial, torch.sigmoid).sum(), initial[:2])
        slope, size = (
            torch.cat([one.detach().flatten(1) for one in parts], 1).norm(dim=1) for parts in (gradients, initial[:2])
        )
        saturated = (hidden * (1 - hidden) < 0.01).double().mean(dim=(1, 2))  # derivatives, 0.25 at most
        found = by_version(self.weights, {"saturated": saturated, "relative_gradient": slope / size})
        for version, (activation, loss) in self.learners.items():
            part, trained = slice(self.seeds) if version == "normal" else slice(self.seeds, None), []
            for rate in [self.learning_rate] if version in self.weights else RATES:
                weights = [weight.detach()[part].clone().requires_grad_() for weight in initial]
                trained.append(self._train(data, weights, activation, loss, rate))
            found |= by_version([version], max(trained, key=lambda one: one["early_accuracy"].mean()))
        return found

    def _train(self, data: Images, weights: list[Tensor], activation: Any, loss: Any, rate: float) -> dict[str, Tensor]:
        train_x, train_y = data.x["train"].cpu(), data.y["train"].cpu()
        few, test_x = (train_x[: self.examples], train_y[: self.examples]), data.x["test"].cpu()
        order = torch.stack([torch.randperm(len(train_y), generator=one) for one in streams(range(self.seeds))])
        steps = min(self.steps, len(train_y) // self.batch_size)
        kept, losses, accuracies = set(kept_steps(steps + 1)), [], []
        for step in range(steps + 1):
            if step in kept:
                losses.append(loss(*few, weights, activation).detach())
            if step in (steps // 10, steps):
                right = _outputs(test_x, weights, activation).argmax(dim=2) == data.y["test"].cpu()
                accuracies.append(right.double().mean(dim=1))
            if step < steps:
                rows = order[:, step * self.batch_size : (step + 1) * self.batch_size]
                _descend(weights, loss(train_x[rows], train_y[rows], weights, activation).sum(), rate)
        curves = {"loss": torch.stack(losses, dim=1), "rate": torch.tensor([rate])}
        return curves | {"accuracy": accuracies[-1], "early_accuracy": accuracies[0]}


AS_WRITTEN = frozenset({"one-logit", "zero-first", "small-output", "scalar-bias", "slow"})
"""The faults of the network as written in its question.

`one-logit`: softmax cross-entropy over the one logit, else sigmoid cross-entropy; `zero-first`: zero weights in the
first layer, else from N(0, 1 / features); `small-output`: output weights from U(-2/512, 2/512), else from N(0, 1 /
hidden units); `scalar-bias`: one scalar for all hidden units, else one bias each (the output has its own scalar in
both); `slow`: the source's rate and steps, else the healthy rate 0.05 and 2,000 steps."""
VERSIONS: dict[str, Set[str]] = {
    "as-written": AS_WRITTEN,
    "right-loss": AS_WRITTEN - {"one-logit"},
    "right-loss-random-first": AS_WRITTEN - {"one-logit", "zero-first"},
    "healthy": frozenset(),
    **{f"only-{fault}": {fault} for fault in ("one-logit", "zero-first", "slow", "scalar-bias", "small-output")},
    "all-zero": {"zero-first", "zero-second"},
}
"""The network as written in its question, with fewer and fewer faults, and then, in one that learns, each fault alone.

Batches are the same for all; a subset smaller than a batch is one batch.
"""
KEPT = 51
"""Maximum number of steps at which losses and accuracies are recorded."""


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
    features: Count = 512
    hidden: Count = 256
    examples: int = Field(default=2_000, ge=10)
    subset: int = Field(default=20, ge=2)
    """Size of the subset for the answer's advice: can it be overfitted?"""
    steps: Count = 500
    batch_size: Count = 300
    learning_rate: float = Field(default=0.005, gt=0)
    healthy_rate: float = Field(default=0.05, gt=0)
    """Rate of the healthy network, which also has each fault alone; ours, as are its steps."""
    healthy_steps: Count = 2_000
    output_range: float = Field(default=2 / 512, gt=0)
    """Output weights are uniform between minus this value and this value."""
    seed: int = Field(default=0, ge=0)

    def task(self) -> tuple[Tensor, Tensor]:
        """Return binary features `(examples, features)`, float32, and labels `(examples,)` of a linear rule.

        The label is 1 if the sum of random weights over the features that are on is above its median.
        """
        random = torch.Generator().manual_seed(self.seed)
        x = (torch.rand(self.examples, self.features, generator=random) < 0.5).float()
        score = x @ torch.randn(self.features, generator=random)
        return x, (score > score.median()).float()

    def measure(self) -> dict[str, Tensor]:
        """Train the versions by gradient descent on random batches, of all examples and of a small subset.

        Returns:
            The `quantities` by version: losses and accuracies over all training examples, at some steps, from before
            the first one to after the last one; the accuracy on the subset after as many steps on it alone; for
            `as-written`, the lowest and the highest sigmoid of the logit over all examples.
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
        """Return the first layer's weights and biases, then the output weights and bias."""
        random = torch.Generator().manual_seed(self.seed + 1)
        first = torch.randn(self.hidden, self.features, generator=random) / math.sqrt(self.features)
        second = torch.randn(1, self.hidden, generator=random) / math.sqrt(self.hidden)
        if "small-output" in faults:
            second = (2 * torch.rand(1, self.hidden, generator=random) - 1) * self.output_range
        first, second = first * ("zero-first" not in faults), second * ("zero-second" not in faults)
        weights = [first, torch.zeros(1 if "scalar-bias" in faults else self.hidden), second, torch.zeros(1)]
        return [weight.requires_grad_() for weight in weights]

    def _steps(self, faults: Set[str]) -> int:
        return self.steps if "slow" in faults else self.healthy_steps

    def _train(self, faults: Set[str], x: Tensor, y: Tensor) -> dict[str, Tensor]:
        weights, steps = self._weights(faults), self._steps(faults)
        rate = self.learning_rate if "slow" in faults else self.healthy_rate
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
                _descend(weights, _loss(faults, _logits(x[rows], weights), y[rows]), rate)
        outputs = torch.sigmoid(_logits(x, weights)).detach()
        rounded = (gradient / gradient.abs().max() * 1e4).round()  # to a ten-thousandth of the largest entry
        distinct = len(torch.unique(rounded, dim=0)) if gradient.any() else 0
        return {
            "loss": torch.stack(losses),
            "accuracy": torch.stack(accuracies),
            "first_gradient": gradient.norm().reshape(1),
            "distinct_units": torch.tensor([float(distinct)]),
            "output_low": outputs.min().reshape(1),
            "output_high": outputs.max().reshape(1),
        }

    def panels(self, found: AnalysisRecord) -> Iterator[Panel]:
        for quantity, unit in (("loss", "loss, nats"), ("accuracy", "accuracy")):
            lines = []
            for place, (version, faults) in enumerate(VERSIONS.items()):
                steps = kept_steps(self._steps(faults) + 1, most=KEPT)
                values = [value + 0 for value in found.row(stored(version, quantity))]  # no -0
                look = {"color": OTHERS[place % len(OTHERS)], "ls": DASHES[place // len(OTHERS) + place % 2], "lw": 1.6}
                lines.append(Line(version, steps, values, look))
            yield line_panel(f"the network that learned nothing: {quantity}", lines, "step", unit, log=False)


def _logits(x: Tensor, weights: list[Tensor]) -> Tensor:
    first, bias, second, output_bias = weights
    hidden = torch.sigmoid(functional.linear(x, first, bias.expand(len(first))))
    return functional.linear(hidden, second, output_bias)[:, 0]


def _loss(faults: Set[str], logits: Tensor, y: Tensor) -> Tensor:
    if "one-logit" in faults:
        return -(y[:, None] * torch.log_softmax(logits[:, None], dim=1)).sum(dim=1).mean()
    return functional.binary_cross_entropy_with_logits(logits, y)
