"""What becomes of a trained group: claims, records, weights and resume points, written by one process.

An engine that trains in this process or in another one of this machine does `attempt`; one that trains elsewhere does
its parts: `begun`, then the training, then `store`.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace

from highways.data import load
from highways.errors import HighwaysError
from highways.files import check_writable
from highways.tracking.events import Finished, Listener
from highways.tracking.records import RecordStore, RunRecord
from highways.training.checkpoints import (
    POLL_S,
    Claim,
    ResumePoint,
    accept_weights,
    claimed,
    is_claimed,
    load_weights,
    save_weights,
)
from highways.training.execute import Job, Resume, Trained, train


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

    Raises:
        HighwaysError: The data or the resume point are at fault, or something cannot be written.
    """
    with claimed(job.keys, job.population) as other:
        if other is not None:
            return other
        point = begun(job, listener)
        if isinstance(point, ResumePoint):
            resume = Resume(point.checked(), str(point.folder), checkpoint_every_s(), point.save)
            return store(job, train(job, load(job.configs[0].data), resume, listener), listener)
    if not isinstance(point, Job):
        return point
    outcome = attempt(point, listener)
    return outcome if isinstance(outcome, Claim) else RecordStore(job.records).read_all(job.keys)


def begun(job: Job, listener: Listener) -> ResumePoint | list[RunRecord] | Job:
    """Return where a group that this process has claimed is resumed.

    Where all its runs have come to stand since the group was made, their records; where some have, and nothing of it
    has been kept, the group of the others, to be claimed in its place: no run is trained again. The listener is told
    of what stands.

    Raises:
        HighwaysError: A record or the weights are at fault, or nothing can be written.
    """
    records, point = RecordStore(job.records), ResumePoint(job.keys, job.population)
    standing = {key: record for key in job.keys if (record := records.adopt(key)) is not None}
    left = [key for key in job.keys if key not in standing]
    weights_missing = job.again and any(load_weights(key, None) is None for key in job.keys)
    if weights_missing or len(left) == len(job.keys) or (left and point.state.exists()):
        check_writable(records.path(job.keys[0]))
        return point
    for record in standing.values():
        listener(Finished(record))
    if left:
        configs = dict(zip(job.keys, job.configs, strict=True))
        return replace(job, keys=tuple(left), configs=tuple(configs[key] for key in left))
    point.remove()
    return list(standing.values())


def store(job: Job, trained: Sequence[Trained], listener: Listener) -> list[RunRecord]:
    """Keep weights and records of a trained group, remove its resume point, and return the records.

    A single record that stands is left as it is, and so are its weights: that happens where an earlier attempt was
    cut off between two records. Only where weights are made again, what came out now is kept, and returned.

    Raises:
        CannotWrite: No space is left, or the place is read-only.
    """
    place, records = RecordStore(job.records), []
    for one in trained:
        stands = place.adopt(one.record.run_key)
        _keep_weights(one, stands, job.again)
        if stands is None:
            place.write(one.record)  # last: where there is a record, its weights have been kept
        listener(Finished(stands or one.record))
        records.append(one.record if stands is None or job.again else stands)
    ResumePoint(job.keys, job.population).remove()
    return records


def _keep_weights(trained: Trained, standing: RunRecord | None, again: bool) -> None:
    """Keep the weights of a run, unless a record stands already that names others.

    Args:
        trained: What came of the run.
        standing: The record that stands already.
        again: The weights are made again, and may stand for the record's.
    """
    record = trained.record
    if trained.weights is None:
        return
    if standing is not None and standing.weights_sha256 != record.weights_sha256:
        if not again:
            return
        accept_weights(record.run_key, record.weights_sha256)
    save_weights(record.run_key, trained.weights)
