"""Interrupted runs go on where they stopped, to the bit."""

import errno
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from toolbox import FORKED, HERE, OF_MLFLOW, Stopped, forget, mlflow_runs, stop_at

from highways.config import RunConfig
from highways.errors import HighwaysError
from highways.tracking.environment import describe, processor
from highways.tracking.events import EpochEnded, Finished, Started
from highways.tracking.records import RecordStore, RunRecord
from highways.training import run, sweep
from highways.training.checkpoints import weights_path
from highways.training.modules import ClassifierModule, TrialsModule
from highways.training.together import PopulationModule


def die_at(where: str, contents: list[dict[str, Any]], environment: dict[str, str], mlflow: bool) -> None:
    """Run what is given, until the process kills itself at a place."""
    os.environ |= environment
    os.environ.pop("MLFLOW_TRACKING_URI", None)

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
    train([RunConfig.model_validate(content) for content in contents], mlflow=mlflow, on_event=watch)


def train(configs: list[RunConfig], **more: Any) -> list[RunRecord]:
    """Train one run the textbook way, and several in a sweep."""
    return sweep(configs, **HERE | more) if len(configs) > 1 else [run(configs[0], **HERE | more)]


def killed(configs: list[RunConfig], where: str, mlflow: bool = False) -> None:
    """Run `configs` in a process that kills itself at `where`."""
    contents = [config.model_dump(mode="json") for config in configs]
    names = ("HIGHWAYS_ROOT", "HIGHWAYS_OFFLINE", "HIGHWAYS_PROGRESS")
    environment = {name: os.environ[name] for name in names} | {"HIGHWAYS_CHECKPOINT_EVERY_S": "0"}
    process = FORKED.Process(target=die_at, args=(where, contents, environment, mlflow))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL


def kept(project: Path) -> list[Path]:
    """The resume points."""
    return sorted(project.glob("checkpoints/resume/*/*.ckpt"))


def outcome(records: list[RunRecord]) -> list:
    """What must be equal to the bit."""
    return [(record.run_key, record.status, record.curves, record.weights_sha256) for record in records]


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


@pytest.mark.parametrize(("optimiser", "trials"), [("adadelta", 2), ("adagrad", 1)])
def test_killed_run_with_dropout_resumes_to_the_bit(project: Path, run_config, optimiser: str, trials: int) -> None:
    values = run_config(epochs=4).model_dump() | {"optimiser": {"kind": optimiser}}
    values["network"] |= {"dropout": 0.1}
    configs = [RunConfig.model_validate(values | {"seed": seed}) for seed in range(trials)]
    killed(configs, "mid-epoch")
    records, epochs = resumed(configs)
    assert epochs == [3, 4]
    assert "earlier" not in records[0].environment, "it is where it was"
    assert all(record.engine["population"] is (trials > 1) for record in records)
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


def test_resume_point_of_a_run_is_not_taken_for_a_populations(stopped: RunConfig) -> None:
    (record,) = sweep([stopped], **HERE)
    assert record.epochs == 4


def test_a_sweep_leaves_the_resume_point_of_weights_that_are_made_again(stopped: RunConfig, project: Path) -> None:
    """A record stands, its weights are gone, and their training was stopped; then a sweep lists the run."""
    (point,) = kept(project)
    content = point.read_bytes()
    [record] = train([stopped])
    assert not kept(project)
    weights_path(record.run_key).unlink()
    cut_off([stopped], weights=True)
    (of_weights,) = kept(project)
    point.parent.mkdir()
    point.write_bytes(content)  # as of a stop after the last record
    sweep([stopped], **HERE)
    assert kept(project) == [of_weights]


def test_what_was_trained_is_used_whatever_is_listed_since_and_by_nobody_else(project: Path, run_config) -> None:
    configs = [run_config(epochs=4, seed=seed) for seed in range(5)]
    cut_off(configs[:2])
    sweep(configs[2:4], **HERE)  # of the same shape
    events: list = []
    sweep([*configs[:2], configs[4]], **HERE, on_event=events.append)
    ended = [(len(event.keys), event.epoch) for event in events if isinstance(event, EpochEnded)]
    assert ended == [(2, 3), (2, 4), (1, 1), (1, 2), (1, 3), (1, 4)]
    assert not kept(project)


def test_kill_between_the_new_state_and_the_end_of_the_old_one_loses_nothing(stopped, project: Path) -> None:
    (old,) = kept(project)
    content, changed = old.read_bytes(), old.stat().st_mtime_ns
    cut_off([stopped], epoch=4)
    assert old not in kept(project)
    old.write_bytes(content)
    os.utime(old, ns=(changed, changed))
    assert resumed([stopped])[1] == [4]
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
    assert not [path for path in project.rglob("*") if path.suffix in (".part", ".lock")]


@pytest.mark.parametrize("place", ["checkpoints", "results"])
def test_read_only_place_is_one_line_before_anything_is_trained(project: Path, run_config, place: str) -> None:
    (project / place).write_text("a file where a folder should be")
    events: list = []
    with pytest.raises(HighwaysError, match=rf"^[^\n]*/{place}/.*: cannot be written: Not a directory$"):
        sweep([run_config(epochs=1)], **HERE, on_event=events.append)
    assert not events


def test_unfinished_files_of_yesterday_are_swept(project: Path, run_config) -> None:
    folder, names = project / "results/p/e/runs", (".x.json.a.part", ".x.json.b.part", "mine.part")
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_text("half")
    os.utime(folder / names[0], (0, 0))
    os.utime(folder / names[2], (0, 0))
    sweep([run_config(epochs=1)], **HERE)
    assert [(folder / name).exists() for name in names] == [False, True, True]


@OF_MLFLOW
def test_stop_between_two_records_leaves_mlflow_whole(tracked_project: Path, run_config) -> None:
    from highways.tracking.mlflow_store import connect

    configs = [run_config(epochs=3, seed=seed) for seed in (0, 1)]
    killed(configs, "between records", mlflow=True)
    records = sweep(configs, profile="p", experiment="e", threads=1)
    runs = {run.data.tags.get("run_key"): run for run in mlflow_runs()}
    assert len(runs) == 3
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    for record in records:
        history = connect().get_metric_history(runs[record.run_key].info.run_id, "train/cross_entropy")
        values = [metric.value for metric in sorted(history, key=lambda metric: metric.step)]
        assert values == record.curves["train_cross_entropy"]
