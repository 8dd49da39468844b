"""One network twice: from scratch in NumPy, and in PyTorch with the penalty that Keras has (the NumPy/Keras question).

Inputs, a hidden layer, ten outputs, sigmoids throughout, mean squared error, weights zero at first, gradient
descent over all examples at once. The network from scratch decays its weights by lambda * w, and its cost has
lambda / 2 * sum(w^2); Keras's `l2(lambda)` adds lambda * sum(w^2) to the loss, whose gradient is 2 * lambda * w. Keras
itself is not run: its penalty is, in PyTorch.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from highways.config import DataConfig, RunConfig
from highways.config.analysis import Measure
from highways.config.run import ImageDataName
from highways.data import Images, load
from highways.errors import HighwaysError
from highways.inside.values import lists


class ParityConfig(Measure):
    """A network written from scratch in NumPy beside the same one in PyTorch, with weight decay."""

    kind: str = "parity"
    version: ClassVar[int] = 2
    clocked: ClassVar[bool] = True
    data: ImageDataName
    examples: int | None = Field(default=None, ge=10)
    """The first of the training set; all by default."""
    hidden: int = Field(default=30, ge=1)
    steps: int = Field(default=100, ge=1)
    """Of full-batch gradient descent."""
    learning_rate: float = Field(default=1.0, gt=0)
    decay: float = Field(default=0.01, gt=0)
    """Lambda."""
    adam_rate: float = Field(default=0.01, gt=0)
    """Of the pair that Adam trains."""
    loop_examples: int = Field(default=500, ge=1)
    """Examples on which the source's loop is timed beside the vectorised step."""

    @property
    def data_set(self) -> DataConfig | None:
        """See `Measure`."""
        return DataConfig(name=self.data)

    def perform(self, run: RunConfig | None, network: nn.Module | None, where: torch.device) -> dict[str, Any]:
        """See `Measure`."""
        return lists(parity(self))


Array = NDArray[np.float64]

Weights = list[Array]
"""First layer's weights `(inputs, hidden)` and biases, second layer's `(hidden, outputs)` and biases."""


@dataclass(frozen=True)
class _State:
    """A network after a step."""

    weights: Weights
    cost: float
    """Mean squared error over examples and outputs, and the penalty, where the network has one."""
    accuracy: float
    """On the training examples."""
    gradient: Weights
    """Of the cost, but for decay that is apart from it."""


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
        weight. For `no_decay` and `half_penalty`, whose costs have equal penalties, after every step, too:
        `<variant>_loss`, the difference of the two costs over the first; `<variant>_accuracy_gap`, that of the
        accuracies, absolute; `<variant>_gradient`, the largest difference of two entries of the costs' gradients over
        the largest entry. `penalty_loss_gap`: the difference of the two costs, over the first, that with the same
        lambda are lambda / 2 and lambda times the sum of squares beside the error, each after its own steps.
        `accuracy` of the network from scratch with decay, on its training examples, and `loss`;
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

    def scratch(decayed: float) -> list[_State]:
        return _scratch(x.numpy(), y.numpy(), config, decayed)

    without, with_decay = scratch(0.0), scratch(decay)
    pairs: dict[str, Callable[[], tuple[list[_State], list[_State]]]] = {
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
    found: dict[str, Tensor] = {}
    for variant in VARIANTS:
        found |= _gaps(variant, *pairs[variant]())
    end = with_decay[-1].weights
    error = float(np.mean((_forward(x.numpy(), end)[1] - y.numpy()) ** 2))
    found["loss"], found["accuracy"] = torch.tensor([error]), torch.tensor([with_decay[-1].accuracy])
    found["hidden_units"] = torch.tensor([float(len(np.unique(end[0].round(12), axis=1).T))])
    return found | _times(x.numpy()[: config.loop_examples], y.numpy()[: config.loop_examples], end)


def _gaps(variant: str, one: list[_State], other: list[_State]) -> dict[str, Tensor]:
    """Return how far apart a pair is after every step; see `parity`."""
    name = variant.replace("-", "_")
    pairs = list(zip(one, other, strict=True))
    gaps = {name: [_gap(a.weights, b.weights) for a, b in pairs]}
    costs = [abs(a.cost - b.cost) / a.cost for a, b in pairs]
    if variant == "penalty":
        gaps[f"{name}_loss_gap"] = costs
    if variant in ("no-decay", "half-penalty"):
        gaps[f"{name}_loss"] = costs
        gaps[f"{name}_accuracy_gap"] = [abs(a.accuracy - b.accuracy) for a, b in pairs]
        gaps[f"{name}_gradient"] = [_gap(a.gradient, b.gradient) for a, b in pairs]
    return {key: torch.tensor(values, dtype=torch.float64) for key, values in gaps.items()}


def _times(x: Array, y: Array, weights: Weights) -> dict[str, Tensor]:
    """Return the time of a gradient, in the source's loop and vectorised, seconds, medians of five."""
    found = {"loop_examples": torch.tensor([float(len(x))])}
    for name, step in (("loop", _gradient_loop), ("vectorised", _gradient)):
        times = []
        for _ in range(5):
            began = time.perf_counter()
            step(x, y, weights)
            times.append(time.perf_counter() - began)
        found[f"{name}_seconds"] = torch.tensor([statistics.median(times)])
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


def _accuracy(out: Array, y: Array) -> float:
    return float((out.argmax(axis=1) == y.argmax(axis=1)).mean())


def _scratch(x: Array, y: Array, config: ParityConfig, decay: float) -> list[_State]:
    """Return the network from scratch after every step; biases do not decay."""
    weights, history = _zeros(x, y, config.hidden), []
    for step in range(config.steps + 1):
        out = _forward(x, weights)[1]
        gradients = [
            gradient + decay * weight if index % 2 == 0 else gradient
            for index, (gradient, weight) in enumerate(zip(_gradient(x, y, weights), weights, strict=True))
        ]
        if step:
            cost = np.mean((out - y) ** 2) + decay / 2 * sum(float((weight**2).sum()) for weight in weights[0::2])
            history.append(_State(weights, float(cost), _accuracy(out, y), gradients))
        weights = [w - config.learning_rate * gradient for w, gradient in zip(weights, gradients, strict=True)]
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
) -> list[_State]:
    """Return the network in PyTorch, with autograd, after every step."""
    weights = [torch.from_numpy(weight).requires_grad_() for weight in _zeros(x.numpy(), y.numpy(), config.hidden)]
    groups = [
        {"params": weights[0::2], "weight_decay": decoupled if optimiser == "adam" else weight_decay},
        {"params": weights[1::2], "weight_decay": 0.0},
    ]
    made = torch.optim.AdamW if optimiser == "adam" else torch.optim.SGD  # without decay AdamW is Adam
    torch_optimiser: torch.optim.Optimizer = made(groups, lr=rate)
    history = []
    for step in range(config.steps + 1):
        hidden = torch.sigmoid(x @ weights[0] + weights[1])
        out = torch.sigmoid(hidden @ weights[2] + weights[3])
        loss = functional.mse_loss(out, y)
        loss = loss + penalty * sum((weight.square().sum() for weight in weights[0::2]), start=torch.zeros(()))
        torch_optimiser.zero_grad()
        loss.backward()
        if step:
            now = [weight.detach().numpy().copy() for weight in weights]
            gradients = [weight.grad.numpy().copy() for weight in weights if weight.grad is not None]
            history.append(_State(now, float(loss.detach()), _accuracy(out.detach().numpy(), y.numpy()), gradients))
        if decoupled and optimiser == "sgd":
            with torch.no_grad():
                for weight in weights[0::2]:
                    weight.mul_(1 - rate * decoupled)
        torch_optimiser.step()
    return history
