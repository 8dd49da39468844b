"""The same numbers tomorrow: committed records, trained again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from highways.config import RunConfig
from highways.data import locate
from highways.errors import HighwaysError
from highways.tracking.environment import processor
from highways.tracking.events import EpochEnded
from highways.tracking.records import RunRecord
from highways.training.engines import complete
from highways.training.execute import Job, train_job

from .conftest import REPOSITORY

TOLERANCE = 1e-5
"""Relative, after an epoch: on another kind of processor, or with another version."""
LONGEST_S = 150
"""Of records that take longer, the first epoch is trained again."""


class Stop(Exception):
    """Enough epochs have been trained."""


def candidates() -> dict[str, list[RunRecord]]:
    """By family, the records of runs that were trained alone, the shortest first, one a kind of network."""
    found: dict[str, dict[tuple[str, str], RunRecord]] = {}
    for path in sorted((REPOSITORY / "results" / "laptop").glob("*/runs/*.json")):
        text = path.read_text(encoding="utf-8")
        if '"group":1,' not in text or '"status": "finished"' not in text:
            continue
        record = RunRecord.read(path)
        network = record.config.network
        kinds = found.setdefault(getattr(network, "family", "dense"), {})
        kind = (network.kind, record.config.data.name)
        if kind not in kinds or record.timing["group_seconds"] < kinds[kind].timing["group_seconds"]:
            kinds[kind] = record
    return {
        family: sorted(kinds.values(), key=lambda one: one.timing["group_seconds"])[:2]
        for family, kinds in found.items()
    }


def trained_again(record: RunRecord, folder: Path) -> tuple[RunRecord | None, dict[str, float]]:
    """Train a record's run in the way that it was trained: the new record, or the first epoch's numbers."""
    first: dict[str, float] = {}
    epochs = record.epochs if record.timing["group_seconds"] < LONGEST_S else 1

    def watch(event: object) -> None:
        if isinstance(event, EpochEnded):
            if event.epoch == 1:
                first.update(event.metrics[0] or {})
            if event.epoch == epochs < record.epochs:
                raise Stop

    config = RunConfig.model_validate(record.config.model_dump())
    job = Job(
        configs=(config,),
        keys=(record.run_key,),
        population=record.engine["population"],
        records=folder,
        device="cpu",
        threads=record.environment["threads"],
    )
    try:
        (again,) = complete(job, train_job, watch) or ()
    except Stop:
        return None, first
    return again, first


@pytest.mark.faults
@pytest.mark.parametrize("family", ["dense", "bilstm", "bag-of-words", "conv"])
def test_committed_records_come_out_again(family: str, project: Path, monkeypatch, count) -> None:
    if not os.environ.get("HIGHWAYS_DATA_MIRROR"):
        pytest.skip("HIGHWAYS_DATA_MIRROR, with the data sets, is not set")
    chosen = candidates()[family]
    assert chosen
    equal = 0
    for record in chosen:
        try:
            locate(record.config.data.name)
        except HighwaysError as error:
            pytest.skip(str(error))
        again, first = trained_again(record, project / "results" / "again" / family / "runs")
        then = {name: curve[0] for name, curve in record.curves.items()}
        exact = processor() == record.environment["processor"]
        assert first == (then if exact else pytest.approx(then, rel=TOLERANCE)), record.run_key
        if again is not None and exact:
            assert again.curves == record.curves
            assert again.weights_sha256 == record.weights_sha256
        equal += exact
    how = "to the bit" if equal == len(chosen) else f"within {TOLERANCE:g}"
    count("same numbers", f"committed records of {family} networks, trained again: equal {how}", len(chosen))
