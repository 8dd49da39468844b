"""Records: whole and checked, or reported by name."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from toolbox import HERE, refused

from highways.errors import HighwaysError
from highways.tracking import RecordStore, RunRecord
from highways.tracking.records import checksum
from highways.training import sweep


@pytest.fixture
def record(project: Path, run_config) -> RunRecord:
    return sweep([run_config(epochs=1)], **HERE)[0]


@pytest.fixture
def path(project: Path, record: RunRecord) -> Path:
    return project / "results" / "p" / "e" / "runs" / f"{record.run_key}.json"


def test_record_reads_back_says_what_the_run_was_and_no_paths_and_has_its_name(
    project: Path, record: RunRecord, path
) -> None:
    text = path.read_text()
    assert RunRecord.loads(text, "x") == record
    assert record.dumps() == text
    assert record.parameters > 0
    assert set(record.curves) == {"train_cross_entropy", "train_accuracy", "test_cross_entropy", "test_accuracy"}
    assert {"torch", "python", "git_commit", "processor", "device", "threads"} <= set(record.environment)
    assert record.timing["group_seconds"] > 0
    assert not [path for path in (project, Path.home()) if str(path) in text]
    assert list(path.parent.iterdir()) == [path], "nothing else lies there"
    path.rename(path.with_name("other-key.json"))
    with pytest.raises(HighwaysError, match=f"it is the record of {record.run_key}"):
        RecordStore(path.parent).read("other-key")


def sealed(text: str, **changes: Any) -> str:
    """A record with changes, whose checksum is right."""
    content = {name: value for name, value in json.loads(text).items() if name != "sha256"} | changes
    return json.dumps(content | {"sha256": checksum(content)})


DAMAGES = {
    "truncated or not JSON": lambda text: text[: len(text) // 2],
    "truncated or not JSON of finite": lambda text: re.sub(r'"group_seconds":[0-9.]+', '"group_seconds":NaN', text),
    "altered: it says sha256": lambda text: text.replace('"finished"', '"diverged"'),
    "unknown schema version 99, this release reads 1": lambda text: sealed(text, schema_version=99),
    "is not that of its configuration": lambda text: sealed(text, config=json.loads(text)["config"] | {"seed": 12345}),
}


@pytest.mark.parametrize("message", DAMAGES)
def test_damaged_record_is_named_by_all_who_read_it(record: RunRecord, path: Path, message: str) -> None:
    path.write_text(DAMAGES[message](path.read_text()))
    before = path.read_bytes()
    with pytest.raises(HighwaysError, match=message) as caught:
        RecordStore(path.parent).read(record.run_key)
    assert f"results/p/e/runs/{path.name}" in str(caught.value)
    with pytest.raises(HighwaysError, match=message):
        sweep([record.config], **HERE)
    assert path.read_bytes() == before, "it is not trained over"


@pytest.mark.parametrize(
    "text", ['{"x": 1e999}', '{"x": NaN}', '{"x": "\\ud800"}', "[" * 100_000, '{"x": ' + "9" * 10_000 + "}", "[]"]
)
def test_text_that_is_no_record_is_one_line(text: str) -> None:
    with refused("x: truncated or not JSON of finite numbers; it is no record"):
        RunRecord.loads(text, "x")


def test_sealed_nonsense_is_refused(path: Path) -> None:
    for change, message in [
        ({"timing": {"seconds": 10**400, "group_seconds": 1.0}}, "key 'timing.seconds': "),
        ({"curves": {"a": [0.5], "b": [0.5, 0.5]}}, "curves: of unequal lengths, 1 and 2"),
        ({"curves": {"train_cross_entropy": [0.5, 0.5]}}, "curves: 2 epochs of a run that finished 1"),
        ({"status": "diverged"}, "curves: 1 epochs of a run that diverged in epoch None"),
        ({"status": "diverged", "diverged_epoch": 1}, "curves: 1 epochs of a run that diverged in epoch 1"),
        ({"numerics": 2}, "numerics: 2, there are versions 1 to 1"),
    ]:
        with refused(f"x: not a record of this schema: {message}"):
            RunRecord.loads(sealed(path.read_text(), **change), "x")


def test_record_of_another_profile_is_adopted_whatever_copies_are_damaged(project: Path, record, path: Path) -> None:
    whole = path.read_bytes()
    damaged = project / "results" / "a" / "e" / "runs" / path.name
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(whole[:-9])
    store = RecordStore(project / "results" / "c" / "e" / "runs")
    assert (store.read(record.run_key), store.adopt("no-such-key")) == (None, None)
    assert store.adopt(record.run_key) == record
    assert store.path(record.run_key).read_bytes() == whole
    store.path(record.run_key).unlink()
    path.unlink()
    with pytest.raises(HighwaysError, match=r"^results/a/e/runs/.* no record; restore it from git, or remove it"):
        store.adopt(record.run_key)
