"""Time and memory of a training step."""

import math
import statistics
import time
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import nn

from highways.config import Measure, RunConfig
from highways.data import Images, load
from highways.errors import HighwaysError
from highways.tracking.records import rounded


class CostConfig(Measure):
    """Time and memory of a training step of the run; it needs no trained network."""

    kind: str = "cost"
    version: ClassVar[int] = 2
    clocked: ClassVar[bool] = True
    steps: int = Field(default=5, ge=1)
    """Number of timed steps, after one to warm up; the fastest counts."""

    def perform(self, run: RunConfig | None, network: nn.Module | None, where: torch.device) -> dict[str, Any]:
        assert run is not None
        seconds, held = step_cost(run, where, self.steps)
        return {"seconds_per_step": [rounded(seconds)], "bytes": [float(held)]}


def step_cost(config: RunConfig, device: torch.device, steps: int) -> tuple[float, int]:
    """Return seconds and bytes of a training step of an untrained network, which must be dense, on the first examples.

    Seconds are those of the fastest step after a warm-up step, since other load on the machine only adds time. On a
    GPU, bytes are the peak allocation; on a CPU they are counted: weights, velocities, activations and gradient buffers
    of the step.
    """
    from highways.training.together import PopulationModule  # imports Lightning, which takes seconds

    data = load(config.data)  # not moved to the device: only the batch is
    if config.network.family != "dense" or not isinstance(data, Images):
        raise HighwaysError("the cost of a step is measured of dense networks")
    size = config.budget.batch_size
    batch = (data.x["train"][:size].to(device), data.y["train"][:size].to(device))
    cuda = device.type == "cuda"
    before = torch.cuda.memory_allocated(device) if cuda else 0
    if cuda:
        torch.cuda.reset_peak_memory_stats(device)
    module = PopulationModule([config], ["cost"], data, lambda event: None).to(device)
    times = []
    for number in range(steps + 1):
        began = time.perf_counter()
        module.training_step(batch, number)  # the first step starts an epoch, and prepares what the others use
        if cuda:
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - began)
    held = module.population.step_bytes(size) + sum(kept.nbytes for kept in module.state.buffers())
    peak = torch.cuda.max_memory_allocated(device) - before if cuda else held
    return min(times[1:]), peak


def exponent(depths: Sequence[float], values: Sequence[float]) -> float:
    """Return the exponent e of the best-fitting power law value = c * depth^e (least squares of logarithms)."""
    if len(depths) < 2:
        return math.nan
    xs, ys = [math.log(depth) for depth in depths], [math.log(value) for value in values]
    return statistics.linear_regression(xs, ys).slope
