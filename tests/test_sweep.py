"""Sweeps: grouped, resumed, never trained twice, never lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from highways.errors import HighwaysError
from highways.tracking.events import EpochEnded, Started
from highways.tracking.records import run_keys
from highways.training import device, load_network, run, sweep
from highways.training.checkpoints import weights_path
from highways.training.device import cores  # itself: a fixture of all tests says that there is one
from highways.training.groups import groups


def started(events: list) -> set[str]:
    return {key for event in events if isinstance(event, Started) for key in event.keys}


def test_groups_split_by_all_but_what_a_population_may_differ_in(run_config) -> None:
    together = [run_config(seed=1), run_config(learning_rate=0.1), run_config(seed=2, learning_rate=0.01)]
    apart = [
        run_config(kind="plain"),
        run_config(depth=5),
        run_config(activation="tanh"),
        run_config(epochs=3),
        run_config(order_seed=1),
    ]
    configs = [*together, *apart]
    assert groups(configs, run_keys(configs)) == [[0, 1, 2], [3], [4], [5], [6], [7]]


def test_a_group_has_at_most_256_members_counted_before_any_is_finished(run_config) -> None:
    configs = [run_config(seed=seed) for seed in range(300)]
    assert [len(group) for group in groups(configs, run_keys(configs))] == [256, 44]


def test_run_given_twice_is_trained_once(project: Path, run_config) -> None:
    events: list = []
    records = sweep([run_config(), run_config()], profile="p", experiment="e", mlflow=False, on_event=events.append)
    assert records[0] == records[1]
    assert len([event for event in events if isinstance(event, Started)]) == 1


def test_finished_runs_are_not_trained_again_and_an_added_one_is(project: Path, run_config) -> None:
    configs = [run_config(seed=seed) for seed in (0, 1)]
    first = sweep(configs, profile="p", experiment="e", mlflow=False)
    events: list = []
    again = sweep(configs, profile="p", experiment="e", mlflow=False, on_event=events.append)
    assert again == first
    assert not events
    more = sweep([*configs, run_config(seed=2)], profile="p", experiment="e", mlflow=False, on_event=events.append)
    assert more[:2] == first
    assert started(events) == set(run_keys([run_config(seed=2)]))


@pytest.mark.pipeline
def test_workers_give_what_one_process_gives(project: Path, run_config) -> None:
    configs = [run_config(kind=kind, seed=seed) for kind in ("plain", "highway") for seed in (0, 1)]
    events: list = []
    parallel = sweep(configs, profile="p", experiment="e", workers=2, threads=1, mlflow=False, on_event=events.append)
    assert len([event for event in events if isinstance(event, EpochEnded)]) == 2 * 2
    for path in (project / "results").rglob("*.json"):
        path.unlink()
    serial = sweep(configs, profile="p", experiment="e", workers=1, threads=1, mlflow=False)
    assert [r.curves for r in parallel] == [r.curves for r in serial]
    assert [r.weights_sha256 for r in parallel] == [r.weights_sha256 for r in serial]


WORKER_DEATH = """
    import os, signal, sys
    from pathlib import Path
    from highways.training.modules import TrialsModule

    # Imported by every worker as well, as `__mp_main__`: the first one to train dies by the first signal, and
    # the first one that trains after it by the second.
    start = TrialsModule.on_train_start

    def dies(self):
        for number in (signal.SIGKILL, signal.SIGTERM):
            try:
                Path(os.environ["DIED"], str(int(number))).touch(exist_ok=False)
            except FileExistsError:
                continue
            os.kill(os.getpid(), number)
        start(self)

    TrialsModule.on_train_start = dies
    if __name__ == "__main__":
        import json
        from highways.config import RunConfig
        from highways.training import sweep

        configs = [RunConfig.model_validate(content) for content in json.loads(os.environ["CONFIGS"])]
        records = sweep(configs, profile="p", experiment="e", workers=2, threads=1, mlflow=False)
        print([record.status for record in records])
"""


@pytest.mark.pipeline
def test_killed_worker_costs_a_retry(project: Path, tmp_path: Path, run_config) -> None:
    import json

    script, died = tmp_path / "death.py", tmp_path / "died"
    died.mkdir()
    script.write_text(textwrap.dedent(WORKER_DEATH))
    configs = [run_config(kind=kind) for kind in ("plain", "highway")]
    env = os.environ | {
        "CONFIGS": json.dumps([config.model_dump(mode="json") for config in configs]),
        "DIED": str(died),
    }
    done = subprocess.run([sys.executable, str(script)], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in died.iterdir()} == {str(int(signal.SIGKILL)), str(int(signal.SIGTERM))}
    assert "['finished', 'finished']" in done.stdout


ORPHANS = """
    import json, os, signal
    if __name__ == "__main__":
        from highways.config import RunConfig
        from highways.tracking.events import Started
        from highways.training import sweep

        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it

        def show(event):
            if isinstance(event, Started):
                print(event, flush=True)

        configs = [RunConfig.model_validate(content) for content in json.loads(os.environ["CONFIGS"])]
        sweep(configs, profile="p", experiment="e", workers=2, threads=1, mlflow=False, on_event=show)
"""


@pytest.mark.pipeline
@pytest.mark.skipif(not Path("/proc").exists(), reason="looks for processes in /proc")
def test_workers_end_with_the_process_that_started_them(project: Path, tmp_path: Path, run_config) -> None:
    import json

    script = tmp_path / "orphans.py"
    script.write_text(textwrap.dedent(ORPHANS))
    configs = [run_config(kind=kind, epochs=100_000) for kind in ("plain", "highway")]
    env = os.environ | {"CONFIGS": json.dumps([config.model_dump(mode="json") for config in configs])}
    with subprocess.Popen([sys.executable, str(script)], env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            while "Started" not in process.stdout.readline():
                assert process.poll() is None
            children = _descendants(process.pid)
        finally:
            process.send_signal(signal.SIGKILL)
    assert len(children) >= 2
    deadline = time.monotonic() + 20
    while (left := [pid for pid in children if _running(pid)]) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not left


@pytest.mark.pipeline
@pytest.mark.skipif(not Path("/proc").exists(), reason="looks for processes in /proc")
def test_interrupt_stops_all_workers_and_what_waits(project: Path, tmp_path: Path, run_config) -> None:
    import json

    script = tmp_path / "interrupted.py"
    script.write_text(textwrap.dedent(ORPHANS))
    configs = [run_config(depth=depth, epochs=100_000) for depth in (2, 3, 4, 5)]
    env = os.environ | {"CONFIGS": json.dumps([config.model_dump(mode="json") for config in configs])}
    command = [sys.executable, str(script)]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            while "Started" not in process.stdout.readline():
                assert process.poll() is None
            process.send_signal(signal.SIGINT)  # to this process alone, as JupyterLab does
            assert process.wait(timeout=30) != 0
        finally:
            process.kill()
    assert not list((project / "results").rglob("*.json"))


def test_listener_at_fault_does_not_stop_the_training(project: Path, run_config) -> None:
    def complain(event: object) -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        sweep([run_config()], profile="p", experiment="e", mlflow=False, on_event=complain)
    assert len(list((project / "results").rglob("*.json"))) == 1


def _descendants(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")  # of every thread
    children = [child for task in tasks for child in task.read_text().split()]
    return [found for child in map(int, children) for found in (child, *_descendants(child))]


def _running(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status")
    try:
        return "zombie" not in status.read_text()
    except OSError:
        return False


def test_failing_run_is_reported_and_the_others_finish(project: Path, run_config, monkeypatch) -> None:
    from highways.training import execute as module

    original = module._fit

    def fails_for_plain(trained, job, *rest):
        if job.configs[0].network.kind == "plain":
            raise RuntimeError("out of memory")
        return original(trained, job, *rest)

    monkeypatch.setattr(module, "_fit", fails_for_plain)
    configs = [run_config(kind="plain"), run_config()]
    with pytest.raises(HighwaysError, match=r"1 of 2 runs failed, .*plain-d004.*: RuntimeError: out of memory"):
        sweep(configs, profile="p", experiment="e", mlflow=False)
    assert [path.name[:7] for path in (project / "results").rglob("*.json")] == ["highway"]


def test_weights_are_made_again_where_they_are_missing(project: Path, run_config, capsys) -> None:
    config = run_config()
    record = run(config, mlflow=False, profile="p", experiment="e", threads=1)
    weights_path(record.run_key).unlink()
    with pytest.raises(HighwaysError, match=r"no weights at .*final.pt; `highways run CONFIG --weights`"):
        load_network(record)
    again = run(config, mlflow=False, profile="p", experiment="e", threads=1, weights=True)
    said = capsys.readouterr().out
    assert "training it again" in said
    assert "those of the record, to the bit" in said
    assert again.weights_sha256 == record.weights_sha256
    load_network(record)


def test_altered_weights_are_refused(project: Path, run_config) -> None:
    import torch

    record = run(run_config(), mlflow=False, profile="p", experiment="e")
    path = weights_path(record.run_key)
    state = torch.load(path, weights_only=True)
    state["readout.bias"] += 1
    torch.save(state, path)
    with pytest.raises(HighwaysError, match=r"expected weights of sha256 .*, found .*; delete it"):
        load_network(record)


def test_weights_of_a_population_member_made_alone_are_accepted_and_compared(project: Path, run_config, capsys) -> None:
    config = run_config(learning_rate=0.01)
    record = sweep([config, run_config(seed=1)], profile="p", experiment="e", mlflow=False, threads=1)[0]
    weights_path(record.run_key).unlink()
    run(config, mlflow=False, profile="p", experiment="e", threads=1, weights=True)
    said = capsys.readouterr().out
    assert "last training cross-entropy" in said or "to the bit" in said
    load_network(record)


def test_bad_engine_and_device_are_one_line(project: Path, run_config) -> None:
    import torch

    with pytest.raises(HighwaysError, match="no engine 'slurm'; there are: local, ray"):
        sweep([run_config()], profile="p", experiment="e", engine="slurm", mlflow=False)
    if not torch.cuda.is_available():
        with pytest.raises(HighwaysError, match="'cuda' was asked for, but no CUDA device is available"):
            sweep([run_config()], profile="p", experiment="e", device="cuda", mlflow=False)


def test_table_has_a_row_a_run(project: Path, run_config) -> None:
    table = sweep([run_config(seed=seed) for seed in (0, 1)], profile="p", experiment="e", mlflow=False).table()
    assert list(table["seed"]) == [0, 1]
    assert {"run_key", "network.depth", "optimiser.learning_rate", "best_train_cross_entropy"} <= set(table.columns)


ONLY_TRAINS = """
    import sys

    class Lacking:
        def find_spec(self, name, path=None, target=None):
            if name.partition(".")[0] in ("mlflow", "dvc", "papermill", "torchtext", "IPython", "jupyterlab"):
                raise ModuleNotFoundError(name, name=name)

    sys.meta_path.insert(0, Lacking())
    from highways.experiments import DEPTH
    from highways.training.sweep import train

    settings = DEPTH.of("quick").settings.model_copy(update={"depths": [2], "trials": 2, "epochs": 1, "workers": 1})
    print(len(train(settings, mlflow=False, threads=1)))
"""


@pytest.mark.pipeline
def test_a_machine_that_only_trains_needs_no_mlflow_dvc_papermill_torchtext_or_jupyter(project: Path) -> None:
    command = [sys.executable, "-c", textwrap.dedent(ONLY_TRAINS)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[-1] == "4"


@pytest.mark.parametrize(("content", "may_have"), [("150000 100000\n", 1), ("50000 100000", 1), ("max 100000", None)])
def test_cores_of_a_container_count(tmp_path: Path, monkeypatch, content: str, may_have: int | None) -> None:
    before = cores()
    monkeypatch.setattr(device, "CONTROL_GROUP", tmp_path)
    assert cores() == before, "nothing is limited where nothing says so"
    (tmp_path / "cpu.max").write_text(content)
    assert cores() == (may_have or before)
