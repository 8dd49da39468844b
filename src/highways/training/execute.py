"""Training one group of runs in this process: a job, its data and its last state in; states, records, weights out.

Nothing here reads or writes a file, so that it is the same wherever a group is trained; see
`highways.training.storing` for what becomes of the outcome.
"""

from __future__ import annotations

import gc
import logging
import math
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
from highways.data import DataSet, Images, Pictures, Sentences
from highways.errors import HighwaysError
from highways.tracking.environment import EARLIER, describe, git_commit
from highways.tracking.events import Listener, Started
from highways.tracking.records import RunRecord
from highways.training import device as devices
from highways.training.checkpoints import ResumePoint, weights_sha256
from highways.training.groups import group_name

if TYPE_CHECKING:  # Lightning takes seconds to import: only where something is trained
    import pytorch_lightning as pl

    from highways.training.modules import TrialsModule


def checkpoint_every_s() -> float:
    """Return the seconds of training that may be lost beside an epoch's length: `HIGHWAYS_CHECKPOINT_EVERY_S`, 30."""
    given = os.environ.get("HIGHWAYS_CHECKPOINT_EVERY_S", "30")
    try:
        seconds = float(given)
    except ValueError:
        seconds = math.nan
    if math.isnan(seconds):
        raise HighwaysError(f"HIGHWAYS_CHECKPOINT_EVERY_S must be a number of seconds, found {given!r}")
    return seconds


@dataclass(frozen=True)
class Job:
    """A group of runs, and how it is trained.

    Attributes:
        configs: The runs.
        keys: Their keys.
        population: Train them as a population; otherwise there is one, trained the textbook way.
        records: Folder that the records go to.
        device: `cpu` or `cuda`.
        threads: Of a process.
        engine: Name of the engine, for the record.
        workers: How many processes train beside each other, for the record.
        again: Train for the weights, which are missing, although the records stand.
        commit: Of the code, for the record.
        every_s: Seconds of training that may be lost, beside an epoch's length.
    """

    configs: tuple[RunConfig, ...]
    keys: tuple[str, ...]
    population: bool
    records: Path
    device: str
    threads: int
    engine: str = "local"
    workers: int = 1
    again: bool = False
    commit: str = field(default_factory=git_commit)
    every_s: float = field(default_factory=checkpoint_every_s)

    @property
    def group(self) -> str:
        """Name of its lock and of its resume points; apart for weights that are made again, which no sweep does."""
        return group_name(self.configs[0], self.keys[0]) + ("-weights" if self.again else "")

    def only(self, keys: Sequence[str]) -> Job:
        """Return the job of some of its runs, in the given order."""
        configs = dict(zip(self.keys, self.configs, strict=True))
        return replace(self, keys=tuple(keys), configs=tuple(configs[key] for key in keys))


@dataclass(frozen=True)
class Trained:
    """The outcome of a run.

    Attributes:
        record: Its record, not written yet.
        weights: Its final weights, on the CPU; `None` if it diverged.
    """

    record: RunRecord
    weights: dict[str, Tensor] | None


Save = Callable[[bytes], None]
"""Takes the state that a training has reached."""
PEAK = "gpu_mebibytes"
"""In a record's environment: the most memory of the GPU that its whole group had reserved."""
VECTORS = "vectors"
"""In a record's environment: how many words of the data set the user's file of word vectors has."""
PRECISION: dict[str, Literal["32-true", "bf16-mixed"]] = {"float32": "32-true", "bfloat16": "bf16-mixed"}


def train(job: Job, data: DataSet, point: ResumePoint | None, save: Save, listener: Listener) -> list[Trained]:
    """Train a group on its data, and return the outcomes of its runs, in the order of its keys.

    Args:
        job: The group.
        data: Its data set, wherever it lies.
        point: Where it is resumed; `None` for the start.
        save: Takes a state, every `job.every_s` seconds at an epoch's end, and when training ends.
        listener: Told of its start and of every epoch.

    Raises:
        HighwaysError: It cannot be resumed there.
    """
    devices.prepare(job.threads)
    where = devices.resolve(job.device)
    devices.warn_of_emulation(job.configs[0].precision, where.type)
    if where.type == "cuda":
        gc.collect()  # a CUDA graph of the run before holds memory, and is in a circle with its module
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(where)
    module = module_of(job.configs, job.keys, job.population, data.to(where), listener)
    module.place = describe(where, job.commit)
    if isinstance(data, Sentences) and data.vectors is not None:
        module.place[VECTORS] = f"{data.words_with_vectors} of {data.words} words"
    _fit(module, job, point, save, listener)
    return [_trained(module, trial, job) for trial in range(len(job.keys))]


def module_of(
    configs: Sequence[RunConfig], keys: Sequence[str], population: bool, data: DataSet, listener: Listener
) -> TrialsModule:
    """Return the module that trains a group: of a population or, for a single run, by the kind of its data set."""
    from highways.training.modules import ClassifierModule, DenseModule, SentenceModule
    from highways.training.together import PopulationModule

    if population:
        return PopulationModule(configs, keys, data, listener)
    single: dict[type, type[ClassifierModule]] = {
        Images: DenseModule,
        Pictures: ClassifierModule,
        Sentences: SentenceModule,
    }
    return single[type(data)](configs[0], keys[0], data, listener)


def trainer_of(precision: str, device: str, epochs: int, **more: Any) -> pl.Trainer:
    """Return Lightning's trainer: one device, no output, no sanity checks; `more` goes to `pl.Trainer`."""
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


def _fit(module: TrialsModule, job: Job, point: ResumePoint | None, save: Save, listener: Listener) -> None:
    from highways.training.keeping import SaveState, StateIO

    config = job.configs[0]
    states = StateIO(b"" if point is None else point.state, save)
    keep = SaveState(job.every_s)
    trainer = trainer_of(config.precision, job.device, config.budget.epochs, callbacks=[keep], plugins=[states])
    listener(Started(keys=tuple(job.keys)))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"pytorch_lightning|lightning_fabric")
        try:
            trainer.fit(module, ckpt_path=None if point is None else "state", weights_only=True)
        except SystemExit:  # what Lightning makes of a KeyboardInterrupt
            raise KeyboardInterrupt from None
        except HighwaysError:
            raise
        except Exception as error:
            if point is not None and not module.started:
                raise point.unusable(error) from error
            raise


def _engine(module: TrialsModule, job: Job) -> dict[str, Any]:
    """Return how a group was trained, for its records."""
    how = {"name": job.engine, "workers": job.workers, "group": len(job.keys), "population": job.population}
    return how | ({"fused": True} if module.fused else {})


def ended_in(module: TrialsModule, epochs: int) -> tuple[dict[str, Any], bool]:
    """Return the environment in which a trial ended after `epochs`, with those before, and whether it is the last."""
    places = module.places()
    ended = next((n for n, place in enumerate(places) if place["epochs"] >= epochs), len(places) - 1)
    environment = {name: value for name, value in places[ended].items() if name != "epochs"}
    return environment | ({EARLIER: places[:ended]} if ended else {}), ended == len(places) - 1


def _trained(module: TrialsModule, trial: int, job: Job) -> Trained:
    state = module.final_weights(trial)
    weights = None if state is None else {name: tensor.detach().cpu() for name, tensor in state.items()}
    config, diverged, device = job.configs[trial], module.diverged_epoch[trial], module.data.device
    environment, last = ended_in(module, diverged or max(map(len, module.curves[trial].values()), default=0))
    if device.type == "cuda" and last:
        environment[PEAK] = round(torch.cuda.max_memory_reserved(device) / 2**20)
    record = RunRecord(
        run_key=job.keys[trial],
        config=config,
        data_fingerprint=module.data.fingerprint,
        numerics=config.numerics,
        status="finished" if diverged is None else "diverged",
        diverged_epoch=diverged,
        parameters=module.weights_per_trial,
        curves=module.curves[trial],
        measurements=module.measurements[trial],
        weights_sha256=weights_sha256(weights) if weights is not None else None,
        environment=environment,
        engine=_engine(module, job),
        finished_at=datetime.now(UTC).isoformat(timespec="seconds"),
        timing={"group_seconds": round(module.seconds, 3), "seconds": round(module.seconds / len(job.keys), 3)},
    )
    return Trained(record, weights)
