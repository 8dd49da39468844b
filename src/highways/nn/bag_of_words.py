"""The level that a network that reads must beat: logistic regression on counts of words."""

from typing import Any

import torch
from torch import Tensor, nn

from highways.config import BagOfWordsConfig


class BagOfWords(nn.Module):
    """Logistic regression on counts of words: a number for each word and class, summed over the sentence."""

    def __init__(self, config: BagOfWordsConfig, words: int, classes: int):
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(words, classes)
        self.bias = nn.Parameter(torch.zeros(classes))
        nn.init.zeros_(self.embedding.weight)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map sentences of one length, `(batch, time)` int64, to logits `(batch, classes)`."""
        return self.embedding(tokens).sum(dim=1) + self.bias


def build(config: BagOfWordsConfig, data: Any, seed: int) -> BagOfWords:
    """Return the untrained network for a data set; it starts at zero, whatever the seed."""
    return BagOfWords(config, len(data.vocabulary), data.classes)
