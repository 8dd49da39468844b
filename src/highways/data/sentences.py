"""Data sets of sentences as tensors, and batches of sentences of one length, which need no padding."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from highways.config import RunConfig
from highways.data.batches import Batches, Tensors

Part = Literal["train", "dev", "test"]
PARTS: tuple[Part, ...] = ("train", "dev", "test")
UNKNOWN, PADDING = 0, 1
"""Numbers of the unknown word and of what fills up the table of sentences."""
EVALUATION_WORDS = 8192
"""Words in a batch of an evaluation, at most, unless one sentence is longer."""


@dataclass(frozen=True)
class Split(Tensors):
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

    def to(self, device: torch.device) -> Split:
        """Return the sentences with all but their lengths on `device`."""
        return Split(self.tokens.to(device), self.lengths, self.labels.to(device))


@dataclass(frozen=True)
class Sentences(Tensors):
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
    def words(self) -> int:
        """Number of words in the vocabulary, without the unknown word and the padding."""
        return len(self.vocabulary) - 2

    @property
    def words_with_vectors(self) -> int:
        """How many of them are in the file of word vectors."""
        return 0 if self.vectors is None else int((~self.vectors[2:].isnan().all(dim=1)).sum())

    @property
    def device(self) -> torch.device:
        """Where the tensors lie."""
        return self.splits["train"].tokens.device

    def size(self, part: Part) -> int:
        """Return the number of sentences of a part."""
        return len(self.splits[part])

    def training_batches(self, config: RunConfig, epoch: Callable[[], int]) -> PaddedBatches:
        """Return an epoch's batches of the training part, in a random order; see `Batches`."""
        return _kind(config)(self.splits["train"], config.budget.batch_size, config.order_seed, epoch)

    def evaluation_batches(self, config: RunConfig, part: Part) -> PaddedBatches:
        """Return the batches of a whole part, in a fixed order."""
        kind = _kind(config)
        return kind(self.splits[part], 0 if kind is SentenceBatches else config.budget.batch_size)


def _kind(config: RunConfig) -> type[PaddedBatches]:
    return PaddedBatches if getattr(config.network, "padding", "none") == "seen" else SentenceBatches


class PaddedBatches(Batches):
    """The usual batches: sentences of all lengths, filled up to the longest of the batch.

    Args:
        split: The sentences.
        size: Sentences a batch.
        order_seed: Seed of the orders; `None` keeps the order of the data.
        epoch: See `Batches`.
    """

    def __init__(self, split: Split, size: int, order_seed: int | None = None, epoch: Callable[[], int] = lambda: 0):
        super().__init__(split.tokens, split.labels, size, order_seed, epoch)
        self.lengths = split.lengths

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for rows in self._batches(self.random()):
            longest, here = int(self.lengths[rows].max()), rows.to(self.x.device)
            yield self.x[here, :longest], self.y[here]

    def _rows(self, random: torch.Generator | None) -> Tensor:
        return torch.arange(len(self.y)) if random is None else torch.randperm(len(self.y), generator=random)

    def _batches(self, random: torch.Generator | None) -> Sequence[Tensor]:
        return self._rows(random).split(self.size)


class SentenceBatches(PaddedBatches):
    """Batches of sentences of exactly one length: nothing is padded, packed or masked.

    Sentences are shuffled, sorted by length, cut, and the batches are shuffled; without a seed they stay sorted. A
    length's last batch has what is left of it. A size of 0 takes as many as have `EVALUATION_WORDS` words together.
    """

    def _size(self, length: int) -> int:
        return self.size or max(1, EVALUATION_WORDS // length)

    def __len__(self) -> int:
        lengths, counts = self.lengths.unique(return_counts=True)
        pairs = zip(lengths.tolist(), counts.tolist(), strict=True)
        return sum(-(-count // self._size(length)) for length, count in pairs)

    def _batches(self, random: torch.Generator | None) -> Sequence[Tensor]:
        rows = self._rows(random)
        rows = rows[torch.argsort(self.lengths[rows], stable=True)]
        lengths, counts = self.lengths[rows].unique_consecutive(return_counts=True)
        groups = zip(lengths.tolist(), rows.split(counts.tolist()), strict=True)
        batches = [batch for length, group in groups for batch in group.split(self._size(length))]
        if random is None:
            return batches
        return [batches[index] for index in torch.randperm(len(batches), generator=random).tolist()]
