"""Lightning's hooks for resume points: states as bytes, after an epoch whenever the last one is old enough.

Apart from `checkpoints`, since Lightning takes seconds to import and only what trains needs it.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.plugins import TorchCheckpointIO


class StateIO(TorchCheckpointIO):
    """Turns the trainer's states into bytes, for `save`, and back: a process that trains needs no file for them."""

    def __init__(self, state: bytes, save: Callable[[bytes], None]):
        super().__init__()
        self.state, self.save = state, save

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        """Hand a state to `save`; `path` and `storage_options` are not used."""
        content = io.BytesIO()
        torch.save(checkpoint, content)
        self.save(content.getvalue())

    def load_checkpoint(self, path: str | Path, map_location: Any = None, weights_only: bool | None = True) -> Any:
        """Return the state; `path` is not used."""
        return torch.load(io.BytesIO(self.state), map_location=map_location or "cpu", weights_only=True)


class SaveState(Checkpoint):
    """Saves the state when training ends, and after an epoch whenever the last one is `every_s` seconds old."""

    def __init__(self, every_s: float):
        self.every_s = every_s
        self._saved_at = time.monotonic()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save if it is time to."""
        if time.monotonic() - self._saved_at >= self.every_s:
            trainer.save_checkpoint("state")
            self._saved_at = time.monotonic()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save, so that a stop between two records of the group costs no training."""
        trainer.save_checkpoint("state")
