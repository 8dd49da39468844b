"""Training one group of runs in this process, from its resume point if it has one, to its records."""

from __future__ import annotations

import logging
import os
import time
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import pytorch_lightning as pl

from highways.config import RunConfig
from highways.data import Pictures, Sentences, load
from highways.errors import HighwaysError
from highways.files import check_writable
from highways.tracking.environment import describe
from highways.tracking.events import Finished, Listener, Started
from highways.tracking.records import RecordStore, RunRecord
from highways.training import device as devices
from highways.training.checkpoints import (
    POLL_S,
    Claim,
    KeepResumePoint,
    ResumePoint,
    StateIO,
    accept_weights,
    claimed,
    is_claimed,
    load_weights,
    save_weights,
    weights_sha256,
)
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
        again: Train for the weights, which are missing, although the records stand.
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
    """Train a group, write its records, and return them in the order of its keys; see `attempt`.

    Where another process trains any of its runs, this one waits, which is said.
    """
    said: set[Claim] = set()
    while isinstance(outcome := attempt(job, listener), Claim):
        wait_for({job: outcome}, said)
    return outcome


def wait_for(claims: dict[Job, Claim], said: set[Claim]) -> None:
    """Return when one of the jobs that other processes have claimed may be free.

    Args:
        claims: The jobs, and the claims that are in their way.
        said: Claims that the user has been told about; each is said once.
    """
    say_waiting(claims.values(), said)
    time.sleep(POLL_S)
    while all(is_claimed(job.keys) for job in claims):
        time.sleep(POLL_S)


def say_waiting(claims: Iterable[Claim], said: set[Claim]) -> None:
    """Say for what and for whom this process waits; see `wait_for`."""
    for claim in claims:
        if claim not in said:
            print(f"waiting for {claim}", flush=True)
            said.add(claim)


def attempt(job: Job, listener: Listener) -> list[RunRecord] | Claim:
    """Train a group as `execute` does, or return at once the claim of another process that trains any of its runs.

    Where all records have come to stand meanwhile, they are taken as they are. A single record that stands is
    left as it is, and so are its weights: that happens where an earlier attempt was cut off between two
    records. Only where weights are made again, what came out now is kept, and returned.

    Raises:
        HighwaysError: The data or the resume point are at fault, or something cannot be written.
    """
    with claimed(job.keys, job.population) as other:
        return _train(job, listener) if other is None else other


def _train(job: Job, listener: Listener) -> list[RunRecord]:
    store, point = RecordStore(job.records), ResumePoint(job.keys, job.population)
    before = [store.adopt(key) for key in job.keys]
    standing = [record for record in before if record is not None]
    if len(standing) == len(before) and not (job.again and any(load_weights(key, None) is None for key in job.keys)):
        for record in standing:
            listener(Finished(record))
        point.remove()
        return standing

    check_writable(store.path(job.keys[0]))
    devices.prepare(job.threads)
    where = devices.resolve(job.device)
    devices.warn_of_emulation(job.configs[0].precision, where.type)
    data = load(job.configs[0].data).to(where)
    module: TrialsModule
    if job.population:
        module = PopulationModule(job.configs, job.keys, data, listener)
    else:
        module = SINGLE.get(type(data), ClassifierModule)(job.configs[0], job.keys[0], data, listener)
    _fit(module, job, point, listener)

    records = []
    for trial, (config, key) in enumerate(zip(job.configs, job.keys, strict=True)):
        record = _record(module, trial, config, key, job)
        stands = store.adopt(key)
        _keep(module, trial, record, stands, job.again)
        if stands is None:
            store.write(record)  # last: where there is a record, its weights have been kept
        listener(Finished(stands or record))
        records.append(record if stands is None or job.again else stands)
    point.remove()
    return records


def _keep(module: TrialsModule, trial: int, record: RunRecord, standing: RunRecord | None, again: bool) -> None:
    """Keep a trial's weights, unless a record stands already that names others.

    Args:
        module: What was trained.
        trial: Index of the trial.
        record: Of the trial.
        standing: The record that stands already.
        again: The weights are made again, and may stand for the record's.
    """
    state = module.final_weights(trial)
    if state is None or record.weights_sha256 is None:
        return
    if standing is not None and standing.weights_sha256 != record.weights_sha256:
        if not again:
            return
        accept_weights(record.run_key, record.weights_sha256)
    save_weights(record.run_key, state)


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
        plugins=[StateIO()],
    )
    resumed = point.checked()
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
                raise HighwaysError(f"{point.folder}: cannot be resumed from ({reason}); delete it") from error
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
        weights_sha256=weights_sha256(state) if state is not None else None,
        environment=describe(module.data.device),
        engine={"name": job.engine, "workers": job.workers, "group": len(job.keys), "population": job.population},
        finished_at=datetime.now(UTC).isoformat(timespec="seconds"),
        timing={
            "group_seconds": round(module.seconds, 3),
            "seconds": round(module.seconds / len(job.keys), 3),
        },
    )
