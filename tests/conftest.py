"""What the tests share: a project of their own for every test, and small runs."""

import gc
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from checkout import REPOSITORY, lay_out, shrink

os.environ["HIGHWAYS_PROGRESS"] = "none"
os.environ["OMP_NUM_THREADS"] = "1"  # threads of processes that share the cores wait for each other, spinning
gc.set_threshold(50_000)  # as the command line: a tenth of the time went into looking for garbage among what stays


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, so that no process waits for another at the end."""
    long = {item.path for item in items if item.get_closest_marker("pipeline")}
    items.sort(key=lambda item: item.path not in long)


def pytest_collection_finish() -> None:
    """Leave alone what has been imported, which stays, when garbage is collected: a million objects."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def repository() -> Path:
    return REPOSITORY


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project: the checkout's settings and references, no results, no MLflow."""
    lay_out(tmp_path)
    monkeypatch.setenv("HIGHWAYS_ROOT", str(tmp_path))
    monkeypatch.setenv("HIGHWAYS_OFFLINE", "1")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path


@pytest.fixture(scope="session")
def empty_mlflow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database without runs; to make one takes seconds, to copy it none."""
    from highways.tracking.mlflow_store import connect

    folder = tmp_path_factory.mktemp("mlflow")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HIGHWAYS_ROOT", str(folder))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        connect().search_experiments()
    return folder / "mlruns" / "mlflow.db"


@pytest.fixture
def tracked_project(project: Path, empty_mlflow: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As `project`, with an MLflow database, which is waited for also where other work keeps the machine busy."""
    monkeypatch.setattr("highways.tracking.mlflow_log.PATIENCE_S", 120.0)
    (project / "mlruns").mkdir()
    shutil.copyfile(empty_mlflow, project / "mlruns" / "mlflow.db")
    return project


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose quick profile is tiny, trained, with tables, claims and pages; it is copied, never changed."""
    from highways.config import load_profile
    from highways.experiments import DEPTH
    from highways.report.pages import write_pages
    from highways.report.verdicts import judge_all, write_claims, write_tables
    from highways.training import sweep

    folder = lay_out(tmp_path_factory.mktemp("made"))
    tiny = {"depths": [2, 10], "trials": 2, "epochs": 1, "workers": 1, "plain_width": 6, "highway_width": 5}
    shrink(folder, "01_depth", **tiny)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HIGHWAYS_ROOT", str(folder))
        patch.setenv("HIGHWAYS_OFFLINE", "1")
        sweep(load_profile("quick", DEPTH.schema).runs(), experiment="01_depth", profile="quick", mlflow=False)
        DEPTH.of("quick").figure()
        write_tables("quick")
        judged = judge_all("quick")
        write_claims(judged)
        write_pages(judged)
    return folder


@pytest.fixture
def study(project: Path, made: Path) -> Path:
    shutil.copytree(made, project, dirs_exist_ok=True)
    return project


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Runs the command line in this process and returns its exit status."""
    from highways import cli

    def command(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["highways", *arguments])
        try:
            cli.main()
        except SystemExit as stop:
            return int(stop.code or 0)
        return 0

    return command


@pytest.fixture
def says(call: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs the command line, which ends well, and returns what it prints."""

    def command(*arguments: str) -> str:
        capsys.readouterr()
        assert call(*arguments) == 0
        return capsys.readouterr().out

    return command


@pytest.fixture
def fails(call: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs the command line, which fails, and returns its error: one line, printable."""

    def command(*arguments: str) -> str:
        capsys.readouterr()
        assert call(*arguments) != 0
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("error: ")
        assert line.isprintable()
        return line.removeprefix("error: ")

    return command


@pytest.fixture
def run_config() -> Callable[..., Any]:
    """Makes small runs on the digits."""
    from toolbox import config_of

    def make(kind: str = "highway", depth: int = 4, activation: str = "relu", epochs: int = 2, **more: Any) -> Any:
        bias = {"transform_bias": more.pop("transform_bias", -2.0)}
        network = {"kind": kind, "depth": depth, "width": 8, "activation": activation}
        network |= bias if kind == "highway" else {}
        sgd = {"learning_rate": 0.05, "momentum": 0.9, "decay": 0.95}
        sgd |= {name: more.pop(name) for name in [*sgd] if name in more}
        return config_of(network, optimiser=sgd, budget={"epochs": epochs, "batch_size": 50}, **more)

    return make


@pytest.fixture
def process(project: Path, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Starts processes that sweep a list of runs, with options of `sweep`, and note all events in the file `log`.

    While the file `hold` is there, their training stands still.
    """
    from toolbox import FORKED, drive, surroundings

    running: list[Any] = []

    def begin(configs: list[Any], log: Path, **options: Any) -> Any:
        contents = [config.model_dump(mode="json") for config in configs]
        arguments = (surroundings(), contents, log, tmp_path / "hold", options)
        running.append(FORKED.Process(target=drive, args=arguments))
        running[-1].start()
        return running[-1]

    yield begin
    for one in running:
        one.kill()
        one.join()
