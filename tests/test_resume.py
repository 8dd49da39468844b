"""Interrupted runs go on where they stopped, to the bit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from highways.config import RunConfig
from highways.errors import HighwaysError
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
        run(configs[0], profile="p", experiment="e", threads=1, mlflow=False, on_event=watch)
    else:
        sweep(configs, profile="p", experiment="e", threads=1, mlflow=os.environ["MLFLOW"] == "1", on_event=watch)
"""


def killed(configs: list, where: str, mlflow: bool = False) -> None:
    """Run `configs` in a process that kills itself at `where`."""
    import json

    content = json.dumps([config.model_dump(mode="json") for config in configs])
    env = os.environ | {"HIGHWAYS_CHECKPOINT_EVERY_S": "0", "MLFLOW": str(int(mlflow))}
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(SCRIPT), content, where], env=env, check=False)
    assert done.returncode == -signal.SIGKILL


def outcome(records: list) -> list:
    """What must be equal to the bit."""
    return [(record.run_key, record.status, record.curves, record.weights_sha256) for record in records]


@pytest.mark.parametrize("where", ["mid-epoch", "between records"])
def test_killed_population_resumes_to_the_bit(project: Path, run_config, where: str) -> None:
    configs = [run_config(epochs=4, learning_rate=rate, seed=seed) for seed, rate in enumerate((0.01, 0.05, 1e9))]
    killed(configs, where)
    written = len(list(RecordStore(project / "results/p/e/runs")))
    assert written == (1 if where == "between records" else 0)
    (point,) = ResumePoint.all()
    assert point.keys == run_keys(configs)

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


@pytest.mark.parametrize(("optimiser", "together"), [("adadelta", True), ("adagrad", False)])
def test_killed_run_with_dropout_resumes_to_the_bit(project: Path, run_config, optimiser: str, together: bool) -> None:
    values = run_config(epochs=4).model_dump() | {"optimiser": {"kind": optimiser}}
    values["network"] |= {"dropout": 0.1}
    configs = [RunConfig.model_validate(values | {"seed": seed}) for seed in range(2 if together else 1)]

    def train(**more) -> list:
        more |= {"profile": "p", "experiment": "e", "threads": 1, "mlflow": False}
        return sweep(configs, **more) if together else [run(configs[0], **more)]

    killed(configs, "mid-epoch")
    epochs = []
    resumed = train(on_event=epochs.append)
    assert [event.epoch for event in epochs if hasattr(event, "epochs")] == [3, 4]
    for record in (project / "results").rglob("*.json"):
        record.unlink()
    assert outcome(resumed) == outcome(train())
    assert all(record.engine["population"] is together for record in resumed)


def test_killed_single_run_resumes_to_the_bit(project: Path, run_config) -> None:
    config = run_config(epochs=4)
    killed([config], "mid-epoch")
    epochs = []
    resumed = run(config, mlflow=False, profile="p", experiment="e", threads=1, on_event=epochs.append)
    assert [event.epoch for event in epochs if hasattr(event, "epochs")] == [3, 4]
    for record in (project / "results").rglob("*.json"):
        record.unlink()
    uninterrupted = run(config, mlflow=False, profile="p", experiment="e", threads=1)
    assert outcome([resumed]) == outcome([uninterrupted])
    assert resumed.epochs == 4


def test_resume_point_of_a_run_is_not_taken_for_a_populations(project: Path, run_config) -> None:
    config = run_config(epochs=4)
    killed([config], "mid-epoch")
    (record,) = sweep([config], profile="p", experiment="e", threads=1, mlflow=False)
    assert record.epochs == 4


def test_damaged_resume_point_is_one_line(project: Path, run_config) -> None:
    config = run_config(epochs=4)
    killed([config], "mid-epoch")
    (point,) = ResumePoint.all()
    point.state.write_bytes(point.state.read_bytes()[:1000])
    with pytest.raises(HighwaysError, match=r"checkpoints/resume/.*: cannot be resumed from .*; delete it"):
        run(config, mlflow=False, profile="p", experiment="e", threads=1)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning")
def test_stop_between_two_records_leaves_mlflow_whole(tracked_project: Path, run_config) -> None:
    from highways.tracking.mlflow_log import connect

    configs = [run_config(epochs=3, seed=seed) for seed in (0, 1)]
    killed(configs, "between records", mlflow=True)
    records = sweep(configs, profile="p", experiment="e", threads=1)
    client = connect()
    number = client.get_experiment_by_name("e").experiment_id
    runs = {run.data.tags.get("run_key"): run for run in client.search_runs([number])}
    assert len(runs) == 3
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    for record in records:
        history = client.get_metric_history(runs[record.run_key].info.run_id, "train_cross_entropy")
        values = [metric.value for metric in sorted(history, key=lambda metric: metric.step)]
        assert values == record.curves["train_cross_entropy"]


def test_two_runs_of_one_configuration_are_equal_to_the_bit(project: Path, run_config) -> None:
    config = run_config(epochs=3)
    first = run(config, mlflow=False, profile="one", experiment="e", threads=1)
    for record in (project / "results").rglob("*.json"):
        record.unlink()
    second = run(config, mlflow=False, profile="two", experiment="e", threads=1)
    assert outcome([first]) == outcome([second])
