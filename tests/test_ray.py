"""The engine `ray` on a real cluster of three nodes: what the local engine gives, and no more lost than it would."""

import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from toolbox import HERE, kept, left_over, noted, texts_of, wait_until

from highways.config import RunConfig
from highways.errors import HighwaysError
from highways.experiments import DEPTH
from highways.tracking.events import EpochEnded, Event, Started
from highways.tracking.records import RecordStore, RunRecord, run_keys
from highways.training import load_network, sweep, train

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install -e '.[ray]'")

from ray.cluster_utils import Cluster  # noqa: E402
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy  # noqa: E402

from highways.training import on_ray  # noqa: E402

pytestmark = [
    pytest.mark.pipeline,
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning", "ignore::FutureWarning"),
]
EVERY_S = 0.5
"""Between two states, in these tests."""
EPOCHS = 60
"""Of the longer runs."""
PROMPT = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 500, "health_check_failure_threshold": 3}


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three nodes of one processor, none of which has a file of the project."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HIGHWAYS_ROOT", str(tmp_path_factory.mktemp("nodes") / "nothing"))
        patch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.delenv("RAY_ADDRESS", raising=False)
        started = Cluster(True, head_node_args={"num_cpus": 1, "_system_config": PROMPT, "include_dashboard": False})
        for _ in range(2):
            started.add_node(num_cpus=1)
        started.wait_for_nodes()
        yield started
        ray.shutdown()
        started.shutdown()


@pytest.fixture
def connected(machines: Cluster, project: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """The cluster; this process stays connected to it, so that workers are started once."""
    monkeypatch.setenv("HIGHWAYS_CHECKPOINT_EVERY_S", str(EVERY_S))
    if not ray.is_initialized():
        ray.init(machines.address, log_to_driver=False, logging_level="ERROR")
    return machines


def by_ray(configs: list[RunConfig], **more: Any) -> list[RunRecord]:
    return sweep(configs, **HERE | {"profile": "ray", "engine": "ray"} | more)


def content(record: RunRecord) -> str:
    """All of a record but clocks and the name of the engine."""
    values = json.loads(record.dumps())
    how = {name: values["engine"][name] for name in ("group", "population")}
    return json.dumps(values | {"engine": how, "timing": 0, "finished_at": 0, "sha256": 0})


def check_equal_to_local(project: Path, configs: list[RunConfig]) -> None:
    """Compare records and weights with those of the local engine, which trains the runs again."""
    keys = run_keys(configs)
    before = RecordStore(project / "results/ray/e/runs").read_all(keys)
    for record in before:
        load_network(record)
    assert not kept(project)
    assert not left_over(project)
    (project / "results").rename(project / "aside")
    assert [content(record) for record in before] == [content(record) for record in sweep(configs, **HERE)]


def check_lost(events: list[Event]) -> int:
    """Check that no group did more than an interval between two states again; return the epochs done again."""
    again = 0
    for keys in {event.keys for event in events if isinstance(event, Started)}:
        seen: dict[int, float] = {}
        lost = 0.0
        epochs = [event for event in events if isinstance(event, EpochEnded) and event.keys == keys]
        for event in epochs:
            lost += seen.get(event.epoch, 0.0)
            again += event.epoch in seen
            seen[event.epoch] = event.seconds
        # A state is kept at the first end of an epoch after the interval; that epoch's event comes before it.
        assert lost <= EVERY_S + 2 * max(event.seconds for event in epochs), keys[0]
    return again


def warm(node: Any) -> None:
    """Start a process that can train on a node, so that it is not behind the others."""

    def imports() -> None:
        import highways.training.on_ray  # noqa: F401

    at = NodeAffinitySchedulingStrategy(node.node_id, soft=False)
    options = {"num_cpus": 1, "scheduling_strategy": at, "runtime_env": on_ray.surroundings("cpu", 1)}
    ray.get(ray.remote(**options)(imports).remote())


def workers() -> list[psutil.Process]:
    running = psutil.process_iter(["cmdline"])
    return [process for process in running if "".join(process.info["cmdline"] or ()).startswith("ray::train_there")]


class Once:
    """Notes all events, and does something, once, when so many groups are so far at the same time."""

    def __init__(self, act: Callable[[], object], groups: int):
        self.act, self.groups, self.done = act, groups, False
        self.events: list[Event] = []
        self.under_way: dict[tuple[str, ...], bool] = {}

    def __call__(self, event: Event) -> None:
        """Take an event."""
        self.events.append(event)
        if isinstance(event, EpochEnded):
            self.under_way[event.keys] = 10 <= event.epoch < event.epochs
        if not self.done and sum(self.under_way.values()) >= self.groups:
            self.done = True
            self.act()


def long(run_config: Callable[..., RunConfig], epochs: int = EPOCHS) -> list[RunConfig]:
    """Four groups of two runs, some seconds each."""
    kinds = [(kind, depth) for kind in ("plain", "highway") for depth in (8, 9)]
    return [run_config(kind=kind, depth=depth, seed=seed, epochs=epochs) for kind, depth in kinds for seed in (0, 1)]


def test_tables_are_those_of_the_local_engine_to_the_byte(connected: Cluster, project: Path) -> None:
    small = {"depths": [2, 10], "trials": 2, "epochs": 2, "plain_width": 6, "highway_width": 5, "workers": 1}
    texts = []
    for engine in ("ray", "local"):
        settings = DEPTH.of("quick").settings.model_copy(update=small | {"engine": engine})
        records = train(settings, threads=1, mlflow=False)
        assert {record.engine["name"] for record in records} == {engine}
        texts.append({file: text for file, text in texts_of("depth", settings).items() if "cost" not in file})
        (project / "results").rename(project / engine)
    assert texts[0] == texts[1]
    assert len(texts[0]) > 0


def test_workers_see_what_a_process_of_the_local_engine_sees(connected: Cluster, monkeypatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")

    def look() -> tuple[str | None, str | None]:
        return os.environ.get("OMP_NUM_THREADS"), os.environ.get("CUDA_VISIBLE_DEVICES")

    assert ray.get(ray.remote(runtime_env=on_ray.surroundings("cpu", 2))(look).remote()) == ("3", "")
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert on_ray.surroundings("cuda", 2) == {"env_vars": {"OMP_NUM_THREADS": "2"}}


@pytest.mark.parametrize(("what", "groups"), [("node", 4), ("worker", 3)])
def test_lost_node_or_worker_costs_an_interval(connected, run_config, project, capsys, what: str, groups: int) -> None:
    """Lose what one of so many groups that are under way is trained on: this costs no more than an interval."""
    lost = None
    if what == "node":
        lost = connected.add_node(num_cpus=1)
        connected.wait_for_nodes()
        warm(lost)
    lose = (lambda: workers()[0].kill()) if lost is None else lambda: connected.remove_node(lost, allow_graceful=False)
    watch = Once(lose, groups)
    configs = long(run_config, 5 * EPOCHS)  # beside what workers differ by in starting: all are under way together
    try:
        by_ray(configs, on_event=watch)
    finally:
        if lost in connected.worker_nodes:  # it was not lost
            connected.remove_node(lost)
    assert watch.done, "so many were never under way together"
    assert len([event for event in watch.events if isinstance(event, Started)]) == 5, "a group began again"
    with capsys.disabled():
        print(f"[lost {what}: {check_lost(watch.events)} epochs done again]", end=" ")
    check_equal_to_local(project, configs)


@pytest.fixture
def start(machines: Cluster, process, monkeypatch) -> Callable[..., Any]:
    """Starts a driver in a process of its own, which notes its events in a file."""
    monkeypatch.setenv("RAY_ADDRESS", machines.address)
    monkeypatch.setenv("HIGHWAYS_CHECKPOINT_EVERY_S", str(EVERY_S))
    return lambda configs, log: process(configs, log, profile="ray", engine="ray")


def test_killed_driver_goes_on(start, run_config, project: Path, tmp_path: Path, capsys) -> None:
    configs = long(run_config)
    log, store = tmp_path / "events", RecordStore(project / "results/ray/e/runs")

    def halfway() -> bool:
        epochs = {event.keys: event.epoch for event in noted(log) if isinstance(event, EpochEnded)}
        return len(list(store)) >= 2 and any(15 <= epoch < EPOCHS for epoch in epochs.values())

    first = start(configs, log)
    wait_until(halfway, first)
    first.kill()
    first.join()
    stood = {path.stem for path in store}
    number = len(noted(log))
    assert 2 <= len(stood) < len(configs)
    second = start(configs, log)
    second.join(150)
    assert second.exitcode == 0
    events = noted(log)
    begun_again = {key for event in events[number:] if isinstance(event, Started) for key in event.keys}
    assert not begun_again & stood, "none is trained again whose record stood"
    assert {path.stem for path in store} == set(run_keys(configs))
    with capsys.disabled():
        print(f"[killed driver: {check_lost(events)} epochs done again]", end=" ")
    check_equal_to_local(project, configs)


def test_address_where_nothing_answers_is_one_line_in_time(project: Path, run_config, monkeypatch) -> None:
    if ray.is_initialized():
        ray.shutdown()
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    for address in (f"127.0.0.1:{port}", "nonsense", "ray://127.0.0.1:10001", "host:port"):
        monkeypatch.setenv("RAY_ADDRESS", address)
        began = time.monotonic()
        with pytest.raises(HighwaysError, match=rf"^RAY_ADDRESS {address}: cannot be used .*; it must"):
            by_ray([run_config()])
        assert time.monotonic() - began < 15
    assert not ray.is_initialized()


def test_more_than_any_node_has_is_one_line_with_what_there_is(connected: Cluster, project, run_config) -> None:
    with pytest.raises(HighwaysError, match=r"needs 64 CPU and 0 GPU, which .* has; nodes: 3 with 1 CPU, 0 GPU"):
        by_ray([run_config()], threads=64)
    with pytest.raises(HighwaysError, match=r"'cuda' was asked for, but no node has a GPU; nodes: 3 with 1 CPU"):
        by_ray([run_config()], device="cuda")


def test_last_node_with_room_that_stays_away_is_one_line(connected: Cluster, project, run_config, monkeypatch) -> None:
    monkeypatch.setattr(on_ray, "PATIENCE_S", 3)
    large = connected.add_node(num_cpus=2)
    connected.wait_for_nodes()
    watch = Once(lambda: connected.remove_node(large, allow_graceful=False), groups=1)
    with pytest.raises(HighwaysError, match=r"needs 2 CPU .* nodes: 3 with 1 CPU"):
        by_ray([run_config(depth=depth, epochs=100_000) for depth in (8, 9)], threads=2, on_event=watch)


def test_node_with_another_version_is_refused_by_name(connected: Cluster, project: Path, run_config, tmp_path) -> None:
    other = tmp_path / "other" / "highways"
    other.mkdir(parents=True)
    (other / "__init__.py").write_text('__version__ = "0.0.9"\n')
    wrong = connected.add_node(num_cpus=1, env_vars={"PYTHONPATH": str(other.parent)})
    connected.wait_for_nodes()
    try:
        expected = r"^node .* \(.*\) has another highways, or none .*, and here is highways .* \(source \w+\) and .*"
        with pytest.raises(HighwaysError, match=expected):
            by_ray([run_config()])
    finally:
        connected.remove_node(wrong)
