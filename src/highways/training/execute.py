"""Training one group of runs in this process, from its resume point if it has one, to its records."""

from __future__ import annotations

import logging
import os
import warnings
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import pytorch_lightning as pl

from highways.config import RunConfig
from highways.data import Pictures, Sentences, load
from highways.errors import HighwaysError
from highways.tracking.environment import describe
from highways.tracking.events import Finished, Listener, Started
from highways.tracking.records import RecordStore, RunRecord
from highways.training import device as devices
from highways.training.checkpoints import KeepResumePoint, ResumePoint, save_weights
from highways.training.modules import (
    ClassifierModule,
    PictureModule,
    PopulationModule,
    SentenceModule,
    TrialsModule,
)


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
    """

    configs: tuple[RunConfig, ...]
    keys: tuple[str, ...]
    population: bool
    records: Path
    device: str
    threads: int
    engine: str = "local"
    workers: int = 1


SINGLE: dict[type, type[ClassifierModule]] = {Sentences: SentenceModule, Pictures: PictureModule}
"""What trains a single run, by the kind of its data set; all others `ClassifierModule`."""
PRECISION: dict[str, Literal["32-true", "bf16-mixed"]] = {"float32": "32-true", "bfloat16": "bf16-mixed"}


def checkpoint_every_s() -> float:
    """Return the seconds of training that may be lost beside an epoch's length: `HIGHWAYS_CHECKPOINT_EVERY_S`, 30."""
    given = os.environ.get("HIGHWAYS_CHECKPOINT_EVERY_S", "30")
    try:
        return float(given)
    except ValueError:
        raise HighwaysError(f"HIGHWAYS_CHECKPOINT_EVERY_S must be a number of seconds, found {given!r}") from None


def execute(job: Job, listener: Listener) -> list[RunRecord]:
    """Train a group, write its records, and return them in the order of its keys.

    A record that stands already is left as it is: that happens where an earlier attempt was cut off
    between two records, and where weights are made again. What is returned is what came out now.
    """
    devices.prepare(job.threads)
    where = devices.resolve(job.device)
    data = load(job.configs[0].data).to(where)
    module: TrialsModule
    if job.population:
        module = PopulationModule(job.configs, job.keys, data, listener)
    else:
        module = SINGLE.get(type(data), ClassifierModule)(job.configs[0], job.keys[0], data, listener)

    point = ResumePoint(job.keys, job.population)
    _fit(module, job, point, listener)

    store = RecordStore(job.records)
    records = []
    for trial, (config, key) in enumerate(zip(job.configs, job.keys, strict=True)):
        record = _record(module, trial, config, key, job)
        if (standing := store.read(key)) is None:
            store.write(record)
        listener(Finished(standing or record))
        records.append(record)
    point.remove()
    return records


def _fit(module: TrialsModule, job: Job, point: ResumePoint, listener: Listener) -> None:
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    trainer = pl.Trainer(
        accelerator="gpu" if job.device == "cuda" else "cpu",
        devices=1,
        max_epochs=job.configs[0].budget.epochs,
        precision=PRECISION[job.configs[0].precision],
        deterministic=job.configs[0].precision == "float32",  # bfloat16 is the fast mode
        callbacks=[KeepResumePoint(point, checkpoint_every_s())],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
    )
    listener(Started(keys=tuple(job.keys)))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"pytorch_lightning|lightning_fabric")
        try:
            trainer.fit(module, ckpt_path=point.state if point.exists() else None, weights_only=True)
        except SystemExit:  # what Lightning makes of a KeyboardInterrupt
            raise KeyboardInterrupt from None
        except Exception as error:
            if point.exists() and not module.started:
                raise HighwaysError(f"{point.folder}: cannot be resumed from ({error}); delete it") from error
            raise


def _record(module: TrialsModule, trial: int, config: RunConfig, key: str, job: Job) -> RunRecord:
    state = module.final_weights(trial)
    diverged = module.diverged_epoch[trial]
    return RunRecord(
        run_key=key,
        config=config,
        data_fingerprint=module.data.fingerprint,
        numerics=config.numerics,
        status="finished" if diverged is None else "diverged",
        diverged_epoch=diverged,
        parameters=module.weights_per_trial,
        curves=module.curves[trial],
        measurements=module.measurements[trial],
        weights_sha256=save_weights(key, state) if state is not None else None,
        environment=describe(module.data.device),
        engine={"name": job.engine, "workers": job.workers, "group": len(job.keys), "population": job.population},
        finished_at=datetime.now(UTC).isoformat(timespec="seconds"),
        timing={
            "group_seconds": round(module.seconds, 3),
            "seconds": round(module.seconds / len(job.keys), 3),
        },
    )
