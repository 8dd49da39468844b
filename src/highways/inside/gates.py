"""What the transform gates of a trained network do (P1 sec. 4, Fig. 2; P2 sec. 4, Fig. 2, and sec. 4.1, Fig. 3)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from highways.config import RunConfig
from highways.config.analysis import Measure
from highways.errors import HighwaysError
from highways.inside.values import lists, network_and_data
from highways.nn import Highway


class GatesConfig(Measure):
    """Transform gates of a highway network: biases, means over examples, one example (P1 Fig. 2, P2 Figs. 2, 3)."""

    kind: str = "gates"
    version: ClassVar[int] = 1
    examples: int = Field(default=10_000, ge=1)
    """The first of the training set, over which gates are averaged; all of it where it has fewer."""
    example: int = Field(default=0, ge=0)
    """Number of the training example whose gates and block outputs are kept."""

    @property
    def needs_weights(self) -> bool:
        """See `Measure`."""
        return True

    def perform(self, run: RunConfig | None, network: nn.Module | None, where: torch.device) -> dict[str, Any]:
        """See `Measure`."""
        assert run is not None
        built, data = network_and_data(run, network, where)
        found = gates(built, data.evaluation_batches(run, "train"), data.classes, self.examples, self.example)
        return lists(vars(found), digits=4) | lists({"biases": found.biases})


@dataclass(frozen=True)
class Gates:
    """Transform gates T by block and unit.

    Of a convolution a unit is a channel, and T is averaged over positions; of a BiLSTM over time.

    Attributes:
        biases: Bias of each gate, a list of tensors `(units,)`, one a block.
        mean: Mean T over the examples, as `biases`.
        class_means: The same over the examples of each class, a list of tensors `(classes, units)`.
        example_gates: T for one example, as `biases`.
        example_outputs: The block's input for it, of every block, and the last one's output; `(units,)` each.
        change: Mean length over the examples of what each block adds to its input, `(blocks,)`.
    """

    biases: list[Tensor]
    mean: list[Tensor]
    class_means: list[Tensor]
    example_gates: list[Tensor]
    example_outputs: list[Tensor]
    change: Tensor


def highways(network: nn.Module) -> list[Highway]:
    """Return a network's highway blocks, in order.

    Raises:
        HighwaysError: It has none.
    """
    blocks = [module for module in network.modules() if isinstance(module, Highway)]
    if not blocks:
        raise HighwaysError("the network has no highway layers, and so no gates")
    return blocks


def units_of(block: Highway, x: Tensor) -> Tensor:
    """Return a tensor of a block as `(batch, units)`, averaged over positions or time."""
    if isinstance(block.gate, nn.Conv2d):
        return x.mean(dim=(2, 3))
    return x.mean(dim=1) if x.dim() == 3 else x


@dataclass
class _Seen:
    """What one block did with one batch: `(batch, units)`, the change `(batch,)`."""

    x: Tensor = field(default_factory=lambda: torch.empty(0))
    y: Tensor = field(default_factory=lambda: torch.empty(0))
    t: Tensor = field(default_factory=lambda: torch.empty(0))
    change: Tensor = field(default_factory=lambda: torch.empty(0))


@contextmanager
def _watched(blocks: list[Highway]) -> Iterator[list[_Seen]]:
    """Note what each block takes, gives and gates, batch by batch."""
    seen = [_Seen() for _ in blocks]

    def watch(block: Highway, now: _Seen) -> list[torch.utils.hooks.RemovableHandle]:
        def gate(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            now.t = units_of(block, torch.sigmoid(output)).float()

        def whole(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            now.x, now.y = (units_of(block, tensor).float() for tensor in (inputs[0], output))
            now.change = (output - inputs[0]).float().flatten(1).norm(dim=1)

        return [block.gate.register_forward_hook(gate), block.register_forward_hook(whole)]

    handles = [handle for block, now in zip(blocks, seen, strict=True) for handle in watch(block, now)]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def gates(
    network: nn.Module, batches: Iterable[tuple[Tensor, Tensor]], classes: int, examples: int, example: int = 0
) -> Gates:
    """Measure the gates of a network.

    Args:
        network: A network with highway blocks.
        batches: Inputs and classes `(batch,)`, in the order of the data.
        classes: Number of classes.
        examples: How many of them are looked at; all where there are fewer.
        example: Number of the one whose gates and outputs are kept.

    Raises:
        HighwaysError: The network has no gates, or there are fewer examples than `example` says.
    """
    network.eval()
    blocks = highways(network)
    count = torch.zeros(classes, dtype=torch.float64)
    sums = [torch.zeros(classes, 0, dtype=torch.float64) for _ in blocks]
    change = torch.zeros(len(blocks), dtype=torch.float64)
    one: tuple[list[Tensor], list[Tensor]] | None = None
    done = 0
    with _watched(blocks) as seen:
        for x, y in batches:
            if done >= max(examples, example + 1):
                break
            network(x)
            if done <= example < done + len(y):
                row = example - done
                one = [now.t[row].cpu() for now in seen], [now.x[row].cpu() for now in seen]
                one[1].append(seen[-1].y[row].cpu())
            used = max(min(len(y), examples - done), 0)
            member = torch.nn.functional.one_hot(y[:used].cpu(), classes).double()
            count += member.sum(dim=0)
            for layer, now in enumerate(seen):
                total = member.T @ now.t[:used].cpu().double()
                sums[layer] = total if done == 0 else sums[layer] + total
                change[layer] += now.change[:used].cpu().double().sum()
            done += len(y)
    if one is None:
        raise HighwaysError(f"there is no training example {example}: they are 0 to {done - 1}")
    return Gates(
        biases=[block.gate.bias.detach().cpu().clone() for block in blocks],  # type: ignore[union-attr]
        mean=[total.sum(dim=0) / count.sum() for total in sums],
        class_means=[total / count.clamp_min(1)[:, None] for total in sums],
        example_gates=one[0],
        example_outputs=one[1],
        change=change / count.sum(),
    )
