"""The LightningModules: one network (`ClassifierModule`), or many at once (`PopulationModule`).

Both evaluate every epoch's end on the whole training and test sets and keep the curves themselves,
so that a checkpoint carries them. `ClassifierModule` is the textbook way, autograd and
`torch.optim`; `PopulationModule` is the fast one. A test holds one against the other.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.nn import functional

from highways.config import RunConfig
from highways.data import Batches, Images
from highways.nn import DenseNetwork, DensePopulation
from highways.tracking.events import EpochEnded, Listener

EVALUATION_BATCH = 500
SETS = ("train", "test")


def build_network(config: RunConfig, data: Images) -> DenseNetwork:
    """Return the untrained network of a run."""
    return DenseNetwork(config.network, data.features, data.classes, seed=config.seed)


class TrialsModule(pl.LightningModule):
    """What both modules share: trials that are evaluated together, their curves, their divergence.

    Args:
        configs: The runs, which agree in data, budget and order of examples.
        keys: Their run keys.
        data: The data set, on the device.
        listener: Told about every epoch.
    """

    def __init__(self, configs: Sequence[RunConfig], keys: Sequence[str], data: Images, listener: Listener):
        super().__init__()
        self.configs, self.keys, self.data, self.listener = list(configs), list(keys), data, listener
        self.curves: list[dict[str, list[float]]] = [{} for _ in configs]
        self.diverged_epoch: list[int | None] = [None] * len(configs)
        self.alive = list(range(len(configs)))
        """Indices of the trials that have not diverged; logits come in this order."""
        self.weights_per_trial = 0
        """Number of trained weights and biases of one trial."""
        self.started = False
        """Training has begun: whatever was to be resumed from has been loaded."""
        self.seconds = 0.0
        """Training and evaluation, over all sessions."""
        self._sums: dict[str, dict[str, Tensor]] = {}
        self._clock = 0.0

    # Data

    def train_dataloader(self) -> Batches:
        """Return the training batches."""
        config, data = self.configs[0], self.data
        size, seed = config.budget.batch_size, config.order_seed
        return Batches(data.train_x, data.train_y, size, seed, epoch=lambda: self.current_epoch)

    def val_dataloader(self) -> list[Batches]:
        """Return the whole training set and the whole test set."""
        data = self.data
        return [
            Batches(data.train_x, data.train_y, EVALUATION_BATCH),
            Batches(data.test_x, data.test_y, EVALUATION_BATCH),
        ]

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Return the batch as it is: the data set lies on the device already."""
        return batch

    # Evaluation

    def logits(self, x: Tensor) -> Tensor:
        """Return `(alive trials, batch, classes)`."""
        raise NotImplementedError

    def drop(self, kept: list[int]) -> None:
        """Go on with the trials at positions `kept` of `alive` only."""

    def on_validation_epoch_start(self) -> None:
        """Start the sums."""
        zero = torch.zeros(len(self.alive), dtype=torch.float64, device=self.data.train_x.device)
        self._sums = {name: {"cross_entropy": zero.clone(), "accuracy": zero.clone()} for name in SETS}

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int, dataloader_idx: int = 0) -> None:
        """Add a batch's loss and hits to the sums."""
        x, y = batch
        log_p = torch.log_softmax(self.logits(x).double(), dim=-1)
        sums = self._sums[SETS[dataloader_idx]]
        sums["cross_entropy"] -= log_p.gather(-1, y.expand(len(log_p), -1).unsqueeze(-1)).sum(dim=(1, 2))
        sums["accuracy"] += (log_p.argmax(dim=-1) == y).sum(dim=1)

    def on_train_start(self) -> None:
        """Start the clock."""
        self.started = True
        self._clock = time.perf_counter()

    def on_train_epoch_end(self) -> None:
        """Turn the sums into a value of every curve, and take out the trials that diverged."""
        sizes = {"train": len(self.data.train_x), "test": len(self.data.test_x)}
        values = {
            f"{name}_{metric}": (total / sizes[name]).tolist()
            for name, sums in self._sums.items()
            for metric, total in sums.items()
        }
        metrics: list[dict[str, float] | None] = [None] * len(self.configs)
        kept = []
        for position, trial in enumerate(self.alive):
            found = {name: value[position] for name, value in values.items()}
            if all(math.isfinite(value) for value in found.values()):
                kept.append(position)
                metrics[trial] = found
                for name, value in found.items():
                    self.curves[trial].setdefault(name, []).append(value)
            else:
                self.diverged_epoch[trial] = self.current_epoch + 1
        if len(kept) < len(self.alive):
            self.alive = [self.alive[position] for position in kept]
            self.drop(kept)
        if not self.alive:
            self.trainer.should_stop = True

        now = time.perf_counter()
        seconds, self._clock = now - self._clock, now
        self.seconds += seconds
        self.listener(
            EpochEnded(
                keys=tuple(self.keys),
                epoch=self.current_epoch + 1,
                epochs=self.configs[0].budget.epochs,
                metrics=tuple(metrics),
                seconds=seconds,
            )
        )

    # Checkpoints

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the curves, as plain values."""
        checkpoint["trials"] = {
            "keys": self.keys,
            "curves": self.curves,
            "diverged_epoch": self.diverged_epoch,
            "alive": self.alive,
            "seconds": self.seconds,
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take the curves back."""
        trials = checkpoint["trials"]
        assert trials["keys"] == self.keys, "a resume point of other runs"
        self.curves, self.diverged_epoch = trials["curves"], trials["diverged_epoch"]
        self.alive, self.seconds = trials["alive"], trials["seconds"]

    def final_weights(self, trial: int) -> dict[str, Tensor] | None:
        """Return the weights of a trial as the state of its network, `None` if it diverged."""
        raise NotImplementedError


class ClassifierModule(TrialsModule):
    """One run, trained the textbook way: autograd, `torch.optim.SGD`, a network of `highways.nn`.

    Args:
        config: The run.
        key: Its key.
        data: The data set, on the device.
        listener: Told about every epoch.
    """

    def __init__(self, config: RunConfig, key: str, data: Images, listener: Listener):
        super().__init__([config], [key], data, listener)
        self.network: nn.Module = build_network(config, data)
        self.weights_per_trial = sum(parameter.numel() for parameter in self.network.parameters())

    def forward(self, x: Tensor) -> Tensor:
        """Map `(batch, features)` to logits `(batch, classes)`."""
        return self.network(x)

    def logits(self, x: Tensor) -> Tensor:
        """Return `(1, batch, classes)`."""
        return self(x)[None]

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return SGD with momentum; its rate is set at each epoch's start."""
        settings = self.configs[0].optimiser
        return torch.optim.SGD(self.network.parameters(), settings.learning_rate, settings.momentum)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Return the mean cross-entropy of a batch, in nats."""
        if batch_idx == 0:
            optimizer = self.optimizers(use_pl_optimizer=False)
            assert isinstance(optimizer, torch.optim.Optimizer)
            settings = self.configs[0].optimiser
            for group in optimizer.param_groups:
                group["lr"] = settings.learning_rate * settings.decay**self.current_epoch
        x, y = batch
        return functional.cross_entropy(self(x), y)

    def final_weights(self, trial: int) -> dict[str, Tensor] | None:
        """Return the network's state."""
        return None if self.diverged_epoch[trial] is not None else self.network.state_dict()


class PopulationModule(TrialsModule):
    """Runs of one shape trained together; each has its own rate, momentum, decay, weights and fate.

    A step has one pass forward and one backward over all trials (`highways.nn.DensePopulation`) and
    updates each weight as soon as its gradient is there. A trial that diverges stays alone with its
    NaNs, since no operation mixes trials, and leaves the population at the end of the epoch.

    Args:
        configs: The runs; see `highways.training.groups` for what they must agree in.
        keys: Their keys.
        data: The data set, on the device.
        listener: Told about every epoch.
    """

    def __init__(self, configs: Sequence[RunConfig], keys: Sequence[str], data: Images, listener: Listener):
        super().__init__(configs, keys, data, listener)
        self.automatic_optimization = False
        self.population = DensePopulation([build_network(config, data) for config in configs])
        self.weights_per_trial = sum(stacked.numel() for stacked in self.population.buffers()) // len(configs)
        self.velocity = nn.Module()
        for name, parameter in self.population.named_buffers():
            self.velocity.register_buffer(name, torch.zeros_like(parameter))
        self._rate = torch.empty(0)
        self._momentum = torch.empty(0)
        self._pairs: dict[str, list[tuple[Tensor, Tensor]]] = {}

    def configure_optimizers(self) -> None:
        """Return nothing: the weights are updated within the backward pass."""

    def logits(self, x: Tensor) -> Tensor:
        """Return `(alive trials, batch, classes)`."""
        return self.population(x)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Take one step of every trial."""
        if batch_idx == 0:
            self._start_epoch()
        x, y = batch
        self.population.forward_backward(x, y, self._update)

    def _start_epoch(self) -> None:
        settings = [self.configs[trial].optimiser for trial in self.alive]
        like = self.population.first_weight
        rates = [s.learning_rate * s.decay**self.current_epoch for s in settings]
        self._rate = -like.new_tensor(rates)[:, None, None]
        self._momentum = like.new_tensor([s.momentum for s in settings])[:, None, None]
        self._pairs = {
            name: list(zip(parameter.unbind(), self.velocity.get_buffer(name).unbind(), strict=True))
            for name, parameter in self.population.named_buffers()
        }

    def _update(self, name: str, layer: int, gradient: Tensor) -> None:
        weight, velocity = self._pairs[name][layer]
        torch.addcmul(gradient, velocity, self._momentum, out=velocity)  # v = momentum * v + g
        weight.addcmul_(velocity, self._rate)  # w = w - rate * v

    def drop(self, kept: list[int]) -> None:
        """Take the diverged trials out of the stacked tensors."""
        self.population.keep(kept)
        for name, velocity in list(self.velocity.named_buffers()):
            setattr(self.velocity, name, velocity[:, kept].contiguous())

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take the curves back and make the tensors as many trials long as were saved."""
        super().on_load_checkpoint(checkpoint)
        if len(self.alive) < self.population.trials:
            self.drop(list(range(len(self.alive))))

    def final_weights(self, trial: int) -> dict[str, Tensor] | None:
        """Return the state of a trial's network, `None` if it diverged."""
        return self.population.member_state(self.alive.index(trial)) if trial in self.alive else None
