"""The same numbers tomorrow: committed records, trained again."""

import os

import pytest
from checkout import REPOSITORY

from highways.pipeline.verify import again, at_hand, compared, read_records


@pytest.mark.faults
@pytest.mark.parametrize("family", ["dense", "bilstm", "bag-of-words", "conv"])
def test_committed_records_come_out_again(family: str, monkeypatch: pytest.MonkeyPatch, count) -> None:
    """The two quickest of those that were trained alone."""
    if not os.environ.get("HIGHWAYS_DATA_MIRROR"):
        pytest.skip("HIGHWAYS_DATA_MIRROR, with the data sets, is not set")
    monkeypatch.setenv("HIGHWAYS_ROOT", str(REPOSITORY))
    alone = [
        record
        for record in at_hand(read_records(["laptop"]))
        if record.config.network.family == family and record.engine["group"] == 1 and record.status == "finished"
    ]
    quickest = sorted(alone, key=lambda record: record.timing["group_seconds"])[:2]
    assert quickest
    outcomes = [compared(record, again(record, [record.config], "cpu")) for record in quickest]
    assert all(outcome.passed for outcome in outcomes), outcomes
    how = "to the bit" if {one.expected for one in outcomes} == {"equal to the bit"} else "within the tolerances"
    count("same numbers", f"committed records of {family} networks, trained again: equal {how}", len(outcomes))
