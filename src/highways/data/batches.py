"""Data sets and batches out of tensors that lie on the device already: no worker processes, no copies of examples."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import torch
from torch import Tensor


@dataclass(frozen=True)
class Tensors:
    """Base of the data sets, whose fields are tensors, dictionaries of tensors and other values."""

    def to(self, device: torch.device) -> Self:
        """Return the data set with its tensors on `device`."""

        def moved(value: Any) -> Any:
            if isinstance(value, dict):
                return {name: moved(one) for name, one in value.items()}
            return value.to(device) if isinstance(value, Tensor | Tensors) else value

        return replace(self, **{field.name: moved(getattr(self, field.name)) for field in fields(self)})


class Batches:
    """An epoch's batches, in an order that depends on `(order_seed, epoch)` alone.

    That an epoch's order needs no state makes a run resumable.

    Args:
        x: Examples, `(examples, ...)`.
        y: Classes, `(examples,)`.
        size: Examples a batch; the last one has what is left.
        order_seed: Seed of the orders; `None` keeps the order of the data.
        epoch: Returns the number of the epoch, from 0; asked when its first batch is.
    """

    def __init__(
        self, x: Tensor, y: Tensor, size: int, order_seed: int | None = None, epoch: Callable[[], int] = lambda: 0
    ):
        self.x, self.y, self.size, self.order_seed, self.epoch = x, y, size, order_seed, epoch

    def __len__(self) -> int:
        return -(-len(self.x) // self.size)

    def random(self) -> torch.Generator | None:
        """Return the source of the epoch's order, `None` for the order of the data."""
        if self.order_seed is None:
            return None
        return torch.Generator().manual_seed(self.order_seed * 1_000_003 + self.epoch())

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        if (random := self.random()) is None:
            yield from zip(self.x.split(self.size), self.y.split(self.size), strict=True)
            return
        for part in torch.randperm(len(self.x), generator=random).to(self.x.device).split(self.size):
            yield self.x[part], self.y[part]
