"""Interrupted runs go on where they stopped, to the bit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from highways.tracking.records import RecordStore, run_keys
from highways.training import run, sweep
from highways.training.checkpoints import ResumePoint

SCRIPT = """
    import json, os, signal, sys
    from highways.config import RunConfig
    from highways.tracking.events import EpochEnded, Finished
    from highways.training import run, sweep
    from highways.training.modules import TrialsModule

    configs = [RunConfig.model_validate(content) for content in json.loads(sys.argv[1])]
    where = sys.argv[2]

    def die():
        os.kill(os.getpid(), signal.SIGKILL)

    def watch(event):
        if where == "between records" and isinstance(event, Finished):
            die()

    if where == "mid-epoch":
        def count(self, batch, batch_idx):
            if self.current_epoch == 2 and batch_idx == 7:
                die()
        TrialsModule.on_train_batch_start = count

    if len(configs) == 1:
        run(configs[0], profile="p", experiment="e", threads=1, on_event=watch)
    else:
        sweep(configs, profile="p", experiment="e", threads=1, mlflow=False, on_event=watch)
"""


def killed(configs: list, where: str) -> None:
    """Run `configs` in a process that kills itself at `where`."""
    import json

    content = json.dumps([config.model_dump(mode="json") for config in configs])
    env = os.environ | {"HIGHWAYS_CHECKPOINT_EVERY_S": "0"}
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(SCRIPT), content, where], env=env, check=False)
    assert done.returncode == -signal.SIGKILL


def outcome(records: list) -> list:
    """What must be equal to the bit."""
    return [(record.run_key, record.status, record.curves, record.weights_sha256) for record in records]


@pytest.mark.parametrize("where", ["mid-epoch", "between records"])
def test_killed_population_resumes_to_the_bit(project: Path, run_config, where: str) -> None:
    configs = [run_config(epochs=4, learning_rate=rate, seed=seed) for seed, rate in enumerate((0.01, 0.05, 1e9))]
    killed(configs, where)
    written = len(list(RecordStore(project / "results/p/runs/e")))
    assert written == (1 if where == "between records" else 0)
    (point,) = ResumePoint.all()
    assert point.keys() == run_keys(configs)

    epochs = []
    resumed = sweep(configs, profile="p", experiment="e", threads=1, mlflow=False, on_event=epochs.append)
    assert not ResumePoint.all(), "a resume point is removed once all records stand"
    ended = [event.epoch for event in epochs if hasattr(event, "epochs")]
    assert ended == ([3, 4] if where == "mid-epoch" else []), "finished epochs are not trained again"

    for record in (project / "results").rglob("*.json"):
        record.unlink()
    uninterrupted = sweep(configs, profile="p", experiment="e", threads=1, mlflow=False)
    assert outcome(resumed) == outcome(uninterrupted)
    assert [record.status for record in resumed] == ["finished", "finished", "diverged"]


def test_killed_single_run_resumes_to_the_bit(project: Path, run_config) -> None:
    config = run_config(epochs=4)
    killed([config], "mid-epoch")
    epochs = []
    resumed = run(config, profile="p", experiment="e", threads=1, on_event=epochs.append)
    assert [event.epoch for event in epochs if hasattr(event, "epochs")] == [3, 4]
    for record in (project / "results").rglob("*.json"):
        record.unlink()
    uninterrupted = run(config, profile="p", experiment="e", threads=1)
    assert outcome([resumed]) == outcome([uninterrupted])
    assert resumed.epochs == 4


def test_two_runs_of_one_configuration_are_equal_to_the_bit(project: Path, run_config) -> None:
    config = run_config(epochs=3)
    first = run(config, profile="one", experiment="e", threads=1)
    for record in (project / "results").rglob("*.json"):
        record.unlink()
    second = run(config, profile="two", experiment="e", threads=1)
    assert outcome([first]) == outcome([second])
