"""Weights and resume state under `checkpoints/`: plain types only, loaded with `weights_only=True`."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Checkpoint
from torch import Tensor

from highways import paths
from highways.errors import HighwaysError
from highways.tracking.records import write_atomically


def weights_sha256(state: Mapping[str, Tensor]) -> str:
    """Return the sha256 of weights: of every tensor's name, shape, type and bytes, in order of names."""
    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


def weights_path(run_key: str) -> Path:
    """Return where the final weights of a run are kept."""
    return paths.checkpoints() / run_key / "final.pt"


def save_weights(run_key: str, state: Mapping[str, Tensor]) -> str:
    """Keep the final weights of a run and return their sha256."""
    path = weights_path(run_key)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    torch.save({name: tensor.detach().cpu() for name, tensor in state.items()}, part)
    part.replace(path)
    return weights_sha256(state)


def load_weights(run_key: str, expected_sha256: str | None) -> dict[str, Tensor] | None:
    """Return the final weights of a run, or `None` where they are not kept here.

    Args:
        run_key: The run.
        expected_sha256: What the record says; `None` accepts any. Weights that `accept_weights` named
            are accepted, too.

    Raises:
        HighwaysError: They are other weights, or damaged.
    """
    path = weights_path(run_key)
    if not path.exists():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        actual = weights_sha256(state)
    except Exception as error:  # torch.load raises many kinds for a damaged file
        raise HighwaysError(f"{path}: not readable as weights ({type(error).__name__}); delete it") from None
    known = {expected_sha256, accepted_sha256(run_key)}
    if expected_sha256 is not None and actual not in known:
        raise HighwaysError(f"{path}: expected weights of sha256 {expected_sha256}, found {actual}; delete it")
    return state


def accept_weights(run_key: str, sha256: str | None) -> None:
    """Note that weights made again may stand for the record's, although they differ from them."""
    write_atomically(weights_path(run_key).with_name("retrained.sha256"), f"{sha256}\n")


def accepted_sha256(run_key: str) -> str | None:
    """Return what `accept_weights` noted, `None` where it has not."""
    path = weights_path(run_key).with_name("retrained.sha256")
    return path.read_text().strip() if path.exists() else None


class ResumePoint:
    """Where a group of runs is kept between epochs: a checkpoint, and beside it the keys of its runs.

    Args:
        keys: Of the group's runs, in the group's order.
        population: Trained as a population, not the textbook way: the two have different states.
    """

    def __init__(self, keys: Sequence[str], population: bool):
        self.keys, self.population = list(keys), population
        name = hashlib.sha256("\n".join([*keys, str(population)]).encode()).hexdigest()[:16]
        self.folder = paths.checkpoints() / "resume" / name
        self.state = self.folder / "state.ckpt"
        self.members = self.folder / "members.json"

    @classmethod
    def all(cls) -> list[ResumePoint]:
        """Return all resume points that can be resumed from."""
        files = sorted((paths.checkpoints() / "resume").glob("*/members.json"))
        found = (cls(**json.loads(file.read_text())) for file in files)
        return [point for point in found if point.exists()]

    def exists(self) -> bool:
        """Tell whether there is something to resume from."""
        return self.state.exists() and self.members.exists()

    def save(self, trainer: pl.Trainer) -> None:
        """Save the trainer's state, atomically."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self.members.exists():
            write_atomically(self.members, json.dumps({"keys": self.keys, "population": self.population}))
        part = self.state.with_name(f"{self.state.name}.{os.getpid()}.part")
        trainer.save_checkpoint(part)
        part.replace(self.state)

    def remove(self) -> None:
        """Remove it; to be called when all the group's records stand."""
        shutil.rmtree(self.folder, ignore_errors=True)


class KeepResumePoint(Checkpoint):
    """Saves a resume point when training ends, and after an epoch whenever the last one is `every_s` old.

    Args:
        point: Where.
        every_s: Seconds of training that may be lost, beside an epoch's length.
    """

    def __init__(self, point: ResumePoint, every_s: float):
        self.point, self.every_s = point, every_s
        self._saved_at = time.monotonic()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save if it is time to."""
        if time.monotonic() - self._saved_at >= self.every_s:
            self.point.save(trainer)
            self._saved_at = time.monotonic()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save, so that a stop between two records of the group costs no training."""
        self.point.save(trainer)
