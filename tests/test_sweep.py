"""Sweeps: grouped, resumed, never trained twice, never lost."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import torch
from toolbox import HERE, forget, refused, wait_until

from highways.data import load
from highways.data.loading import _load
from highways.errors import HighwaysError
from highways.tracking.events import EpochEnded, Started
from highways.tracking.records import run_keys
from highways.training import device, load_network, run, sweep
from highways.training.checkpoints import weights_path
from highways.training.device import cores
from highways.training.execute import groups
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
    assert {"run_key", "network.depth", "optimiser.learning_rate", "best_train_cross_entropy"} <= set(table.columns)


@pytest.mark.pipeline
def test_workers_give_what_one_process_gives(project: Path, run_config) -> None:
    configs = [run_config(kind=kind, seed=seed) for kind in ("plain", "highway") for seed in (0, 1)]
    events: list = []
    parallel = sweep(configs, workers=2, **HERE, on_event=events.append)
    assert len([event for event in events if isinstance(event, EpochEnded)]) == 2 * 2
    forget(project)
    serial = sweep(configs, workers=1, **HERE)
    assert [(r.curves, r.weights_sha256) for r in parallel] == [(r.curves, r.weights_sha256) for r in serial]


@pytest.mark.pipeline
def test_killed_worker_costs_a_retry(project: Path, process, run_config) -> None:
    signals = (signal.SIGKILL, signal.SIGTERM)
    started = process([run_config(kind=kind) for kind in ("plain", "highway")], workers=2, die=signals)
    said, _ = started.communicate(timeout=300)
    assert started.returncode == 0
    assert {path.name for path in project.glob("died-*")} == {f"died-{int(number)}" for number in signals}
    assert re.search(r"records \w+ \w+\n", said)


@pytest.mark.pipeline
def test_workers_end_with_the_process_that_started_them(process, run_config) -> None:
    owner = process([run_config(kind=kind, epochs=100_000) for kind in ("plain", "highway")], workers=2)
    wait_until(owner, "started")
    children = psutil.Process(owner.pid).children(recursive=True)
    owner.kill()
    assert len(children) >= 2
    assert not psutil.wait_procs(children, timeout=20)[1]


@pytest.mark.pipeline
def test_interrupt_stops_all_workers_and_what_waits(project: Path, process, run_config) -> None:
    owner = process([run_config(depth=depth, epochs=100_000) for depth in (2, 3, 4, 5)], workers=2)
    wait_until(owner, "started")
    owner.send_signal(signal.SIGINT)  # to this process alone, as JupyterLab does
    assert owner.wait(timeout=30) != 0
    assert not list((project / "results").rglob("*.json"))


def test_failing_run_is_reported_and_the_others_finish(project: Path, run_config) -> None:
    def fails_for_plain(event: object) -> None:
        if isinstance(event, Started) and "plain" in event.keys[0]:
            raise RuntimeError("out of memory")

    configs = [run_config(kind="plain"), run_config()]
    with pytest.raises(HighwaysError, match=r"1 of 2 runs failed, .*plain-d004.*: RuntimeError: out of memory"):
        sweep(configs, **HERE, on_event=fails_for_plain)
    assert [path.name[:7] for path in (project / "results").rglob("*.json")] == ["highway"]


@pytest.mark.parametrize("alone", [True, False])
def test_weights_are_made_again_where_they_are_missing(project: Path, run_config, capsys, alone: bool) -> None:
    config = run_config(learning_rate=0.01)
    record = run(config, **HERE) if alone else sweep([config, run_config(seed=1)], **HERE)[0]
    weights_path(record.run_key).unlink()
    with pytest.raises(HighwaysError, match=r"no weights at .*final.pt; `highways run CONFIG --weights`"):
        load_network(record)
    run(config, **HERE, weights=True)
    said = capsys.readouterr().out
    assert "training it again" in said
    assert "those of the record, to the bit" in said or (not alone and "last training cross-entropy" in said)
    load_network(record)


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
print(load("synthetic-tweets").size("train"), len(train(settings, mlflow=False, threads=1)))
"""


@pytest.mark.pipeline
def test_a_machine_that_only_trains_needs_no_mlflow_dvc_papermill_torchtext_or_jupyter(project: Path) -> None:
    _load.cache_clear()
    prepared = load("synthetic-tweets")  # by torchtext
    ran = subprocess.run([sys.executable, "-c", ONLY_TRAINS], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[-1] == f"{prepared.size('train')} 4"


@pytest.mark.parametrize(("content", "may_have"), [("150000 100000\n", 1), ("50000 100000", 1), ("max 100000", None)])
def test_cores_of_a_container_count(tmp_path: Path, monkeypatch, content: str, may_have: int | None) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    before = cores()
    monkeypatch.setattr(device, "CONTROL_GROUP", tmp_path)
    assert cores() == before, "nothing is limited where nothing says so"
    (tmp_path / "cpu.max").write_text(content)
    assert cores() == (may_have or before)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert cores() == 1, "as on a machine that others use, too"
