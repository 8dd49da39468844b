"""What a step on a GPU may use: fused kernels where they fit, and one launch for all of it, a CUDA graph.

A small network's step is hundreds of operations, each over before the next one has been launched from Python.
"""

import importlib.util
import os
from collections.abc import Callable
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

    Raises:
        HighwaysError: `HIGHWAYS_FUSED` is neither 0 nor 1.
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


class CudaGraphed:
    """Work that is the same every time except for what its tensors hold, replayed as a CUDA graph.

    The first call runs it, which gets everything ready that must not happen in a recording; the second records and
    replays it, and all later ones are replays. All tensors that it reads and writes must stay where they are. Without
    `record`, as on a CPU, every call runs it.
    """

    def __init__(self, work: Callable[[], None], record: bool = True):
        self.work, self.record = work, record
        self.graph: torch.cuda.CUDAGraph | None = None
        self._ready = False

    def __call__(self) -> None:
        """Do the work."""
        if self.record and self._ready and self.graph is None:
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph):
                self.work()
        if self.graph is not None:
            self.graph.replay()
        else:
            self.work()
        self._ready = True
