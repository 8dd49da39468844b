"""Two of everything at once: nothing is lost or doubled, and whoever waits says for what."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import checkout
import pytest
from toolbox import FORKED, OF_MLFLOW, mlflow_runs

from . import tiny
from .conftest import new_project

pytestmark = OF_MLFLOW


def at_once(root: Path, processes: int, text: bool) -> None:
    """Run the pipeline in several processes side by side; all of them end well."""
    running = [FORKED.Process(target=tiny.pipeline, args=(root, 1, text)) for _ in range(processes)]
    for process in running:
        process.start()
    for process in running:
        process.join(400)
    said = (root / "said.txt").read_text()
    assert [process.exitcode for process in running] == [0] * processes, said
    assert "Traceback" not in said


def once_each(root: Path) -> None:
    """Every epoch of every group was trained by one process, and nothing is left over."""
    lines = (root / "epochs.txt").read_text().splitlines()
    assert len(lines) == len(set(lines)), "an epoch was trained twice"
    assert not [line for line in lines if line.startswith("again")]
    assert not tiny.left_over(root)


@pytest.mark.faults
def test_eight_processes_on_one_pipeline(tmp_path: Path, count, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = new_project(tmp_path / "alone")
    tiny.shrink(alone)
    together = tiny.copy_of(alone, tmp_path / "together")
    at_once(alone, 1, text=False)
    at_once(together, 8, text=False)
    once_each(together)
    assert not tiny.differing(tiny.outcomes(alone), tiny.outcomes(together))
    assert not tiny.differing(tiny.derived(alone), tiny.derived(together))
    monkeypatch.setenv("HIGHWAYS_ROOT", str(together))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    keys = [run.data.tags["run_key"] for run in mlflow_runs(experiment="01_depth", kind="run")]
    assert sorted(keys) == sorted(Path(name).stem for name in tiny.outcomes(alone))
    count("two at once", "eight processes on one pipeline", 8)


def start(folder: Path, *command: str, **more: str) -> subprocess.Popen[str]:
    output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    env = checkout.surroundings(folder) | more
    return subprocess.Popen(command, cwd=folder, env=env, start_new_session=True, **output)


def records(folder: Path) -> list[Path]:
    return sorted((folder / "results").glob("*/01_depth/runs/*.json"))


@pytest.mark.faults
def test_two_dvc_repro_and_two_notebooks(tmp_path: Path, count) -> None:
    folder = checkout.make(tmp_path / "clone")
    both = [start(folder, "dvc", "repro", "01_depth@quick") for _ in range(2)]
    said = [one.communicate(timeout=300)[0] for one in both]
    statuses = sorted(one.returncode for one in both)
    assert statuses[0] == 0, said
    for one, text in zip(both, said, strict=True):
        assert one.returncode == 0 or re.search("lock|waiting", text), "it says that the other one holds the lock"
    assert len(records(folder)) == 8
    before = {path.name: path.read_bytes() for path in records(folder)}
    again = start(folder, "dvc", "repro", "01_depth@quick")
    assert again.communicate(timeout=300)[0]
    assert again.returncode == 0
    assert not tiny.differing(before, {path.name: path.read_bytes() for path in records(folder)})

    shutil.rmtree(folder / "results")
    shutil.rmtree(folder / "checkpoints")
    (folder / "out").mkdir()
    command = ["papermill", "notebooks/01_depth.ipynb", "-k", "python3", "--no-progress-bar", "--log-output"]
    command += ["-f", "profiles/quick/01_depth.yaml"]
    both = [start(folder, *command[:2], f"out/{number}.ipynb", *command[2:]) for number in range(2)]
    said = [one.communicate(timeout=300)[0] for one in both]
    assert [one.returncode for one in both] == [0, 0], said
    assert len(records(folder)) == 8
    assert not tiny.left_over(folder)
    count("two at once", "two `dvc repro`, two notebooks", 4)


@pytest.mark.faults
def test_dvc_repro_killed_at_random_moments(tmp_path: Path, seeded, count) -> None:
    folder = checkout.make(tmp_path / "clone")
    before: dict[str, bytes] = {}
    for _ in range(4):
        running = start(folder, "dvc", "repro", "01_depth@quick", HIGHWAYS_CHECKPOINT_EVERY_S="0")
        time.sleep(seeded.uniform(3, 20))
        below = tiny.descendants(running.pid)
        os.killpg(running.pid, signal.SIGKILL)
        for pid in below:  # the kernel is in a group of its own: all of the machine's processes end at once
            if tiny.is_alive(pid):
                os.kill(pid, signal.SIGKILL)
        running.communicate()
        now = {path.name: path.read_bytes() for path in records(folder)}
        assert not tiny.differing(before, now)
        before = now
    last = start(folder, "dvc", "repro", "01_depth@quick")
    said = last.communicate(timeout=300)[0]
    assert last.returncode == 0, said
    now = {path.name: path.read_bytes() for path in records(folder)}
    assert not tiny.differing(before, now)
    assert len(now) == 8
    assert not tiny.left_over(folder)
    count("kill", "`dvc repro` with all its processes", 4)
