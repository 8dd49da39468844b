"""How fast is this machine, beside the one of the records? Some seconds of the work that the records are of."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import time
import warnings
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from highways import paths
from highways.config import RunConfig
from highways.data import examples
from highways.errors import HighwaysError
from highways.report.costs import Group, epoch_work, fastest, training_examples
from highways.report.standins import stand_in
from highways.tracking.environment import processor
from highways.tracking.events import EpochEnded, Event
from highways.tracking.records import write_atomically
from highways.training import device as devices
from highways.training.execute import module_of, trainer_of
from highways.training.groups import trains_together

EPOCH_S, EPOCHS = 0.8, 4
"""Core seconds of an epoch on the machine of the records, and how many there are; the fastest but the first counts."""
VALID_S = 12 * 3600
"""How long a calibration is kept."""
LEAST_BATCHES = 5
BUSY = 1.25
"""By the clock over processor time, from which on it is said that other work slows this machine down."""


@dataclass(frozen=True)
class Workload:
    """Work whose time on the machine of the records is known: an epoch of a recorded group on less data.

    Attributes:
        config: Of a member.
        members: Networks that train together.
        training: Examples.
        testing: Of the test part; of texts of the development part, too.
        core_seconds: Of an epoch, on the machine of the records.
    """

    config: RunConfig
    members: int
    training: int
    testing: int
    core_seconds: float


def workloads(groups: Iterable[Group]) -> dict[str, Workload]:
    """Return for every family that is recorded a piece of work.

    It is that of the group whose time, relative to its arithmetic, is the median of the family: half of the family's
    recorded time was spent in faster ones. Of networks that were recorded more than once the fastest group counts, as
    it does in `highways.report.costs`: the others had other work beside them.

    Args:
        groups: Recorded ones.
    """
    by_family: dict[str, list[tuple[float, str, Group]]] = {}
    for group in fastest(groups):
        if group.survival == 1 and group.core_seconds / group.epochs > EPOCH_S:
            rate = group.rate / epoch_work(group.config)
            by_family.setdefault(group.config.network.family, []).append((rate, group.keys[0], group))
    found = {}
    for family, rates in sorted(by_family.items()):
        left = sum(group.core_seconds for _, _, group in rates) / 2
        for _, _, group in sorted(rates, key=lambda one: one[:2]):
            left -= group.core_seconds
            if left <= 0:
                found[family] = _workload(group)
                break
    return found


def _workload(group: Group) -> Workload:
    config = group.config
    whole, batch, epoch = training_examples(config), config.budget.batch_size, group.core_seconds / group.epochs
    training = min(max(round(whole * EPOCH_S / epoch / batch), LEAST_BATCHES) * batch, whole)
    share = training / whole
    testing = max(round(examples(config.data.name, "test") * share), 1)
    return Workload(config, group.members, training, testing, epoch * share)


@dataclass(frozen=True)
class Measured:
    """What a piece of work took here.

    Attributes:
        core_seconds: Of an epoch: of the processor, not by the clock, so that other work beside it does not count. On
            a GPU by the clock.
        busy: By the clock, how many times as long.
    """

    core_seconds: float
    busy: float


def measure(workload: Workload, device: str) -> Measured:
    """Do a piece of work in this process, with one thread, and return what its fastest epoch took.

    Args:
        workload: The work.
        device: `cpu` or `cuda`.
    """
    devices.prepare(1)
    config, where = _shortened(workload), devices.resolve(device)
    data = stand_in(config.data, workload.training, workload.testing).to(where)
    ends: list[tuple[float, float]] = []

    def listen(event: Event) -> None:
        if isinstance(event, EpochEnded):
            ends.append((time.process_time() if where.type == "cpu" else time.perf_counter(), time.perf_counter()))

    population = trains_together(config)
    members = [config.model_copy(update={"seed": seed}) for seed in range(workload.members)] if population else [config]
    module = module_of(members, [str(number) for number in range(len(members))], population, data, listen)
    trainer = trainer_of(config.precision, where.type, EPOCHS, enable_checkpointing=False)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"pytorch_lightning|lightning_fabric")
        trainer.fit(module, weights_only=True)
    if len(ends) < 2:
        raise HighwaysError("the calibration's training diverged")
    epochs = [(after[0] - before[0], after[1] - before[1]) for before, after in pairwise(ends)]
    return Measured(min(own for own, _ in epochs), sum(clock for _, clock in epochs) / sum(own for own, _ in epochs))


def _shortened(workload: Workload) -> RunConfig:
    """Return the run with snapshots as often in its epoch as in a whole one, and a rate that diverges nowhere."""
    config = workload.config
    share = workload.training / training_examples(config)
    snapshots = config.budget.snapshot_steps
    budget = config.budget.model_copy(update={"snapshot_steps": snapshots and max(1, round(snapshots * share))})
    data = config.data.model_copy(update={"training_examples": None, "vectors": None})
    optimiser = config.optimiser.model_copy(update={"learning_rate": 1e-4})
    return config.model_copy(update={"budget": budget, "data": data, "optimiser": optimiser})


def calibration(groups: Sequence[Group], device: str = "cpu", fresh: bool = False) -> dict[str, float]:
    """Return by family how many times the records' time this machine takes.

    It is measured once and kept under `checkpoints/` for half a day, as long as processor, cores and versions are the
    same. Two processes do it beside each other, as the sweeps of the records did, where there are two cores.

    Args:
        groups: What is recorded.
        device: `cpu` or `cuda`.
        fresh: Measure anew.
    """
    place = paths.checkpoints() / "calibration.json"
    here = {"processor": processor(), "cores": devices.cores(), "torch": torch.__version__, "device": device}
    if not fresh and (kept := _kept(place, here)) is not None:
        return kept
    works = workloads(groups)
    if not works:
        return {}
    print(f"measuring this machine: {', '.join(works)}, about half a minute", flush=True)
    count = min(2, devices.cores()) if device == "cpu" else 1
    speed, busy = {}, 1.0
    with ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn")) as pool:
        list(pool.map(_ready, range(count)))  # imports come before the clock starts
        for family, work in works.items():
            found = [one.result() for one in [pool.submit(measure, work, device) for _ in range(count)]]
            speed[family] = sum(one.core_seconds for one in found) / count / work.core_seconds
            busy = max(busy, *(one.busy for one in found))
    if busy > BUSY:
        print(f"this machine is busy: at the moment everything takes {busy:.1f} times as long as reckoned", flush=True)
    content = {"here": here, "measured_at": time.time(), "speed": speed}
    with contextlib.suppress(HighwaysError):  # a place that cannot be written costs another measurement
        write_atomically(place, json.dumps(content))
    return speed


def _ready(number: int) -> int:
    time.sleep(0.5)
    return os.getpid() + number


def _kept(place: Path, here: dict[str, Any]) -> dict[str, float] | None:
    """Return the calibration that is kept, `None` where it is of another machine, old or damaged."""
    try:
        content = json.loads(place.read_text(encoding="utf-8"))
        if content["here"] != here or not 0 <= time.time() - content["measured_at"] < VALID_S:
            return None
        speed = {str(family): float(times) for family, times in content["speed"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return speed if all(0 < times < float("inf") for times in speed.values()) else None
