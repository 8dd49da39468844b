"""The baseline that a network for text must beat: logistic regression on word counts."""

from typing import Any

import torch
from torch import Tensor, nn

from highways.config.run import BagOfWordsConfig


class BagOfWords(nn.Module):
    """Logistic regression on word counts: one weight for each word and class, summed over the sentence."""

    def __init__(self, words: int, classes: int):
        super().__init__()
        self.embedding = nn.Embedding.from_pretrained(torch.zeros(words, classes), freeze=False)
        self.bias = nn.Parameter(torch.zeros(classes))

    def forward(self, tokens: Tensor) -> Tensor:
        """Map sentences of one length, `(batch, time)` int64, to logits `(batch, classes)`."""
        return self.embedding(tokens).sum(dim=1) + self.bias


def build(config: BagOfWordsConfig, data: Any, seed: int) -> BagOfWords:
    """Return the untrained network for a data set; it starts at zero for every seed."""
    return BagOfWords(len(data.vocabulary), data.classes)
