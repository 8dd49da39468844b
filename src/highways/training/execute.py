"""Groups of runs, and training a group in this process: from a job and its last state to records and weights.

Nothing here writes a file, so training works the same everywhere; `highways.training.engines` stores the outcome.
"""

from __future__ import annotations

import gc
import hashlib
import json
import logging
import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from highways.config import RunConfig
from highways.data import DataSet, Images, Pictures, Sentences, load
from highways.tracking import EARLIER, Listener, RunRecord, Started, describe, git_commit
from highways.training import device as devices
from highways.training.checkpoints import ResumePoint, weights_sha256

if TYPE_CHECKING:  # Lightning takes seconds to import, so only training imports it
    import pytorch_lightning as pl

    from highways.training.modules import TrialsModule


FREE = {
    "optimiser": {"learning_rate", "momentum", "decay"},
    "network": {"transform_bias", "initialisation", "block_initialisation"},
    "seed": True,
}
"""Settings in which members of a population may differ: none changes shapes, operations, the kind of optimiser, the
batch size, the order of the examples or the number of steps."""
MAX_MEMBERS = 256
"""Most networks in one population; a larger group is trained in parts. The papers' searches have 100 trials."""


def trains_together(config: RunConfig) -> bool:
    """Tell whether runs like this one can be trained as a population, as dense networks can."""
    return config.network.family == "dense"


def group_name(config: RunConfig, key: str) -> str:
    """Return the name shared by all runs that can be trained together with this one, for their lock, for example."""
    name = json.dumps(config.model_dump(mode="json", exclude=FREE), sort_keys=True) if trains_together(config) else key
    return hashlib.sha256(name.encode()).hexdigest()[:16]


def groups(configs: Sequence[RunConfig], keys: Sequence[str]) -> list[list[int]]:
    """Return the indices of runs that train together, at most `MAX_MEMBERS` per group; a repeated run counts once.

    The grouping uses all runs of a sweep, finished or not, so that it stays the same after an interruption.
    """
    members: dict[str, dict[str, int]] = {}
    for index, (config, key) in enumerate(zip(configs, keys, strict=True)):
        members.setdefault(group_name(config, key), {}).setdefault(key, index)
    every = [list(group.values()) for group in members.values()]
    return [group[start : start + MAX_MEMBERS] for group in every for start in range(0, len(group), MAX_MEMBERS)]


@dataclass(frozen=True)
class Job:
    """A group of runs, and how to train it; `engine`, `workers` and `commit` only go into the record.

    Attributes:
        population: Train the runs as a population; otherwise there is one run, trained the textbook way.
        records: Folder of the records.
        device: `cpu` or `cuda`.
        threads: Threads of the training process.
        weights: Train because the weights are missing, although the records exist.
        every_s: Seconds of training, plus one epoch, that may be lost: `HIGHWAYS_CHECKPOINT_EVERY_S`, default 30.
    """

    configs: tuple[RunConfig, ...]
    keys: tuple[str, ...]
    population: bool
    records: Path
    device: str
    threads: int
    engine: str = "local"
    workers: int = 1
    weights: bool = False
    commit: str = field(default_factory=git_commit)
    every_s: float = field(default_factory=lambda: float(os.environ.get("HIGHWAYS_CHECKPOINT_EVERY_S", "30")))

    @property
    def group(self) -> str:
        """Name of its lock and of its resume points; retraining for weights, which no sweep does, has its own name."""
        return group_name(self.configs[0], self.keys[0]) + ("-weights" if self.weights else "")

    def only(self, keys: Sequence[str]) -> Job:
        """Return the job restricted to some of its runs, in the given order."""
        configs = dict(zip(self.keys, self.configs, strict=True))
        return replace(self, keys=tuple(keys), configs=tuple(configs[key] for key in keys))


@dataclass(frozen=True)
class Trained:
    """The outcome of a run: its record, not yet written, and its final weights on the CPU, `None` if it diverged."""

    record: RunRecord
    weights: dict[str, Tensor] | None


Save = Callable[[bytes], None]
"""Receives the state that training has reached."""
PRECISION: dict[str, Literal["32-true", "bf16-mixed"]] = {"float32": "32-true", "bfloat16": "bf16-mixed"}


def train_job(
    job: Job, point: ResumePoint | None, save: Save, listener: Listener, data: DataSet | None = None
) -> list[Trained]:
    """Train a group in this process, and return the outcomes of its runs in the order of its keys.

    Args:
        job: The group.
        point: The resume point to continue from; `None` starts from the beginning.
        save: Receives a state at the end of an epoch, every `job.every_s` seconds, and when training ends.
        listener: Receives the start and every epoch.
        data: The group's data set; loaded here by default.
    """
    from highways.training.modules import MEMORY, STATE, SaveState

    config = job.configs[0]
    data = data or load(config.data)
    devices.prepare(job.threads)
    where = devices.resolve(job.device)
    if where.type == "cuda":
        gc.collect()  # the last run's CUDA graph holds memory, in a reference cycle with its module
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(where)
    module = module_of(job, data.to(where), listener)
    module.environment = describe(where, job.commit)
    if isinstance(data, Sentences) and data.vectors is not None:
        module.environment["vectors"] = f"{data.words_with_vectors} of {data.words} words"
    if point is not None:
        MEMORY.pipe_file(STATE, point.state)
    trainer = trainer_of(config.precision, job.device, config.budget.epochs, callbacks=[SaveState(job.every_s, save)])
    listener(Started(keys=tuple(job.keys)))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"pytorch_lightning|lightning_fabric")
        try:
            trainer.fit(module, ckpt_path=None if point is None else STATE, weights_only=True)
        except SystemExit:  # Lightning turns a KeyboardInterrupt into this
            raise KeyboardInterrupt from None
    return [_trained(module, trial, job) for trial in range(len(job.keys))]


def module_of(job: Job, data: DataSet, listener: Listener) -> TrialsModule:
    """Return the module that trains a group: the population's or, for a single run, the one for its type of data."""
    from highways.training.modules import ClassifierModule, DenseModule, SentenceModule
    from highways.training.together import PopulationModule

    if job.population:
        return PopulationModule(job.configs, job.keys, data, listener)
    single: dict[type[DataSet], type[ClassifierModule]]
    single = {Images: DenseModule, Pictures: ClassifierModule, Sentences: SentenceModule}
    return single[type(data)](job.configs[0], job.keys[0], data, listener)


def trainer_of(precision: str, device: str, epochs: int, **more: Any) -> pl.Trainer:
    """Return Lightning's trainer with one device, no output and no sanity checks; `more` goes to `pl.Trainer`."""
    import pytorch_lightning as pl

    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    return pl.Trainer(
        accelerator="gpu" if device == "cuda" else "cpu",
        devices=1,
        max_epochs=epochs,
        precision=PRECISION[precision],
        deterministic=precision == "float32",  # bfloat16 is the fast mode
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        **more,
    )


def _trained(module: TrialsModule, trial: int, job: Job) -> Trained:
    state = module.final_weights(trial)
    weights = None if state is None else {name: tensor.detach().cpu() for name, tensor in state.items()}
    config, diverged, device = job.configs[trial], module.diverged_epoch[trial], module.data.device
    environment = module.environment | ({EARLIER: module.earlier} if module.earlier else {})
    if device.type == "cuda":  # the peak reserved by the whole group, in MiB
        environment["gpu_mebibytes"] = round(torch.cuda.max_memory_reserved(device) / 2**20)
    engine = {"name": job.engine, "workers": job.workers, "group": len(job.keys), "population": job.population}
    record = RunRecord(
        run_key=job.keys[trial],
        config=config,
        data_fingerprint=module.data.fingerprint,
        numerics=config.network.numerics,
        status="finished" if diverged is None else "diverged",
        diverged_epoch=diverged,
        parameters=module.weights_per_trial,
        curves=module.curves[trial],
        measurements=module.measurements[trial],
        weights_sha256=weights_sha256(weights) if weights is not None else None,
        environment=environment,
        engine=engine | ({"fused": True} if module.fused else {}),
        finished_at=datetime.now(UTC).isoformat(timespec="seconds"),
        timing={"group_seconds": round(module.seconds, 3), "seconds": round(module.seconds / len(job.keys), 3)},
    )
    return Trained(record, weights)
