"""Records: whole and checked, or reported by name."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from highways.errors import HighwaysError
from highways.tracking import RecordStore, RunRecord
from highways.tracking.records import checksum
from highways.training import sweep


@pytest.fixture
def record(project: Path, run_config) -> RunRecord:
    """A run's record, in its place."""
    return sweep([run_config(epochs=1)], profile="p", experiment="e", mlflow=False)[0]


def place(project: Path, record: RunRecord) -> Path:
    return project / "results" / "p" / "e" / "runs" / f"{record.run_key}.json"


def test_record_reads_back_as_it_was(project: Path, record: RunRecord) -> None:
    text = place(project, record).read_text()
    assert RunRecord.loads(text, "x") == record
    assert record.dumps() == text


def test_record_says_what_the_run_was_and_no_paths(project: Path, record: RunRecord) -> None:
    assert record.parameters > 0
    assert set(record.curves) == {"train_cross_entropy", "train_accuracy", "test_cross_entropy", "test_accuracy"}
    assert {"torch", "python", "git_commit", "processor", "device", "threads"} <= set(record.environment)
    assert record.timing["group_seconds"] > 0
    assert str(project) not in record.dumps()
    assert str(Path.home()) not in record.dumps()


def damage(path: Path, how: str) -> None:
    text = path.read_text()
    content = json.loads(text)
    if how == "truncated":
        path.write_text(text[: len(text) // 2])
    elif how == "altered":
        path.write_text(text.replace('"finished"', '"diverged"'))
    elif how == "unknown schema version":
        content["schema_version"] = 99
        path.write_text(json.dumps(content))
    elif how == "not a number":
        path.write_text(re.sub(r'"group_seconds":[0-9.]+', '"group_seconds":NaN', text))
    elif how == "of another run":
        path.rename(path.with_name("other-key.json"))
    elif how == "not of its configuration":
        content["config"]["seed"] = 12345
        content.pop("sha256")
        path.write_text(json.dumps(content | {"sha256": checksum(content)}))


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("truncated", "truncated or not JSON"),
        ("altered", "altered: it says sha256"),
        ("not a number", "truncated or not JSON"),
        ("unknown schema version", "unknown schema version 99, this release reads 1"),
        ("not of its configuration", "is not that of its configuration"),
    ],
)
def test_damaged_record_is_named_by_all_who_read_it(
    project: Path, record: RunRecord, run_config, how: str, message: str
) -> None:
    path = place(project, record)
    damage(path, how)
    before = path.read_bytes()
    with pytest.raises(HighwaysError, match=message) as caught:
        RecordStore(path.parent).read(record.run_key)
    assert f"results/p/e/runs/{path.name}" in str(caught.value)
    with pytest.raises(HighwaysError, match=message):
        sweep([run_config(epochs=1)], profile="p", experiment="e", mlflow=False)
    assert path.read_bytes() == before, "it is not trained over"


def test_record_under_another_name_is_noticed(project: Path, record: RunRecord) -> None:
    path = place(project, record)
    damage(path, "of another run")
    with pytest.raises(HighwaysError, match=f"it is the record of {record.run_key}"):
        RecordStore(path.parent).read("other-key")


def test_record_of_another_profile_is_adopted(project: Path, record: RunRecord) -> None:
    store = RecordStore(project / "results" / "q" / "f" / "runs")
    assert store.read(record.run_key) is None
    assert store.adopt(record.run_key) == record
    assert store.read(record.run_key) == record
    assert RecordStore.find("no-such-key") is None
    assert store.adopt("no-such-key") is None


def test_nothing_but_records_lies_in_the_folder(project: Path, record: RunRecord) -> None:
    assert [path.name for path in place(project, record).parent.iterdir()] == [f"{record.run_key}.json"]
