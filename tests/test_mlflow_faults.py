"""MLflow at fault: training goes on at once, and `highways tracking rebuild` mends what it says it mends."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from toolbox import FORKED, mlflow_runs

from highways import paths
from highways.errors import HighwaysError
from highways.report.rebuild import rebuild
from highways.tracking import mlflow_address, mlflow_folder, mlflow_log, mlflow_store
from highways.tracking.events import EpochEnded, Finished, Started
from highways.tracking.mlflow_limit import Limit, TooSlow
from highways.tracking.mlflow_log import MlflowLog, connect, read_records
from highways.tracking.records import RecordStore, RunRecord
from highways.training import sweep

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning"
)


@pytest.fixture(autouse=True)
def _nothing_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mlflow_log, "_warned", set())


_texts: list[str] = []
"""Records of small runs, trained once for all tests."""


def trained(run_config, seeds: int = 2, seconds: float | None = None) -> list[RunRecord]:
    """Return records of small runs, which MLflow has not seen.

    Args:
        run_config: The fixture.
        seeds: How many.
        seconds: What they say that they took; another number makes them records of another training.
    """
    if not _texts:
        configs = [run_config(seed=seed) for seed in range(8)]
        _texts.extend(record.dumps() for record in sweep(configs, profile="q", experiment="e", mlflow=False))
        shutil.rmtree(paths.root() / "results")
    records = [RunRecord.loads(text, "kept") for text in _texts[:seeds]]
    if seconds is not None:
        records = [one.model_copy(update={"timing": {"seconds": seconds, "group_seconds": seconds}}) for one in records]
    for record in records:
        RecordStore(paths.Results("p").of("e").runs).write(record)
    return records


def bring(records: list[RunRecord]) -> MlflowLog:
    log = MlflowLog("p", "e")
    log.begin(records)
    log.end()
    return log


def highways(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "highways.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def ours(caught: list[warnings.WarningMessage]) -> list[str]:
    return [str(warning.message) for warning in caught if "highways tracking rebuild" in str(warning.message)]


# The database is made once


def log_at_once(root: Path, file: Path, start: Any) -> None:
    """Log a run, as a sweep does, when all others are ready; what goes wrong is the process's exit status."""
    os.environ["HIGHWAYS_ROOT"] = str(root)
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    record = RunRecord.read(file)
    log = MlflowLog("p", "e")
    start.wait()
    log.begin([], {record.run_key: record.config})
    log(Started((record.run_key,)))
    log(Finished(record))
    log.end()
    assert not log.broken, log.fault


@pytest.mark.pipeline
def test_eight_processes_at_once_on_a_fresh_checkout_all_log(project: Path, run_config) -> None:
    records = trained(run_config, seeds=8)
    start, processes = FORKED.Barrier(8), []
    for record in records:
        file = project / "results/p/e/runs" / f"{record.run_key}.json"
        processes.append(FORKED.Process(target=log_at_once, args=(project, file, start)))
        processes[-1].start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 8
    found = mlflow_runs(kind="run")
    assert len(found) == 8
    assert {run.info.status for run in found} == {"FINISHED"}
    (parent,) = mlflow_runs(kind="sweep")
    assert {run.data.tags["mlflow.parentRunId"] for run in found} == {parent.info.run_id}
    assert not list((project / "mlruns").glob("*.aside"))


@pytest.mark.pipeline
def test_kill_at_first_use_leaves_nothing_half_made(project: Path) -> None:
    script = "from highways.tracking.mlflow_log import connect; connect()"
    process = subprocess.Popen([sys.executable, "-c", script])
    while not list((project / "mlruns").glob(".mlflow.db.*.part")):
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (project / "mlruns" / "mlflow.db").exists()
    connect().search_experiments()
    assert sorted(path.name for path in (project / "mlruns").glob("*mlflow.db*")) == [
        ".mlflow.db.lock",
        "mlflow.db",
    ]


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def overwritten(path: Path) -> None:
    path.write_text("no database " * 1000)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def without(statement: str):
    def change(path: Path) -> None:
        with sqlite3.connect(path) as connection:
            connection.execute(statement)
        connection.close()

    return change


@pytest.mark.parametrize(
    "damage",
    [cut, overwritten, empty, without("DROP TABLE latest_metrics"), without("DELETE FROM alembic_version")],
    ids=["cut", "overwritten", "empty", "table", "version"],
)
def test_half_made_database_is_put_aside_and_made_anew(tracked_project: Path, run_config, damage) -> None:
    path = tracked_project / "mlruns" / "mlflow.db"
    damage(path)
    size = path.stat().st_size
    records = trained(run_config)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert not bring(records).broken
    assert len(mlflow_runs(kind="run")) == 2
    aside = [file.stat().st_size for file in path.parent.glob("mlflow.db.*.aside")]
    assert aside == ([size] if size else [])
    assert len(ours(caught)) == len(aside)


@pytest.mark.pipeline
def test_rebuild_finds_damage_deep_in_the_database(tracked_project: Path, run_config) -> None:
    path = tracked_project / "mlruns" / "mlflow.db"
    trained(run_config)
    with path.open("r+b") as file:
        file.seek(path.stat().st_size - 4096)
        file.write(b"\xff" * 4096)
    assert mlflow_folder.fault(path, mlflow_store._schema(), thorough=True), "the page is of a table's or an index"
    done = highways("tracking", "rebuild")
    assert done.returncode == 0, done.stderr
    assert "is damaged" in done.stdout
    assert "e (p): 2 runs" in done.stdout
    assert len(mlflow_runs(kind="run")) == 2


def test_database_of_others_is_never_put_aside(tracked_project: Path, tmp_path: Path, monkeypatch) -> None:
    other = tmp_path / "other" / "notes.db"
    other.parent.mkdir()
    overwritten(other)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{other}")
    with pytest.raises(mlflow_folder.Unusable, match="is damaged"):
        connect()
    assert [file.name for file in other.parent.iterdir() if not file.name.startswith(".")] == ["notes.db"]


# Any path


@pytest.mark.parametrize("name", ["100%", "a%41b", "what?", "a#b", "two words", 'it\'s "quoted"'])
def test_any_path_of_the_checkout_works(
    project: Path, empty_mlflow: Path, run_config, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    records = trained(run_config, seeds=1)
    root = project / "odd" / name
    for folder in ("profiles", "references", "results"):
        shutil.copytree(project / folder, root / folder)
    monkeypatch.setenv("HIGHWAYS_ROOT", str(root))
    if name == "100%":  # at the other path it is made, too
        (root / "mlruns").mkdir()
        shutil.copyfile(empty_mlflow, root / "mlruns" / "mlflow.db")
    assert not bring(records).broken
    assert len(mlflow_runs(kind="run")) == 1
    assert (root / "mlruns/artifacts/e" / mlflow_runs(kind="run")[0].info.run_id / "artifacts/record.json").exists()
    assert read_records("p", "e", [records[0].run_key]) == records
    assert [path.name for path in (project / "odd").iterdir()] == [name], "nothing beside the checkout"


# A server that several checkouts share


def checkout(project: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a checkout beside others, and go on in it; all share one database."""
    root = project / name
    if not root.exists():
        for folder in ("profiles", "data"):
            shutil.copytree(project / folder, root / folder)
    monkeypatch.setenv("HIGHWAYS_ROOT", str(root))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{project}/shared/mlflow.db")


@pytest.fixture
def shared(project: Path, empty_mlflow: Path) -> Path:
    (project / "shared").mkdir()
    shutil.copyfile(empty_mlflow, project / "shared" / "mlflow.db")
    return project


def everything() -> dict[str, Any]:
    """All that MLflow has, by run."""
    return {
        run.info.run_id: (run.info.status, run.info.end_time, run.data.tags, run.data.metrics)
        for kind in ("run", "sweep")
        for run in mlflow_runs(kind=kind)
    }


def test_one_checkouts_rebuild_leaves_the_others_runs_alone(shared: Path, run_config, monkeypatch) -> None:
    checkout(shared, "one", monkeypatch)
    first = trained(run_config)
    list(rebuild("p"))
    before = everything()
    assert len(before) == 3
    checkout(shared, "two", monkeypatch)
    second = trained(run_config, seconds=7.0)
    list(rebuild("p"))
    after = everything()
    assert {run: after[run] for run in before} == before
    assert len(after) == 6
    assert read_records("p", "e", [second[0].run_key]) == second[:1]
    mine = [run for run in mlflow_runs(kind="run") if run.info.run_id not in before]
    (parent,) = [run for run in mlflow_runs(kind="sweep") if run.info.run_id not in before]
    assert {run.data.tags["mlflow.parentRunId"] for run in mine} == {parent.info.run_id}

    # a borrowed parent is given back
    (others,) = [run for run in before if before[run][2]["kind"] == "sweep"]
    for run in mine:
        connect().set_tag(run.info.run_id, "mlflow.parentRunId", others)
    connect().delete_run(parent.info.run_id)
    list(rebuild("p"))
    (parent,) = [run for run in mlflow_runs(kind="sweep") if run.info.run_id not in before]
    after = everything()
    assert {after[run.info.run_id][2]["mlflow.parentRunId"] for run in mine} == {parent.info.run_id}
    assert {run: after[run] for run in before} == before
    checkout(shared, "one", monkeypatch)
    assert read_records("p", "e", [first[0].run_key]) == first[:1]


def test_runs_of_no_checkout_are_read(shared: Path, run_config, monkeypatch) -> None:
    checkout(shared, "one", monkeypatch)
    records = trained(run_config)
    list(rebuild("p"))
    for run in [*mlflow_runs(kind="run"), *mlflow_runs(kind="sweep")]:
        connect().delete_tag(run.info.run_id, "highways.checkout")
    before = everything()
    assert read_records("p", "e", [records[0].run_key]) == records[:1]
    list(rebuild("p"))
    after = everything()
    assert {run: after[run] for run in before} == before
    assert read_records("p", "e", [records[0].run_key]) == records[:1]


def test_checkout_has_one_name_drawn_once(project: Path) -> None:
    script = "from highways.tracking.mlflow_folder import checkout_id; print(checkout_id())"
    processes = [subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    names = {process.communicate()[0].strip() for process in processes}
    assert names == {mlflow_folder.checkout_id()}
    (project / ".git").mkdir()
    shutil.rmtree(project / "mlruns")
    name = mlflow_folder.checkout_id()
    shutil.rmtree(project / "mlruns")
    assert mlflow_folder.checkout_id() == name, "in a clone it outlives mlruns"


@pytest.mark.parametrize("git", [True, False])
def test_copy_of_a_checkout_has_a_name_of_its_own_and_a_moved_one_keeps_it(
    project: Path, tmp_path_factory, monkeypatch, git: bool
) -> None:
    if git:
        (project / ".git").mkdir()
    name = mlflow_folder.checkout_id()
    copied = shutil.copytree(project, tmp_path_factory.mktemp("copy") / "project")
    moved = project.rename(tmp_path_factory.mktemp("moved") / "project")
    monkeypatch.setenv("HIGHWAYS_ROOT", str(copied))
    other = mlflow_folder.checkout_id()
    assert other != name
    assert mlflow_folder.checkout_id() == other
    monkeypatch.setenv("HIGHWAYS_ROOT", str(moved))
    assert mlflow_folder.checkout_id() == name


# Time


def slept(monkeypatch: pytest.MonkeyPatch, seconds: float) -> list[str]:
    """Let every answer of MLflow take its time; return the names of the calls, as they are made."""
    made, client_of = [], mlflow_store._client

    class Slow:
        def __init__(self, client: Any):
            self.client = client

        def __getattr__(self, name: str) -> Any:
            def call(*args: Any, **kwargs: Any) -> Any:
                made.append(name)
                time.sleep(seconds)
                return getattr(self.client, name)(*args, **kwargs)

            return call

    monkeypatch.setattr(mlflow_store, "_client", lambda: Slow(client_of()))
    return made


def test_slow_store_is_given_up_and_costs_one_warning(tracked_project: Path, run_config, monkeypatch) -> None:
    records = trained(run_config, seeds=4)
    assert mlflow_log.LOST_S + mlflow_store.OPENING_S <= 10
    monkeypatch.setattr(mlflow_log, "LOST_S", 1.5)
    made, began = slept(monkeypatch, 0.6), time.monotonic()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert bring(records).broken
    assert time.monotonic() - began < 5
    assert 2 <= len(made) <= 5
    (line,) = ours(caught)
    assert "all records are whole" in line
    monkeypatch.undo()
    monkeypatch.setenv("HIGHWAYS_ROOT", str(tracked_project))
    list(rebuild("p"))
    assert len(mlflow_runs(kind="run")) == 4


def test_server_with_many_answers_just_quick_enough_is_given_up() -> None:
    limit, made = Limit(normal_s=0.2, total_s=0.4, share=0.05), 0
    began = time.monotonic()

    def answers() -> None:
        nonlocal made
        while time.monotonic() - began < 5:
            limit(time.sleep, 0.05)
            made += 1

    with pytest.raises(TooSlow, match="its many answers took"):
        answers()
    assert 0.4 <= time.monotonic() - began < 2
    assert made > 3
    patient = Limit(normal_s=0.2, total_s=0.4)  # a database on the disk
    for _ in range(12):
        patient(time.sleep, 0.05)
    rare = Limit(normal_s=0.2, total_s=0.1, share=0.5)
    for _ in range(12):
        rare(time.sleep, 0.01)
        time.sleep(0.05)


def test_rebuild_waits_for_a_slow_store(tracked_project: Path, run_config, monkeypatch) -> None:
    trained(run_config, seeds=1)
    monkeypatch.setattr(mlflow_log, "LOST_S", 0.1)
    slept(monkeypatch, 0.2)
    list(rebuild("p"))
    monkeypatch.undo()
    monkeypatch.setenv("HIGHWAYS_ROOT", str(tracked_project))
    assert len(mlflow_runs(kind="run")) == 1


@pytest.fixture
def deaf() -> Iterator[str]:
    """The address of a server that takes calls and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_server_that_never_answers_is_given_up(tracked_project: Path, run_config, monkeypatch, deaf: str) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", deaf)
    monkeypatch.setattr(mlflow_log, "LOST_S", 1.0)
    records, began = trained(run_config), time.monotonic()
    with pytest.warns(UserWarning, match="no answer, 1 s were lost"):
        bring(records)
    bring(records)
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("kind", ["folder", "file", "locked"])
def test_unusable_database_does_not_hold_up_a_sweep(tracked_project: Path, run_config, monkeypatch, kind: str) -> None:
    path = tracked_project / "mlruns" / "mlflow.db"
    records = trained(run_config)
    monkeypatch.setattr(mlflow_log, "LOST_S", 2.0)
    lock = sqlite3.connect(path)
    if kind == "folder":
        path.unlink()
        path.mkdir()
    elif kind == "file":
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{path}/mlflow.db")
    else:
        lock.execute("BEGIN EXCLUSIVE")
    began = time.monotonic()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert bring(records).broken
        first = time.monotonic() - began
        MlflowLog("p", "e").attach([])
    assert first < (4 if kind == "locked" else 3)
    assert time.monotonic() - began - first < 4
    assert len(ours(caught)) == 1
    lock.close()


def test_thread_left_behind_does_not_write_beside_the_next_call() -> None:
    limit, order = mlflow_log.Limit(total_s=5.0), []

    def slow() -> None:
        time.sleep(0.3)
        order.append("slow")

    left = threading.Thread(target=slow)
    left.start()
    limit._running = left
    limit(order.append, "next")
    assert order == ["slow", "next"]


# What may be shown


@pytest.mark.parametrize(
    "uri",
    [
        "http://user:geheim/99@127.0.0.1:9",
        "http://geheim99@127.0.0.1:9",
        "postgresql://user:geheim%2F99@127.0.0.1:9/db",
        "mysql+pymysql://127.0.0.1:9/db?user=u&password=geheim99&ssl_key=geheim88",
        "mssql+pyodbc://?odbc_connect=DRIVER%3Dx%3BPWD%3Dgeheim99",
        "nonsense://user:geheim99@host",
    ],
)
def test_password_is_shown_nowhere(tracked_project: Path, run_config, monkeypatch, capfd, uri: str) -> None:
    trained(run_config, seeds=1)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        sweep([run_config(seed=1)], profile="p", experiment="e")
    texts = [str(warning.message) for warning in caught]
    assert ours(caught)
    for attempt in (lambda: list(rebuild("p")), lambda: read_records("p", "e", ["k"])):
        with pytest.raises(HighwaysError) as raised:
            attempt()
        texts.append(str(raised.value))
    texts += [*capfd.readouterr(), mlflow_address.shown_uri()]
    assert not [text for text in texts if "geheim" in text]


def test_passwords_in_the_words_of_others_are_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:p%40ss@host:5000/x")
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "abc.def")
    text = "cannot reach http://user:p%40ss@host:5000/x/api (auth=('user', 'p@ss'), Bearer abc.def), password='other'"
    shown = mlflow_address.redacted(text)
    assert not [secret for secret in ("p%40ss", "p@ss", "abc.def", "other") if secret in shown]
    assert "host:5000/x/api" in shown
    assert mlflow_address.shown_uri() == "http://***@host:5000/x"


# Several sweeps on one list of runs


def test_sweeps_side_by_side_leave_one_run_a_key(tracked_project: Path, run_config) -> None:
    (record,) = trained(run_config, seeds=1)
    key, logs = record.run_key, [MlflowLog("p", "e"), MlflowLog("p", "e")]
    (later,) = trained(run_config, seeds=1, seconds=7.0)
    for log in logs:
        log.begin([], {key: record.config})
    for log in logs:
        log._flush_at = 0.0
        log(Started((key,)))
    assert len(mlflow_runs(kind="run")) == 1
    for epoch, value in enumerate(record.curves["train_cross_entropy"], start=1):
        for log in logs:
            log._flush_at = 0.0
            log(EpochEnded((key,), epoch, 2, ({"train_cross_entropy": value},), 0.1))
    logs[0](Finished(record))
    logs[1]._flush_at = 0.0
    logs[1](Finished(later))
    for log in logs:
        log.end()
        assert not log.broken, log.fault
    (run,) = mlflow_runs(kind="run")
    assert run.data.metrics["summary/seconds"] == 7.0
    history = connect().get_metric_history(run.info.run_id, "train/cross_entropy")
    assert sorted((one.step, one.value) for one in history) == list(
        enumerate(record.curves["train_cross_entropy"], start=1)
    )
    assert len(mlflow_runs(kind="sweep")) == 1


def test_epochs_of_a_run_that_another_sweep_finished_are_let_go(tracked_project: Path, run_config) -> None:
    (record,) = trained(run_config, seeds=1)
    log = MlflowLog("p", "e")
    log.begin([], {record.run_key: record.config})
    log(Started((record.run_key,)))
    connect().delete_run(mlflow_runs(kind="run")[0].info.run_id)
    log._flush_at = 0.0
    log(EpochEnded((record.run_key,), 1, 2, ({"train_cross_entropy": 1.0},), 0.1))
    log(Finished(record))
    log.end()
    assert not log.broken, log.fault
    assert len(mlflow_runs(kind="run")) == 1


def test_rebuild_removes_duplicates_and_keeps_the_records(tracked_project: Path, run_config) -> None:
    records = trained(run_config)
    bring(records)
    client = connect()
    kept = {run.info.run_id for run in mlflow_runs(kind="run")}
    for run in [*mlflow_runs(kind="run"), *mlflow_runs(kind="run"), *mlflow_runs(kind="sweep")]:
        start = run.info.start_time + (1 if run.data.tags["kind"] == "sweep" else -1)
        tags = run.data.tags | {"record_sha256": "of another training"}
        double = client.create_run(run.info.experiment_id, start_time=start, tags=tags)
        client.set_terminated(double.info.run_id, "FINISHED")
    assert len(everything()) == 3 + 5
    list(rebuild("p"))
    assert {run.info.run_id for run in mlflow_runs(kind="run")} == kept
    (parent,) = mlflow_runs(kind="sweep")
    assert {run.data.tags["mlflow.parentRunId"] for run in mlflow_runs(kind="run")} == {parent.info.run_id}
    assert read_records("p", "e", [record.run_key for record in records]) == records


# What rebuild says


def test_rebuild_says_what_helps_where_it_cannot_mend(tracked_project: Path, run_config) -> None:
    path = tracked_project / "mlruns" / "mlflow.db"
    trained(run_config)
    path.unlink()
    path.mkdir()
    with pytest.raises(HighwaysError, match=r"is a folder.*once it is moved away") as raised:
        list(rebuild("p"))
    assert "training goes on" not in str(raised.value)
    path.rmdir()
    list(rebuild("p"))
    assert len(mlflow_runs(kind="run")) == 2


def test_moved_checkout_gets_a_new_database(tracked_project: Path, tmp_path_factory, run_config, monkeypatch) -> None:
    records = trained(run_config)
    bring(records)
    moved = tmp_path_factory.mktemp("elsewhere") / "checkout"
    tracked_project.rename(moved)
    monkeypatch.setenv("HIGHWAYS_ROOT", str(moved))
    first, *rest = rebuild("p")
    assert "was the checkout moved?" in first
    assert rest == [f"e (p): 2 runs in sqlite:///{moved}/mlruns/mlflow.db"]
    assert len(list((moved / "mlruns").glob("mlflow.db.*.aside"))) == 1
    place = (moved / "mlruns/artifacts/e").as_uri()
    assert all(run.info.artifact_uri.startswith(place) for run in mlflow_runs(kind="run"))
    assert read_records("p", "e", [record.run_key for record in records]) == records
    assert list(rebuild("p")) == rest
    assert not tracked_project.exists(), "nothing is written to the old place"


def test_same_checkout_by_another_name_is_not_moved(tracked_project: Path, tmp_path_factory, run_config, monkeypatch):
    records = trained(run_config, seeds=1)
    bring(records)
    link = tmp_path_factory.mktemp("elsewhere") / "link"
    link.symlink_to(tracked_project)
    monkeypatch.setenv("HIGHWAYS_ROOT", str(link))
    assert [json.dumps(line) for line in rebuild("p") if "moved" in line] == []
