"""Completing a group: its missing runs are trained, here or elsewhere, and written by this process, under a lock."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from highways.data import load
from highways.files import check_writable
from highways.tracking.events import Finished, Listener
from highways.tracking.records import RecordStore, RunRecord
from highways.training.checkpoints import (
    ResumePoint,
    ResumePoints,
    accept_weights,
    load_weights,
    lock_path,
    locked,
    save_weights,
)
from highways.training.execute import Job, Save, Trained, train

POLL_S = 1.0
"""Seconds between two looks at a group that another process has locked."""
Trainer = Callable[[Job, ResumePoint | None, Save, Listener], list[Trained]]
"""Trains a job somewhere; see `highways.training.execute.train`."""


def train_here(job: Job, point: ResumePoint | None, save: Save, listener: Listener) -> list[Trained]:
    """Train a job in this process."""
    return train(job, load(job.configs[0].data), point, save, listener)


def complete(job: Job, trainer: Trainer, listener: Listener) -> list[RunRecord] | None:
    """Train the runs of a group that have no record, and return all records in the order of its keys.

    Runs that were cut off together are resumed together, whatever else the group has come to list since.

    Args:
        job: The group.
        trainer: Trains what is lacking.
        listener: Told what happens, and of every record, also of those that stand.

    Returns:
        `None`, at once, if another process has locked the group.

    Raises:
        HighwaysError: The data or a resume point are at fault, or something cannot be written.
    """
    with locked(job.group) as free:
        if not free:
            return None
        store, points = RecordStore(job.records), ResumePoints(job.group, job.population)
        check_writable(store.path(job.keys[0]))
        records = {key: record for key in job.keys if (record := store.adopt(key)) is not None}
        for record in records.values():
            listener(Finished(record))
        lacking = [key for key in job.keys if (load_weights(key, None) is None if job.again else key not in records)]
        while lacking:
            point, portion = _next(job, lacking, points)
            trained = trainer(portion, point, lambda state, keys=portion.keys: points.save(keys, state), listener)
            for one in trained:
                records[one.record.run_key] = _store(one, store, job.again, listener)
            lacking = [key for key in lacking if key not in portion.keys]
        points.remove(records)
        return [records[key] for key in job.keys]


def _next(job: Job, lacking: list[str], points: ResumePoints) -> tuple[ResumePoint | None, Job]:
    """Return what to go on from, and the runs that are trained next: those of a resume point, or all that lack."""
    for point in points:
        if set(point.keys) <= set(job.keys) and not set(point.keys).isdisjoint(lacking):
            return point, job.only(point.keys)
    return None, job.only(lacking)


def _store(trained: Trained, store: RecordStore, again: bool, listener: Listener) -> RunRecord:
    """Keep weights and record of a run, and return the record that counts.

    A record that stands is left as it is, and so are its weights: an earlier attempt was cut off between two records,
    or another process did not see the lock. Only where weights are made again, they are kept, and the new record is
    returned.
    """
    record = trained.record
    standing = store.adopt(record.run_key)
    other = standing is not None and standing.weights_sha256 != record.weights_sha256
    if trained.weights is not None and (again or not other):
        if other:
            accept_weights(record.run_key, record.weights_sha256)
        save_weights(record.run_key, trained.weights)
    if standing is None:
        store.write(record)  # last: where there is a record, its weights have been kept
    listener(Finished(standing or record))
    return record if standing is None or again else standing


def remove_finished(job: Job) -> None:
    """Remove the files that a group has left which was stopped after its last record."""
    points = ResumePoints(job.group, job.population)
    if points.folder.exists() or lock_path(job.group).exists():
        with locked(job.group) as free:
            if free:
                points.remove(job.keys)


def say_waiting(jobs: Iterable[Job], said: set[str]) -> None:
    """Say, once each, for which groups this process waits, and wait a while."""
    for job in jobs:
        if job.group not in said:
            said.add(job.group)
            first, *others = job.keys
            more = f" and {len(others)} more" if others else ""
            print(f"waiting for {first}{more}, in training by another process", flush=True)
    time.sleep(POLL_S)
