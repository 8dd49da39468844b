"""Data sets and batches out of tensors that lie on the device already: no worker processes, no copies of examples."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from highways.config.data import Part


@dataclass(frozen=True)
class Labelled:
    """Base of the data sets, whose further fields are tensors, dictionaries of tensors and other values."""

    name: str
    classes: int
    fingerprint: str
    """Of the source files, the preparation and, of sentences, the word vectors."""

    parts: ClassVar[tuple[Part, ...]] = ("train", "test")

    def to(self, device: torch.device) -> Self:
        """Return the data set with its tensors on `device`."""

        def moved(value: Any) -> Any:
            if isinstance(value, dict):
                return {name: moved(one) for name, one in value.items()}
            return value.to(device) if hasattr(value, "to") else value

        return replace(self, **{field.name: moved(getattr(self, field.name)) for field in fields(self)})

    def targets(self, part: Part) -> Tensor:
        """Return the classes of the examples of a part, `(examples,)`, int64 from 0."""
        raise NotImplementedError

    def size(self, part: Part) -> int:
        """Return the number of examples of a part that are evaluated."""
        return len(self.targets(part))

    @property
    def device(self) -> torch.device:
        """Where the tensors lie."""
        return self.targets("train").device


@dataclass(eq=False)
class Batches:
    """An epoch's batches, in an order that depends on `(order_seed, epoch)` alone.

    That an epoch's order needs no state makes a run resumable.
    """

    x: Tensor
    """Examples, `(examples, ...)`."""
    y: Tensor
    """Classes, `(examples,)`."""
    size: int
    """Examples a batch; the last one has what is left."""
    order_seed: int | None = None
    """Seed of the orders; `None` keeps the order of the data."""
    epoch: Callable[[], int] = lambda: 0
    """Returns the number of the epoch, from 0; asked when its first batch is."""

    def __len__(self) -> int:
        return -(-len(self.x) // self.size)

    def random(self) -> torch.Generator | None:
        """Return the source of the epoch's order, `None` for the order of the data."""
        if self.order_seed is None:
            return None
        return torch.Generator().manual_seed(self.order_seed * 1_000_003 + self.epoch())

    def rows(self, random: torch.Generator | None) -> Sequence[Tensor | slice]:
        """Return which examples are in each batch."""
        if random is None:
            return [slice(start, start + self.size) for start in range(0, len(self.x), self.size)]
        return torch.randperm(len(self.x), generator=random).to(self.x.device).split(self.size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for rows in self.rows(self.random()):
            yield self.x[rows], self.y[rows]
