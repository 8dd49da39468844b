"""Several processes on one list of runs: each run is trained by one of them, and all get all records."""

import re
import signal
from pathlib import Path

import pytest
import torch
from toolbox import HERE, wait_until

from highways.config import RunConfig
from highways.tracking.events import EpochEnded, Event, Finished, Started
from highways.tracking.records import RecordStore, run_keys
from highways.training import load_network, run, sweep
from highways.training.checkpoints import locked, weights_path
from highways.training.engines import complete
from highways.training.execute import Job, group_name, train_job


@pytest.fixture
def hold(tmp_path: Path) -> Path:
    """While this file is there, the training of who looks for it stands still."""
    path = tmp_path / "hold"
    path.touch()
    return path


def nothing_left_over(project: Path) -> bool:
    return not [path for path in project.rglob("*") if path.suffix in (".part", ".lock")]


@pytest.mark.pipeline
def test_every_group_is_trained_once(project: Path, process, hold: Path, run_config) -> None:
    configs = [run_config(kind=kind, depth=depth) for kind in ("plain", "highway") for depth in (2, 3)]
    both = [process(configs, hold=str(hold)) for _ in range(2)]
    for one in both:
        wait_until(one, "started")
    hold.unlink()
    said = [one.communicate(timeout=100)[0] for one in both]
    assert [one.returncode for one in both] == [0, 0]
    started = [key for text in said for line in re.findall("started (.*)", text) for key in line.split()]
    assert len(started) == len(set(started)) == 2, "two were begun before"
    assert len({line for text in said for line in re.findall("records .*", text)}) == 1
    assert nothing_left_over(project)


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


@pytest.mark.pipeline
def test_run_waits_for_a_sweep_that_trains_it_among_others(project: Path, process, hold, run_config) -> None:
    configs = [run_config(seed=seed) for seed in (0, 1)]
    first = process(configs, hold=str(hold))
    wait_until(first, "started")
    second = process(configs[:1], workers=0, profile="q")
    key = run_keys(configs)[0]
    line = wait_until(second, "waiting")
    assert line == f"waiting for {key}, in training by another process\n"
    hold.unlink()
    said, _ = second.communicate(timeout=100)
    assert re.fullmatch(r"records \w+\n", said), "it trains nothing, and says no more"
    assert RecordStore(project / "results/q/e/runs").read(key) == RecordStore(project / "results/p/e/runs").read(key)
    assert first.wait(timeout=100) == 0
    assert nothing_left_over(project)


@pytest.mark.pipeline
def test_killed_owner_is_replaced(project: Path, process, hold, run_config) -> None:
    configs = [run_config(epochs=3)]
    first = process(configs, hold=str(hold))
    wait_until(first, "started")
    second = process(configs)
    wait_until(second, "waiting for")
    first.send_signal(signal.SIGKILL)
    assert "records" in second.communicate(timeout=100)[0]
    assert second.returncode == 0
    assert nothing_left_over(project)


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


def test_groups_that_may_share_a_run_exclude_each_other(project: Path, run_config) -> None:
    def group(config: RunConfig) -> str:
        return group_name(config, run_keys([config])[0])

    assert group(run_config(seed=0)) == group(run_config(seed=1)) != group(run_config(depth=5))
    with locked("a") as first, locked("a") as second, locked("b") as other:
        assert (first, second, other) == (True, False, True)
    with locked("a") as again:
        assert again
    assert nothing_left_over(project)


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


def test_weights_made_again_are_kept_with_their_checksum(project: Path, run_config) -> None:
    config = run_config(epochs=1)
    record = run(config, **HERE)
    RecordStore(project / "results/p/e/runs").write(record.model_copy(update={"weights_sha256": "0" * 64}))
    weights_path(record.run_key).unlink()
    assert run(config, **HERE, weights=True).weights_sha256 != "0" * 64
    (kept,) = RecordStore(project / "results/p/e/runs").read_all([record.run_key])
    assert kept.weights_sha256 == "0" * 64
    load_network(kept)
