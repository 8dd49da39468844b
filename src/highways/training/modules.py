"""The LightningModules of a single network, and what all modules share.

Each module evaluates every part of the data after every epoch and keeps the curves itself, so that a checkpoint has
them. For populations see `highways.training.together`.
"""

import math
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

import fsspec
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Checkpoint
from torch import Tensor, nn
from torch.nn import functional

from highways.config import DenseConfig, RunConfig
from highways.data import DataSet
from highways.nn import build_network
from highways.nn.dense import dropout_masks
from highways.tracking.events import EpochEnded, Listener
from highways.training import optimisers

RESUMED = ("curves", "measurements", "diverged_epoch", "alive", "seconds")
"""Attributes of a `TrialsModule` that a resume point stores."""
PROBE_BATCHES = 10
"""Batches used for the gradient norms: the first of the first epoch."""


class TrialsModule(pl.LightningModule):
    """Base of all modules: trials that are evaluated together, their curves, their divergence.

    The runs have the same data, budget and order of examples; the data set is on the device.
    """

    def __init__(self, configs: Sequence[RunConfig], keys: Sequence[str], data: DataSet, listener: Listener):
        super().__init__()
        self.configs, self.keys, self.data, self.listener = list(configs), list(keys), data, listener
        self.curves: list[dict[str, list[float]]] = [{} for _ in configs]
        self.measurements: list[dict[str, list[float]]] = [{} for _ in configs]
        """Measurements other than the curves, for the records."""
        self.diverged_epoch: list[int | None] = [None] * len(configs)
        self.alive = list(range(len(configs)))
        """Indices of the trials that have not diverged; logits are in this order."""
        self.weights_per_trial = 0
        """Number of trained weights and biases per trial."""
        self.fused = False
        """Whether the kernels of `highways.nn.kernels` took the steps."""
        self.environment: dict[str, Any] = {}
        """The environment of the training; see `highways.tracking.environment.describe`."""
        self.earlier: list[dict[str, Any]] = []
        """Other environments that trained earlier epochs, oldest first, each with the `epochs` it reached."""
        self.seconds = 0.0
        """Seconds of training and evaluation, including those before interruptions."""
        self._sums: dict[str, dict[str, Tensor]] = {}
        self._clock = 0.0

    # Data

    def train_dataloader(self) -> Iterable[tuple[Tensor, Tensor]]:
        """Return the training batches."""
        return self.data.training_batches(self.configs[0], epoch=lambda: self.current_epoch)

    def val_dataloader(self) -> list[Iterable[tuple[Tensor, Tensor]]]:
        """Return the evaluation batches of every part of the data."""
        return [self.data.evaluation_batches(self.configs[0], part) for part in self.data.parts]  # type: ignore[arg-type]

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Return the batch unchanged: the data set is already on the device."""
        return batch

    # Evaluation

    def logits(self, x: Tensor) -> Tensor:
        """Return the logits, `(alive trials, batch, classes)`."""
        raise NotImplementedError

    def drop(self, kept: list[int]) -> None:
        """Continue with only the trials at positions `kept` of `alive`."""

    def on_validation_epoch_start(self) -> None:
        """Reset the sums."""
        zero = torch.zeros(len(self.alive), dtype=torch.float64, device=self.data.device)
        self._sums = {name: {"cross_entropy": zero.clone(), "accuracy": zero.clone()} for name in self.data.parts}

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int, dataloader_idx: int = 0) -> None:
        """Add a batch's loss and hits to the sums."""
        x, y = batch
        log_p = torch.log_softmax(self.logits(x).double(), dim=-1)
        sums = self._sums[self.data.parts[dataloader_idx]]
        sums["cross_entropy"] -= log_p.gather(-1, y.expand(len(log_p), -1).unsqueeze(-1)).sum(dim=(1, 2))
        sums["accuracy"] += (log_p.argmax(dim=-1) == y).sum(dim=1)

    def on_train_start(self) -> None:
        """Start the clock."""
        self._clock = time.perf_counter()

    def on_train_epoch_end(self) -> None:
        """Add a value to every curve from the sums, remove the trials that diverged, and notify the listener."""
        values = {
            f"{name}_{metric}": (total / self.data.size(name)).tolist()  # type: ignore[arg-type]
            for name, sums in self._sums.items()
            for metric, total in sums.items()
        }
        metrics: list[dict[str, float] | None] = [None] * len(self.configs)
        kept = []
        for position, trial in enumerate(self.alive):
            own = {name: value[position] for name, value in values.items()}
            if all(math.isfinite(value) for value in own.values()):
                kept.append(position)
                metrics[trial] = own
                for name, value in own.items():
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
        epochs = self.configs[0].budget.epochs
        self.listener(EpochEnded(tuple(self.keys), self.current_epoch + 1, epochs, tuple(metrics), seconds))

    # Checkpoints: plain values only

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the curves and everything else that resumed training needs."""
        epochs = max((len(curve) for curves in self.curves for curve in curves.values()), default=0)
        places = [*self.earlier, self.environment | {"epochs": epochs}]
        checkpoint["trials"] = {name: getattr(self, name) for name in RESUMED} | {"keys": self.keys, "places": places}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the curves and everything else that was added."""
        trials = checkpoint["trials"]
        assert trials["keys"] == self.keys, "a resume point of other runs"
        for name in RESUMED:
            setattr(self, name, trials[name])
        *earlier, last = trials["places"]
        self.earlier = earlier if last | self.environment == last else [*earlier, last]

    def final_weights(self, trial: int) -> dict[str, Tensor] | None:
        """Return a trial's weights as the state of its network, or `None` if it diverged."""
        raise NotImplementedError


class ClassifierModule(TrialsModule):
    """One run, trained the textbook way: autograd, `torch.optim`, a network of `highways.nn`."""

    def __init__(self, config: RunConfig, key: str, data: DataSet, listener: Listener):
        super().__init__([config], [key], data, listener)
        self.network: nn.Module = build_network(config, data)
        self.weights_per_trial = sum(parameter.numel() for parameter in self.network.parameters())

    def logits(self, x: Tensor) -> Tensor:
        """Return the logits, `(1, batch, classes)`."""
        return self.network(x)[None]

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return optimisers.build(self.configs[0].optimiser, self.network)

    def on_train_epoch_start(self) -> None:
        """Seed the random stream of dropout for the epoch, so that resuming is exact."""
        torch.manual_seed(self.configs[0].seed * 1_000_003 + self.current_epoch)

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        settings, batches = self.configs[0].optimiser, cast(int, self.trainer.num_training_batches)
        done = (self.current_epoch * batches + batch_idx) / (self.configs[0].budget.scheduled * batches)
        if (rates := optimisers.RATES.get(settings.kind)) is not None:
            groups = self.trainer.optimizers[0].param_groups
            for group, rate in zip(groups, rates(settings, self.current_epoch, done), strict=True):
                group["lr"] = rate

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Return the mean cross-entropy of a batch, in nats."""
        x, y = batch
        return functional.cross_entropy(self.network(x), y)

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        optimisers.clip(self.configs[0].optimiser, self.network)

    def final_weights(self, trial: int) -> dict[str, Tensor] | None:
        return None if self.diverged_epoch[trial] is not None else self.network.state_dict()


class DenseModule(ClassifierModule):
    """A run of a dense network; its dropout masks are those that it would have in a population."""

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        network, seed = cast(DenseConfig, self.configs[0].network), self.configs[0].seed
        if not network.dropout:
            return super().training_step(batch, batch_idx)
        x, y = batch
        masks = dropout_masks(network, len(x), seed=seed, epoch=self.current_epoch, step=batch_idx)
        return functional.cross_entropy(self.network(x, masks.to(x.device)), y)


class SentenceModule(ClassifierModule):
    """A run on texts, which also measures snapshots and the gradients of the first and the last block.

    A batch has sentences of one length, and batches differ in size. So that every sentence has the same weight, the
    loss is the sum over the batch divided by the nominal batch size.

    The record has these additional measurements:

    - `snapshot_step`, `snapshot_dev_accuracy`, `snapshot_test_accuracy`: after every `budget.snapshot_steps` steps, and
      after every epoch;
    - `gradient_norm_first_block`, `gradient_norm_last_block`: before and after training, for the mean loss over the
      first ten batches of the first epoch.
    """

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        x, y = batch
        return functional.cross_entropy(self.network(x), y, reduction="sum") / self.configs[0].budget.batch_size

    def on_train_start(self) -> None:
        super().on_train_start()
        if self.global_step == 0:
            self._measure_gradients()

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Take a snapshot if one is due; the end of an epoch takes its own."""
        every = self.configs[0].budget.snapshot_steps
        if every is None or self.global_step % every or self.trainer.is_last_batch:
            return
        self.network.eval()
        with torch.no_grad():
            accuracies = {part: self._accuracy(part) for part in ("dev", "test")}
        self.network.train()
        self._snapshot(accuracies)

    def _accuracy(self, part: str) -> float:
        batches = self.data.evaluation_batches(self.configs[0], part)  # type: ignore[arg-type]
        hits = torch.stack([(self.network(x).argmax(dim=-1) == y).sum() for x, y in batches]).sum()
        return int(hits) / self.data.size(part)  # type: ignore[arg-type]

    def _snapshot(self, accuracies: dict[str, float]) -> None:
        measured = self.measurements[0]
        measured.setdefault("snapshot_step", []).append(self.global_step)
        for part, accuracy in accuracies.items():
            measured.setdefault(f"snapshot_{part}_accuracy", []).append(accuracy)

    def on_train_epoch_end(self) -> None:
        super().on_train_epoch_end()
        if self.diverged_epoch[0] is None:
            self._snapshot({part: self.curves[0][f"{part}_accuracy"][-1] for part in ("dev", "test")})
            if self.current_epoch + 1 == self.configs[0].budget.epochs:
                self._measure_gradients()

    def _measure_gradients(self) -> None:
        """Record the gradient norm of the mean loss over some batches, for the first and the last block."""
        blocks = getattr(self.network, "blocks", None)
        if not blocks:
            return
        torch.manual_seed(self.configs[0].seed)  # for dropout
        self.network.train()
        batches = self.data.training_batches(self.configs[0], epoch=lambda: 0)
        for (x, y), _ in zip(batches, range(PROBE_BATCHES), strict=False):
            (functional.cross_entropy(self.network(x), y) / PROBE_BATCHES).backward()
        for name, block in (("first", blocks[0]), ("last", blocks[-1])):
            gradients = [parameter.grad for parameter in block.parameters() if parameter.grad is not None]
            norm = torch.nn.utils.get_total_norm(gradients).item()
            if math.isfinite(norm):
                self.measurements[0].setdefault(f"gradient_norm_{name}_block", []).append(norm)
        self.network.zero_grad()


# Resume points

MEMORY, STATE = fsspec.filesystem("memory"), "memory://state.ckpt"
"""Where the trainer writes and reads its state: in memory, so that a training process needs no file."""


class SaveState(Checkpoint):
    """Passes the state, as bytes, to `save` when training ends, and after an epoch if `every_s` seconds have passed."""

    def __init__(self, every_s: float, save: Callable[[bytes], None]):
        self.every_s, self.save = every_s, save
        self._saved_at = time.monotonic()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save the state if a save is due."""
        if time.monotonic() - self._saved_at >= self.every_s:
            self._save(trainer)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save the state, so that an interruption between two records of the group costs no training."""
        self._save(trainer)

    def _save(self, trainer: pl.Trainer) -> None:
        trainer.save_checkpoint(STATE)
        self.save(MEMORY.cat_file(STATE))
        MEMORY.rm_file(STATE)
        self._saved_at = time.monotonic()
