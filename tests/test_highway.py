"""The highway layer against its equation."""

import numpy as np
import pytest
import torch
from torch import nn

from highways.config import DenseConfig
from highways.nn import Dense, DenseNetwork, Highway


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


def test_gradients_are_right() -> None:
    highway = layer()
    x = torch.randn(3, 5, dtype=torch.float64, requires_grad=True)
    parameters = tuple(highway.parameters())
    assert torch.autograd.gradcheck(lambda x, *_: highway(x), (x, *parameters))


def test_closed_gate_is_identity_and_an_open_one_the_plain_layer() -> None:
    x = torch.randn(3, 5, dtype=torch.float64)
    assert torch.equal(layer(transform_bias=-1e4)(x), x)
    highway = layer(transform_bias=1e4)
    torch.testing.assert_close(highway(x), highway.transform(x), rtol=1e-12, atol=0)


def test_gradients_reach_the_first_layer_at_depth_100() -> None:
    config = DenseConfig(kind="highway", depth=100, width=50, activation="tanh", transform_bias=-4.0)
    network = DenseNetwork(config, 64, 10)
    x, y = torch.rand(20, 64), torch.arange(20) % 10
    nn.functional.cross_entropy(network(x), y).backward()
    assert network.first.linear.weight.grad.norm() > 1e-2 * network.readout.weight.grad.norm()
