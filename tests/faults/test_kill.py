"""SIGKILL at random moments of a tiny pipeline: what is finished stays, the rest is made anew."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from toolbox import FORKED

from . import tiny
from .conftest import new_project

pytestmark = [pytest.mark.pipeline, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


@dataclass
class Reference:
    """What comes of a pipeline that nothing interrupts."""

    empty: Path
    outcomes: dict[str, Any]
    derived: dict[str, bytes]
    seconds: float


def uninterrupted(empty: Path, root: Path, workers: int, text: bool) -> Reference:
    """Run the pipeline twice, the first time to warm up; the seconds are those of the second time."""
    for _ in range(2):
        shutil.rmtree(root, ignore_errors=True)
        tiny.copy_of(empty, root)
        began = time.monotonic()
        process = FORKED.Process(target=tiny.pipeline, args=(root, workers, text))
        process.start()
        process.join(300)
        assert process.exitcode == 0, (root / "said.txt").read_text()
    seconds = time.monotonic() - began
    assert not tiny.left_over(root)
    return Reference(empty, tiny.outcomes(root), tiny.derived(root), seconds)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = new_project(tmp_path_factory.mktemp("empty"))
    tiny.shrink(root)
    return root


@pytest.fixture(scope="module")
def reference(empty: Path, tmp_path_factory: pytest.TempPathFactory) -> Reference:
    return uninterrupted(empty, tmp_path_factory.mktemp("reference") / "project", 1, text=True)


def check(root: Path, reference: Reference, workers: int = 1) -> None:
    """A pipeline that came to its end after kills is that which was never killed: nothing lacks, nothing is more.

    Args:
        root: Its project.
        reference: What is expected.
        workers: Its processes.
    """
    said = (root / "said.txt").read_text()
    for found, expected in (
        (tiny.outcomes(root), reference.outcomes),
        (tiny.derived(root), reference.derived),
    ):
        assert expected
        assert found.keys() == expected.keys()
        assert not tiny.differing(expected, found)
    assert not tiny.left_over(root)
    again = [line for line in (root / "epochs.txt").read_text().splitlines() if line.startswith("again")]
    assert not again, "nothing is trained after its record stood"
    assert "highways tracking rebuild" not in said, "MLflow took all"
    assert workers > 1 or "Traceback" not in said


def kill_until(
    root: Path, workers: int, text: bool, seconds: float, random_: random.Random, victim: Callable[[int], int]
) -> int:
    """Start the pipeline and kill it at a random moment, until it ends by itself; return the number of kills."""
    kills, before = 0, {}
    while True:
        process = FORKED.Process(target=tiny.pipeline, args=(root, workers, text))
        process.start()
        process.join(random_.uniform(0.02, 1.0) * seconds)
        assert process.pid is not None
        below = tiny.descendants(process.pid)
        if process.is_alive():
            killed = victim(process.pid)
            os.kill(killed, signal.SIGKILL)
            kills += 1
            if killed != process.pid:
                process.join(120)  # a worker: the sweep goes on
        process.join(60)
        deadline = time.monotonic() + 15
        while alive := {pid for pid in below if tiny.is_alive(pid)}:
            assert time.monotonic() < deadline, f"orphans: {alive}"
            time.sleep(0.1)
        now = tiny.records(root)
        assert not tiny.differing(before, now), "no record is lost or altered"
        before = now
        if process.exitcode == 0:
            return kills
        assert process.exitcode == -signal.SIGKILL, (root / "said.txt").read_text()


def test_killed_pipeline_comes_to_the_same_end(reference: Reference, tmp_path: Path, seeded: random.Random) -> None:
    root = tiny.copy_of(reference.empty, tmp_path / "project")
    kill_until(root, 1, True, reference.seconds, seeded, lambda pid: pid)
    check(root, reference)


@pytest.mark.faults
@pytest.mark.parametrize("part", range(4))
def test_killed_at_random_moments(
    reference: Reference, tmp_path: Path, seeded: random.Random, count, part: int
) -> None:
    kills = 0
    while kills < 10:
        root = tiny.copy_of(reference.empty, tmp_path / f"project-{kills}")
        kills += kill_until(root, 1, True, reference.seconds, seeded, lambda pid: pid)
        check(root, reference)
        shutil.rmtree(root)
    count("kill", "the pipeline in one process: data, training, records, MLflow, table, figure, claims", kills)


@pytest.mark.faults
def test_two_processes_killed_at_random_moments(
    reference: Reference, empty: Path, tmp_path: Path, seeded: random.Random, count
) -> None:
    once = uninterrupted(empty, tmp_path / "once", 2, text=False)
    of_depth = {name: one for name, one in reference.outcomes.items() if "/01_depth/" in name}
    assert once.outcomes == of_depth, "as in one process"
    made = {name: content for name, content in once.derived.items() if "/01_depth/" in name}
    assert made == {name: content for name, content in reference.derived.items() if "/01_depth/" in name}

    def victim(pid: int) -> int:
        below = sorted(tiny.descendants(pid))
        return seeded.choice([pid, pid, *below])

    kills = 0
    while kills < 8:
        root = tiny.copy_of(empty, tmp_path / f"project-{kills}")
        kills += kill_until(root, 2, False, once.seconds, seeded, victim)
        check(root, once, workers=2)
        shutil.rmtree(root)
    count("kill", "the pipeline in two processes: itself or a worker", kills)
