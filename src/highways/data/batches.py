"""Data sets and batches of tensors that are already on the device: no worker processes, no copies of examples."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from torch import Tensor

from highways.config.data import Part


@dataclass(frozen=True)
class Labelled:
    """Base of the data sets: labelled examples by part."""

    name: str
    classes: int
    fingerprint: str
    """Fingerprint of the source files, the preparation and, for sentences, the word vectors."""
    x: dict[Part, Tensor]
    """Examples, `(examples, ...)`."""
    y: dict[Part, Tensor]
    """Their classes, `(examples,)`, int64 in [0, classes)."""

    @property
    def parts(self) -> tuple[Part, ...]:
        """The names of the parts."""
        return tuple(self.y)

    def to(self, device: torch.device) -> Self:
        """Return the data set with its tensors on `device`."""

        def moved(value: Any) -> Any:
            if isinstance(value, dict):
                return {part: moved(tensor) for part, tensor in value.items()}
            return value.to(device) if isinstance(value, Tensor) else value

        return replace(self, **{name: moved(value) for name, value in vars(self).items()})

    def size(self, part: Part) -> int:
        """Return the number of examples of a part that evaluation uses."""
        return len(self.y[part])

    @property
    def device(self) -> torch.device:
        """The device of the tensors."""
        return self.y["train"].device


@dataclass(eq=False)
class Batches:
    """An epoch's batches, in an order that depends only on `(order_seed, epoch)`.

    A run can be resumed because the order needs no other state.
    """

    x: Tensor
    """Examples, `(examples, ...)`."""
    y: Tensor
    """Classes, `(examples,)`."""
    size: int
    """Examples per batch; the last batch holds the remainder."""
    order_seed: int | None = None
    """Seed of the random orders; `None` keeps the order of the data."""
    epoch: Callable[[], int] = lambda: 0
    """Function that returns the epoch, from 0; called when the epoch's first batch is requested."""

    def __len__(self) -> int:
        return -(-len(self.x) // self.size)

    def random(self) -> torch.Generator | None:
        """Return the random generator of the epoch's order; `None` for the order of the data."""
        if self.order_seed is None:
            return None
        return torch.Generator().manual_seed(self.order_seed * 1_000_003 + self.epoch())

    def rows(self, random: torch.Generator | None) -> Sequence[Tensor | slice]:
        """Return the indices of the examples in each batch."""
        if random is None:
            return [slice(start, start + self.size) for start in range(0, len(self.x), self.size)]
        return torch.randperm(len(self.x), generator=random).to(self.x.device).split(self.size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for rows in self.rows(self.random()):
            yield self.x[rows], self.y[rows]
