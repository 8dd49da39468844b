"""Data sets of sentences as tensors, and batches of sentences of one length, which need no padding."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from highways.config import RunConfig
from highways.config.data import Part
from highways.data.batches import Batches, Labelled

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

    def to(self, device: torch.device) -> "Split":
        """Return the sentences with all but their lengths on `device`."""
        return Split(self.tokens.to(device), self.lengths, self.labels.to(device))


@dataclass(frozen=True)
class Sentences(Labelled):
    """A data set of labelled sentences.

    Attributes:
        vocabulary: Words by number; those of the training part.
        vectors: Word vectors given by the user, `(words, width)`, NaN for words that have none.
    """

    splits: dict[Part, Split]
    vocabulary: list[str]
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

    def targets(self, part: Part) -> Tensor:
        return self.splits[part].labels

    def training_batches(self, config: RunConfig, epoch: Callable[[], int]) -> Batches:
        """Return an epoch's batches of the training part, in a random order; see `Batches`."""
        kind = PaddedBatches if _padded(config) else SentenceBatches
        return kind(self.splits["train"], config.budget.batch_size, config.order_seed, epoch)

    def evaluation_batches(self, config: RunConfig, part: Part) -> Batches:
        """Return the batches of a whole part, in a fixed order."""
        split = self.splits[part]
        return PaddedBatches(split, config.budget.batch_size) if _padded(config) else SentenceBatches(split, 0)


def _padded(config: RunConfig) -> bool:
    return getattr(config.network, "padding", "none") == "seen"


class PaddedBatches(Batches):
    """The usual batches: sentences of all lengths, filled up to the longest of the batch."""

    def __init__(self, split: Split, size: int, order_seed: int | None = None, epoch: Callable[[], int] = lambda: 0):
        super().__init__(split.tokens, split.labels, size, order_seed, epoch)
        self.lengths = split.lengths

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for rows in self.rows(self.random()):
            longest, here = int(self.lengths[rows].max()), rows.to(self.x.device)
            yield self.x[here, :longest], self.y[here]

    def rows(self, random: torch.Generator | None) -> Sequence[Tensor]:
        """Return which sentences are in each batch, on the CPU."""
        return self._order(random).split(self.size)

    def _order(self, random: torch.Generator | None) -> Tensor:
        return torch.arange(len(self.y)) if random is None else torch.randperm(len(self.y), generator=random)


class SentenceBatches(PaddedBatches):
    """Batches of sentences of exactly one length: nothing is padded, packed or masked.

    Sentences are shuffled, sorted by length, cut, and the batches are shuffled; without a seed they stay sorted. A
    length's last batch has what is left of it. A size of 0 takes as many as have `EVALUATION_WORDS` words together.
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
