"""Projects for tests: what a checkout has before anything has been run, and whole checkouts whose profile is tiny."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
CLONED = pytest.mark.skipif(not (REPOSITORY / ".git").exists(), reason="not a git checkout")


def lay_out(folder: Path) -> Path:
    """Copy the checkout's settings and references into a folder, and return it."""
    for name in ("examples", "profiles", "references", "notebooks"):
        shutil.copytree(REPOSITORY / name, folder / name)
    (folder / "data").mkdir(exist_ok=True)
    for name in ("dvc.yaml", "data/sources.yaml"):
        shutil.copyfile(REPOSITORY / name, folder / name)
    (folder / "params.yaml").write_text("active: [quick]\n")  # whatever is active in the checkout
    return folder


def shrink(folder: Path, notebook: str, **changes: object) -> None:
    """Change parameters of an experiment in the quick profile."""
    path = folder / "profiles" / "quick" / f"{notebook}.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | changes))


def git(folder: Path, *arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True).stdout


def in_git(folder: Path) -> Path:
    """Begin a history with all that is in a folder, and return it."""
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "start"]):
        git(folder, "-c", "user.name=t", "-c", "user.email=t@example.org", *command)
    return folder


def stand_in(path: Path, script: str) -> Path:
    """Write a script of the shell that stands in for a command."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def make(folder: Path) -> Path:
    """Make a checkout of the working tree, with a history of its own, at a place that is not there yet."""
    left_out = (".git", ".venv", "results", "checkpoints", "mlruns", "raw", "__pycache__", "tmp", "cache")
    shutil.copytree(REPOSITORY, folder, ignore=shutil.ignore_patterns(*left_out))
    (folder / "mlruns").mkdir()
    (folder / "params.yaml").write_text("active: [quick]\n")
    shrink(folder, "01_depth", depths=[2, 10], trials=2, epochs=2, workers=1)
    shrink(folder, "02_bilstm_depth", depths=[1, 2], hidden=4, embedding=4, epochs=1, batch_size=200)
    training = {"network": "highway-mnist-16", "data": "digits", "epochs": 1, "runs": 1}
    shrink(folder, "03_conv", trainings=[training], workers=1)
    shrink(folder, "04_gates", depth=10, width=6, epochs=1)
    deep = {"depths": {"digits": [12]}, "cost_depths": [5], "search_depth": 10}
    shrink(folder, "06_very_deep", **deep, epochs=1, plain_width=6, highway_width=5, workers=1)
    shrink(folder, "07_keras_vs_lasagne", training_examples=200, epochs=2, seeds=2, width=4, workers=1)
    studies = {"signal_examples": 20, "draws": 200, "stuck_steps": 5, "small_net_steps": 20, "saturation_steps": 20}
    searched = {"depths": [2], "initialisations": ["he_normal"], "learning_rates": [0.1], "epochs": 1}
    shrink(folder, "08_initialisation", **searched, **studies)
    shrink(folder, "09_l2_parity", steps=3, loop_examples=10)
    shrink(folder, "10_foundations", steps=2, recurrence_steps=3, dropout_draws=20)
    return in_git(folder)


def surroundings(folder: Path) -> dict[str, str]:
    """The environment of a user of the checkout."""
    drop = {"HIGHWAYS_ROOT", "HIGHWAYS_PROGRESS", "MLFLOW_TRACKING_URI"}
    env = {name: value for name, value in os.environ.items() if name not in drop}
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    return env | {"PATH": path, "PYTHONPATH": str(folder / "src"), "HIGHWAYS_OFFLINE": "1"}


def on_one_core() -> None:
    """Keep a process on one core, each of pytest's workers on another: two threads that wait for each other spin."""
    if hasattr(os, "sched_setaffinity"):
        mine = sorted(os.sched_getaffinity(0))
        number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
        os.sched_setaffinity(0, {mine[number % len(mine)]})


def execute(folder: Path, *command: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a command in the checkout, as its user would with the environment active; it ends well."""
    options = {"env": surroundings(folder) | more, "preexec_fn": on_one_core, "timeout": 1800}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done
