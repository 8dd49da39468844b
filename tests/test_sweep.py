"""Sweeps: grouped, resumed, never trained twice, never lost; several processes share one list of runs."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from toolbox import FORKED, HERE, forget, left_over, noted, record_of, refused, settle, surroundings, wait_until

from highways.data import load
from highways.data.loading import _load
from highways.errors import HighwaysError
from highways.tracking.events import EpochEnded, Event, Finished, Started
from highways.tracking.records import RecordStore, run_keys
from highways.training import run, sweep
from highways.training.checkpoints import locked, weights_path
from highways.training.engines import complete
from highways.training.execute import Job, group_name, groups, train_job
from highways.training.listeners import Progress


def test_groups_split_by_all_but_what_a_population_may_differ_in(run_config) -> None:
    together = [run_config(seed=1), run_config(learning_rate=0.1), run_config(seed=2, learning_rate=0.01)]
    apart = [{"kind": "plain"}, {"depth": 5}, {"activation": "tanh"}, {"epochs": 3}, {"order_seed": 1}]
    configs = [*together, *(run_config(**one) for one in apart)]
    assert groups(configs, run_keys(configs)) == [[0, 1, 2], [3], [4], [5], [6], [7]]
    many = [run_config(seed=seed) for seed in range(300)]
    assert [len(group) for group in groups(many, run_keys(many))] == [256, 44]


def test_a_run_is_trained_once_and_an_added_one_is_trained_too(project: Path, run_config) -> None:
    configs = [run_config(seed=seed) for seed in (0, 1)]
    events: list = []
    first = sweep([*configs, configs[0]], **HERE, on_event=events.append)
    assert first[0] == first[2]
    assert len([event for event in events if isinstance(event, Started)]) == 1
    events.clear()
    assert sweep(configs, **HERE, on_event=events.append) == first[:2]
    assert not events
    more = sweep([*configs, run_config(seed=2)], **HERE, on_event=events.append)
    assert more[:2] == first[:2]
    assert {key for event in events if isinstance(event, Started) for key in event.keys} == {more[2].run_key}
    table = more.table()
    assert list(table["seed"]) == [0, 1, 2]
    assert {"run", "depth", "learning_rate", "train_cross_entropy"} <= set(table.columns)


@pytest.mark.pipeline
def test_workers_give_what_one_process_gives(project: Path, run_config) -> None:
    configs = [run_config(kind=kind, seed=seed) for kind in ("plain", "highway") for seed in (0, 1)]
    events: list = []
    parallel = sweep(configs, workers=2, **HERE, on_event=events.append)
    assert len([event for event in events if isinstance(event, EpochEnded)]) == 2 * 2
    forget(project)
    serial = sweep(configs, workers=1, **HERE)
    assert [(r.curves, r.weights_sha256) for r in parallel] == [(r.curves, r.weights_sha256) for r in serial]


def workers_of(owner: Any) -> list[psutil.Process]:
    return [child for child in psutil.Process(owner.pid).children() if "spawn_main" in " ".join(child.cmdline())]


@pytest.mark.pipeline
def test_killed_workers_cost_a_retry(project: Path, process, tmp_path: Path, run_config) -> None:
    configs, log = [run_config(kind=kind, epochs=60) for kind in ("plain", "highway")], tmp_path / "log"
    owner = process(configs, log, workers=2)
    wait_until(lambda: len({event.keys for event in noted(log) if isinstance(event, EpochEnded)}) == 2, owner)
    for worker, number in zip(workers_of(owner), (signal.SIGKILL, signal.SIGTERM), strict=True):
        worker.send_signal(number)
    owner.join(300)
    assert owner.exitcode == 0
    assert len([event for event in noted(log) if isinstance(event, Started)]) == 4
    assert {path.stem for path in (project / "results").rglob("*.json")} == set(run_keys(configs))


@pytest.mark.pipeline
def test_workers_end_with_the_process_that_started_them(process, tmp_path: Path, run_config) -> None:
    owner = process(
        [run_config(kind=kind, epochs=100_000) for kind in ("plain", "highway")], tmp_path / "log", workers=2
    )
    wait_until(lambda: noted(tmp_path / "log"), owner)
    workers = workers_of(owner)
    owner.kill()
    assert len(workers) == 2
    assert not psutil.wait_procs(workers, timeout=20)[1]


@pytest.mark.pipeline
def test_interrupt_stops_all_workers_and_what_waits(project: Path, process, tmp_path: Path, run_config) -> None:
    owner = process([run_config(depth=depth, epochs=100_000) for depth in (2, 3, 4, 5)], tmp_path / "log", workers=2)
    wait_until(lambda: noted(tmp_path / "log"), owner)
    os.kill(owner.pid, signal.SIGINT)  # to this process alone, as JupyterLab does
    owner.join(30)
    assert owner.exitcode not in (0, None)
    assert not list((project / "results").rglob("*.json"))


def test_failing_run_is_reported_and_the_others_finish(project: Path, run_config) -> None:
    def fails_for_plain(event: object) -> None:
        if isinstance(event, Started) and "plain" in event.keys[0]:
            raise RuntimeError("out of memory")

    configs = [run_config(kind="plain"), run_config()]
    with pytest.raises(HighwaysError, match=r"1 of 2 runs failed, .*plain-d004.*: RuntimeError: out of memory"):
        sweep(configs, **HERE, on_event=fails_for_plain)
    assert [path.name[:7] for path in (project / "results").rglob("*.json")] == ["highway"]


@pytest.mark.parametrize(("style", "lines"), [("lines", 3), ("bar", 1), ("none", 0)])
def test_progress_goes_on_where_some_of_a_group_were_finished(monkeypatch, run_config, capsys, style, lines) -> None:
    monkeypatch.setenv("HIGHWAYS_PROGRESS", style)
    monkeypatch.setattr("highways.training.listeners.LINE_EVERY_S", 0.0)
    progress = Progress("01_depth", {"a": run_config(epochs=3), "b": run_config(epochs=3)}, {"b"}, groups=1)
    for epoch in (2, 3):
        progress(EpochEnded(("a", "b"), epoch, 3, ({"train_cross_entropy": 0.25}, None), 1.5))
    said, last = capsys.readouterr().out, "a x2: epoch 3/3, best training cross-entropy 0.25, 1.5 s an epoch; 1/2 runs"
    assert (said.count("\n"), last in said) == (lines, style != "none")


def test_engine_or_device_that_is_not_there_is_one_line(project: Path, run_config, monkeypatch) -> None:
    with refused("no engine 'slurm'; there are: local, ray"):
        sweep([run_config()], engine="slurm", **HERE)
    monkeypatch.delitem(sys.modules, "highways.training.on_ray", raising=False)
    monkeypatch.setitem(sys.modules, "ray", None)
    with refused("engine 'ray': Ray is not installed; `pip install -e '.[ray]'`"):
        sweep([run_config()], engine="ray", **HERE)
    if not torch.cuda.is_available():
        with refused("device 'cuda' was asked for, but no CUDA device is available"):
            sweep([run_config()], device="cuda", **HERE)


ONLY_TRAINS = """
import sys

class Lacking:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("mlflow", "dvc", "papermill", "torchtext", "IPython", "jupyterlab"):
            raise ModuleNotFoundError(name, name=name)

sys.meta_path.insert(0, Lacking())
from highways.data import load
from highways.experiments import DEPTH
from highways.training.sweep import train

settings = DEPTH.of("quick").settings.model_copy(update={"depths": [2], "trials": 2, "epochs": 1, "workers": 1})
print(load("synthetic-tweets").size("train"), len(train(settings, threads=1)))
"""


@pytest.mark.pipeline
def test_a_machine_that_only_trains_needs_no_mlflow_dvc_papermill_torchtext_or_jupyter(project: Path) -> None:
    _load.cache_clear()
    prepared = load("synthetic-tweets")  # by torchtext
    ran = subprocess.run([sys.executable, "-c", ONLY_TRAINS], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "does not take the runs (ModuleNotFoundError: mlflow" in ran.stderr
    assert ran.stdout.splitlines()[-1] == f"{prepared.size('train')} 4"


@pytest.mark.pipeline
def test_every_group_is_trained_once(project: Path, process, tmp_path: Path, run_config) -> None:
    (tmp_path / "hold").touch()
    configs = [run_config(kind=kind, depth=depth) for kind in ("plain", "highway") for depth in (2, 3)]
    logs = [tmp_path / "one", tmp_path / "other"]
    both = [process(configs, log) for log in logs]
    for log, one in zip(logs, both, strict=True):
        wait_until(lambda log=log: noted(log), one)
    (tmp_path / "hold").unlink()
    for one in both:
        one.join(100)
    assert [one.exitcode for one in both] == [0, 0]
    started = [key for log in logs for event in noted(log) if isinstance(event, Started) for key in event.keys]
    assert sorted(started) == sorted(run_keys(configs))
    for log in logs:
        finished = {event.record.run_key for event in noted(log) if isinstance(event, Finished)}
        assert finished == set(run_keys(configs)), "all get all records"
    assert not left_over(project)


def test_what_came_to_stand_while_a_group_waited_is_not_trained_again(project: Path, run_config) -> None:
    """Two sweeps group runs in different ways: here three as one population, of which another has trained two."""
    configs = [run_config(seed=seed) for seed in range(3)]
    standing = sweep(configs[:2], **HERE)
    events: list[Event] = []
    job = Job(tuple(configs), tuple(run_keys(configs)), True, project / "results/p/e/runs", "cpu", 1)
    found = complete(job, train_job, events.append)
    assert [event.keys for event in events if isinstance(event, Started)] == [job.keys[2:]]
    assert [event.record.run_key for event in events if isinstance(event, Finished)] == list(job.keys)
    assert found is not None
    assert found[:2] == list(standing)
    assert [record.run_key for record in found] == list(job.keys)
    assert not list((project / "checkpoints/resume").glob("*/"))


def test_run_waits_for_a_sweep_that_trains_it_among_others(project: Path, run_config, monkeypatch) -> None:
    config = run_config(epochs=1)
    (key,), standing = run_keys([config]), RecordStore(project / "results/p/e/runs")
    owner = locked(group_name(run_config(epochs=1, seed=1), "of a sweep"))
    assert owner.__enter__()

    def finish(*_: object) -> None:
        standing.write(record_of(config, {"train_cross_entropy": [1.0]}))
        owner.__exit__(None, None, None)

    monkeypatch.setattr(sys.modules["highways.training.sweep"], "say_waiting", finish)
    events: list[Event] = []
    record = run(config, **HERE | {"profile": "q"}, on_event=events.append)
    assert record == standing.read(key) == RecordStore(project / "results/q/e/runs").read(key)
    assert not [event for event in events if isinstance(event, Started)], "it trains nothing"
    assert not left_over(project)


def keep_locked(environment: dict[str, str], group: str, ready: Any) -> None:
    """Hold the lock of a group, as a process does that trains it."""
    settle(environment)
    with locked(group):
        ready.set()
        time.sleep(600)


def test_killed_owner_is_replaced(project: Path, run_config, monkeypatch) -> None:
    config, ready = run_config(epochs=1), FORKED.Event()
    group = group_name(config, run_keys([config])[0])
    owner = FORKED.Process(target=keep_locked, args=(surroundings(), group, ready))
    owner.start()
    ready.wait()
    monkeypatch.setattr("highways.training.engines.say_waiting", lambda *_: owner.kill())
    (record,) = sweep([config], **HERE)
    assert record.status == "finished"
    assert not left_over(project)


def test_other_groups_are_trained_first(project: Path, run_config, capsys) -> None:
    configs = [run_config(depth=depth, epochs=1) for depth in (4, 2, 3)]
    keys = run_keys(configs)
    order: list[str] = []
    owner = locked(group_name(configs[0], keys[0]))
    assert owner.__enter__()

    def watch(event: object) -> None:
        if isinstance(event, Started):
            order.extend(event.keys)
        if isinstance(event, Finished) and len(order) == 2:
            owner.__exit__(None, None, None)

    records = sweep(configs, **HERE, on_event=watch)
    assert order == [keys[2], keys[1], keys[0]]
    assert [record.run_key for record in records] == keys
    assert capsys.readouterr().out.count(f"waiting for {keys[0]}, in training by another process\n") == 1


def test_weights_are_those_of_the_record_that_stands(project: Path, run_config) -> None:
    """Another process's record comes to stand while a run is trained, as where locks are not seen."""
    config = run_config(epochs=1)
    (key,) = run_keys([config])
    other = run(config, profile="elsewhere", experiment="e", threads=1, mlflow=False)
    foreign = other.model_copy(update={"weights_sha256": "0" * 64})
    path = RecordStore(project / "results/elsewhere/e/runs").path(key)
    path.unlink()
    weights = {"readout.bias": torch.zeros(3)}
    torch.save(weights, weights_path(key))
    before = weights_path(key).read_bytes()

    events: list = []

    def watch(event: object) -> None:
        events.append(event)
        if isinstance(event, EpochEnded):
            RecordStore(project / "results/elsewhere/e/runs").write(foreign)

    record = run(config, **HERE, on_event=watch)
    assert record == foreign
    assert [event.record for event in events if isinstance(event, Finished)] == [foreign]
    assert weights_path(key).read_bytes() == before
    assert RecordStore(project / "results/p/e/runs").read(key) == foreign
