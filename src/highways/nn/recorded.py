"""Work on a GPU that is launched as one: recorded as a CUDA graph and replayed.

A small network's step is hundreds of operations, each over before the next one has been launched from Python.
"""

from __future__ import annotations

from collections.abc import Callable

import torch


class Recorded:
    """Work that is the same every time but for what its tensors hold.

    Its first call runs, which gets everything ready that must not happen in a recording; the second is recorded and
    replayed, and all from then on are replays. All tensors that it reads and writes must stay where they are. Whatever
    it draws from torch's generator of the GPU is drawn anew at every replay.

    Args:
        work: Launches it.
        record: Whether to record; a CPU has nothing to record with.
    """

    def __init__(self, work: Callable[[], None], record: bool = True):
        self.work, self.record = work, record
        self.graph: torch.cuda.CUDAGraph | None = None
        self._ready = False

    def __call__(self) -> None:
        """Do it."""
        if self.record and self._ready and self.graph is None:
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph):
                self.work()
        if self.graph is not None:
            self.graph.replay()
        else:
            self.work()
        self._ready = True
