"""SIGKILL at random moments of a tiny pipeline: what is finished stays, the rest is made anew."""

import random
import shutil
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from toolbox import FORKED, forked

from . import tiny

pytestmark = [pytest.mark.pipeline, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


@dataclass
class Reference:
    """What comes of a pipeline that nothing interrupts, in some processes, with or without texts."""

    empty: Path
    workers: int
    text: bool
    outcomes: dict[str, Any]
    seconds: float


def uninterrupted(empty: Path, root: Path, workers: int, text: bool) -> Reference:
    """Run the pipeline twice, the first time to warm up; the seconds are those of the second time."""
    for _ in range(2):
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(empty, root)
        began = time.monotonic()
        assert forked((tiny.pipeline, root, workers, text)) == [0], (root / "said.txt").read_text()
    assert not tiny.left_over(root)
    return Reference(empty, workers, text, tiny.outcomes(root), time.monotonic() - began)


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    folder = tmp_path_factory.mktemp("reference")
    return uninterrupted(tiny.project(folder / "empty"), folder / "project", 1, text=True)


def kill_until_it_ends(
    root: Path,
    reference: Reference,
    random_: random.Random,
    victim: Callable[[psutil.Process], psutil.Process] = lambda process: process,
) -> int:
    """Start the pipeline and kill it at a random moment, until it is not killed; return the number of kills.

    It comes to the same end as if it had never been killed: nothing lacks, nothing is more. A day lies between two
    starts, for all that unfinished files know.
    """
    shutil.copytree(reference.empty, root)
    kills, before, killed = 0, {}, True
    while killed:
        tiny.age_unfinished(root)
        process = FORKED.Process(target=tiny.pipeline, args=(root, reference.workers, reference.text))
        process.start()
        process.join(random_.uniform(0.02, 1.0) * reference.seconds)
        below: list[psutil.Process] = []
        killed = False
        with suppress(psutil.NoSuchProcess):
            running = psutil.Process(process.pid)
            below = running.children(recursive=True)
            victim(running).kill()
            killed = True
        process.join(180)  # where a worker was killed the sweep goes on
        assert process.exitcode in ((0, -signal.SIGKILL) if killed else (0,)), (root / "said.txt").read_text()
        kills += killed
        assert not psutil.wait_procs(below, timeout=15)[1], "orphans"
        now = tiny.records(root)
        assert not tiny.differing(before, now), "no record is lost or altered"
        before = now
    found, said = tiny.outcomes(root), (root / "said.txt").read_text()
    assert found.keys() == reference.outcomes.keys()
    assert not tiny.differing(reference.outcomes, found)
    assert not tiny.left_over(root)
    again = [line for line in (root / "epochs.txt").read_text().splitlines() if line.startswith("again")]
    assert not again, "nothing is trained after its record stood"
    assert "highways tracking rebuild" not in said, "MLflow took all"
    assert reference.workers > 1 or "Traceback" not in said
    shutil.rmtree(root)
    return kills


def test_killed_pipeline_comes_to_the_same_end(reference: Reference, tmp_path: Path, seeded: random.Random) -> None:
    kill_until_it_ends(tmp_path / "project", reference, seeded)


@pytest.mark.faults
def test_killed_at_random_moments(reference: Reference, tmp_path: Path, seeded: random.Random, count) -> None:
    kills = 0
    while kills < 40:
        kills += kill_until_it_ends(tmp_path / f"project-{kills}", reference, seeded)
    count("kill", "the pipeline in one process: data, training, records, MLflow, table, figure, claims", kills)


@pytest.mark.faults
def test_two_processes_killed_at_random_moments(reference: Reference, tmp_path: Path, seeded, count) -> None:
    once = uninterrupted(reference.empty, tmp_path / "once", 2, text=False)
    alone = {name: one for name, one in reference.outcomes.items() if "/01_depth/" in name}
    assert {name: once.outcomes[name] for name in alone} == alone, "as in one process"

    def victim(process: psutil.Process) -> psutil.Process:
        return seeded.choice([process, process, *process.children(recursive=True)])

    kills = 0
    while kills < 8:
        kills += kill_until_it_ends(tmp_path / f"project-{kills}", once, seeded, victim)
    count("kill", "the pipeline in two processes: itself or a worker", kills)
