"""What a profile will cost: reckoned from records, corrected for this machine, split where memory forces it."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import torch

from highways.data import Images, load
from highways.errors import HighwaysError
from highways.report import calibration as calibrating
from highways.report.calibration import calibration, measure, workloads
from highways.report.costs import Ledger, corrected, makespan, recorded_groups
from highways.report.outlook import Archive, Asked, outlook, reckoned_from_others
from highways.report.standins import SHAPES, features, group_bytes, parameters, stand_in
from highways.tracking.events import Started
from highways.tracking.records import RunRecord
from highways.training import device, sweep
from highways.training.building import build_network
from highways.training.device import cores  # itself: a fixture of all tests says that there is one
from highways.training.groups import parts
from highways.training.memory import population_bytes
from highways.training.together import PopulationModule


@pytest.fixture(scope="module")
def archive(request: pytest.FixtureRequest) -> Archive:
    """All committed records."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HIGHWAYS_ROOT", str(request.config.rootpath))
        return Archive()


@pytest.fixture
def committed(monkeypatch: pytest.MonkeyPatch, repository: Path) -> None:
    """The checkout itself, read only."""
    monkeypatch.setenv("HIGHWAYS_ROOT", str(repository))


def within(factor: float, reckoned: float, fact: float) -> bool:
    return fact / factor <= reckoned <= fact * factor


def test_laptop_is_reckoned_within_a_factor_of_one_and_a_half(committed, archive: Archive) -> None:
    stages = outlook("laptop", Asked(every=True), archive)
    assert sum(stage.runs for stage in stages) > 1000
    assert not any(stage.left for stage in stages)
    assert within(1.5, sum(s.core_seconds for s in stages), sum(s.recorded for s in stages))
    for stage in stages:
        assert within(1.5, stage.core_seconds, stage.recorded), stage.name


@pytest.mark.parametrize("family", ["dense", "bilstm", "conv"])
def test_a_network_is_reckoned_from_others_within_a_factor_of_one_and_a_half(repository: Path, family: str) -> None:
    paths = sorted((repository / "results" / "laptop").glob("*/runs/*.json"))
    runs = [run for run in map(RunRecord.read, paths) if run.config.network.family == family]
    ledger, groups = Ledger(runs, own=False), recorded_groups(runs)
    reckoned = [ledger.group([group.config] * group.members) for group in groups]
    assert all(one is not None and not one.exact for one in reckoned)
    assert within(1.5, sum(one.core_seconds for one in reckoned), sum(group.core_seconds for group in groups))
    assert within(1.5, *reckoned_from_others(runs))


def test_finished_runs_cost_nothing_and_are_counted_in_the_first_stage_that_lists_them(committed, archive) -> None:
    stages = {stage.name: stage for stage in outlook("laptop", Asked(), archive)}
    assert all(stage.core_seconds == 0 for stage in stages.values())
    assert stages["04_gates"].runs == 6
    assert stages["05_lesion"].runs == 0, "its runs are those of 04_gates"


def test_workers_and_nodes_divide_the_time(committed, archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("highways.training.device.cores", lambda: 4)

    def seconds(**asked: int) -> float:
        return sum(stage.seconds for stage in outlook("paper", Asked(**asked), archive))

    assert seconds(workers=2, nodes=8) < 0.3 * seconds(workers=2)
    assert seconds(workers=4) == pytest.approx(seconds(workers=400)), "there are four cores"


def test_speed_of_this_machine_counts_by_family() -> None:
    assert corrected(10, "conv", {}) == 10
    assert corrected(10, "conv", {"conv": 2.0, "dense": 8.0}) == 20
    assert corrected(10, "bag-of-words", {"conv": 2.0, "dense": 8.0}) == pytest.approx(40)


def test_jobs_are_packed_longest_first() -> None:
    assert makespan([3, 3, 2, 2, 2], 2) == 7  # 3 2 2 and 3 2
    assert makespan([], 4) == 0


def test_what_cannot_be_known_is_said(project: Path, call, capsys) -> None:
    assert call("profile", "cost", "quick", "--as-recorded") == 0
    out = capsys.readouterr().out
    assert "no network of the family dense is in any record: " in out
    assert "no analysis of the kind 'parity' is in any record: not counted" in out
    assert "1 of its runs follow from records: others like them are counted" in out
    assert call("profile", "cost", "huge") == 1
    assert "no profile 'huge'" in capsys.readouterr().err


def test_a_trained_run_tells_what_its_like_will_cost(project: Path, run_config) -> None:
    configs = [run_config(seed=seed, epochs=3) for seed in range(4)]
    measured = {"group_seconds": 3.0, "seconds": 0.75}
    trained = sweep(configs, experiment="x", profile="x", mlflow=False, threads=1)
    records = [record.model_copy(update={"timing": measured}) for record in trained]
    (group,) = recorded_groups(records)
    assert (group.members, group.epochs, group.live, group.survival) == (4, 3, 12, 1)
    assert group.core_seconds == pytest.approx(records[0].timing["group_seconds"])
    estimate = Ledger(records).group(configs)
    assert estimate.exact
    assert within(1.5, estimate.core_seconds, group.core_seconds)
    assert Ledger(records[:2]).group(configs) == estimate, "half of a group's records tell as much"
    assert Ledger(records, own=False).group(configs) is None, "there is no other network"
    deeper = Ledger(records).group([run_config(depth=8, seed=seed, epochs=3) for seed in range(4)])
    assert not deeper.exact
    assert deeper.core_seconds > estimate.core_seconds


@pytest.mark.parametrize("name", ["digits", "weak-signal"])
def test_stand_ins_have_the_shape_of_the_data(project: Path, name: str) -> None:
    data = load(name)
    assert isinstance(data, Images)
    assert SHAPES[name][0] * SHAPES[name][1] * SHAPES[name][2] == data.features


def test_size_is_that_of_the_network(project: Path, run_config) -> None:
    for config in (run_config(), run_config(kind="plain", depth=1), run_config(depth=7)):
        network = build_network(config, load("digits"))
        assert parameters(config) == sum(parameter.numel() for parameter in network.parameters())


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
    module = PopulationModule([config] * 6, list("abcdef"), data, lambda event: None)
    module.training_step((data.train_x[:50], data.train_y[:50]), 0)
    held = module.population.step_bytes(50) + sum(kept.nbytes for kept in module.state.buffers())
    held += sum(gradient.nbytes for gradient in module._gradients.values())
    reckoned = population_bytes(config, 6, features(config.data), 10)
    assert held <= reckoned * 1.02
    evaluation = 6 * 4 * 500 * (3 * 8 + 4 * 10)
    assert reckoned - evaluation <= held * 1.02
    assert group_bytes(config, 6) == reckoned


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


def test_there_is_a_workload_for_every_family_that_takes_time(committed, archive: Archive) -> None:
    works = workloads(archive.ledger.groups)
    assert set(works) == {"bilstm", "conv", "dense"}
    for work in works.values():
        assert 0.5 < work.core_seconds < 4
        data = stand_in(work.config.data, work.training, work.testing)
        assert data.size("train") == work.training


def test_workload_is_measured_and_kept(project: Path, run_config, monkeypatch: pytest.MonkeyPatch) -> None:
    records = sweep([run_config(seed=seed, epochs=3) for seed in range(3)], experiment="x", profile="x", mlflow=False)
    groups = recorded_groups(records)
    monkeypatch.setattr(calibrating, "EPOCH_S", 1e-3)
    work = workloads(groups)["dense"]
    before = torch.get_num_threads()
    found = measure(work, "cpu")
    torch.set_num_threads(before)
    assert 0 < found.core_seconds < 5

    monkeypatch.setattr(calibrating, "workloads", lambda groups: pytest.fail("it is measured again"))
    place = project / "checkpoints" / "calibration.json"
    here = {"processor": calibrating.processor(), "cores": 3, "torch": torch.__version__, "device": "cpu"}
    content = {"here": here, "measured_at": time.time(), "speed": {"dense": 1.5}}
    place.parent.mkdir(exist_ok=True)
    monkeypatch.setattr("highways.training.device.cores", lambda: 3)
    place.write_text(json.dumps(content))
    assert calibration(groups) == {"dense": 1.5}
    monkeypatch.setattr(calibrating, "workloads", lambda groups: {})
    for damage in ({"measured_at": 0}, {"speed": {"dense": -1}}, {"speed": 3}, {"here": {}}):
        place.write_text(json.dumps(content | damage))
        assert calibration(groups) == {}, damage


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
