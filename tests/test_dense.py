"""Dense networks: sizes and initial weights."""

import math
from typing import Any

import pytest
import torch

from highways.config import DenseConfig
from highways.nn import DenseNetwork
from highways.nn.dense import drawn


def network(kind: Any, depth: int, width: int, seed: int = 0) -> DenseNetwork:
    bias = -3.0 if kind == "highway" else None
    return DenseNetwork(DenseConfig(kind=kind, depth=depth, width=width, transform_bias=bias), 784, 10, seed)


@pytest.mark.parametrize(
    ("kind", "width", "counts"),
    [
        ("plain", 71, {10: 102_463, 20: 153_583, 50: 306_943, 100: 562_543}),
        ("highway", 50, {10: 85_660, 20: 136_660, 50: 289_660, 100: 544_660}),
    ],
)
def test_parameter_counts_are_those_of_the_papers_networks(kind: str, width: int, counts: dict[int, int]) -> None:
    for depth, count in counts.items():
        assert sum(p.numel() for p in network(kind, depth, width).parameters()) == count


def test_initial_weights_are_he_normal_and_biases_theirs() -> None:
    net = network("highway", 20, 50)
    assert net.first.linear.weight.std().item() == pytest.approx(math.sqrt(2 / 784), rel=0.02)
    weights = torch.cat([block.transform.linear.weight.flatten() for block in net.blocks])
    assert weights.std().item() == pytest.approx(math.sqrt(2 / 50), rel=0.02)
    for block in net.blocks:
        assert torch.equal(block.gate.bias, torch.full((50,), -3.0))
        assert not block.transform.linear.bias.any()


def test_a_seed_is_a_set_of_weights() -> None:
    first, again, other = (network("highway", 4, 9, seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["first.linear.weight"], other["first.linear.weight"])


@pytest.mark.parametrize(("kind", "bias"), [("plain", -1.0), ("highway", None)])
def test_transform_bias_belongs_to_highways_alone(kind: Any, bias: float | None) -> None:
    with pytest.raises(ValueError, match="transform_bias"):
        DenseConfig(kind=kind, depth=2, width=4, transform_bias=bias)


def test_orthogonal_weights_do_not_depend_on_the_threads() -> None:
    before = torch.get_num_threads()
    made = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        made.append(drawn(torch.Size((144, 144)), "orthogonal", torch.Generator().manual_seed(0)))
        assert torch.get_num_threads() == threads
    torch.set_num_threads(before)
    assert torch.equal(*made)
