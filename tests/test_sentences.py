"""Batches of sentences: of one length, every sentence once, in an order that seed and epoch decide."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from toolbox import config_of

from highways.config import RunConfig
from highways.data import Sentences, load
from highways.data.sentences import PADDING, PaddedBatches, SentenceBatches, Split
from highways.nn import build_network

LENGTHS = [3, 1, 3, 2, 3, 5, 3, 2, 1, 3]


def split() -> Split:
    """Sentences whose words are their own number."""
    tokens = torch.full((len(LENGTHS), max(LENGTHS)), PADDING)
    for row, length in enumerate(LENGTHS):
        tokens[row, :length] = row + 10
    return Split(tokens, torch.tensor(LENGTHS), torch.arange(len(LENGTHS)))


def batches(size: int | None, seed: int | None, epoch: int = 0) -> list[tuple[torch.Tensor, torch.Tensor]]:
    return list(SentenceBatches(split(), size, seed, epoch=lambda: epoch))


@pytest.mark.parametrize(("size", "seed"), [(2, 0), (4, 7), (None, None)])
def test_every_sentence_is_in_one_batch_of_its_length(size: int | None, seed: int | None) -> None:
    made = batches(size, seed)
    assert sorted(torch.cat([y for _, y in made]).tolist()) == list(range(len(LENGTHS)))
    for x, y in made:
        assert {LENGTHS[row] for row in y.tolist()} == {x.shape[1]}
        assert torch.equal(x, (y + 10)[:, None].expand_as(x)), "no padding"
        assert size is None or len(y) <= size
    assert len(SentenceBatches(split(), size, seed)) == len(made)


def test_order_follows_seed_and_epoch_alone() -> None:
    def order(seed: int, epoch: int) -> list[list[int]]:
        return [y.tolist() for _, y in batches(2, seed, epoch)]

    assert order(1, 0) == order(1, 0)
    assert order(1, 0) != order(1, 1)
    assert order(1, 0) != order(2, 0)


def test_padded_batches_reach_to_the_longest_sentence() -> None:
    made = list(PaddedBatches(split(), 4, order_seed=0))
    assert [len(y) for _, y in made] == [4, 4, 2]
    assert sorted(torch.cat([y for _, y in made]).tolist()) == list(range(len(LENGTHS)))
    assert all(x.shape[1] == max(LENGTHS[row] for row in y.tolist()) for x, y in made)


def run(kind: str, padding: str = "none") -> RunConfig:
    network = {"family": "bilstm", "kind": kind, "depth": 2, "hidden": 4, "embedding": 4, "padding": padding}
    network |= {"transform_bias": -1.0} if kind == "highway" else {}
    return config_of(network, "synthetic-tweets")


def logits(config: RunConfig, behind: int = PADDING) -> torch.Tensor:
    """The test sentences' logits, in the order of the file; `behind` is the word behind each."""
    data = load("synthetic-tweets")
    assert isinstance(data, Sentences)
    network, test = build_network(config, data).eval(), data.splits["test"]
    past = torch.arange(test.tokens.shape[1])[None] >= test.lengths[:, None]
    rows = Split(torch.where(past, behind, test.tokens), test.lengths, torch.arange(len(test.labels)))
    found = torch.empty(data.size("test"), 2)
    with torch.no_grad():
        for x, y in replace(data, splits={"test": rows}).evaluation_batches(config, "test"):
            for block in network.blocks:
                if hasattr(block, "gate") and hasattr(block.gate, "calls"):
                    block.gate.calls = 0  # the same gate for all
            found[y] = network(x)
    return found


@pytest.mark.parametrize("kind", ["plain", "highway", "highway-released"])
def test_padding_reaches_a_result_only_where_it_is_let_in(project: Path, kind: str) -> None:
    whole = logits(run(kind))
    assert torch.equal(logits(run(kind), behind=7), whole)
    if kind == "highway-released":
        assert not torch.allclose(logits(run(kind, "seen")), whole, atol=1e-3)
