"""Interrupted runs go on where they stopped, to the bit."""

import errno
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from toolbox import HERE, OF_MLFLOW, Stopped, config_of, forget, forked, kept, left_over, settle, stop_at, surroundings

from highways.config import RunConfig
from highways.errors import HighwaysError
from highways.tracking.environment import describe, processor
from highways.tracking.events import EpochEnded, Finished, Started
from highways.tracking.records import RecordStore, RunRecord
from highways.training import run, sweep
from highways.training.checkpoints import ResumePoints
from highways.training.execute import group_name
from highways.training.modules import ClassifierModule, TrialsModule
from highways.training.together import PopulationModule


def die_at(where: str, contents: list[dict[str, Any]], environment: dict[str, str]) -> None:
    """Run what is given, until the process kills itself at a place."""
    settle(environment)

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def watch(event: object) -> None:
        if where == "between records" and isinstance(event, Finished):
            die()

    def counting(original: Callable[..., Any]) -> Callable[..., Any]:
        def count(self: TrialsModule, batch: object, batch_idx: int) -> None:
            if where == "mid-epoch" and self.current_epoch == 2 and batch_idx == 7:
                die()
            original(self, batch, batch_idx)

        return count

    for module in (PopulationModule, ClassifierModule):
        module.on_train_batch_start = counting(module.on_train_batch_start)
    train([RunConfig.model_validate(content) for content in contents], on_event=watch)


def train(configs: list[RunConfig], **more: Any) -> list[RunRecord]:
    """Train one run the textbook way, and several in a sweep."""
    return sweep(configs, **HERE | more) if len(configs) > 1 else [run(configs[0], **HERE | more)]


def killed(configs: list[RunConfig], where: str) -> None:
    """Run `configs` in a process that kills itself at `where`."""
    contents = [config.model_dump(mode="json") for config in configs]
    environment = surroundings() | {"HIGHWAYS_CHECKPOINT_EVERY_S": "0"}
    assert forked((die_at, where, contents, environment)) == [-signal.SIGKILL]


def outcome(records: list[RunRecord]) -> list:
    return [(one.run_key, one.status, one.curves, one.measurements, one.weights_sha256) for one in records]


def resumed(configs: list[RunConfig]) -> tuple[list[RunRecord], list[int]]:
    """The records, and the epochs that were trained for them."""
    events: list = []
    records = train(configs, on_event=events.append)
    return records, [event.epoch for event in events if isinstance(event, EpochEnded)]


@pytest.mark.parametrize(("where", "written", "left"), [("mid-epoch", 0, [3, 4]), ("between records", 1, [])])
def test_killed_population_resumes_to_the_bit(project: Path, run_config, where: str, written: int, left: list) -> None:
    configs = [run_config(epochs=4, learning_rate=rate, seed=seed) for seed, rate in enumerate((0.01, 0.05, 1e9))]
    killed(configs, where)
    assert len(list(RecordStore(project / "results/p/e/runs"))) == written
    assert len(kept(project)) == 1
    records, epochs = resumed(configs)
    assert epochs == left, "finished epochs are not trained again"
    assert not kept(project), "a resume point is removed once all records stand"
    assert [record.status for record in records] == ["finished", "finished", "diverged"]
    forget(project)
    assert outcome(records) == outcome(train(configs)), "as without an interruption"


CONV = {"family": "conv", "name": "small", "kind": "highway", "transform_bias": -1.0}
CONV |= {"stages": [{"width": 4, "blocks": 1, "pool": 2, "dropout": 0.1}]}
BILSTM = {"family": "bilstm", "kind": "highway-released", "depth": 2, "hidden": 4, "embedding": 4, "dropout": 0.2}
DENSE = {"kind": "highway", "depth": 3, "width": 5, "transform_bias": -1.0, "dropout": 0.1}
FOUR = {"epochs": 4, "batch_size": 100}
OTHERS = {
    "a population with dropout": [
        config_of(DENSE, optimiser={"kind": "adadelta"}, budget=FOUR, seed=seed) for seed in (0, 1)
    ],
    "dropout": [config_of(DENSE, optimiser={"kind": "adagrad"}, budget=FOUR)],
    "convolutions": [config_of(CONV, {"name": "digits", "pictures": {"pad": 1, "mirror": True}}, budget=FOUR)],
    "BiLSTMs": [config_of(BILSTM, "synthetic-tweets", budget=FOUR | {"snapshot_steps": 20})],
}


@OF_MLFLOW
@pytest.mark.parametrize("name", OTHERS)
def test_killed_run_of_every_family_resumes_to_the_bit(project: Path, name: str) -> None:
    configs = OTHERS[name]
    killed(configs, "mid-epoch")
    records, epochs = resumed(configs)
    assert epochs == [3, 4]
    assert "earlier" not in records[0].environment, "it is where it was"
    forget(project)
    assert outcome(records) == outcome(train(configs))


def cut_off(configs: list[RunConfig], epoch: int = 3, **more: Any) -> None:
    """Train runs up to an epoch that ends no more; the state after the one before is kept."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HIGHWAYS_CHECKPOINT_EVERY_S", "0")
        with pytest.raises((Stopped, HighwaysError)):
            train(configs, on_event=stop_at(epoch), **more)


@pytest.fixture
def stopped(project: Path, run_config) -> RunConfig:
    """A run that was stopped in its third epoch of four; it has a resume point."""
    cut_off([config := run_config(epochs=4)])
    return config


def test_a_run_that_is_resumed_elsewhere_says_where_it_was(stopped: RunConfig, monkeypatch) -> None:
    monkeypatch.setattr(
        "highways.training.execute.describe", lambda where, commit: describe(where, commit) | {"processor": "another"}
    )
    record = run(stopped, **HERE)
    [earlier] = record.environment.pop("earlier")
    assert earlier.pop("epochs") == 2
    assert record.environment.pop("processor") == "another"
    assert earlier.pop("processor") == processor()
    assert earlier == record.environment, "what ended it has all else in common"


def test_what_was_trained_is_used_whatever_is_listed_since_and_by_nobody_else(project: Path, run_config) -> None:
    configs = [run_config(epochs=4, seed=seed) for seed in range(5)]
    cut_off(configs[:2])
    sweep(configs[2:4], **HERE)  # of the same shape
    events: list = []
    sweep([*configs[:2], configs[4]], **HERE, on_event=events.append)
    ended = [(len(event.keys), event.epoch) for event in events if isinstance(event, EpochEnded)]
    assert ended == [(2, 3), (2, 4), (1, 1), (1, 2), (1, 3), (1, 4)]
    assert not kept(project)


def test_full_disk_stops_at_once_and_is_one_line(project: Path, run_config, monkeypatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("highways.files.os.fsync", full)
    events: list = []
    configs = [run_config(kind=kind, seed=seed) for kind in ("plain", "highway") for seed in (0, 1)]
    with pytest.raises(HighwaysError, match=r"checkpoints/resume/.* cannot be written: No space left.*") as caught:
        sweep(configs, **HERE, on_event=events.append)
    assert "\n" not in str(caught.value)
    assert len([event for event in events if isinstance(event, Started)]) == 1
    assert not left_over(project)


@pytest.mark.parametrize("place", ["checkpoints", "results"])
def test_read_only_place_is_one_line_before_anything_is_trained(project: Path, run_config, place: str) -> None:
    (project / place).write_text("a file where a folder should be")
    events: list = []
    with pytest.raises(HighwaysError, match=rf"^[^\n]*/{place}/.*: cannot be written: Not a directory$"):
        sweep([run_config(epochs=1)], **HERE, on_event=events.append)
    assert not events


def test_what_finished_runs_have_left_is_removed_and_no_job(project: Path, run_config) -> None:
    record = run(config := run_config(epochs=1), **HERE)
    points = ResumePoints(group_name(config, record.run_key), True)
    points.folder.mkdir(parents=True)
    for left in (".half.part", "other.damaged"):
        (points.folder / left).touch()
    events: list = []
    assert sweep([config], **HERE, on_event=events.append) == [record]
    assert not events
    assert [path.name for path in points.folder.iterdir()] == ["other.damaged"]


def test_unfinished_files_of_yesterday_are_swept(project: Path, run_config) -> None:
    folder, names = project / "results/p/e/runs", (".x.json.a.part", ".x.json.b.part", "mine.part")
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_text("half")
    os.utime(folder / names[0], (0, 0))
    os.utime(folder / names[2], (0, 0))
    sweep([run_config(epochs=1)], **HERE)
    assert [(folder / name).exists() for name in names] == [False, True, True]
