"""The LightningModule that trains many dense networks at once, as a population: the fast way."""

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from highways.config import RunConfig
from highways.data import DataSet
from highways.nn import DenseNetwork, DensePopulation, build_network
from highways.nn.dense import dropout_masks
from highways.nn.fused import FusedStep
from highways.nn.population import kernels_for
from highways.tracking.events import Listener
from highways.training.modules import TrialsModule
from highways.training.optimisers import RULES, SGD, Moment, Rule


class PopulationModule(TrialsModule):
    """Runs of one shape trained together; each has its own rate, momentum, decay and weights, and may diverge alone.

    A step has one forward and one backward pass over all trials (`highways.nn.DensePopulation`) and updates each weight
    as soon as its gradient is available. No operation mixes trials, so a trial that diverges keeps its NaNs to itself;
    it leaves the population at the end of the epoch. `highways.training.execute.FREE` lists what the runs may differ
    in.
    """

    def __init__(self, configs: Sequence[RunConfig], keys: Sequence[str], data: DataSet, listener: Listener):
        super().__init__(configs, keys, data, listener)
        self.automatic_optimization = False
        self.population = DensePopulation([cast(DenseNetwork, build_network(config, data)) for config in configs])
        self.weights_per_trial = sum(stacked.numel() for stacked in self.population.buffers()) // len(configs)
        self._rule = RULES[configs[0].optimiser.kind]
        self.state = nn.ModuleDict({name: nn.Module() for name in self._rule.state})
        """State of the optimiser: for each name, one tensor per weight, of the weight's shape."""
        start = getattr(configs[0].optimiser, "initial_accumulator", 0.0)
        for kept in self.state.values():
            for name, parameter in self.population.named_buffers():
                kept.register_buffer(name, torch.full_like(parameter, start))
        self._step: Rule[Any]
        self._states: dict[str, list[tuple[Tensor, ...]]] = {}
        self._gradients: dict[str, Tensor] = {}
        self._fused: dict[int, FusedStep] = {}
        """Fused steps by batch size, where a GPU can take them."""

    def configure_optimizers(self) -> None:
        """Return nothing: `training_step` updates the weights."""

    def logits(self, x: Tensor) -> Tensor:
        return self.population(x)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        if batch_idx == 0 or self._rule.every_step:
            self._step = self._made(batch_idx)
        if batch_idx == 0:
            self._states = {
                name: list(zip(*(t.unbind() for t in (parameter, *self._kept(name))), strict=True))
                for name, parameter in self.population.named_buffers()
            }
            if self._rule.at_once:
                self._gradients = {name: torch.empty_like(p) for name, p in self.population.named_buffers()}
        x, y = batch
        if isinstance(self._step, SGD) and (kernels := kernels_for(self.population.config, x)) is not None:
            self.fused = True
            if len(x) not in self._fused:
                velocity = dict(self.state["velocity"].named_buffers())
                self._fused[len(x)] = FusedStep(self.population, velocity, len(x), kernels)
            self._fused[len(x)](x, y, self._step.step, self._step.momentum)
            return
        self.population.forward_backward(x, y, self._update, self._masks(x, batch_idx))
        for name, gradient in self._gradients.items():
            self._step.update(self.population.get_buffer(name), gradient, *self._kept(name))

    def _made(self, batch_idx: int) -> Rule[Any]:
        """Return the rule for use from a step of this epoch on."""
        batches = -(-self.data.size("train") // self.configs[0].budget.batch_size)
        epoch = self.current_epoch
        moment = Moment(epoch, epoch * batches + batch_idx, self.configs[0].budget.scheduled * batches)
        return self._rule([self.configs[trial].optimiser for trial in self.alive], moment, self.population.first_weight)

    def _kept(self, name: str) -> list[Tensor]:
        return [kept.get_buffer(name) for kept in self.state.values()]

    def _masks(self, x: Tensor, step: int) -> Tensor | None:
        """Return dropout masks, `(depth, trials, batch, width)`; trials with equal seeds have equal masks."""
        network = self.population.config
        if not network.dropout:
            return None
        seeds = [self.configs[trial].seed for trial in self.alive]
        drawn = {
            seed: dropout_masks(network, len(x), seed=seed, epoch=self.current_epoch, step=step).to(x.device)
            for seed in dict.fromkeys(seeds)
        }
        return torch.stack([drawn[seed] for seed in seeds], dim=1)

    def _update(self, name: str, layer: int, gradient: Tensor) -> None:
        if self._gradients:
            self._gradients[name][layer].copy_(gradient)
            return
        weight, *state = self._states[name][layer]
        self._step.update(weight, gradient, *state)

    def drop(self, kept: list[int]) -> None:
        self._fused.clear()
        self.population.keep(kept)
        for state in self.state.values():
            for name, stacked in list(state.named_buffers()):
                setattr(state, name, stacked[:, kept].contiguous())

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the curves, and shrink the tensors to the trials that were saved."""
        super().on_load_checkpoint(checkpoint)
        if len(self.alive) < self.population.trials:
            self.drop(list(range(len(self.alive))))

    def final_weights(self, trial: int) -> dict[str, Tensor] | None:
        return self.population.member_state(self.alive.index(trial)) if trial in self.alive else None
