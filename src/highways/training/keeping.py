"""What Lightning's trainer needs to keep resume points: how a state is written, and when."""

from __future__ import annotations

import io
import os
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.plugins import TorchCheckpointIO

from highways.training.checkpoints import ResumePoint


class StateIO(TorchCheckpointIO):
    """Writes states in place, to the disk: Lightning's way goes through the folder of temporary files."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        """Write a state; `storage_options` is not used."""
        content = io.BytesIO()
        torch.save(checkpoint, content)
        with Path(path).open("wb") as file:
            file.write(content.getvalue())
            file.flush()
            os.fsync(file.fileno())


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
