"""Outcomes of a search, from its records: the one rule by which trials are ranked and kept."""

from __future__ import annotations

import math
from collections.abc import Sequence

from highways import paths
from highways.config import RunConfig
from highways.tracking.records import RecordStore, RunRecord, run_keys


def recorded(profile: str, experiment: str, configs: Sequence[RunConfig]) -> list[RunRecord | None]:
    """Return the records of runs, in their order, `None` for one that has none.

    Raises:
        HighwaysError: A record is damaged; nothing is guessed in its place.
    """
    store = RecordStore(paths.Results(profile).of(experiment).runs)
    return [store.read(key) for key in run_keys(configs)]


def rank(record: RunRecord) -> tuple[bool, float, str]:
    """Return what trials are sorted by: diverged ones last, then the lowest training cross-entropy, then the key."""
    loss = record.best()
    return record.status == "diverged", math.inf if loss is None else loss, record.run_key
