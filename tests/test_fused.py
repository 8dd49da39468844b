"""A fused step changes a population as the step operation by operation does."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from toolbox import forget
from torch import Tensor

from highways import nn
from highways.config import DenseConfig
from highways.errors import HighwaysError
from highways.nn import DenseNetwork, DensePopulation, population
from highways.nn.fused import FusedStep
from highways.nn.population import kernels_for
from highways.training import sweep

ACTIVATIONS = {"relu": torch.relu, "tanh": torch.tanh}
DERIVATIVES = {"relu": lambda y: (y > 0).float(), "tanh": lambda y: 1 - y * y}


def up(x: Tensor, weights, activation: str, out: Tensor, h: Tensor | None = None, t: Tensor | None = None) -> None:
    for layer in range(len(weights[0])):
        above = ACTIVATIONS[activation](x @ weights[0][layer] + weights[1][layer])
        if len(weights) == 4:
            gate = torch.sigmoid(x @ weights[2][layer] + weights[3][layer])
            if h is not None and t is not None:
                h[layer], t[layer] = above, gate
            above = x + gate * (above - x)
        x = above
        if out.dim() == 4:
            out[layer] = x
    if out.dim() == 3:
        out.copy_(x)


def down(dx: Tensor, x: Tensor, h: Tensor, t: Tensor | None, weights, activation: str, dh: Tensor, dt) -> None:
    for layer in reversed(range(len(h))):
        slope = DERIVATIVES[activation](h[layer])
        if t is None:
            dh[layer] = dx * slope
            dx.copy_(dh[layer] @ weights[0][layer].mT)
            continue
        gate = t[layer].clone()
        at_gate, at_h = (h[layer] - x[layer]) * dx * gate * (1 - gate), dx * gate * slope
        dx.mul_(1 - gate).add_(at_h @ weights[0][layer].mT).add_(at_gate @ weights[2][layer].mT)
        dh[layer], dt[layer] = at_h, at_gate


def change(x: Tensor, d: Tensor, weight: Tensor, bias: Tensor, velocity, step: Tensor, momentum: Tensor) -> None:
    for parameter, kept, gradient in ((weight, velocity[0], x.mT @ d), (bias, velocity[1], d.sum(2, keepdim=True))):
        kept.mul_(momentum).add_(gradient)
        parameter.add_(kept * step)


IN_TORCH = SimpleNamespace(up=up, down=down, change=change)
"""What the kernels do, in torch."""


class Pair:
    """A population that is trained fused, and its twin in float64 that is trained operation by operation."""

    def __init__(self, kind: str, activation: str, kernels, depth=4, batch=11, device="cpu", width=7):
        bias = -1.0 if kind == "highway" else None
        config = DenseConfig(kind=kind, depth=depth, width=width, activation=activation, transform_bias=bias)
        networks = [DenseNetwork(config, 6, 4, seed=seed).to(device) for seed in range(3)]
        self.fused, self.twin = DensePopulation(networks), DensePopulation([network.double() for network in networks])
        self.batch, self.device = batch, device
        self.velocity, self.kept = (
            {name: torch.zeros_like(weight) for name, weight in population.named_buffers()}
            for population in (self.fused, self.twin)
        )
        self.step = FusedStep(self.fused, self.velocity, batch, kernels, record=device == "cuda")
        self.rates([0.1, 0.02, 0.3], [0.9, 0.5, 0.0])

    def rates(self, rates: list[float], momenta: list[float]) -> None:
        """Set both populations' rates and momenta."""
        column = self.fused.first_weight.new_tensor
        self.rate, self.momentum = (-column(rates)[:, None, None], column(momenta)[:, None, None])

    def take(self, seed: int) -> None:
        """Take a step of both on a batch that is drawn."""
        random = torch.Generator().manual_seed(seed)
        x, y = torch.randn(self.batch, 6, generator=random), torch.randint(0, 4, (self.batch,), generator=random)
        x, y = x.to(self.device), y.to(self.device)
        self.step(x, y, self.rate, self.momentum)

        def update(name: str, layer: int, gradient: Tensor) -> None:
            weight, velocity = self.twin.get_buffer(name)[layer], self.kept[name][layer]
            velocity.mul_(self.momentum.double()).add_(gradient)
            weight.add_(velocity * self.rate.double())

        self.twin.forward_backward(x.double(), y, update)

    def assert_equal(self, most: float = 2e-6) -> None:
        """Compare all weights and velocities with those of the twin, which is in float64."""
        for name, weight in self.twin.named_buffers():
            for ours, theirs in ((self.fused.get_buffer(name), weight), (self.velocity[name], self.kept[name])):
                distance = (ours.double() - theirs).norm() / theirs.norm()
                assert distance < most, (name, distance)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("kind", ["plain", "highway"])
def test_steps_change_weights_and_velocities_alike(kind: str, activation: str) -> None:
    pair = Pair(kind, activation, IN_TORCH)
    before = pair.fused.h_weight.clone()
    for seed in range(4):
        pair.take(seed)
    pair.rates([0.05, 0.01, 0.15], [0.9, 0.5, 0.0])  # an epoch later
    for seed in range(4, 6):
        pair.take(seed)
    pair.assert_equal()
    assert not torch.allclose(pair.fused.h_weight, before)


def dense(**changes) -> DenseConfig:
    content = {"kind": "highway", "depth": 3, "width": 50, "activation": "relu", "transform_bias": -1.0}
    return DenseConfig(**content | changes)


def test_kernels_are_for_gpus_and_a_switch_turns_them_off(monkeypatch: pytest.MonkeyPatch) -> None:
    there: Any = SimpleNamespace(is_cuda=True, dtype=torch.float32)
    monkeypatch.setattr(nn, "kernels", IN_TORCH, raising=False)
    monkeypatch.setattr(population, "TRITON", True)
    assert kernels_for(dense(), there) is IN_TORCH
    assert kernels_for(dense(), torch.zeros(1)) is None
    others = [dense(width=129), dense(dropout=0.1), dense(checkpoint_every=2), dense(depth=1)]
    assert [kernels_for(other, there) for other in others] == [None] * 4
    doubles: Any = SimpleNamespace(is_cuda=True, dtype=torch.float64)
    assert kernels_for(dense(), doubles) is None
    monkeypatch.setenv("HIGHWAYS_FUSED", "0")
    assert kernels_for(dense(), there) is None
    monkeypatch.setenv("HIGHWAYS_FUSED", "yes")
    with pytest.raises(HighwaysError, match="HIGHWAYS_FUSED must be 0 or 1, found 'yes'"):
        kernels_for(dense(), there)


def test_module_trains_fused_where_there_are_kernels(project: Path, run_config, monkeypatch) -> None:
    """The whole way through a sweep: rates that decay, a batch that is smaller, a trial that diverges."""
    configs = [run_config(learning_rate=rate, epochs=3, decay=0.9) for rate in (0.01, 1e12, 0.03)]
    usual = sweep(configs, profile="usual", experiment="e", mlflow=False, threads=1)
    forget(project)
    made: list[FusedStep] = []

    def step(population, velocity, batch, kernels):
        made.append(FusedStep(population, velocity, batch, kernels, record=False))
        return made[-1]

    monkeypatch.setattr("highways.training.together.kernels_for", lambda *_: IN_TORCH)
    monkeypatch.setattr("highways.training.together.FusedStep", step)
    fused = sweep(configs, profile="fused", experiment="e", mlflow=False, threads=1)
    assert {len(one.step) for one in made} == {3, 2}, "made anew for those that are left"
    assert len({len(one.x) for one in made}) == 2, "the last batch is smaller"
    assert [record.engine.get("fused") for record in [*usual, *fused]] == [None] * 3 + [True] * 3
    assert [record.status for record in fused] == ["finished", "diverged", "finished"]
    for ours, theirs in zip(fused, usual, strict=True):
        for name, curve in theirs.curves.items():
            assert ours.curves[name] == pytest.approx(curve, rel=1e-3), name


INTERPRETED = """
import itertools, sys
sys.path.insert(0, {tests!r})
from test_fused import Pair
from highways.nn import kernels
kernels.PRECISION = "ieee"
for kind, activation in itertools.product(("plain", "highway"), ("relu", "tanh")):
    pair = Pair(kind, activation, kernels, batch=37)
    for seed in range(3):
        pair.take(seed)
    pair.assert_equal()
"""


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is not installed")
def test_kernels_do_so_when_interpreted_on_a_cpu() -> None:
    script = INTERPRETED.format(tests=str(Path(__file__).parent))
    environment = os.environ | {"TRITON_INTERPRET": "1"}
    ran = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("kind", ["plain", "highway"])
def test_kernels_do_so_on_a_gpu_where_all_steps_but_the_first_are_replays(kind: str, activation: str) -> None:
    from highways.nn import kernels

    for batch, width in ((11, 7), (100, 50), (100, 71)):
        pair = Pair(kind, activation, kernels, depth=9, batch=batch, device="cuda", width=width)
        for seed in range(5):
            pair.take(seed)
        pair.rates([0.05, 0.01, 0.15], [0.9, 0.5, 0.0])  # a recording reads the rates where they stand
        pair.take(5)
        assert pair.step.graph is not None
        pair.assert_equal(2e-6 if kind == "highway" else 2e-5)  # torch's own float32 is 1e-5 away, without gates
