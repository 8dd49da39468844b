"""Lesions: what a network loses when one block's gate is closed (P2 sec. 4.2, Fig. 4)."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from highways.config import OfNetwork, RunConfig
from highways.errors import HighwaysError
from highways.inside.gates import highways
from highways.inside.values import Batches, hooked, lists, network_and_batches
from highways.nn import DenseNetwork


class LesionsConfig(OfNetwork):
    """The gate of every block closed, one at a time, over the whole training set (P2 sec. 4.2, Fig. 4).

    Convolutional networks use the first 10,000 training images, as for their curves.
    """

    kind: str = "lesions"

    def perform(self, run: RunConfig | None, network: nn.Module | None, where: torch.device) -> dict[str, Any]:
        return lists(lesions(*network_and_batches(run, network, where)[:2]))


def _sums(logits: Tensor, y: Tensor) -> Tensor:
    """Return the sums over a batch, `(2, rows)`: cross-entropy in nats, and number of correct answers.

    Logits are `(rows, batch, classes)`, classes `(batch,)`.
    """
    log_p = torch.log_softmax(logits.double(), dim=-1)
    loss = -log_p.gather(-1, y.expand(len(logits), -1).unsqueeze(-1)).sum(dim=(1, 2))
    return torch.stack([loss, (logits.argmax(dim=-1) == y).sum(dim=1)]).cpu()


def lesioned(network: nn.Module, layer: int) -> AbstractContextManager[None]:
    """Close the gate of one block, counted from 1, if that block exists: its T is 0, and its output is its input."""
    blocks = highways(network)
    if not 1 <= layer <= len(blocks):
        raise HighwaysError(f"there is no highway layer {layer}: they are 1 to {len(blocks)}")
    return hooked([(blocks[layer - 1], lambda module, inputs, output: inputs[0])])


@torch.no_grad()
def lesions_one_by_one(network: nn.Module, batches: Batches) -> dict[str, Tensor]:
    """Measure every lesion in a separate pass: the textbook way, for any network with highway blocks."""
    network.eval()
    batches, rows = list(batches), []
    for layer in range(len(highways(network)) + 1):
        with lesioned(network, layer) if layer else nullcontext():
            rows.append(torch.stack([_sums(network(x)[None], y) for x, y in batches]).sum(dim=0))
    loss, accuracy = torch.cat(rows, dim=1) / sum(len(y) for _, y in batches)
    return {"cross_entropy": loss, "accuracy": accuracy}


@torch.no_grad()
def lesions(network: nn.Module, batches: Batches) -> dict[str, Tensor]:
    """Measure every lesion, each over all examples.

    Return `cross_entropy` (mean, nats) and `accuracy` (a fraction), `(blocks + 1,)` each: entry 0 is the whole network,
    entry `l` has block `l` closed.

    In a dense network, all lesions share one pass. A lesioned network equals the whole one up to its lesion, so it
    joins the batch there, with the closed block's input as its output. Each block then sees the state of the whole
    network and those of the lesions before it: on average half the work of separate passes, in larger products. A
    network without gates raises `HighwaysError`.
    """
    if not isinstance(network, DenseNetwork):
        return lesions_one_by_one(network, batches)
    blocks = highways(network)
    network.eval()
    sums, count = torch.zeros(2, len(blocks) + 1, dtype=torch.float64), 0
    for x, y in batches:
        states = x.new_empty(len(blocks) + 1, len(y), network.config.width)
        states[0] = network.first(x)
        for number, block in enumerate(blocks, start=1):
            states[number] = states[0]  # the output of a closed block
            states[:number] = block(states[:number])
        sums += _sums(network.readout(states), y)
        count += len(y)
    loss, accuracy = sums / count
    return {"cross_entropy": loss, "accuracy": accuracy}
