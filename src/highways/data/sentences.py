"""Data sets of sentences as tensors, and batches of sentences of one length, which need no padding."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from torch import Tensor

from highways.config import RunConfig

Part = Literal["train", "dev", "test"]
PARTS: tuple[Part, ...] = ("train", "dev", "test")
UNKNOWN, PADDING = 0, 1
"""Numbers of the unknown word and of what fills up the table of sentences."""
EVALUATION_WORDS = 8192
"""Words in a batch of an evaluation, at most, unless one sentence is longer."""


@dataclass(frozen=True)
class Split:
    """Sentences of one part of a data set.

    Attributes:
        tokens: `(sentences, longest)`, int64: numbers of words, `PADDING` behind a sentence's end.
        lengths: `(sentences,)`, int64, on the CPU: words of each sentence, at least 1.
        labels: `(sentences,)`, int64 in [0, classes).
    """

    tokens: Tensor
    lengths: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Sentences:
    """A data set of labelled sentences.

    Attributes:
        name: Such as `sst2`.
        splits: By part.
        vocabulary: Words by number; those of the training part.
        classes: Number of classes.
        fingerprint: Of the sources, the preparation and the word vectors.
        vectors: Word vectors given by the user, `(words, width)`, NaN for words that have none.
    """

    name: str
    splits: dict[Part, Split]
    vocabulary: list[str]
    classes: int
    fingerprint: str
    vectors: Tensor | None = None

    parts: ClassVar[tuple[Part, ...]] = PARTS

    @property
    def device(self) -> torch.device:
        """Where the tensors lie."""
        return self.splits["train"].tokens.device

    def size(self, part: Part) -> int:
        """Return the number of sentences of a part."""
        return len(self.splits[part])

    def to(self, device: torch.device) -> Sentences:
        """Return the data set with its tensors on `device`."""
        splits = {
            part: Split(split.tokens.to(device), split.lengths, split.labels.to(device))
            for part, split in self.splits.items()
        }
        return replace(self, splits=splits)

    def training_batches(self, config: RunConfig, epoch: Callable[[], int]) -> SentenceBatches | PaddedBatches:
        """Return an epoch's batches of the training part, in a random order.

        Args:
            config: The run; its batch size, its order's seed and what it does with padding.
            epoch: Returns the number of the epoch, from 0; asked when its first batch is.
        """
        split, size = self.splits["train"], config.budget.batch_size
        if _pads(config):
            return PaddedBatches(split, size, config.order_seed, epoch)
        return SentenceBatches(split, size, config.order_seed, epoch)

    def evaluation_batches(self, config: RunConfig, part: Part) -> SentenceBatches | PaddedBatches:
        """Return the batches of a whole part, in a fixed order."""
        split = self.splits[part]
        if _pads(config):
            return PaddedBatches(split, config.budget.batch_size)
        return SentenceBatches(split, None)


def _pads(config: RunConfig) -> bool:
    return getattr(config.network, "padding", "none") == "seen"


class _Order:
    """An order of the sentences that depends on `(order_seed, epoch)` alone, which makes a run resumable."""

    def __init__(self, split: Split, size: int | None, order_seed: int | None, epoch: Callable[[], int]):
        self.split, self.size, self.order_seed, self.epoch = split, size, order_seed, epoch

    def _random(self) -> torch.Generator | None:
        if self.order_seed is None:
            return None
        return torch.Generator().manual_seed(self.order_seed * 1_000_003 + self.epoch())

    def _batch(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        longest = int(self.split.lengths[rows].max())
        rows = rows.to(self.split.tokens.device)
        return self.split.tokens[rows, :longest], self.split.labels[rows]


class SentenceBatches(_Order):
    """Batches of sentences of exactly one length: nothing is padded, packed or masked.

    Sentences are shuffled, sorted by length, cut, and the batches are shuffled. A length's last batch has
    what is left of it.

    Args:
        split: The sentences.
        size: Sentences a batch; `None` takes as many as have `EVALUATION_WORDS` words together.
        order_seed: Seed of the orders; `None` keeps them sorted by length.
        epoch: See `Sentences.training_batches`.
    """

    def __init__(
        self,
        split: Split,
        size: int | None,
        order_seed: int | None = None,
        epoch: Callable[[], int] = lambda: 0,
    ):
        super().__init__(split, size, order_seed, epoch)

    def _size(self, length: int) -> int:
        return self.size or max(1, EVALUATION_WORDS // length)

    def __len__(self) -> int:
        lengths, counts = self.split.lengths.unique(return_counts=True)
        pairs = zip(lengths.tolist(), counts.tolist(), strict=True)
        return sum(-(-count // self._size(length)) for length, count in pairs)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        random = self._random()
        rows = torch.arange(len(self.split)) if random is None else torch.randperm(len(self.split), generator=random)
        rows = rows[torch.argsort(self.split.lengths[rows], stable=True)]
        lengths, counts = self.split.lengths[rows].unique_consecutive(return_counts=True)
        groups = zip(lengths.tolist(), rows.split(counts.tolist()), strict=True)
        batches = [batch for length, group in groups for batch in group.split(self._size(length))]
        if random is not None:
            batches = [batches[index] for index in torch.randperm(len(batches), generator=random).tolist()]
        yield from map(self._batch, batches)


class PaddedBatches(_Order):
    """The usual batches: sentences of all lengths, filled up to the longest of the batch.

    Args:
        split: The sentences.
        size: Sentences a batch.
        order_seed: Seed of the orders; `None` keeps the order of the data.
        epoch: See `Sentences.training_batches`.
    """

    def __init__(
        self,
        split: Split,
        size: int,
        order_seed: int | None = None,
        epoch: Callable[[], int] = lambda: 0,
    ):
        super().__init__(split, size, order_seed, epoch)
        self.sentences = size

    def __len__(self) -> int:
        return -(-len(self.split) // self.sentences)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        random = self._random()
        rows = torch.arange(len(self.split)) if random is None else torch.randperm(len(self.split), generator=random)
        yield from map(self._batch, rows.split(self.sentences))
