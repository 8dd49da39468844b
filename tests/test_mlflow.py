"""MLflow: written live by a thread, never twice, rebuilt from the records, and never in training's way."""

import json
import re
import shutil
import socket
import sqlite3
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import getproxies

import pytest
from requests.utils import get_environ_proxies
from toolbox import FORKED, OF_MLFLOW, curve, end, forked, free_port, mlflow_runs, serve, settle, surroundings

from highways import paths
from highways.errors import HighwaysError
from highways.report.mlflow_results import rebuild
from highways.tracking import mlflow_log
from highways.tracking.events import EpochEnded, Finished, Started
from highways.tracking.mlflow_log import MlflowLog, MlflowRuns, read
from highways.tracking.mlflow_store import asking, checkout_id, connect, import_mlflow, remove, where
from highways.tracking.records import RecordStore, RunRecord
from highways.training import run as train_one
from highways.training import sweep

pytestmark = OF_MLFLOW
PLACE = {"profile": "p", "experiment": "e"}
_texts: list[str] = []


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing has been warned of yet; other work on this machine does not make MLflow too slow."""
    monkeypatch.setattr(mlflow_log, "WARNED", set())
    monkeypatch.setattr(mlflow_log, "PATIENCE_S", 120.0)


@pytest.fixture
def trained(run_config: Callable[..., Any]) -> Callable[..., list[RunRecord]]:
    """Writes records that MLflow has not seen: two finished runs and one that diverged, trained once for all tests."""

    def write(**changes: Any) -> list[RunRecord]:
        if not _texts:
            records = sweep(configs(run_config), profile="q", experiment="e", mlflow=False)
            _texts.extend(record.dumps() for record in records)
            shutil.rmtree(paths.root() / "results")
        records = [RunRecord.loads(text, "kept").model_copy(update=changes) for text in _texts]
        for record in records:
            RecordStore(paths.Results("p").of("e").runs).write(record)
        return records

    return write


def configs(run_config: Callable[..., Any]) -> list:
    return [run_config(seed=0), run_config(seed=1), run_config(seed=2, learning_rate=1e12)]


def state() -> dict[str, Any]:
    """What MLflow has, clocks and ids left out."""
    found = {}
    for run in mlflow_runs():
        histories = {name: curve(run, name) for name in run.data.metrics}
        tags = {k: v for k, v in run.data.tags.items() if k not in ("mlflow.parentRunId", "mlflow.user", "git_commit")}
        data = [(used.dataset.name, used.dataset.digest, len(used.tags)) for used in run.inputs.dataset_inputs]
        found[run.info.run_name] = (run.info.status, run.data.params, histories, tags, run.data.metrics, data)
    return json.loads(json.dumps(found))


def test_sweep_is_a_parent_with_a_child_per_run_written_once(tracked_project: Path, run_config) -> None:
    records = sweep(configs(run_config)[1:], **PLACE)
    records = sweep(configs(run_config), **PLACE)
    (parent,), children = mlflow_runs(kind="sweep"), mlflow_runs(kind="run")
    by_key = {child.data.tags["run_key"]: child for child in children}
    assert len(children) == len(by_key) == 3
    shared = {"mlflow.parentRunId": parent.info.run_id, "network": "highway", "depth": "0004", "profile": "p"}
    for child in children:
        assert shared.items() <= child.data.tags.items()
        assert {"seed", "git_commit", "dvc_stage"} <= child.data.tags.keys()
        assert child.data.params["optimiser.momentum"] == "0.9"
        assert child.info.status == "FINISHED"
    assert curve(by_key[records[0].run_key]) == records[0].curves["train_cross_entropy"]
    diverged = by_key[records[2].run_key]
    assert diverged.data.metrics["summary/diverged"] == 1
    assert "train/cross_entropy" not in diverged.data.metrics, "no value that is not finite is logged"
    before = state()
    sweep(configs(run_config), **PLACE)
    train_one(configs(run_config)[0], **PLACE)
    assert state() == before


def test_curve_is_live_and_the_record_completes_it(tracked_project: Path, trained, monkeypatch) -> None:
    monkeypatch.setattr(mlflow_log, "FLUSH_S", 0.0)
    record, *_ = trained()
    key, values = record.run_key, record.curves["train_cross_entropy"]
    for last in (1, 2):  # the first process is killed: the second has epoch 2 alone
        runs = MlflowRuns("p", "e", configs={key: record.config})
        runs.take(Started((key,)))
        runs.take(EpochEnded((key,), last, 2, ({"train_cross_entropy": values[last - 1]},), 0.1))
        (live,) = mlflow_runs("attributes.status = 'RUNNING'", kind="run")
        assert curve(live) == [values[last - 1]]
    list(runs.bring([record]))
    runs.close()
    (run,) = mlflow_runs(kind="run")
    assert curve(run) == values
    assert run.info.run_id == live.info.run_id
    runs = MlflowRuns("p", "e", configs={key: record.config})  # of a process that waited for the run
    list(runs.bring([record]))
    runs.take(Started((key,)))  # the event that begins a run may come after its record
    assert [run.info.status for run in mlflow_runs(kind="run")] == ["FINISHED"]


def log_at_once(environment: dict[str, str], file: Path, trains: bool, start: Any) -> None:
    """Log a run, as the sweep that trains it and one that waits for it do; a fault is the process's exit status."""
    settle(environment)
    record = RunRecord.read(file)
    start.wait()
    log = MlflowLog("p", "e", configs={record.run_key: record.config})
    if trains:
        log(Started((record.run_key,)))
    log(Finished(record))
    log.end(MlflowRuns.close)
    assert not log.fault


def test_a_group_that_starts_again_after_its_worker_was_lost_is_one_run(tracked_project: Path, trained) -> None:
    record, *_ = trained()
    runs, started = MlflowRuns("p", "e", configs={record.run_key: record.config}), Started((record.run_key,))
    runs._flush_at = time.monotonic() + 60  # its epochs have not been written when it starts again
    for _ in range(2):
        runs.take(started)
        runs.take(EpochEnded(started.keys, 1, 2, ({"train_cross_entropy": 1.0},), 0.1))
    runs.close()
    (run,) = mlflow_runs(kind="run")
    assert run.data.metrics["train/cross_entropy"] == 1


@pytest.mark.pipeline
def test_processes_at_once_on_a_fresh_checkout_all_log_and_double_nothing(project: Path, trained) -> None:
    files = [RecordStore(paths.Results("p").of("e").runs).path(record.run_key) for record in trained()[:2]]
    start, at_hand = FORKED.Barrier(4), surroundings()
    assert forked(*((log_at_once, at_hand, file, trains, start) for file in files for trains in (1, 0))) == [0] * 4
    children, (parent,) = mlflow_runs(kind="run"), mlflow_runs(kind="sweep")
    assert {run.info.status for run in children} == {"FINISHED"}
    assert sorted(run.data.tags["run_key"] for run in children) == sorted(file.stem for file in files)
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent.info.run_id}


def test_rebuild_mends_a_broken_database_and_a_moved_one(tracked_project, run_config, fails, says, monkeypatch) -> None:
    records = sweep(configs(run_config), **PLACE)
    before, keys = state(), [record.run_key for record in records]
    path = tracked_project / "mlruns" / "mlflow.db"
    path.write_text("no database " * 1000)
    said = fails("tracking", "rebuild")
    assert "the database is broken: `highways tracking rebuild --fresh` makes it again" in said
    assert "no records of a profile 'q'" in fails("tracking", "rebuild", "--fresh", "--profile", "q")
    assert path.exists(), "a profile that is not there deletes nothing"
    (others := path.with_name("old-mlflow.db.bak")).write_text("kept")
    (paths.Results("p").of("e").tables / ".ipynb_checkpoints").mkdir(parents=True)
    says("tracking", "rebuild", "--fresh")
    assert others.exists()
    connect().delete_run(mlflow_runs(kind="sweep")[0].info.run_id)
    says("tracking", "rebuild")
    (parent,) = mlflow_runs(kind="sweep")
    assert {run.data.tags["mlflow.parentRunId"] for run in mlflow_runs(kind="run")} == {parent.info.run_id}
    moved = tracked_project.with_name("what? 100%")  # any path will do
    tracked_project.rename(moved)
    monkeypatch.setenv("HIGHWAYS_ROOT", str(moved))
    with pytest.raises(HighwaysError, match=r"moved or copied.*rebuild --fresh"):
        read(RunRecord, "p", "e", keys)
    rebuilt = says("tracking", "rebuild", "--fresh")
    assert rebuilt.splitlines()[-1] == f"e (p): 3 runs in {where().uri}"
    assert state() == before
    assert read(RunRecord, "p", "e", keys) == list(records)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///my.db")
    connect()
    assert (moved / "my.db").exists()
    assert not tracked_project.exists(), "nothing is written to the old place"


def test_second_rebuild_brings_what_changed_and_removes_what_is_there_twice(tracked_project: Path, trained) -> None:
    records = trained()
    keys = [record.run_key for record in records]
    assert [*rebuild("p")][-1].startswith("e (p): 3 runs in")
    assert list(rebuild("p", only_missing=True)) == []
    assert read(RunRecord, "p", "e", keys[::-1]) == records[::-1]
    assert read(RunRecord, "q", "e", keys) == read(RunRecord, "p", "none", keys) == []
    before, client = state(), connect()
    ids = {run.info.run_id for run in mlflow_runs()}
    first, second = mlflow_runs(kind="run")[:2]
    double = client.create_run(second.info.experiment_id, tags=second.data.tags)
    client.set_terminated(double.info.run_id, "FINISHED")
    list(rebuild("p"))
    assert (state(), {run.info.run_id for run in mlflow_runs()}) == (before, ids)
    other = next(one for one in records if one.run_key != first.data.tags["run_key"])
    client.log_text(first.info.run_id, other.dumps(), "record.json")
    with pytest.raises(HighwaysError, match=f"{re.escape(first.data.tags['run_key'])}: .*another record"):
        read(RunRecord, "p", "e", [first.data.tags["run_key"]])
    list(rebuild("p"))
    assert read(RunRecord, "p", "e", keys) == records, "a rebuild compares the artifacts, too"
    client.delete_experiment(first.info.experiment_id)
    list(rebuild("p"))
    assert state() == before, "what was deleted in MLflow's page is back"
    trained(timing={"seconds": 7.0, "group_seconds": 7.0})
    assert [*rebuild("p", only_missing=True)][-1].startswith("e (p): 3 runs in")
    assert {run.data.metrics["summary/seconds"] for run in mlflow_runs(kind="run")} == {7.0}
    trained(timing={"seconds": 8.0, "group_seconds": 8.0})
    damaged = min((tracked_project / "results/p/e/runs").glob("*.json"))
    damaged.write_text("{")
    with pytest.raises(HighwaysError, match=f"{damaged.name}: .*; all other records are in MLflow"):
        list(rebuild("p"))
    assert sorted(run.data.metrics["summary/seconds"] for run in mlflow_runs(kind="run")) == [7.0, 8.0, 8.0]


@pytest.mark.parametrize("uri", ["http://127.0.0.1:9", "sqlite:////dev/null/mlflow.db", "file:mlruns", "locked"])
def test_mlflow_that_cannot_be_used_costs_one_warning(tracked_project: Path, run_config, monkeypatch, uri: str) -> None:
    lock = sqlite3.connect(tracked_project / "mlruns" / "mlflow.db")
    if uri == "locked":
        lock.execute("BEGIN EXCLUSIVE")
    else:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        records = sweep(configs(run_config), **PLACE)
        MlflowLog("p", "e").end(MlflowRuns.close)
    (line,) = [str(one.message) for one in caught if "highways tracking rebuild" in str(one.message)]
    assert "\n" not in line
    assert (uri if uri != "locked" else "database is locked") in line
    assert [record.status for record in records] == ["finished", "finished", "diverged"]
    if uri != "locked":
        for attempt in (lambda: read(RunRecord, "p", "e", ["k"]), lambda: list(rebuild("p"))):
            with pytest.raises(HighwaysError, match=re.escape(uri.removeprefix("sqlite:///"))):
                attempt()
    lock.close()
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    list(rebuild("p"))
    assert len(mlflow_runs()) == 4


def test_training_never_waits_for_a_server_that_does_not_answer(tracked_project, trained, monkeypatch) -> None:
    monkeypatch.setattr(mlflow_log, "PATIENCE_S", 0.5)
    records = trained()
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{server.getsockname()[1]}")
        began = time.monotonic()
        log = MlflowLog("p", "e", configs={record.run_key: record.config for record in records})
        log(Started(tuple(record.run_key for record in records)))
        for record in records:
            log(Finished(record))
        assert time.monotonic() - began < 5, "no call is made here"
        with pytest.warns(UserWarning, match="too slow.*all records are whole"):
            log.end(MlflowRuns.close)
        assert time.monotonic() - began < 10


def test_a_server_on_this_machine_is_asked_without_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "example.org")
    import_mlflow()
    direct = ("http://127.0.0.1:5000", "http://localhost:5000", "http://example.org")
    assert [get_environ_proxies(url) for url in (*direct, "http://example.com")] == [{}, {}, {}, getproxies()]


def test_runs_of_another_checkout_are_never_touched(project: Path, empty_mlflow: Path, trained, monkeypatch) -> None:
    shutil.copyfile(empty_mlflow, project / "shared.db")

    def checkout(name: str, **changes: Any) -> list[RunRecord]:
        for folder in ("profiles", "data"):
            shutil.copytree(project / folder, project / name / folder, dirs_exist_ok=True)
        monkeypatch.setenv("HIGHWAYS_ROOT", str(project / name))
        monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///../shared.db")  # relative to the checkout's root
        records = trained(**changes)
        list(rebuild("p"))
        assert read(RunRecord, "p", "e", [record.run_key for record in records]) == records
        return records

    checkout("one")
    before = {run.info.run_id: (run.info.to_proto(), run.data.to_dictionary()) for run in mlflow_runs()}
    name = checkout_id()
    checkout("two", timing={"seconds": 7.0, "group_seconds": 7.0})
    assert checkout_id() != name
    after = {run.info.run_id: (run.info.to_proto(), run.data.to_dictionary()) for run in mlflow_runs()}
    assert {key: after[key] for key in before} == before
    assert (len(before), len(after)) == (4, 8)
    with pytest.raises(HighwaysError, match="is not this checkout's own database"):
        remove()


@pytest.mark.parametrize(
    "uri",
    [
        "http://user:geheim/99@127.0.0.1:9",
        "postgresql://user:geheim%2F99@127.0.0.1:9/db",
        "mysql+pymysql://127.0.0.1:9/db?user=u&password=geheim99&ssl_key=geheim88",
        "mssql+pyodbc://?odbc_connect=DRIVER%3Dx%3BPWD%3Dgeheim99",
        "nonsense://geheim99@host",
    ],
)
def test_password_is_shown_nowhere(tracked_project: Path, trained, monkeypatch, capfd, uri: str) -> None:
    records = trained()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.warns(UserWarning, match="highways tracking rebuild") as caught:
        MlflowLog("p", "e", finished=records).end(MlflowRuns.close)
    texts = [str(warning.message) for warning in caught]
    for attempt in (lambda: list(rebuild("p")), lambda: read(RunRecord, "p", "e", ["k"])):
        with pytest.raises(HighwaysError) as raised:
            attempt()
        texts.append(str(raised.value))
    assert not [text for text in (*texts, *capfd.readouterr()) if "geheim" in text]


def test_passwords_in_the_words_of_others_are_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def said(text: str) -> str:
        with pytest.raises(HighwaysError) as raised, asking():
            raise ValueError(text)
        return str(raised.value).rpartition("cannot be read ")[2]

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:p%40ss@host:5000/x")
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "abc.def")
    assert said("cannot reach host:5000/x/api (auth=('user', 'p@ss'), Bearer abc.def)") == "(ValueError)"
    assert where().shown == "http://***@host:5000/x"
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert said("401 for Bearer abc.def") == "(ValueError)"
    assert said("\x1b[31mred\nand more") == r"(ValueError: \x1b[31mred)"


@pytest.fixture
def switch(tmp_path_factory: pytest.TempPathFactory, monkeypatch) -> Iterator[Callable[[bool], None]]:
    """Starts and kills a server with a database and an artifact store of its own, which is tracked to."""
    folder, port = tmp_path_factory.mktemp("server"), free_port()
    options = ["--port", str(port), "--workers", "1", "--backend-store-uri", f"sqlite:///{folder}/server.db"]
    options += ["--serve-artifacts", "--artifacts-destination", (folder / "kept").as_uri()]
    monkeypatch.setenv("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")
    servers = []

    def turn(on: bool) -> None:
        if on:
            monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
            servers.append(serve(folder / "log", f"http://127.0.0.1:{port}/health", "server", *options))
            monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
        else:
            end(servers[-1])

    yield turn
    turn(False)


def check(records: list[RunRecord]) -> None:
    """All runs are there, once each, and are what the records say."""
    children, (parent,) = mlflow_runs(kind="run"), mlflow_runs(kind="sweep")
    found = {run.data.tags["run_key"]: run for run in children}
    assert len(children) == len(found) == len(records)
    assert {run.info.status for run in children} == {"FINISHED"}
    assert read(RunRecord, "p", "e", [record.run_key for record in records]) == records
    for record in records:
        run = found[record.run_key]
        assert run.info.artifact_uri.startswith("mlflow-artifacts:"), "the server keeps them"
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        for name, values in record.curves.items():
            assert curve(run, name.replace("_", "/", 1)) == values
        (data,) = run.inputs.dataset_inputs
        assert record.data_fingerprint.startswith(data.dataset.digest)


@pytest.mark.pipeline
def test_live_curves_a_killed_server_and_a_rebuild(project: Path, run_config, switch: Callable) -> None:
    switch(True)
    first, more = ([run_config(seed=seed) for seed in seeds] for seeds in (range(3), range(3, 6)))
    records = list(sweep(first, profile="p", experiment="e"))
    check(records)

    def kill(event: object) -> None:
        if isinstance(event, EpochEnded):
            switch(False)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        records += sweep(more, profile="p", experiment="e", on_event=kill)
    assert len([one for one in caught if "highways tracking rebuild" in str(one.message)]) == 1
    assert len(list(RecordStore(paths.Results("p").of("e").runs))) == 6

    switch(True)
    assert len([run for run in mlflow_runs(kind="run") if run.info.status == "FINISHED"]) < 6
    for _ in range(2):  # the second time there is nothing to do
        list(rebuild("p"))
        check(records)
