"""One network twice: from scratch in NumPy, and in PyTorch with Keras's penalty (the NumPy/Keras question).

The network from scratch decays its weights by lambda * w, and its cost includes lambda / 2 * sum(w^2). Keras's
`l2(lambda)` adds lambda * sum(w^2) to the loss, whose gradient is 2 * lambda * w. Keras itself is not run; its penalty
is, in PyTorch.
"""

import statistics
import timeit
from collections.abc import Iterator
from functools import partial
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from highways.config import AnalysisConfig, Count, DataConfig, ImageDataName, Profile, Strict, Width
from highways.data import Images, load
from highways.experiments.base import Experiment, Table
from highways.experiments.small import SmallStudy
from highways.inside.layers import of_kind
from highways.show.figures import DASHES, OTHERS, Drawing, line, line_panel
from highways.show.tables import Row, costs
from highways.tracking import AnalysisRecord, Listed

# The two networks have inputs, a hidden layer and outputs, with sigmoids throughout and mean squared error. Weights
# start at zero. Training is full-batch gradient descent in float64. Weights decay, biases do not.

Array = NDArray[np.float64]
Weights = list[Array]
"""First layer's weights `(inputs, hidden)` and biases, second layer's `(hidden, outputs)` and biases."""


class State(NamedTuple):
    """A network after a step: weights, cost (with its penalty, if any), training accuracy, and the cost's gradient."""

    weights: Weights
    cost: float
    accuracy: float
    gradient: Weights


def zeros(x: Array | Tensor, y: Array | Tensor, hidden: int) -> Weights:
    """Return the initial weights of both networks, all zero."""
    return [np.zeros(shape) for shape in ((x.shape[1], hidden), hidden, (hidden, y.shape[1]), y.shape[1])]


def _sigmoid(z: Array) -> Array:
    return 1 / (1 + np.exp(-z))


def forward(x: Array, weights: Weights) -> tuple[Array, Array]:
    """Return hidden activations and outputs."""
    hidden = _sigmoid(x @ weights[0] + weights[1])
    return hidden, _sigmoid(hidden @ weights[2] + weights[3])


def gradient(x: Array, y: Array, weights: Weights) -> Weights:
    """Return the gradient of the mean squared error over examples and outputs, by backpropagation."""
    hidden, out = forward(x, weights)
    delta = 2 * (out - y) * out * (1 - out) / y.size
    below = delta @ weights[2].T * hidden * (1 - hidden)
    return [x.T @ below, below.sum(axis=0), hidden.T @ delta, delta.sum(axis=0)]


def gradient_loop(x: Array, y: Array, weights: Weights) -> Weights:
    """Return the same gradient, computed example by example, as in the source."""
    total = [np.zeros_like(weight) for weight in weights]
    for one, target in zip(x, y, strict=True):
        for sum_, part in zip(total, gradient(one[None], target[None], weights), strict=True):
            sum_ += part / len(x)
    return total


def _accuracy(out: Array, y: Array) -> float:
    return float((out.argmax(axis=1) == y.argmax(axis=1)).mean())


def train_in_numpy(x: Array, y: Array, hidden: int, steps: int, rate: float, decay: float) -> list[State]:
    """Return the network from scratch after every step; weights decay by `decay * w`, costing half `decay * w^2`."""
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
    """Return the states of the network in PyTorch after every step.

    Its loss includes `penalty` times the sum of squares, as Keras's `l2` does; `weight_decay` is the optimiser's own;
    before each step, weights are multiplied by 1 - rate * `decoupled`.
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


class ParitySettings(Strict):
    """The settings of the study that a profile may set."""

    data: ImageDataName
    examples: int | None = Field(default=None, ge=10)
    """Number of training examples, the first ones; all by default."""
    hidden: Width = 30
    steps: Count = 100
    """Steps of full-batch gradient descent."""
    learning_rate: float = Field(default=1.0, gt=0)
    decay: float = Field(default=0.01, gt=0)
    """Lambda."""
    loop_examples: Count = 500
    """Number of examples for timing the source's loop against the vectorised step."""


LIBRARY = {
    "no-decay": {},  # compared with the network from scratch without decay
    "penalty": {"penalty": 1.0},  # Keras's, with the same lambda
    "half-penalty": {"penalty": 0.5},
    "decoupled": {"decoupled": 1.0},  # as AdamW does it, under gradient descent
    "weight-decay": {"weight_decay": 1.0},  # of torch.optim.SGD
}
"""What is compared with the network from scratch: how the library's decays, in units of the former's lambda."""
VARIANTS = (*LIBRARY, "adam")
"""`adam` is not compared with the network from scratch: it compares Adam, with a penalty of lambda / 2, and AdamW."""
COMPARED = {variant: variant.replace("-", "_") for variant in VARIANTS} | {
    "no-decay: cost": "no_decay_loss",
    "no-decay: accuracy": "no_decay_accuracy_gap",
    "no-decay: gradient": "no_decay_gradient",
    "half-penalty: cost": "half_penalty_loss",
    "half-penalty: accuracy": "half_penalty_accuracy_gap",
    "half-penalty: gradient": "half_penalty_gradient",
    "penalty: cost": "penalty_loss_gap",
}
"""What is compared, and its name in the record; weights if nothing else is named."""


class Parity(SmallStudy, ParitySettings):
    """A network written from scratch in NumPy and the same one in PyTorch, with weight decay."""

    kind: str = "parity"
    version: ClassVar[int] = 2
    clocked: ClassVar[bool] = True
    adam_rate: float = Field(default=0.01, gt=0)
    """Learning rate of the pair that Adam trains."""

    def measure(self) -> dict[str, Tensor]:
        """Train the pairs, and return how far apart they are.

        Returns:
            For each name in `COMPARED`, a difference after every step: of weights or of costs' gradients, the largest
            over the largest entry of the first network's; of costs, relative to the first; of accuracies, absolute.
            With the same lambda, the costs add lambda / 2 and lambda times the sum of squares to the error. `accuracy`
            and `loss` are those of the network from scratch with decay, on its training examples; `hidden_units` is the
            number of distinct hidden units at its end. `loop_seconds` and `vectorised_seconds` are for the gradient
            over `loop_examples` examples, medians of five.
        """
        data = load(DataConfig(name=self.data, training_examples=self.examples))
        assert isinstance(data, Images)
        x, y = data.x["train"].double().cpu(), functional.one_hot(data.y["train"].cpu(), data.classes).double()
        xs, ys, size, decay = x.numpy(), y.numpy(), (self.hidden, self.steps), self.decay
        without, scratch = (train_in_numpy(xs, ys, *size, self.learning_rate, lambda_) for lambda_ in (0.0, decay))
        adam = train_in_torch(x, y, *size, self.adam_rate, torch.optim.AdamW, penalty=decay / 2)
        adam_w = train_in_torch(x, y, *size, self.adam_rate, torch.optim.AdamW, weight_decay=decay)
        found = _gaps("adam", adam, adam_w)
        for variant, lambdas in LIBRARY.items():
            options = {name: times * decay for name, times in lambdas.items()}
            other = train_in_torch(x, y, *size, self.learning_rate, **options)
            found |= _gaps(variant, scratch if options else without, other)
        end = scratch[-1].weights
        few = (xs[: self.loop_examples], ys[: self.loop_examples], end)
        numbers = {
            "loss": np.mean((forward(xs, end)[1] - ys) ** 2),
            "accuracy": scratch[-1].accuracy,
            "hidden_units": np.unique(end[0].round(12), axis=1).shape[1],
            "loop_examples": len(few[0]),
        }
        for name, step in (("loop", gradient_loop), ("vectorised", gradient)):
            numbers[f"{name}_seconds"] = statistics.median(timeit.repeat(partial(step, *few), number=1, repeat=5))
        return found | {name: torch.tensor([float(value)]) for name, value in numbers.items()}


def _gaps(variant: str, one: list[State], other: list[State]) -> dict[str, Tensor]:
    """Return how far apart a pair is after every step; see `Parity.measure`."""
    pairs = list(zip(one, other, strict=True))
    gaps = {
        "": [_gap(a.weights, b.weights) for a, b in pairs],
        ": cost": [abs(a.cost - b.cost) / a.cost for a, b in pairs],
        ": accuracy": [abs(a.accuracy - b.accuracy) for a, b in pairs],
        ": gradient": [_gap(a.gradient, b.gradient) for a, b in pairs],
    }
    return {
        COMPARED[text]: torch.tensor(values, dtype=torch.float64)
        for quantity, values in gaps.items()
        if (text := f"{variant}{quantity}") in COMPARED
    }


def _gap(one: Weights, other: Weights) -> float:
    size = max(float(np.abs(weight).max()) for weight in one)
    difference = max(float(np.abs(a - b).max()) for a, b in zip(one, other, strict=True))
    return difference / size if size else difference


class ParityProfile(Profile, ParitySettings):
    """Parameters of `09_l2_parity`."""

    experiment: ClassVar[str] = "09_l2_parity"

    def analyses(self) -> list[AnalysisConfig]:
        return [AnalysisConfig(measure=Parity(**self.model_dump(include=set(ParitySettings.model_fields))))]


def parity_rows(records: Listed) -> Iterator[Row]:
    """Yield how far apart each pair is after 1, 2, 5, 10, ... steps and at the end; see `Parity.measure`."""
    says = {"no-decay": "equal to the last digit", "penalty": "different"}  # the NumPy/Keras question, without numbers
    for found in of_kind(records, "parity"):
        for variant, name in COMPARED.items():
            gaps = found.row(name)
            shown = {times * 10**power for power in range(6) for times in (1, 2, 5)} | {len(gaps)}
            for step in sorted(step for step in shown if step <= len(gaps)):
                yield {
                    "variant": variant,
                    "data": found.data,
                    "step": step,
                    "difference": gaps[step - 1],
                    "source_says": says.get(variant.partition(":")[0]),
                }


def loop(found: AnalysisRecord) -> Row:
    """Return the time of a step, vectorised and in the source's loop over examples."""
    return {name: found.row(name)[0] for name in ("loop_examples", "loop_seconds", "vectorised_seconds")}


def parity_figure(records: Listed) -> Drawing:
    """Draw how far apart each pair is, step by step."""
    panels = []
    for found in of_kind(records, "parity"):
        lines = []
        for place, variant in enumerate(VARIANTS):
            gaps = [max(gap, 1e-17) for gap in found.row(COMPARED[variant])]  # zero has no logarithm
            label = "Adam with penalty, AdamW" if variant == "adam" else f"NumPy, {variant}"
            lines.append(line(label, gaps, color=OTHERS[place], ls=DASHES[place % 4], lw=2.6 - 0.25 * place))
        title, y = f"{found.data}: how far apart two networks are", "largest difference over largest weight"
        panels.append(line_panel(title, lines, "step", y, lambda axes: axes.set_xscale("log"), height=3.6))
    return Drawing(panels)


def answer(records: Listed) -> Iterator[str]:
    """State how far apart the two networks of each variant are after the last step."""
    for found in of_kind(records, "parity"):
        parts = ", ".join(f"`{variant}` {found.row(COMPARED[variant])[-1]:.1g}" for variant in VARIANTS)
        yield (
            f"Largest difference of two weights after the last step, over the largest weight: {parts}. Of the hidden "
            f"units {found.row('hidden_units')[0]:.0f} differ from each other; the accuracy on the training examples "
            f"is {found.row('accuracy')[0]:.3f}."
        )


L2_PARITY = Experiment(
    title="One network in NumPy and in a library, with weight decay",
    schema=ParityProfile,
    tables=(
        Table(
            "l2_parity",
            parity_rows,
            "NumPy and PyTorch with Keras's penalty (the NumPy/Keras question)",
            shown={name: name.replace("_", " ") for name in ("variant", "data", "step", "difference", "source_says")},
            rows=lambda frame: frame.loc[frame["step"].isin([1, frame["step"].max()])],
            cost=lambda records: costs(records, loop),
        ),
    ),
    figures={"l2_parity": parity_figure},
    answer=answer,
)
