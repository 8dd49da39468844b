"""A population's training step on a GPU: few launches, recorded once as a CUDA graph and replayed.

A small network's step has hundreds of operations, and each ends before Python has launched the next one. This step
supports SGD with momentum, the optimiser of the papers' random searches. All other optimisers, and all CPUs, use
`highways.nn.population`, operation by operation; `tests/test_fused.py` compares the two.
"""

from collections.abc import Mapping
from types import ModuleType

import torch
from torch import Tensor

from highways.nn.population import DensePopulation


class FusedStep:
    """A step of SGD with momentum on batches of one size, for a population's weights.

    The first step is run normally, which prepares everything that must not happen during recording. The second step is
    recorded and replayed, and all later ones are replays. The tensors of population and velocity must stay in place.

    Args:
        velocity: Velocities by the weights' names, of their shapes; updated with the weights.
        kernels: See `highways.nn.population.kernels_for`.
        record: Record and replay; otherwise, as on a CPU, every step is run normally.
    """

    def __init__(
        self,
        population: DensePopulation,
        velocity: Mapping[str, Tensor],
        batch: int,
        kernels: ModuleType,
        record: bool = True,
    ):
        self.population, self.velocity, self.kernels = population, velocity, kernels
        like, layers = population.first_weight, len(population.h_weight)
        one = (population.trials, batch, population.config.width)
        self.x = like.new_empty(batch, like.shape[2])
        self.y = torch.empty(batch, dtype=torch.int64, device=like.device)
        self.step, self.momentum = like.new_zeros(one[0], 1, 1), like.new_zeros(one[0], 1, 1)
        self.states, self.dx = like.new_empty(layers + 1, *one), like.new_empty(one)
        self.h = like.new_empty(layers, *one) if population.highway else self.states[1:]
        self.t = like.new_empty(layers, *one) if population.highway else None
        # A plain block's output is the next one's input, which is needed until the weights are updated.
        self.dh = self.h if population.highway else like.new_empty(layers, *one)
        self.graph: torch.cuda.CUDAGraph | None = None
        self.record, self._is_ready = record, False
        self._given: Tensor | None = None

    @torch.no_grad()
    def __call__(self, x: Tensor, y: Tensor, step: Tensor, momentum: Tensor) -> None:
        """Take a step on a batch, `(batch, inputs)`, and its classes, `(batch,)`.

        `step` holds minus the trials' learning rates and `momentum` their momenta, each `(trials, 1, 1)`.
        """
        if step is not self._given:  # a new epoch has new ones
            self.step.copy_(step)
            self.momentum.copy_(momentum)
            self._given = step
        self.x.copy_(x)
        self.y.copy_(y)
        if self.record and self._is_ready and self.graph is None:
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph):
                self._run()
        if self.graph is not None:
            self.graph.replay()
        else:
            self._run()
        self._is_ready = True

    def _run(self) -> None:
        population, activation = self.population, self.population.config.activation
        weights, below, first = population.blocks(), self.states[:-1], self.states[0]
        population.first(self.x, out=first)
        self.kernels.up(first, weights, activation, self.states[1:], self.h, self.t)
        population.read_out(self.states[-1], self.y, self.dx, self._update)
        self.kernels.down(self.dx, below, self.h, self.t, weights, activation, self.dh, self.t)
        for name, gradient in (("h", self.dh), ("t", self.t)):
            if gradient is not None:
                parts = (f"{name}_weight", f"{name}_bias")
                weight, bias = (population.get_buffer(part) for part in parts)
                velocity = (self.velocity[parts[0]], self.velocity[parts[1]])
                self.kernels.change(below, gradient, weight, bias, velocity, self.step, self.momentum)
        population.first_backward(self.x, self.dx, first, self._update)

    def _update(self, name: str, layer: int, gradient: Tensor) -> None:
        weight, velocity = self.population.get_buffer(name)[layer], self.velocity[name][layer]
        torch.addcmul(gradient, velocity, self.momentum, out=velocity)
        weight.addcmul_(velocity, self.step)
