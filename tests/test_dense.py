"""The highway layer against its equation, and dense networks: sizes, initial weights, gradients through 100 layers."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from highways.config import DenseConfig
from highways.nn import Dense, DenseNetwork, Highway
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


def test_initial_weights_are_he_normal_biases_theirs_and_do_not_depend_on_the_threads() -> None:
    net = network("highway", 20, 50)
    assert net.first.linear.weight.std().item() == pytest.approx(math.sqrt(2 / 784), rel=0.02)
    weights = torch.cat([block.transform.linear.weight.flatten() for block in net.blocks])
    assert weights.std().item() == pytest.approx(math.sqrt(2 / 50), rel=0.02)
    for block in net.blocks:
        assert torch.equal(block.gate.bias, torch.full((50,), -3.0))
        assert not block.transform.linear.bias.any()
    before = torch.get_num_threads()
    made = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        made.append(drawn(torch.Size((144, 144)), "orthogonal", torch.Generator().manual_seed(0)))
        assert torch.get_num_threads() == threads
    torch.set_num_threads(before)
    assert torch.equal(*made)


def layer(width: int = 5, activation: str = "tanh", transform_bias: float = -1.0) -> Highway:
    torch.manual_seed(0)
    return Highway(Dense(width, width, activation), nn.Linear(width, width), transform_bias).double()


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_output_is_the_equation_of_the_paper(activation: str) -> None:
    highway = layer(activation=activation)
    x = np.random.default_rng(0).standard_normal((7, 5))
    w_h, b_h = (p.detach().numpy() for p in highway.transform.linear.parameters())
    w_t, b_t = (p.detach().numpy() for p in highway.gate.parameters())
    h = x @ w_h.T + b_h
    h = np.maximum(h, 0) if activation == "relu" else np.tanh(h)
    t = 1 / (1 + np.exp(-(x @ w_t.T + b_t)))
    np.testing.assert_allclose(highway(torch.from_numpy(x)).detach().numpy(), h * t + x * (1 - t), rtol=1e-12)


def test_closed_gate_is_identity_an_open_one_the_plain_layer_and_gradients_are_right() -> None:
    x = torch.randn(3, 5, dtype=torch.float64)
    assert torch.equal(layer(transform_bias=-1e4)(x), x)
    highway = layer(transform_bias=1e4)
    torch.testing.assert_close(highway(x), highway.transform(x), rtol=1e-12, atol=0)
    highway = layer()
    x = torch.randn(3, 5, dtype=torch.float64, requires_grad=True)
    parameters = tuple(highway.parameters())
    assert torch.autograd.gradcheck(lambda x, *_: highway(x), (x, *parameters))


def test_gradients_reach_the_first_layer_at_depth_100() -> None:
    built = network("highway", 100, 50)
    x, y = torch.rand(20, 784), torch.arange(20) % 10
    nn.functional.cross_entropy(built(x), y).backward()
    assert built.first.linear.weight.grad.norm() > 1e-2 * built.readout.weight.grad.norm()
