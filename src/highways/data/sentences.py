"""Data sets of sentences as tensors, and batches of sentences of equal length, which need no padding."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import torch
from torch import Tensor

from highways.config import Part, RunConfig
from highways.data.batches import Batches, Labelled

PARTS: tuple[Part, ...] = ("train", "dev", "test")
PADDING = 1
"""Number of the padding; the unknown word is 0."""
EVALUATION_WORDS = 8192
"""Largest number of words in an evaluation batch, unless a single sentence is longer."""


@dataclass(frozen=True)
class Sentences(Labelled):
    """A data set of sentences, `(sentences, longest)`, int64: numbers of words, `PADDING` after a sentence's end."""

    lengths: dict[Part, Tensor]
    """Words of each sentence, `(sentences,)`, int64, at least 1; always on the CPU."""
    vocabulary: list[str]
    """Words of the training part, by number."""
    vectors: Tensor | None = None
    """The user's word vectors, `(words, width)`, NaN for words without one."""

    def to(self, device: torch.device) -> Self:
        return replace(super().to(device), lengths=self.lengths)

    @property
    def words(self) -> int:
        """Number of words in the vocabulary, without the unknown word and the padding."""
        return len(self.vocabulary) - 2

    @property
    def words_with_vectors(self) -> int:
        """Number of these words that are in the file of word vectors."""
        return 0 if self.vectors is None else int((~self.vectors[2:].isnan().all(dim=1)).sum())

    def training_batches(self, config: RunConfig, epoch: Callable[[], int]) -> Batches:
        """Return an epoch's batches of the training part, in random order; see `Batches`."""
        kind = PaddedBatches if _padded(config) else SentenceBatches
        x, y, lengths = self.x["train"], self.y["train"], self.lengths["train"]
        return kind(x, y, config.budget.batch_size, config.order_seed, epoch, lengths=lengths)

    def evaluation_batches(self, config: RunConfig, part: Part) -> Batches:
        """Return the batches of a whole part, in a fixed order."""
        kind, size = (PaddedBatches, config.budget.batch_size) if _padded(config) else (SentenceBatches, 0)
        return kind(self.x[part], self.y[part], size, lengths=self.lengths[part])


def _padded(config: RunConfig) -> bool:
    return getattr(config.network, "padding", "none") == "seen"


@dataclass(eq=False)
class PaddedBatches(Batches):
    """Ordinary batches: sentences of all lengths, padded to the longest in the batch."""

    lengths: Tensor = field(kw_only=True)
    """Words of each sentence, `(sentences,)`, on the CPU."""

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for rows in self.rows(self.random()):
            longest, here = int(self.lengths[rows].max()), rows.to(self.x.device)
            yield self.x[here, :longest], self.y[here]

    def rows(self, random: torch.Generator | None) -> Sequence[Tensor]:
        """Return the indices of the sentences in each batch, on the CPU."""
        return self._order(random).split(self.size)

    def _order(self, random: torch.Generator | None) -> Tensor:
        return torch.arange(len(self.y)) if random is None else torch.randperm(len(self.y), generator=random)


class SentenceBatches(PaddedBatches):
    """Batches of sentences of exactly equal length: nothing is padded, packed or masked.

    Sentences are shuffled, sorted by length and split, and the batches are shuffled; without a seed they stay sorted.
    The last batch of a length holds the remainder. Size 0 means as many sentences as make `EVALUATION_WORDS` words.
    """

    def __len__(self) -> int:
        return len(self.rows(None))

    def rows(self, random: torch.Generator | None) -> Sequence[Tensor]:
        order = self._order(random)
        order = order[torch.argsort(self.lengths[order], stable=True)]
        lengths, counts = self.lengths[order].unique_consecutive(return_counts=True)
        groups = zip(lengths.tolist(), order.split(counts.tolist()), strict=True)
        sizes = [(group, self.size or max(1, EVALUATION_WORDS // length)) for length, group in groups]
        batches = [batch for group, size in sizes for batch in group.split(size)]
        if random is None:
            return batches
        return [batches[index] for index in torch.randperm(len(batches), generator=random).tolist()]
