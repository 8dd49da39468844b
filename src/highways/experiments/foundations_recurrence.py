"""An LSTM that learns x + 1 below 10, else sin(x) (the initialisation questions, e)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from highways.config import RunConfig
from highways.config.analysis import Measure
from highways.inside.thinning import kept_steps
from highways.inside.values import lists


class RecurrenceConfig(Measure):
    """An LSTM that learns x + 1 below 10, else sin(x), one window a step (the initialisation questions, e)."""

    kind: str = "recurrence"
    version: ClassVar[int] = 2
    examples: int = Field(default=1_000, ge=10)
    length: int = Field(default=5, ge=1)
    """Numbers that the network sees before it predicts the next one."""
    hidden: int = Field(default=32, ge=1)
    steps: int = Field(default=1_000, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    """Of Adam; the question's."""
    seeds: int = Field(default=5, ge=2)
    """How many; each draws weights and the order of the windows."""
    seed: int = Field(default=0, ge=0)
    """Of the windows."""

    def perform(self, run: RunConfig | None, network: nn.Module | None, where: torch.device) -> dict[str, Any]:
        """See `Measure`."""
        return lists(recurrence(self))


RECURRENCE_VERSIONS = ("as-asked", "linear", "scaled", "frozen", "linear-frozen")
"""`as-asked`: ELU on the output, numbers as they are; `linear`: no ELU; `scaled`: no ELU, numbers over ten in and
out; `frozen` and `linear-frozen`: as the first two, but the LSTM is left as it was drawn."""

READOUT_BIAS = 0.1
"""Initial bias of the read-out, the question's."""

PARTS = {"lstm": slice(0, 4), "readout": slice(4, 6)}
"""Where a network's parts are among the weights of `Recurrents`."""


def recurrence_data(config: RecurrenceConfig) -> tuple[Tensor, Tensor]:
    """Return windows `(examples, length)` of the recurrence, and the number that follows each, `(examples,)`.

    From x follows x + 1 where x is below 10, else sin(x); each window starts at its own place.
    """
    random = torch.Generator().manual_seed(config.seed)
    numbers = [torch.rand(config.examples, generator=random) * 12 - 1]
    for _ in range(config.length):
        now = numbers[-1]
        numbers.append(torch.where(now < 10, now + 1, torch.sin(now)))
    return torch.stack(numbers[:-1], dim=1), numbers[-1]


class Recurrents:
    """Networks of all versions and seeds, which train together: an LSTM and a linear read-out of its last state.

    A seed means the same weights in all versions: the LSTM's as PyTorch draws them, the read-out's from N(0, 1) cut
    at two deviations, its bias `READOUT_BIAS`; the read-out's are the question's.

    `weights` are the LSTM's for inputs and for states, its two biases, the read-out's weights and bias. Their first
    axis has all seeds of the first version, then all of the second one, and so on.
    """

    def __init__(self, hidden: int, seeds: int):
        drawn: list[list[Tensor]] = []
        for seed in range(seeds):
            with torch.random.fork_rng(devices=()):
                torch.manual_seed(seed)
                lstm, readout = nn.LSTM(1, hidden), torch.empty(hidden)
                nn.init.trunc_normal_(readout, std=1.0, a=-2.0, b=2.0)
            drawn.append([*(weight.detach() for weight in lstm.parameters()), readout, torch.tensor(READOUT_BIAS)])
        self.weights = [
            torch.stack(parts).repeat(len(RECURRENCE_VERSIONS), *[1] * parts[0].dim()).requires_grad_()
            for parts in zip(*drawn, strict=True)
        ]
        self.elu = _of_versions(lambda version: version in ("as-asked", "frozen"), seeds)
        self.frozen = _of_versions(lambda version: version.endswith("frozen"), seeds)
        self.scale = _of_versions(lambda version: 10.0 if version == "scaled" else 1.0, seeds)

    def __call__(self, x: Tensor) -> Tensor:
        """Map windows, `(networks, batch, length)`, to the next numbers, scaled, `(networks, batch)`."""
        of_input, of_state, input_bias, state_bias, readout, bias = self.weights
        x = x / self.scale[:, None, None]
        h = c = x.new_zeros(*x.shape[:2], readout.shape[1])
        into = of_input[:, None, :, 0]
        biases = (input_bias + state_bias)[:, None]
        for step in range(x.shape[2]):
            gates = torch.baddbmm(x[:, :, step, None] * into + biases, h, of_state.transpose(1, 2))
            i, f, g, o = gates.chunk(4, dim=2)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
        y = (h * readout[:, None]).sum(dim=2) + bias[:, None]
        return torch.where(self.elu[:, None], functional.elu(y), y)


def _of_versions(value: Callable[[str], bool | float], seeds: int) -> Tensor:
    return torch.tensor([value(version) for version in RECURRENCE_VERSIONS]).repeat_interleave(seeds)


def recurrence(config: RecurrenceConfig) -> dict[str, Tensor]:
    """Train the versions with Adam, one window a step, from several seeds.

    The windows are the same for all seeds, which draw weights and the order of the windows.

    Returns:
        For each version, with `_` for `-`, one value per seed: `<version>_steps_error` and `<version>_sine_error`, root
        mean square errors after training on new windows that are followed by x + 1 and by sin(x);
        `<version>_lstm_gradient_start` and `<version>_readout_gradient_start`, norms at the first step. And
        `<version>_lstm_gradient` and `<version>_readout_gradient`, norms averaged over seeds, at `kept_steps` of the
        steps.
    """
    x, y = recurrence_data(config)
    test_x, test_y = recurrence_data(config.model_copy(update={"seed": config.seed + 1}))
    networks, versions = Recurrents(config.hidden, config.seeds), len(RECURRENCE_VERSIONS)
    optimiser = torch.optim.Adam(networks.weights, lr=config.learning_rate)
    order = torch.stack([_order(config, seed) for seed in range(config.seeds)]).repeat(versions, 1)
    kept, norms = set(kept_steps(config.steps)), []
    for step in range(config.steps):
        rows = order[:, step]
        errors = networks(x[rows][:, None])[:, 0] - y[rows] / networks.scale
        optimiser.zero_grad()
        errors.square().sum().backward()  # each network has its own weights, so that each has its own gradient
        gradients = [weight.grad for weight in networks.weights if weight.grad is not None]
        if step in kept:
            norms.append(torch.stack([_norms(gradients[part]) for part in PARTS.values()]))
        for gradient in gradients[PARTS["lstm"]]:
            gradient[networks.frozen] = 0
        optimiser.step()
    with torch.no_grad():
        outputs = networks(test_x.expand(len(networks.scale), -1, -1)) * networks.scale[:, None]
    squares, steps = (outputs - test_y).square(), test_x[:, -1] < 10
    found: dict[str, Tensor] = {}
    curves = torch.stack(norms)  # kept steps, parts, networks
    for place, version in enumerate(RECURRENCE_VERSIONS):
        name, own = version.replace("-", "_"), slice(place * config.seeds, (place + 1) * config.seeds)
        found[f"{name}_steps_error"] = squares[own][:, steps].mean(dim=1).sqrt()
        found[f"{name}_sine_error"] = squares[own][:, ~steps].mean(dim=1).sqrt()
        for index, part in enumerate(PARTS):
            found[f"{name}_{part}_gradient"] = curves[:, index, own].mean(dim=1)
            found[f"{name}_{part}_gradient_start"] = curves[0, index, own]
    return found


def _order(config: RecurrenceConfig, seed: int) -> Tensor:
    """Return which window each step of a seed takes, `(steps,)`: all in a random order, round after round."""
    random = torch.Generator().manual_seed(seed)
    rounds = -(-config.steps // config.examples)
    return torch.cat([torch.randperm(config.examples, generator=random) for _ in range(rounds)])[: config.steps]


def _norms(gradients: list[Tensor]) -> Tensor:
    """Return each network's norm over some of its weights, `(networks,)`."""
    return torch.cat([gradient.reshape(len(gradient), -1) for gradient in gradients], dim=1).norm(dim=1)
