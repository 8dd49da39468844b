"""Records: whole and checked, or reported by name."""

from __future__ import annotations

import json
import os
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


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"schema_version": 1, "x": 1e999}', "truncated or not JSON of finite numbers"),
        ('{"schema_version": 1, "x": -1e999}', "truncated or not JSON of finite numbers"),
        ('{"schema_version": 1, "x": "\\ud800"}', "half a character is in it"),
        ('{"schema_version": 1, "\\udfff": 1}', "half a character is in it"),
        ("[" * 100_000, "nested too deeply"),
        ('{"schema_version": 1, "x": ' + "[" * 100_000 + "]" * 100_000 + "}", "nested too deeply"),
        ('{"schema_version": 1, "x": ' + "9" * 10_000 + "}", "truncated or not JSON"),
        ("[]", "not a record"),
        ("", "truncated or not JSON"),
    ],
)
def test_text_that_is_no_record_is_one_line(text: str, message: str) -> None:
    with pytest.raises(HighwaysError, match=f"^x: {message}") as caught:
        RunRecord.loads(text, "x")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def nonsense(content: dict, how: str) -> None:
    curves = content["curves"]
    if how == "accuracy":
        curves["test_accuracy"][0] = 1.5
    elif how == "negative accuracy":
        curves["train_accuracy"][0] = -0.1
    elif how == "measured accuracy":
        content["measurements"] = {"snapshot_dev_accuracy": [2.0]}
    elif how == "a number too large":
        content["timing"]["seconds"] = 10**400
    elif how == "unequal curves":
        curves["test_accuracy"].append(0.5)
    elif how == "too many epochs":
        for curve in curves.values():
            curve.append(0.5)
    elif how == "no curves":
        content["curves"] = {}
    elif how == "finished and diverged":
        content["diverged_epoch"] = 1
    elif how == "diverged nowhere":
        content["status"] = "diverged"
    elif how == "diverged later than that":
        content |= {"status": "diverged", "diverged_epoch": 2}
    elif how == "diverged, and has all epochs":
        content |= {"status": "diverged", "diverged_epoch": 1}
    elif how == "numerics of the future":
        content["numerics"] += 1
    elif how == "numerics 0":
        content["numerics"] = 0
    elif how == "no parameters":
        content["parameters"] = 0


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("accuracy", "test_accuracy: a fraction outside of 0 to 1"),
        ("negative accuracy", "train_accuracy: a fraction outside of 0 to 1"),
        ("measured accuracy", "snapshot_dev_accuracy: a fraction outside of 0 to 1"),
        ("a number too large", "timing.seconds"),
        ("unequal curves", "curves: of unequal lengths, 1 and 2"),
        ("too many epochs", "curves: 2 epochs of a run that finished 1"),
        ("no curves", "curves: 0 epochs of a run that finished 1"),
        ("finished and diverged", "diverged_epoch: 1, of a run that finished"),
        ("diverged nowhere", "diverged_epoch: None, of a run of 1 epochs that diverged"),
        ("diverged later than that", "diverged_epoch: 2, of a run of 1 epochs that diverged"),
        ("diverged, and has all epochs", "curves: 1 epochs of a run that diverged in epoch 1"),
        ("numerics of the future", "numerics: 2, there are versions 1 to 1"),
        ("numerics 0", "numerics: 0, there are versions 1 to 1"),
        ("no parameters", "parameters: 0"),
    ],
)
def test_sealed_nonsense_is_refused(project: Path, record: RunRecord, how: str, message: str) -> None:
    content = json.loads(place(project, record).read_text())
    nonsense(content, how)
    text = json.dumps(content | {"sha256": checksum(content)})
    with pytest.raises(HighwaysError, match=f"^x: not a record of this schema: {message}") as caught:
        RunRecord.loads(text, "x")
    assert "\n" not in str(caught.value)


def test_diverged_run_of_the_project_is_read(project: Path, run_config) -> None:
    (record,) = sweep([run_config(learning_rate=1e9)], profile="p", experiment="e", mlflow=False)
    assert (record.status, record.diverged_epoch, record.epochs) == ("diverged", 1, 0)
    assert RunRecord.loads(record.dumps(), "x") == record


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


def test_damaged_copy_elsewhere_blocks_no_intact_one(project: Path, record: RunRecord) -> None:
    whole = place(project, record)
    damaged = project / "results" / "a" / "e" / "runs" / whole.name
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(whole.read_bytes()[:-9])
    store = RecordStore(project / "results" / "c" / "e" / "runs")
    assert store.adopt(record.run_key) == record
    assert store.path(record.run_key).read_bytes() == whole.read_bytes()
    store.path(record.run_key).unlink()
    whole.unlink()
    with pytest.raises(HighwaysError, match=r"^results/a/e/runs/.* no record; restore it from git, or remove it"):
        store.adopt(record.run_key)


def test_pipe_in_place_of_a_record_is_refused(project: Path, record: RunRecord) -> None:
    place(project, record).unlink()
    os.mkfifo(place(project, record))
    with pytest.raises(HighwaysError, match="a folder, a pipe or a device where a record should be"):
        RunRecord.read(place(project, record))
