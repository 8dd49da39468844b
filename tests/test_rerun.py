"""Recorded runs are trained again and compared: to the bit where all is as it was, within a tolerance elsewhere."""

from collections.abc import Callable
from pathlib import Path

import pytest
from toolbox import HERE, OF_MLFLOW

from highways import paths
from highways.config import DenseConfig
from highways.pipeline import rerun as rerunning
from highways.pipeline.rerun import PLAIN, Outcome, Sample, at_hand, compared, listed_groups, read_records, sampled
from highways.tracking.records import RecordStore, RunRecord, run_keys
from highways.training import sweep

pytestmark = OF_MLFLOW


@pytest.fixture
def trained(project: Path, run_config: Callable, monkeypatch: pytest.MonkeyPatch) -> list[RunRecord]:
    """Two populations, of three and of two networks, with records in the profile x, which lists them."""
    (project / "profiles" / "x").mkdir()
    configs = [run_config(seed=seed) for seed in range(3)] + [run_config(kind="plain", seed=seed) for seed in range(2)]
    listed = {key: tuple(configs[:3] if number < 3 else configs[3:]) for number, key in enumerate(run_keys(configs))}
    monkeypatch.setattr(rerunning, "listed_groups", lambda profiles: listed)
    return sweep(configs, **HERE | {"profile": "x"}, device="cpu")


@pytest.mark.pipeline
def test_runs_come_out_to_the_bit_or_are_named_and_nothing_is_touched(trained, project: Path, call, capfd) -> None:
    def contents() -> dict[Path, bytes]:
        folders = (project / "results", project / "checkpoints")
        return {path: path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()}

    for record in trained[3:]:
        curve = [value * 1.001 for value in record.curves["train_cross_entropy"]]
        altered = record.model_copy(update={"curves": record.curves | {"train_cross_entropy": curve}})
        RecordStore(paths.Results("x").of("e").runs).write(altered)
    before, drawn = contents(), read_records(["x"])
    samples = {seed: sampled(drawn, 2, seed, rerunning.listed_groups(["x"])) for seed in range(20)}
    seed = next(seed for seed, (one, other) in samples.items() if len(one.group) != len(other.group))
    assert call("verify", "--rerun", "2", "--profile", "x", "--seed", str(seed), "--device", "cpu") == 1
    out, error = capfd.readouterr()
    assert f"2 of 5 records, drawn with seed {seed}" in out
    assert "largest relative difference 0; as expected: equal to the bit" in out
    assert "with the " in out, "it is trained again with its group"
    assert "largest relative difference 0.001 (train_cross_entropy, epoch " in out
    assert "NOT as expected: equal to the bit" in out
    assert "error: 1 runs did not come out as expected" in error
    assert contents() == before


def test_under_other_conditions_the_first_epoch_counts_within_a_tolerance(trained) -> None:
    def outcome(record: RunRecord, first: float, second: float) -> Outcome:
        """Of a run elsewhere whose curves are so many times as high in its first and second epoch."""
        there = record.model_copy(update={"environment": record.environment | {"processor": "another", "threads": 7}})
        curves = {name: [a * first, b * second] for name, (a, b) in record.curves.items()}
        return compared(there, record.model_copy(update={"curves": curves}), whole=True)

    record, plain = trained[0], trained[-1]
    late = outcome(record, 1, 2)
    assert late.passed
    assert late.expected == "1e-05 after one epoch (another processor, other threads)"
    early = outcome(record, 1 + 3 * DenseConfig.tolerance, 1)
    assert not early.passed
    assert early.difference == pytest.approx(3 * DenseConfig.tolerance, rel=1e-3)
    assert outcome(plain, 1 + 0.9 * PLAIN, 1).passed
    assert "another grouping" in compared(record, record, whole=False).expected
    diverged = record.model_copy(update={"status": "diverged", "diverged_epoch": 1, "curves": {}})
    assert not compared(record, diverged, whole=True).passed


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


def test_bad_input_is_one_line(project: Path, call, capsys) -> None:
    for arguments, message in (
        (["--rerun", "0"], "Invalid value for '--rerun'"),
        (["--seed", "3"], "--seed and --device need --rerun"),
        (["--rerun", "1"], "no records to train again in results"),
    ):
        assert call("verify", *arguments) != 0
        (error,) = capsys.readouterr().err.splitlines()
        assert message in error
