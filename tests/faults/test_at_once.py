"""Two of everything at once: nothing is lost or doubled, and whoever waits says for what."""

import os
import re
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import checkout
import psutil
import pytest
from toolbox import OF_MLFLOW, forked, mlflow_runs

from . import tiny

pytestmark = [OF_MLFLOW, pytest.mark.faults]
REPRO = ("dvc", "repro", "01_depth@quick")


def at_once(root: Path, processes: int) -> None:
    """Run the pipeline in several processes side by side; all of them end well."""
    statuses, said = forked(*[(tiny.pipeline, root, 1, False)] * processes), (root / "said.txt").read_text()
    assert statuses == [0] * processes, said
    assert "Traceback" not in said


def test_eight_processes_on_one_pipeline(tmp_path: Path, count, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = tiny.project(tmp_path / "alone")
    together = shutil.copytree(alone, tmp_path / "together")
    at_once(alone, 1)
    at_once(together, 8)
    lines = (together / "epochs.txt").read_text().splitlines()
    assert len(lines) == len(set(lines)), "an epoch was trained twice"
    assert not [line for line in lines if line.startswith("again")]
    assert not tiny.left_over(together)
    assert not tiny.differing(tiny.outcomes(alone), tiny.outcomes(together))
    monkeypatch.setenv("HIGHWAYS_ROOT", str(together))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    keys = [run.data.tags["run_key"] for run in mlflow_runs(experiment="01_depth", kind="run")]
    assert sorted(keys) == sorted(Path(name).stem for name in tiny.records(alone))
    count("two at once", "eight processes on one pipeline", 8)


def start(folder: Path, *command: str, **more: str) -> subprocess.Popen[str]:
    output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    env = checkout.surroundings(folder) | more
    return subprocess.Popen(command, cwd=folder, env=env, start_new_session=True, **output)


def ends(*processes: subprocess.Popen[str]) -> list[tuple[int, str]]:
    """Wait for processes, and return their statuses and what they said, those that ended well first."""
    said = [process.communicate(timeout=300)[0] for process in processes]
    return sorted((process.returncode, text) for process, text in zip(processes, said, strict=True))


def test_two_dvc_repro_and_two_notebooks(tmp_path: Path, count) -> None:
    folder = checkout.make(tmp_path / "clone")
    for status, said in (both := ends(start(folder, *REPRO), start(folder, *REPRO))):
        assert status == 0 or re.search("lock|waiting", said), "it says that the other one holds the lock"
    assert both[0][0] == 0, both
    before = tiny.records(folder)
    assert len(before) == 8
    assert ends(start(folder, *REPRO))[0][0] == 0
    assert tiny.records(folder) == before

    shutil.rmtree(folder / "results")
    shutil.rmtree(folder / "checkpoints")
    (folder / "out").mkdir()
    options = ["-k", "python3", "--no-progress-bar", "--log-output", "-f", "profiles/quick/01_depth.yaml"]
    command = ["papermill", "notebooks/01_depth.ipynb"]
    both = ends(*(start(folder, *command, f"out/{number}.ipynb", *options) for number in range(2)))
    assert [status for status, _ in both] == [0, 0], both
    assert len(tiny.records(folder)) == 8
    assert not tiny.left_over(folder)
    count("two at once", "two `dvc repro`, two notebooks", 4)


def test_dvc_repro_killed_at_random_moments(tmp_path: Path, seeded, count) -> None:
    folder = checkout.make(tmp_path / "clone")
    before: dict[str, bytes] = {}
    for _ in range(4):
        running = start(folder, *REPRO, HIGHWAYS_CHECKPOINT_EVERY_S="0")
        time.sleep(seeded.uniform(3, 20))
        with suppress(psutil.NoSuchProcess):
            below = psutil.Process(running.pid).children(recursive=True)
            os.killpg(running.pid, signal.SIGKILL)
            for process in below:  # the kernel is in a group of its own: all of the machine's processes end at once
                with suppress(psutil.NoSuchProcess):
                    process.kill()
        running.communicate()
        now = tiny.records(folder)
        assert not tiny.differing(before, now)
        before = now
    tiny.age_unfinished(folder)
    [(status, said)] = ends(start(folder, *REPRO))
    assert status == 0, said
    now = tiny.records(folder)
    assert not tiny.differing(before, now)
    assert len(now) == 8
    assert not tiny.left_over(folder)
    count("kill", "`dvc repro` with all its processes", 4)
