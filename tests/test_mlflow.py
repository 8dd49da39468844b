"""MLflow: written live, never twice, rebuilt from the records."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from toolbox import mlflow_runs

from highways.errors import HighwaysError
from highways.report.rebuild import rebuild
from highways.tracking.mlflow_log import MlflowLog, connect, read_records, tracking_uri
from highways.tracking.records import run_keys
from highways.training import run as train_one
from highways.training import sweep

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning"
)


def state(experiment: str = "e") -> dict:
    """What MLflow has, clocks and ids left out."""
    client, found = connect(), {}
    for run in mlflow_runs(experiment=experiment):
        histories = {
            name: sorted((metric.step, metric.value) for metric in client.get_metric_history(run.info.run_id, name))
            for name in run.data.metrics
            if name != "summary/seconds"
        }
        tags = {
            k: v
            for k, v in run.data.tags.items()
            if k not in ("mlflow.parentRunId", "mlflow.user", "highways.checkout")
        }
        found[run.info.run_name] = (run.info.status, run.data.params, histories, tags)
    return found


REBUILT_TWICE = f"""
import json, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_mlflow import state
from highways.cli import main

sys.argv = ["highways", "tracking", "rebuild", "--profile", "quick"]
for _ in range(2):
    try:
        main()
    except SystemExit as stop:
        assert stop.code == 0, stop
    print(json.dumps(state()))
"""


@pytest.fixture(autouse=True)
def _nothing_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("highways.tracking.mlflow_log._warned", set())


def configs(run_config) -> list:
    return [run_config(seed=0), run_config(seed=1), run_config(seed=2, learning_rate=1e12)]


def test_sweep_is_a_parent_with_a_child_a_run(tracked_project: Path, run_config) -> None:
    records = sweep(configs(run_config), profile="p", experiment="e")
    found = mlflow_runs()
    (parent,) = [run for run in found if run.data.tags["kind"] == "sweep"]
    children = [run for run in found if run.data.tags["kind"] == "run"]
    assert len(children) == 3
    for child in children:
        tags = child.data.tags
        assert tags["mlflow.parentRunId"] == parent.info.run_id
        assert tags["network"] == "highway"
        assert tags["depth"] == "0004"
        assert tags["data"] == "digits"
        assert tags["profile"] == "p"
        assert {"seed", "run_key", "git_commit", "dvc_stage"} <= set(tags)
        assert child.data.params["optimiser.momentum"] == "0.9"
        assert child.info.status == "FINISHED"
    client = connect()
    by_key = {child.data.tags["run_key"]: child for child in children}
    finished = by_key[records[0].run_key]
    history = client.get_metric_history(finished.info.run_id, "train/cross_entropy")
    assert [metric.value for metric in sorted(history, key=lambda m: m.step)] == records[0].curves[
        "train_cross_entropy"
    ]
    diverged = by_key[records[2].run_key]
    assert diverged.data.metrics["summary/diverged"] == 1
    assert "train/cross_entropy" not in diverged.data.metrics, "no value that is not finite is logged"


def test_single_run_is_logged_too(tracked_project: Path, run_config) -> None:
    record = train_one(run_config(), profile="p", experiment="e")
    (child,) = mlflow_runs(kind="run")
    assert child.data.tags["run_key"] == record.run_key
    assert child.info.status == "FINISHED"
    assert len(connect().get_metric_history(child.info.run_id, "test/accuracy")) == record.epochs
    train_one(run_config(), profile="p", experiment="e")
    assert len(mlflow_runs()) == 2


def test_running_again_adds_nothing(tracked_project: Path, run_config) -> None:
    sweep(configs(run_config), profile="p", experiment="e")
    before, count = state(), len(mlflow_runs())
    sweep(configs(run_config), profile="p", experiment="e")
    assert len(mlflow_runs()) == count == 4
    assert state() == before


def test_added_run_joins_the_same_parent(tracked_project: Path, run_config) -> None:
    sweep(configs(run_config)[:1], profile="p", experiment="e")
    sweep(configs(run_config)[:2], profile="p", experiment="e")
    found = mlflow_runs()
    assert len([run for run in found if run.data.tags["kind"] == "sweep"]) == 1
    assert len(found) == 3


@pytest.mark.pipeline
def test_rebuild_restores_all_of_it(tracked_project: Path, run_config) -> None:
    sweep(configs(run_config), profile="quick", experiment="e")
    before = json.loads(json.dumps(state()))
    shutil.rmtree(tracked_project / "mlruns")
    # in a process of its own, as a user would: MLflow keeps connections to the database that was deleted
    done = subprocess.run([sys.executable, "-c", REBUILT_TWICE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said, first, again, second = done.stdout.splitlines()
    assert said == again == f"e (quick): 3 runs in {tracking_uri()}"
    assert json.loads(first) == before
    assert json.loads(second) == before, "the second time there is nothing to do"


def test_rebuild_brings_the_rest_over_where_a_record_is_at_fault(tracked_project: Path, run_config) -> None:
    sweep(configs(run_config), profile="quick", experiment="e", mlflow=False)
    faulty = sorted((tracked_project / "results/quick/e/runs").glob("*.json"))[0]
    faulty.write_text("{")
    with pytest.raises(HighwaysError, match=f"{faulty.name}: truncated or not JSON.*; all other records are in MLflow"):
        list(rebuild("quick"))
    children = mlflow_runs(kind="run")
    assert len(children) == 2
    assert all(run.info.status == "FINISHED" for run in children)


def test_reading_from_mlflow_gives_the_records(tracked_project: Path, run_config) -> None:
    records = sweep(configs(run_config), profile="p", experiment="e")
    keys = run_keys(configs(run_config))
    assert read_records("p", "e", keys) == list(records)
    assert read_records("p", "e", keys[:1]) == list(records[:1])
    assert read_records("q", "e", keys) == []
    assert read_records("p", "none", keys) == []


def test_interrupted_child_is_continued_not_doubled(tracked_project: Path, run_config) -> None:
    def cut(event: object) -> None:
        if getattr(event, "epoch", 0) == 2 and hasattr(event, "epochs"):
            raise KeyboardInterrupt

    config = run_config(epochs=4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HIGHWAYS_CHECKPOINT_EVERY_S", "0")
        patch.setattr("highways.tracking.mlflow_log.FLUSH_S", 0.0)
        with pytest.raises(KeyboardInterrupt):
            sweep([config], profile="p", experiment="e", on_event=cut)
    (record,) = sweep([config], profile="p", experiment="e")
    (child,) = mlflow_runs(kind="run")
    history = connect().get_metric_history(child.info.run_id, "train/cross_entropy")
    assert sorted((m.step, m.value) for m in history) == list(enumerate(record.curves["train_cross_entropy"], start=1))


@pytest.mark.parametrize("uri", ["http://127.0.0.1:9", "sqlite:////dev/null/mlflow.db"])
def test_unreachable_store_costs_one_warning(tracked_project: Path, run_config, monkeypatch, uri: str) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        records = sweep(configs(run_config), profile="p", experiment="e")
        MlflowLog("p", "e").attach([])
    ours = [str(warning.message) for warning in caught if "highways tracking rebuild" in str(warning.message)]
    assert len(ours) == 1
    assert uri in ours[0]
    assert [record.status for record in records] == ["finished", "finished", "diverged"]
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    list(rebuild("p"))
    assert len(mlflow_runs()) == 4


def test_locked_store_costs_one_warning(tracked_project: Path, run_config, monkeypatch) -> None:
    import sqlite3

    monkeypatch.setattr("highways.tracking.mlflow_log.LOST_S", 1.0)
    sweep(configs(run_config)[:1], profile="p", experiment="e")
    lock = sqlite3.connect(tracked_project / "mlruns" / "mlflow.db")
    lock.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.warns(UserWarning, match="highways tracking rebuild"):
            records = sweep(configs(run_config)[:2], profile="p", experiment="e")
    finally:
        lock.rollback()
        lock.close()
    assert len(records) == 2
    list(rebuild("p"))
    assert len(mlflow_runs()) == 3


def test_mlflow_that_cannot_be_read_is_one_line(tracked_project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(HighwaysError, match=re.escape("MLflow at http://127.0.0.1:9 cannot be read")):
        read_records("p", "e", ["k"])


def test_training_does_without_mlflow(tracked_project: Path, run_config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "mlflow", None)
    with pytest.warns(UserWarning, match="MLflow"):
        (record,) = sweep([run_config()], profile="p", experiment="e")
    assert record.status == "finished"
