"""An LSTM that learns x + 1 below 10, else sin(x) (the initialisation questions, e)."""

from collections.abc import Callable, Mapping
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from highways.experiments.small import DARK, EVERY, LAST, LIGHT, Quantity, SmallStudy, by_version, stored, streams
from highways.inside.values import kept_steps
from highways.show.figures import Line, Panel, line_panel
from highways.tracking import AnalysisRecord

RECURRENCE_VERSIONS = ("as-asked", "linear", "scaled", "frozen", "linear-frozen")
"""`as-asked`: ELU on the output, numbers as they are; `linear`: no ELU; `scaled`: no ELU, numbers over ten in and
out; `frozen` and `linear-frozen`: as the first two, but the LSTM is left as it was drawn."""

READOUT_BIAS = 0.1
"""Initial bias of the read-out, the question's."""

PARTS = {"lstm": slice(0, 4), "readout": slice(4, 6)}
"""Where a network's parts are among the weights of `Recurrents`."""


class Recurrence(SmallStudy):
    """An LSTM that learns x + 1 below 10, else sin(x), one window a step (the initialisation questions, e).

    Adam trains all versions, from several seeds. The windows are the same for all seeds.
    """

    kind: str = "recurrence"
    version: ClassVar[int] = 2
    title: ClassVar[str] = "e: recurrence"
    versions: ClassVar[tuple[str, ...]] = RECURRENCE_VERSIONS
    quantities: ClassVar[Mapping[str, Quantity]] = {
        "error where x + 1 follows": ("steps_error", EVERY),
        "error where sin(x) follows": ("sine_error", EVERY),
        "gradient of the LSTM, first step": ("lstm_gradient_start", EVERY),
        "gradient of the read-out, first step": ("readout_gradient_start", EVERY),
        "gradient of the LSTM, last step, mean of seeds": ("lstm_gradient", LAST),
        "gradient of the read-out, last step, mean of seeds": ("readout_gradient", LAST),
    }
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

    def windows(self, seed: int) -> tuple[Tensor, Tensor]:
        """Return windows `(examples, length)` of the recurrence, and the number that follows each, `(examples,)`.

        From x follows x + 1 where x is below 10, else sin(x); each window starts at its own place.
        """
        numbers = [torch.rand(self.examples, generator=torch.Generator().manual_seed(seed)) * 12 - 1]
        for _ in range(self.length):
            now = numbers[-1]
            numbers.append(torch.where(now < 10, now + 1, torch.sin(now)))
        return torch.stack(numbers[:-1], dim=1), numbers[-1]

    def measure(self) -> dict[str, Tensor]:
        """Train the versions.

        Returns:
            For each version, one value per seed: `steps_error` and `sine_error`, root mean square errors after training
            on new windows that are followed by x + 1 and by sin(x); `lstm_gradient_start` and
            `readout_gradient_start`, norms at the first step. And `lstm_gradient` and `readout_gradient`, norms
            averaged over seeds, at `kept_steps` of the steps.
        """
        (x, y), (test_x, test_y) = self.windows(self.seed), self.windows(self.seed + 1)
        networks = Recurrents(self.hidden, self.seeds)
        optimiser = torch.optim.Adam(networks.weights, lr=self.learning_rate)
        rounds = -(-self.steps // self.examples)  # each seed takes all windows in a random order, round after round
        orders = [
            torch.cat([torch.randperm(len(x), generator=one) for _ in range(rounds)])
            for one in streams(range(self.seeds))
        ]
        order = torch.stack(orders).repeat(len(RECURRENCE_VERSIONS), 1)
        kept, norms = set(kept_steps(self.steps)), []
        for step in range(self.steps):
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
        values = {
            "steps_error": squares[:, steps].mean(dim=1).sqrt(),
            "sine_error": squares[:, ~steps].mean(dim=1).sqrt(),
        }
        curves = dict(zip(PARTS, torch.stack(norms, dim=2), strict=True))  # by part, (networks, kept steps)
        values |= {f"{part}_gradient_start": norm[:, 0] for part, norm in curves.items()}
        means = by_version(RECURRENCE_VERSIONS, {f"{part}_gradient": norm for part, norm in curves.items()})
        return by_version(RECURRENCE_VERSIONS, values) | {name: norm.mean(dim=0) for name, norm in means.items()}

    def panels(self, found: AnalysisRecord) -> list[Panel]:
        """See `SmallStudy`."""
        steps, lines = [step + 1 for step in kept_steps(self.steps)], []
        for part, dashes in (("lstm", "-"), ("readout", ":")):
            for version, colour in (("as-asked", LIGHT), ("frozen", DARK)):
                norms = found.row(stored(version, f"{part}_gradient"))
                lines.append(Line(f"{version}, {part}", steps, norms, {"ls": dashes, "color": colour, "lw": 1.1}))
        errors = {"steps_error": "x + 1 follows", "sine_error": "sin(x) follows"}
        title = "(e) error after training, mean of seeds"
        return [
            line_panel("(e) gradient over the steps, mean of seeds", lines, "step", "norm"),
            self.bars(found, title, errors, "root mean square"),
        ]


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

        def of_versions(value: Callable[[str], bool | float]) -> Tensor:
            return torch.tensor([value(version) for version in RECURRENCE_VERSIONS]).repeat_interleave(seeds)

        self.elu = of_versions(lambda version: version in ("as-asked", "frozen"))
        self.frozen = of_versions(lambda version: version.endswith("frozen"))
        self.scale = of_versions(lambda version: 10.0 if version == "scaled" else 1.0)

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


def _norms(gradients: list[Tensor]) -> Tensor:
    """Return each network's norm over some of its weights, `(networks,)`."""
    return torch.cat([gradient.reshape(len(gradient), -1) for gradient in gradients], dim=1).norm(dim=1)
