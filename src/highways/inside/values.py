"""What analyses share: the network and its data, hooks, and results as short lists of plain numbers."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from highways.config import RunConfig
from highways.data import load
from highways.nn import build_network
from highways.tracking.records import rounded

Batches = Iterable[tuple[Tensor, Tensor]]
"""Pairs of inputs and classes."""


def network_and_batches(
    run: RunConfig | None, network: nn.Module | None, where: torch.device
) -> tuple[nn.Module, Batches, int]:
    """Return a run's network (untrained if none is given) and training batches, on a device, and its class count."""
    assert run is not None
    data = load(run.data).to(where)
    return (network or build_network(run, data)).to(where), data.evaluation_batches(run, "train"), data.classes


@contextmanager
def hooked(hooks: Iterable[tuple[nn.Module, Callable[..., Any]]]) -> Iterator[None]:
    """Call a function with module, inputs and output after each forward pass of a module, until the block ends."""
    with ExitStack() as handles:
        for module, hook in hooks:
            handles.enter_context(module.register_forward_hook(hook))
        yield


def lists(values: Mapping[str, Tensor | list[Tensor]], digits: int = 6) -> dict[str, Any]:
    """Convert tensors to nested lists of numbers with `digits` significant digits."""
    return {
        name: rounded(value.tolist() if isinstance(value, Tensor) else [row.tolist() for row in value], digits)
        for name, value in values.items()
    }


def kept_steps(count: int, most: int = 200) -> list[int]:
    """Return which of `count` steps, from 0, a record keeps: at most `most`, evenly spaced, with both ends."""
    return torch.linspace(0, count - 1, min(count, most), dtype=torch.float64).round().long().unique().tolist()
