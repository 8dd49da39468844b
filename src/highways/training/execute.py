"""Training one group of runs in this process: a job, its data and its last state in, records and weights out.

Nothing here reads or writes a file, so that it is the same wherever a group is trained; see
`highways.training.storing` for what becomes of the outcome.
"""

from __future__ import annotations

import gc
import logging
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
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
from highways.training.checkpoints import STATE, weights_sha256

if TYPE_CHECKING:  # Lightning takes seconds to import: only where something is trained
    import pytorch_lightning as pl

    from highways.training.modules import TrialsModule


@dataclass(frozen=True)
class Job:
    """A group of runs that is trained as one, and how.

    Attributes:
        configs: The runs.
        keys: Their keys.
        population: Train them as a population; otherwise there is one, trained the textbook way.
        records: Folder that the records go to.
        device: `cpu` or `cuda`.
        threads: Of this process.
        engine: Name of the engine, for the record.
        workers: How many processes train beside each other, for the record.
        again: Train for the weights, which are missing, although the records stand.
        commit: Of the code, for the record.
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


@dataclass(frozen=True)
class Resume:
    """Where the training of a group goes on, and how its state is kept between epochs.

    Attributes:
        state: What `keep` was given last; `None` starts anew.
        place: Where it lies, for messages.
        every_s: Seconds of training that may be lost, beside an epoch's length.
        keep: Takes the state.
    """

    state: bytes | None
    place: str
    every_s: float
    keep: Callable[[bytes], None]


@dataclass(frozen=True)
class Trained:
    """What came of a run.

    Attributes:
        record: Its record, not written yet.
        weights: Its final weights, on the CPU; `None` if it diverged.
    """

    record: RunRecord
    weights: dict[str, Tensor] | None


PEAK = "gpu_mebibytes"
"""In a record's environment: the most memory of the GPU that its whole group had reserved."""
PRECISION: dict[str, Literal["32-true", "bf16-mixed"]] = {"float32": "32-true", "bfloat16": "bf16-mixed"}


def train(job: Job, data: DataSet, resume: Resume, listener: Listener) -> list[Trained]:
    """Train a group and return what came of its runs, in the order of its keys.

    Args:
        job: The group.
        data: Its data set, wherever it lies.
        resume: Where it goes on.
        listener: Told of its start and of every epoch.

    Raises:
        HighwaysError: The data or the state to go on from are at fault.
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
    _fit(module, job, resume, listener)
    return [_trained(module, trial, job) for trial in range(len(job.keys))]


def module_of(
    configs: Sequence[RunConfig], keys: Sequence[str], population: bool, data: DataSet, listener: Listener
) -> TrialsModule:
    """Return what trains a group, as one population or, a single run, by the kind of its data set."""
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
    """Return the trainer of a group: one device, no output, no sanity checks.

    Args:
        precision: Of the run.
        device: `cpu` or `cuda`.
        epochs: How many.
        more: Arguments of `Trainer`.
    """
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


def _fit(module: TrialsModule, job: Job, resume: Resume, listener: Listener) -> None:
    from highways.training.keeping import KeepState, StateIO

    config, keep, states = job.configs[0], KeepState(resume.every_s), StateIO(resume.state, resume.keep)
    trainer = trainer_of(config.precision, job.device, config.budget.epochs, callbacks=[keep], plugins=[states])
    resumed = STATE if resume.state is not None else None
    listener(Started(keys=tuple(job.keys)))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"pytorch_lightning|lightning_fabric")
        try:
            trainer.fit(module, ckpt_path=resumed, weights_only=True)
        except SystemExit:  # what Lightning makes of a KeyboardInterrupt
            raise KeyboardInterrupt from None
        except HighwaysError:
            raise
        except Exception as error:
            if resumed is not None and not module.started:
                reason = f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0][:120]}"
                raise HighwaysError(f"{resume.place}: cannot be resumed from ({reason}); delete it") from error
            raise


def _engine(module: TrialsModule, job: Job) -> dict[str, Any]:
    """Return how a group was trained, for its records."""
    how = {"name": job.engine, "workers": job.workers, "group": len(job.keys), "population": job.population}
    return how | ({"fused": True} if module.fused else {})


def ended_in(module: TrialsModule, epochs: int) -> tuple[dict[str, Any], bool]:
    """Return the environment in which a trial ended, with those before, and whether it is the last that there was.

    Args:
        module: What trained it.
        epochs: The trial's; others of its group may have had more.
    """
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
        timing={
            "group_seconds": round(module.seconds, 3),
            "seconds": round(module.seconds / len(job.keys), 3),
        },
    )
    return Trained(record, weights)
