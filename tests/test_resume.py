"""Interrupted runs go on where they stopped, to the bit."""

from __future__ import annotations

import errno
import io
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from toolbox import FORKED, HERE, OF_MLFLOW, Stopped, forget, mlflow_runs, stop_at

from highways.config import RunConfig
from highways.errors import HighwaysError
from highways.tracking.environment import describe, processor
from highways.tracking.events import EpochEnded, Finished, Started
from highways.tracking.records import RecordStore, RunRecord, run_keys
from highways.training import run, sweep
from highways.training.checkpoints import ResumePoints, weights_path
from highways.training.execute import group_name
from highways.training.modules import ClassifierModule, TrialsModule
from highways.training.together import PopulationModule


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_at(where: str, contents: list[dict[str, Any]], environment: dict[str, str], mlflow: bool) -> None:
    """Run what is given, until the process kills itself at a place."""
    os.environ |= environment
    os.environ.pop("MLFLOW_TRACKING_URI", None)

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
    configs = [RunConfig.model_validate(content) for content in contents]
    if len(configs) == 1:
        run(configs[0], **HERE, on_event=watch)
    else:
        sweep(configs, profile="p", experiment="e", threads=1, mlflow=mlflow, on_event=watch)


def killed(configs: list, where: str, mlflow: bool = False) -> None:
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


def outcome(records: list) -> list:
    """What must be equal to the bit."""
    return [(record.run_key, record.status, record.curves, record.weights_sha256) for record in records]


@pytest.mark.parametrize("where", ["mid-epoch", "between records"])
def test_killed_population_resumes_to_the_bit(project: Path, run_config, where: str) -> None:
    configs = [run_config(epochs=4, learning_rate=rate, seed=seed) for seed, rate in enumerate((0.01, 0.05, 1e9))]
    killed(configs, where)
    written = len(list(RecordStore(project / "results/p/e/runs")))
    assert written == (1 if where == "between records" else 0)
    assert len(kept(project)) == 1

    epochs = []
    resumed = sweep(configs, **HERE, on_event=epochs.append)
    assert not kept(project), "a resume point is removed once all records stand"
    ended = [event.epoch for event in epochs if hasattr(event, "epochs")]
    assert ended == ([3, 4] if where == "mid-epoch" else []), "finished epochs are not trained again"

    forget(project)
    uninterrupted = sweep(configs, **HERE)
    assert outcome(resumed) == outcome(uninterrupted)
    assert [record.status for record in resumed] == ["finished", "finished", "diverged"]


@pytest.mark.parametrize(("optimiser", "together"), [("adadelta", True), ("adagrad", False)])
def test_killed_run_with_dropout_resumes_to_the_bit(project: Path, run_config, optimiser: str, together: bool) -> None:
    values = run_config(epochs=4).model_dump() | {"optimiser": {"kind": optimiser}}
    values["network"] |= {"dropout": 0.1}
    configs = [RunConfig.model_validate(values | {"seed": seed}) for seed in range(2 if together else 1)]

    def train(**more) -> list:
        more |= {"profile": "p", "experiment": "e", "threads": 1, "mlflow": False}
        return sweep(configs, **more) if together else [run(configs[0], **more)]

    killed(configs, "mid-epoch")
    epochs = []
    resumed = train(on_event=epochs.append)
    assert [event.epoch for event in epochs if hasattr(event, "epochs")] == [3, 4]
    assert "earlier" not in resumed[0].environment, "it is where it was"
    for _ in range(2):  # and without an interruption it repeats
        forget(project)
        assert outcome(resumed) == outcome(train())
    assert all(record.engine["population"] is together for record in resumed)


def cut_off(configs: list[RunConfig]) -> None:
    """Train runs, one the textbook way and several in a sweep, up to the third epoch; the state after two is kept."""
    train: Any = sweep if len(configs) > 1 else lambda configs, **more: run(*configs, **more)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HIGHWAYS_CHECKPOINT_EVERY_S", "0")
        with pytest.raises((Stopped, HighwaysError)):
            train(configs, **HERE, on_event=stop_at(3))


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


def test_environments_are_kept_in_order_with_the_epochs_reached_there(run_config) -> None:
    state: dict[str, Any] | None = None
    for device, epochs in [("cpu", 2), ("gpu", 4), ("gpu", 5), ("cpu", 6)]:
        module = TrialsModule([run_config()], ["a"], None, lambda event: None)  # type: ignore[arg-type]
        module.environment = {"device": device}
        if state is not None:
            module.on_load_checkpoint(state)
        module.curves = [{"loss": [0.0] * epochs}]
        module.on_save_checkpoint(state := {})
    assert module.earlier == [{"device": "cpu", "epochs": 2}, {"device": "gpu", "epochs": 5}]
    assert module.environment == {"device": "cpu"}


def test_resume_point_of_a_run_is_not_taken_for_a_populations(stopped: RunConfig) -> None:
    (record,) = sweep([stopped], **HERE)
    assert record.epochs == 4


@pytest.fixture
def stopped(project: Path, run_config) -> RunConfig:
    """A run that was stopped in its third epoch of four; it has a resume point."""
    cut_off([config := run_config(epochs=4)])
    return config


def again(config: RunConfig) -> tuple[RunRecord, list[int]]:
    """The record, and the epochs that were trained for it."""
    events: list = []
    record = run(config, **HERE, on_event=events.append)
    return record, [event.epoch for event in events if isinstance(event, EpochEnded)]


def test_a_sweep_leaves_the_resume_point_of_weights_that_are_made_again(
    stopped: RunConfig, project: Path, monkeypatch
) -> None:
    """A record stands, its weights are gone, and their training was stopped; then a sweep lists the run."""
    (point,) = kept(project)
    content = point.read_bytes()
    again(stopped)
    assert not kept(project)
    (key,) = run_keys([stopped])
    weights_path(key).unlink()
    monkeypatch.setenv("HIGHWAYS_CHECKPOINT_EVERY_S", "0")
    with pytest.raises(Stopped):
        run(stopped, **HERE, weights=True, on_event=stop_at(3))
    (of_weights,) = kept(project)
    point.parent.mkdir()
    point.write_bytes(content)  # as of a stop after the last record
    sweep([stopped], **HERE)
    assert kept(project) == [of_weights]


def test_a_stop_after_the_last_record_leaves_no_resume_point(project: Path, run_config) -> None:
    configs = [run_config(epochs=2, seed=seed) for seed in range(2)]
    sweep(configs, **HERE)
    keys = run_keys(configs)
    points, state = ResumePoints(group_name(configs[0], keys[0]), population=True), io.BytesIO()
    torch.save({"trials": {"keys": keys}}, state)
    points.save(keys, state.getvalue())
    assert kept(project)
    sweep(configs, **HERE)
    assert not points.folder.exists()


def test_what_was_trained_is_used_whatever_is_listed_since_and_by_nobody_else(project: Path, run_config) -> None:
    configs = [run_config(epochs=4, seed=seed) for seed in range(5)]
    cut_off(configs[:2])
    sweep(configs[2:4], **HERE)  # of the same shape
    epochs: list = []
    sweep([*configs[:2], configs[4]], **HERE, on_event=epochs.append)
    ended = [(len(event.keys), event.epoch) for event in epochs if isinstance(event, EpochEnded)]
    assert ended == [(2, 3), (2, 4), (1, 1), (1, 2), (1, 3), (1, 4)]
    assert not kept(project)


def test_kill_between_the_new_state_and_the_end_of_the_old_one_loses_nothing(
    stopped: RunConfig, project: Path, monkeypatch
) -> None:
    (old,) = kept(project)
    content, changed = old.read_bytes(), old.stat().st_mtime_ns
    monkeypatch.setenv("HIGHWAYS_CHECKPOINT_EVERY_S", "0")
    with pytest.raises(Stopped):
        run(stopped, **HERE, on_event=stop_at(4))
    assert old not in kept(project)
    old.write_bytes(content)
    os.utime(old, ns=(changed, changed))
    assert again(stopped)[1] == [4]
    assert not kept(project)


def full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_full_disk_stops_at_once_and_is_one_line(project: Path, run_config, monkeypatch) -> None:
    monkeypatch.setattr("highways.files.os.fsync", full)
    events: list = []
    configs = [run_config(kind=kind, seed=seed) for kind in ("plain", "highway") for seed in (0, 1)]
    with pytest.raises(HighwaysError, match=r"cannot be written: No space left on device") as caught:
        sweep(configs, **HERE, on_event=events.append)
    assert str(project / "checkpoints" / "resume") in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len([event for event in events if isinstance(event, Started)]) == 1
    assert not [path for path in project.rglob("*") if path.suffix in (".part", ".lock")]


def test_read_only_places_are_one_line(project: Path, run_config) -> None:
    for place in ("checkpoints", "results"):
        (project / place).write_text("a file where a folder should be")
        events: list = []
        with pytest.raises(HighwaysError, match=rf"/{place}/.*: cannot be written: Not a directory") as caught:
            sweep([run_config(epochs=1)], **HERE, on_event=events.append)
        assert "\n" not in str(caught.value)
        assert not events, "nothing is trained first"
        (project / place).unlink()


def test_unfinished_files_of_yesterday_are_swept(project: Path, run_config) -> None:
    old, new, other = (
        project / "results/p/e/runs" / name for name in (".x.json.a.part", ".x.json.b.part", "mine.part")
    )
    old.parent.mkdir(parents=True)
    for stray in (old, new, other):
        stray.write_text("half")
    for stray in (old, other):
        os.utime(stray, (0, 0))
    sweep([run_config(epochs=1)], **HERE)
    assert [stray.exists() for stray in (old, new, other)] == [False, True, True]


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
