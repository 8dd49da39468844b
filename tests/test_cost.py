"""What a machine may use: populations are split where memory forces it, and a container's limits count."""

from __future__ import annotations

from pathlib import Path

import pytest

from highways.data import Images, load
from highways.errors import HighwaysError
from highways.tracking.events import Started
from highways.training import device, sweep
from highways.training.device import cores  # itself: a fixture of all tests says that there is one
from highways.training.groups import parts
from highways.training.memory import population_bytes
from highways.training.together import PopulationModule


@pytest.mark.parametrize(
    ("kind", "depth", "optimiser"), [("plain", 9, "sgd"), ("highway", 20, "sgd"), ("highway", 5, "adagrad")]
)
def test_memory_of_a_population_is_what_it_holds(
    project: Path, run_config, kind: str, depth: int, optimiser: str
) -> None:
    config = run_config(kind=kind, depth=depth)
    if optimiser == "adagrad":
        content = config.model_dump(mode="json") | {"optimiser": {"kind": "adagrad", "learning_rate": 0.01}}
        config = type(config).model_validate(content)
    data = load("digits")
    assert isinstance(data, Images)
    module = PopulationModule([config] * 6, list("abcdef"), data, lambda event: None)
    module.training_step((data.train_x[:50], data.train_y[:50]), 0)
    held = module.population.step_bytes(50) + sum(kept.nbytes for kept in module.state.buffers())
    held += sum(gradient.nbytes for gradient in module._gradients.values())
    reckoned = population_bytes(config, 6, data.features, 10)
    assert held <= reckoned * 1.02
    evaluation = 6 * 4 * 500 * (3 * 8 + 4 * 10)
    assert reckoned - evaluation <= held * 1.02


def test_groups_are_split_into_as_few_equal_parts_as_fit() -> None:
    assert parts(range(10), 100, 1000) == [list(range(10))]
    assert parts(range(10), 100, 34) == [[0, 1, 2], [3, 4, 5], [6, 7, 8, 9]]
    assert parts(range(3), 100, 1) == [[0], [1], [2]], "one that does not fit alone is tried"


def test_population_that_does_not_fit_is_split_which_is_said(project: Path, run_config, monkeypatch, capsys) -> None:
    configs = [run_config(seed=seed) for seed in range(4)]
    whole = sweep(configs, experiment="a", profile="x", mlflow=False, threads=1)
    need = population_bytes(configs[0], 4, 64, 10)
    monkeypatch.setenv("HIGHWAYS_MEMORY_GB", str(need * 0.6 / 0.8 / 1e9))
    for path in (project / "results").rglob("*.json"):
        path.unlink()
    capsys.readouterr()
    events: list = []
    split = sweep(configs, experiment="b", profile="x", mlflow=False, threads=1, on_event=events.append)
    assert "4 networks of 4 layers together would need " in capsys.readouterr().out
    assert [len(event.keys) for event in events if isinstance(event, Started)] == [2, 2]
    assert [record.engine["group"] for record in split] == [2] * 4
    for one, other in zip(whole, split, strict=True):
        assert one.curves["train_cross_entropy"] == pytest.approx(other.curves["train_cross_entropy"], rel=1e-4)
    monkeypatch.setenv("HIGHWAYS_MEMORY_GB", "much")
    with pytest.raises(HighwaysError, match="HIGHWAYS_MEMORY_GB must be a number of gigabytes above 0, found 'much'"):
        sweep([run_config(seed=seed) for seed in (7, 8)], experiment="c", profile="x", mlflow=False)


@pytest.mark.parametrize(
    ("content", "may_have"), [("150000 100000\n", 1), ("50000 100000", 1), ("max 100000", None), ("", None)]
)
def test_what_a_container_may_have_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, may_have: int | None
) -> None:
    before = cores(), device.memory()
    monkeypatch.setattr(device, "CONTROL_GROUP", tmp_path)
    assert (cores(), device.memory()) == before, "nothing is limited where nothing says so"
    (tmp_path / "cpu.max").write_text(content)
    (tmp_path / "memory.max").write_text("1000000" if may_have else "max")
    assert cores() == (may_have or before[0])
    assert device.memory() == (1e6 if may_have else before[1])
