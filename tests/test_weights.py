"""Weights in the repository: kept, found after checkpoints/, and told where they are not the record's."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from toolbox import HERE

from highways import paths
from highways.config import AnalysisConfig
from highways.inside.analyse import analyse
from highways.inside.lesions import LesionsConfig
from highways.training import load_network, run
from highways.training.checkpoints import read_weights, weights_path, weights_sha256


@pytest.fixture
def record(project: Path, run_config: Callable):
    """The record of a small highway network whose weights are under checkpoints/."""
    return run(run_config(epochs=1), **HERE)


def test_weights_in_the_repository_are_found_after_those_of_checkpoints(record, says, fails) -> None:
    trained = load_network(record).state_dict()
    kept = paths.root() / "results" / "p" / "weights" / f"{record.run_key}.pt"
    assert says("weights", "keep", record.run_key[-12:]).strip() == str(kept.relative_to(paths.root()))
    card = kept.with_name("README.md").read_text()
    (row,) = [line for line in card.splitlines() if record.run_key in line]
    loss = f"{record.last('train_cross_entropy'):.6g}"
    assert f"| {loss} | {loss} |" in row
    assert "| yes |" in row
    assert f"| {record.weights_sha256} | {hashlib.sha256(kept.read_bytes()).hexdigest()} |" in row
    weights_path(record.run_key).unlink()
    assert weights_sha256(load_network(record).state_dict()) == weights_sha256(trained)
    assert "not the record's" not in says("run", record.run_key, "--show", "gates")
    assert "its weights are kept already, at results/p/weights/" in fails("weights", "keep", record.run_key)
    kept.unlink()
    assert f"`highways run {record.run_key} --weights` trains" in fails("weights", "keep", record.run_key)


def test_weights_in_half_the_space_are_loaded_as_float32(record, says) -> None:
    trained = load_network(record).state_dict()
    says("weights", "keep", "--half", record.run_key)
    weights_path(record.run_key).unlink()
    for name, tensor in load_network(record).state_dict().items():
        assert torch.equal(tensor, trained[name].half().float())


def test_weights_trained_again_are_told_and_others_are_refused(record, says, fails, capsys) -> None:
    state = {name: tensor + 1e-3 for name, tensor in load_network(record).state_dict().items()}
    torch.save(state, weights_path(record.run_key))
    says("weights", "keep", record.run_key)
    weights_path(record.run_key).unlink()
    kept = paths.root() / "results" / "p" / "weights" / f"{record.run_key}.pt"
    assert "| no |" in kept.with_name("README.md").read_text()
    assert weights_sha256(load_network(record).state_dict()) == weights_sha256(state)
    said = capsys.readouterr().out
    assert (said.count("\n"), "not the record's to the bit" in said) == (1, True)
    lesions = [AnalysisConfig(run=record.config, measure=LesionsConfig())]
    (first,) = analyse(lesions, experiment="e", profile="p", mlflow=False)
    assert analyse(lesions, experiment="e", profile="p", mlflow=False) == [first], "it is of the weights that count"

    torch.save({name: tensor + 1 for name, tensor in state.items()}, kept)
    assert "restore it from git" in fails("run", record.run_key, "--show", "signal")


def test_committed_weights_are_those_of_their_cards(repository: Path) -> None:
    for path in repository.glob("results/*/weights/*.pt"):
        (row,) = [line for line in path.with_name("README.md").read_text().splitlines() if f"[{path.stem}]" in line]
        assert hashlib.sha256(path.read_bytes()).hexdigest() in row
        assert weights_sha256(read_weights(path)) in row
