"""What share of a GPU a group needs, from what groups of its shape were measured to reserve."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable

from highways.config import RunConfig
from highways.tracking.records import RecordStore, RunRecord
from highways.training.execute import PEAK, Job
from highways.training.groups import FREE

CONTEXT_MEBIBYTES = 600
"""What CUDA itself takes of a GPU's memory for every process."""
MARGIN = 1.1
"""Times what was measured: the reserve of a group differs a little from time to time."""


class Shares:
    """Shares of a GPU; a whole one for a group whose like has no record yet.

    Args:
        gpu_mebibytes: Memory of the smallest GPU; `None` where it is not known: every group has a whole GPU.
    """

    def __init__(self, gpu_mebibytes: int | None):
        self.gpu_mebibytes = gpu_mebibytes
        self._known: dict[str, tuple[int, int]] = {}
        """By shape, the largest measured group: MiB reserved, and its size."""
        self._has_read = False

    def of(self, job: Job) -> float:
        """Return the share that a group needs, 0 on a CPU."""
        if job.device == "cpu":
            return 0.0
        if self.gpu_mebibytes is None:
            return 1.0
        if not self._has_read:
            self._has_read = True
            self.learn(RecordStore(job.records).readable(lambda fault: print(f"left out: {fault}", flush=True)))
        if (known := self._known.get(_shape(job.configs[0], job.population))) is None:
            return 1.0
        reserved, size = known
        need = MARGIN * reserved * max(1.0, len(job.keys) / size) + CONTEXT_MEBIBYTES
        return min(1.0, math.ceil(100 * need / self.gpu_mebibytes) / 100)

    def learn(self, records: Iterable[RunRecord]) -> None:
        """Take what records say of the memory that their groups had reserved."""
        for record in records:
            if (reserved := record.environment.get(PEAK)) is None:
                continue
            shape, size = _shape(record.config, record.engine["population"]), record.engine["group"]
            self._known[shape] = max(self._known.get(shape, (0, 0)), (reserved, size))


def _shape(config: RunConfig, population: bool) -> str:
    """Return what runs must agree in to need the same memory."""
    left = FREE | {"order_seed": True, "budget": {"epochs"}}
    return json.dumps([population, config.model_dump(mode="json", exclude=left)], sort_keys=True)
