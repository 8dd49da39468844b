"""Recorded runs are trained again and compared: to the bit where all is as it was, within a tolerance elsewhere."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from toolbox import OF_MLFLOW

from highways import paths
from highways.pipeline import rerun as rerunning
from highways.pipeline.rerun import TOLERANCE, Sample, at_hand, compared, listed_groups, read_records, sampled
from highways.tracking.records import RecordStore, RunRecord, run_keys
from highways.training import sweep

pytestmark = OF_MLFLOW


@pytest.fixture
def trained(project: Path, run_config: Callable, monkeypatch: pytest.MonkeyPatch) -> list[RunRecord]:
    """Two populations, of three and of two networks, with records in the profile x, which lists them."""
    configs = [run_config(seed=seed) for seed in range(3)] + [run_config(kind="plain", seed=seed) for seed in range(2)]
    listed = {key: tuple(configs[:3] if number < 3 else configs[3:]) for number, key in enumerate(run_keys(configs))}
    monkeypatch.setattr(rerunning, "listed_groups", lambda profiles: listed)
    return sweep(configs, experiment="e", profile="x", threads=1, device="cpu", mlflow=False)


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def changed(record: RunRecord, **environment: object) -> RunRecord:
    return record.model_copy(update={"environment": record.environment | environment})


def test_run_comes_out_to_the_bit_and_nothing_is_touched(trained, project: Path, monkeypatch, call, capfd) -> None:
    (project / "profiles" / "x").mkdir()
    before = contents(project / "results") | contents(project / "checkpoints")
    assert call("verify", "--rerun", "1", "--profile", "x", "--seed", "4", "--device", "cpu") == 0
    out = capfd.readouterr().out
    assert "1 of 5 records, drawn with seed 4" in out
    assert "largest relative difference 0; as expected: equal to the bit" in out
    assert "with the " in out, "it is trained again with its group"
    assert contents(project / "results") | contents(project / "checkpoints") == before


def test_record_that_does_not_come_out_is_named_and_the_status_is_1(trained, project: Path, call, capfd) -> None:
    (project / "profiles" / "x").mkdir()
    store = RecordStore(paths.Results("x").of("e").runs)
    for record in trained:
        curve = [value * 1.001 for value in record.curves["train_cross_entropy"]]
        store.write(record.model_copy(update={"curves": record.curves | {"train_cross_entropy": curve}}))
    assert call("verify", "--rerun", "1", "--profile", "x", "--device", "cpu") == 1
    captured = capfd.readouterr()
    assert "largest relative difference 0.001 (train_cross_entropy, epoch " in captured.out
    assert "NOT as expected: equal to the bit" in captured.out
    assert "error: 1 runs did not come out as expected" in captured.err


def test_under_other_conditions_the_first_epoch_counts_within_a_tolerance(trained) -> None:
    record = trained[0]
    there = changed(record, processor="another", threads=7)
    late = {name: [values[0], values[1] * 2] for name, values in record.curves.items()}
    outcome = compared(there, record.model_copy(update={"curves": late}), whole=True)
    assert outcome.passed
    assert outcome.expected == "1e-05 after one epoch (another processor, other threads)"
    early = {name: [value * (1 + 3 * TOLERANCE["dense"]) for value in values] for name, values in record.curves.items()}
    outcome = compared(there, record.model_copy(update={"curves": early}), whole=True)
    assert not outcome.passed
    assert outcome.difference == pytest.approx(3 * TOLERANCE["dense"], rel=1e-3)
    plain = trained[-1]
    rough = {
        name: [value * (1 + 0.9 * TOLERANCE["plain"]) for value in values] for name, values in plain.curves.items()
    }
    assert compared(changed(plain, threads=7), plain.model_copy(update={"curves": rough}), whole=True).passed
    assert "another grouping" in compared(record, record, whole=False).expected
    diverged = record.model_copy(update={"status": "diverged", "diverged_epoch": 1, "curves": {}})
    assert not any(compared(one, diverged, whole=True).passed for one in (record, there))


def test_same_seed_draws_the_same_records_with_their_groups(trained) -> None:
    records, listed = read_records(["x"]), rerunning.listed_groups(["x"])

    def drawn(seed: int) -> list[Sample]:
        return sampled(records, 3, seed, listed)

    assert drawn(1) == drawn(1)
    assert len({tuple(sample.record.run_key for sample in drawn(seed)) for seed in range(8)}) > 1
    for sample in drawn(0):
        assert sample.whole
        assert sample.record.config in sample.group
        assert len(sample.group) == {"highway": 3, "plain": 2}[sample.record.config.network.kind]
    assert not any(sample.whole for sample in sampled(records, 2, 0, {})), "their groups are not listed"
    assert len(sampled(records, 99, 0, listed)) == 5


def test_families_take_turns_the_quickest_first(monkeypatch, repository: Path) -> None:
    monkeypatch.setenv("HIGHWAYS_ROOT", str(repository))
    records = read_records(["laptop"])
    families = [sample.record.config.network.family for sample in sampled(records, 6, 0, {})]
    assert families[:4] == ["bag-of-words", "dense", "bilstm", "conv"]
    assert families[4:] == ["dense", "bilstm"], "there is one bag of words"
    listed = listed_groups(["laptop"])
    assert {record.run_key for record in records} == set(listed)
    whole = [sample.whole for sample in sampled(records, 40, 1, listed)]
    assert sum(whole) >= 35, "but for those that were trained while groups were split by memory"


def test_runs_whose_data_are_not_here_are_left_out_which_is_said(monkeypatch, project: Path, repository: Path) -> None:
    monkeypatch.delenv("HIGHWAYS_DATA_MIRROR", raising=False)
    paths_ = sorted((repository / "results" / "laptop" / "07_keras_vs_lasagne" / "runs").glob("*.json"))
    records = [RunRecord.read(path) for path in paths_[:3] + paths_[-3:]]
    said: list[str] = []
    left = at_hand(records, said.append)
    assert {record.config.data.name for record in left} == {"weak-signal"}
    assert len(said) == 1
    assert said[0].startswith("mnist-4-9 is not here, its ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rerun", "0"], "Invalid value for '--rerun'"),
        (["--seed", "3"], "--seed and --device need --rerun"),
        (["--rerun", "1"], "no records to train again in results"),
    ],
)
def test_bad_input_is_one_line(project: Path, call, capsys, arguments: list[str], message: str) -> None:
    assert call("verify", *arguments) != 0
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_process_that_trains_again_ends_with_its_parent() -> None:
    script = """
import multiprocessing, os, time
from concurrent.futures import ProcessPoolExecutor
from highways.training.engines import die_with_parent
if __name__ == "__main__":
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, initializer=die_with_parent) as pool:
        print(pool.submit(os.getpid).result(), flush=True)
        pool.submit(time.sleep, 300).result()
"""
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    worker = psutil.Process(int(parent.stdout.readline()))
    parent.terminate()
    parent.communicate()
    assert not psutil.wait_procs([worker], timeout=30)[1]
