"""What the transform gates of a trained network do (P1 sec. 4, Fig. 2; P2 sec. 4, Fig. 2, and sec. 4.1, Fig. 3)."""

from typing import Any, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from highways.config import OfNetwork, RunConfig
from highways.errors import HighwaysError
from highways.inside.values import Batches, hooked, lists, network_and_batches
from highways.nn import Highway


class GatesConfig(OfNetwork):
    """Transform gates of a highway network: biases, means over examples, one example (P1 Fig. 2, P2 Figs. 2, 3)."""

    kind: str = "gates"
    examples: int = Field(default=10_000, ge=1)
    """Number of training examples over which gates are averaged: the first ones, or all if there are fewer."""
    example: int = Field(default=0, ge=0)
    """Index of the training example whose gates and block outputs are kept."""

    def perform(self, run: RunConfig | None, network: nn.Module | None, where: torch.device) -> dict[str, Any]:
        found = gates(*network_and_batches(run, network, where), self.examples, self.example)
        return lists(found, digits=4) | lists({"biases": found["biases"]})


def highways(network: nn.Module) -> list[Highway]:
    """Return a network's highway blocks, in order; a network without any raises `HighwaysError`."""
    blocks = [module for module in network.modules() if isinstance(module, Highway)]
    if not blocks:
        raise HighwaysError("the network has no highway layers, and so no gates")
    return blocks


def units_of(x: Tensor) -> Tensor:
    """Return `(batch, units)`: `(time, batch, units)` is averaged over time, `(batch, units, y, x)` over positions."""
    return x if x.dim() == 2 else x.mean(dim=0 if x.dim() == 3 else (2, 3))


def seen_of(block: Highway, inputs: tuple[Tensor, ...], y: Tensor) -> tuple[Tensor, ...]:
    """Return a block's input, output and transform gate, `(batch, units)`, and norms of the change, `(batch,)`."""
    added = (y - inputs[0]).float()
    by_example = added.transpose(0, 1) if added.dim() == 3 else added  # in a BiLSTM, time comes first
    x, y, t = (units_of(part).float() for part in (inputs[0], y, block.transform_gate(inputs[0])))
    return x, y, t, by_example.flatten(1).norm(dim=1)


@torch.no_grad()
def gates(network: nn.Module, batches: Batches, classes: int, examples: int, example: int = 0) -> dict[str, Any]:
    """Return a network's transform gates T by block and unit.

    A unit of a convolution is a channel, and T is averaged over positions; for a BiLSTM, over time. The result has:

    - `biases`: the bias of each gate, a list of tensors `(units,)`, one per block;
    - `mean`: mean T over the examples, in the form of `biases`;
    - `class_means`: mean T over the examples of each class, a list of tensors `(classes, units)`;
    - `example_gates`: T for one example, in the form of `biases`;
    - `example_outputs`: for that example, the input of every block and the last one's output, `(units,)` each;
    - `change`: mean norm, over the examples, of what each block adds to its input, `(blocks,)`.

    The means are over the first `examples` of the batches, or all if there are fewer; `example` is the index of the one
    example. A network without gates, or an index beyond the last, raises `HighwaysError`.
    """
    network.eval()
    blocks = highways(network)
    count, change = (torch.zeros(size, dtype=torch.float64) for size in (classes, len(blocks)))
    sums: list[Any] = [0] * len(blocks)
    done = 0
    one: tuple[list[Tensor], list[Tensor]] | None = None
    seen: list[tuple[Tensor, ...]] = []
    with hooked((block, lambda *call: seen.append(seen_of(*call))) for block in blocks):
        for x, y in batches:
            if done >= max(examples, example + 1):
                break
            seen.clear()
            network(x)
            xs, ys, ts, changes = zip(*seen, strict=True)
            if done <= example < done + len(y):
                row = example - done
                one = [t[row].cpu() for t in ts], [state[row].cpu() for state in (*xs, ys[-1])]
            used = max(min(len(y), examples - done), 0)
            member = torch.nn.functional.one_hot(y[:used].cpu(), classes).double()
            count += member.sum(dim=0)
            for layer, (t, norms) in enumerate(zip(ts, changes, strict=True)):
                sums[layer] += member.T @ t[:used].cpu().double()
                change[layer] += norms[:used].cpu().double().sum()
            done += len(y)
    if one is None:
        raise HighwaysError(f"there is no training example {example}: they are 0 to {done - 1}")
    if absent := int((count == 0).sum()):
        raise HighwaysError(f"{absent} of {classes} classes are not among the first {int(count.sum())} examples")
    return {
        "biases": [cast(Tensor, block.gate.bias).detach().cpu().clone() for block in blocks],
        "mean": [total.sum(dim=0) / count.sum() for total in sums],
        "class_means": [total / count[:, None] for total in sums],
        "example_gates": one[0],
        "example_outputs": one[1],
        "change": change / count.sum(),
    }
