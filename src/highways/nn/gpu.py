"""Where a population's steps on a GPU are taken by fused kernels."""

import importlib.util
import os
from types import ModuleType

import torch
from torch import Tensor

from highways.config import DenseConfig
from highways.errors import HighwaysError

SWITCH = "HIGHWAYS_FUSED"
"""Environment variable: 0 trains on a GPU operation by operation, as on a CPU; 1, the default, fused and as a graph."""
WIDEST = 128
"""Units of a block: its weights must fit into one program's registers."""
TRITON = importlib.util.find_spec("triton") is not None


def kernels_for(config: DenseConfig, like: Tensor) -> ModuleType | None:
    """Return `highways.nn.kernels` where they fit networks of this kind; `None` leaves them to torch's operations.

    Blocks wider than `WIDEST`, dropout, activation checkpointing, and weights `like` others than float32 on a GPU do
    not fit.
    """
    fits = like.is_cuda and like.dtype == torch.float32 and config.width <= WIDEST and config.depth > 1
    plain_step = config.dropout == 0 and config.checkpoint_every is None
    if not (fits and plain_step and TRITON):
        return None
    if (given := os.environ.get(SWITCH, "1")) not in ("0", "1"):
        raise HighwaysError(f"{SWITCH} must be 0 or 1, found {given!r}")
    if given == "0":
        return None
    from highways.nn import kernels

    return kernels
