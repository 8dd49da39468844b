"""Searches with rungs: what a later rung holds follows from the records of the earlier one, and from nothing else."""

from pathlib import Path

import pytest
from toolbox import config_of, record_of, refused

from highways import paths
from highways.config import Profile, RunConfig
from highways.experiments.depth import DepthProfile
from highways.experiments.gates import GatesProfile
from highways.experiments.very_deep import VeryDeepProfile
from highways.tracking import RecordStore, RunRecord, listed_records
from highways.tracking.outcomes import Cell, best_of, rank
from highways.training import sweep, train

SMALL = {"profile": "x", "data": "digits", "depths": [2, 3], "trials": 5, "epochs": 1, "batch_size": 200} | {
    "plain_width": 4,
    "highway_width": 4,
    "rungs": [{"epochs": 2, "keep": 3}, {"epochs": 4, "keep": 2}],
    "drawn": {2: 1},
}


def depth_profile(**changes: object) -> DepthProfile:
    return DepthProfile.model_validate(SMALL | changes)


def record(seed: int, curve: list[float], status: str = "finished", epochs: int = 0) -> RunRecord:
    network = {"kind": "plain", "depth": 4, "width": 8}
    budget = {"epochs": epochs or max(len(curve), 1)}
    config = config_of(network, optimiser={"learning_rate": 0.1}, budget=budget, seed=seed)
    lost = {"diverged_epoch": len(curve) + 1} if status == "diverged" else {}
    return record_of(config, {"train_cross_entropy": curve} if curve else {}, **lost)


def store_of() -> RecordStore:
    return RecordStore(paths.Results("x").of("01_depth").runs)


def test_lowest_loss_is_best_then_the_key_and_diverged_runs_are_last_but_counted() -> None:
    late, early = record(0, [1.0, 0.3]), record(1, [0.2, 0.9])
    diverged, at_once = record(2, [0.1], "diverged"), record(3, [], "diverged")
    assert sorted([at_once, diverged, late, early], key=rank) == [early, late, diverged, at_once]
    same = [record(seed, [0.5]) for seed in range(4)]
    assert [one.run_key for one in sorted(same, key=rank)] == sorted(one.run_key for one in same)
    short, long = record(0, [1.0, 0.3]), record(0, [1.0, 0.2, 0.1, 0.05])
    diverged = record(1, [1.0, 0.01], "diverged", epochs=4)
    assert Cell((short, diverged)).counted == [short], "a rung of which nothing is left"
    both = Cell((short, long, diverged))
    assert (both.counted, both.epochs) == ([long, diverged], 4)
    assert both.best_loss == 0.05, "the best is a diverged one only where all are"
    assert best_of([short, long, diverged]) == long
    assert best_of([diverged, record(3, [], "diverged", epochs=4)]) == diverged
    assert best_of([record(3, [], "diverged")]) is None


def written(settings: DepthProfile, losses: list[float]) -> list[Path]:
    """Write records of the first trials of every network, with these losses."""
    return [
        store_of().write(record_of(config, {"train_cross_entropy": [loss]}))
        for trials in settings.first_rung().values()
        for config, loss in zip(trials, losses, strict=False)
    ]


def test_next_rung_waits_for_every_record_of_the_one_before(project: Path) -> None:
    settings = depth_profile(depths=[2], trials=3, rungs=[{"epochs": 5, "keep": 2}], drawn={})
    written(settings, [0.1, 0.2])
    assert [len(ladder) for ladder in settings.ladders().values()] == [1, 1]
    written(settings, [0.3, 0.2, 0.1])
    for first, second in settings.ladders().values():
        assert [(run.seed, run.budget.epochs) for run in second] == [(2, 5), (1, 5)]
        assert len(first) == 3


def test_ladders_are_read_once_as_long_as_no_record_changes(project: Path, monkeypatch) -> None:
    settings = depth_profile(depths=[2], trials=2, rungs=[{"epochs": 5, "keep": 1}], drawn={})
    read: list[str] = []
    path = written(settings, [0.1, 0.2])[-1]
    original = RecordStore.read
    monkeypatch.setattr(RecordStore, "read", lambda self, key: read.append(key) or original(self, key))
    settings.ladders()
    once = len(read)
    settings.runs(), settings.waiting()
    assert len(read) == once > 0
    path.write_text(path.read_text().replace("0.2", "0.01"))
    with refused(f"results/x/01_depth/runs/{path.name}: altered"):
        settings.runs()


def network_of(run: RunConfig) -> tuple[str, int]:
    return run.network.kind, run.network.depth


def test_search_is_trained_in_rungs_counts_no_drawn_trial_and_guesses_no_survivor(project: Path) -> None:
    search, portions = depth_profile(), []
    assert (len(search.runs()), len(search.waiting())) == (4 * 5, 4)
    for portion in search.portions():
        portions.append(portion)
        sweep(portion, experiment="01_depth", profile="x", mlflow=False)
    assert [len(portion) for portion in portions] == [20, 12, 4, 4 + 2], "of the last rung every network's best first"
    assert {network_of(run) for run in portions[2]} == {(k, d) for k in ("plain", "highway") for d in (2, 3)}
    assert search.waiting() == []
    before = {path: path.stat().st_mtime_ns for path in store_of()}
    assert len(train(search, mlflow=False)) == len(search.runs()) == 4 * (5 + 3 + 2) + 2
    assert {path: path.stat().st_mtime_ns for path in store_of()} == before, "it is not trained again"

    listed = listed_records(search)
    assert listed.shortfall == ""
    assert (len(listed), len(listed.auxiliary)) == (4 * 10, 2)
    last = [run.config for run in listed if run.config.budget.epochs == 4]
    for one in listed.auxiliary:
        assert (one.config.network.depth, one.config.budget.epochs) == (2, 4)
        assert one.config not in last, "no last rung kept it"
    drawn, lost = listed.auxiliary[0], next(one for one in listed if one.config.budget.epochs == 2)
    store_of().path(drawn.run_key).unlink()
    without = listed_records(search)
    assert without.shortfall == f"1 of the listed runs has no record: {drawn.run_key}."
    assert without.missing == [], "no claim waits for what no outcome counts"
    store_of().write(drawn)
    store_of().path(lost.run_key).unlink()
    without = listed_records(search)
    assert without.shortfall == f"1 of the listed runs has no record: {lost.run_key}."
    assert network_of(lost.config) not in {network_of(run.config) for run in without if run.config.budget.epochs == 4}


OWN = {"trials": 4, "epochs": 1, "rungs": [{"epochs": 2, "keep": 3}], "keep": 2}
GATES = {"profile": "x", "data": ["digits"], "depth": 3, "width": 4, "epochs": 3, "batch_size": 200} | {
    "transform_bias": {"digits": -2.0}
}


def test_own_search_of_gates_shows_the_best_of_those_kept(project: Path) -> None:
    settings = GatesProfile.model_validate(GATES | {"own_search": OWN})
    assert (len(settings.runs()), settings.analyses(), len(settings.waiting())) == (4, [], 1)
    train(settings, mlflow=False)
    shown = settings.shown()
    assert len(shown) == 2
    assert all(run.network.transform_bias == -2.0 for run in settings.runs())
    open_gates = settings.model_copy(update={"transform_bias": {"digits": 0.0}})
    assert {run.network.transform_bias for run in open_gates.first_rung()["digits"]} == {0.0}
    listed = listed_records(settings)
    by_config = {one.config: one for one in listed}
    assert sorted((by_config[run] for run in shown), key=rank)[0].config == shown[0]
    assert len(listed.auxiliary) == 4 + 3, "the shorter trials count for nothing"
    assert {run.budget.epochs for run in by_config} == {3}


VERY_DEEP = {"profile": "x", "data": ["digits"], "epochs": 1, "batch_size": 100, "search": "quick", "cost_steps": 1}
VERY_DEEP |= {"depths": {"digits": [5, 9]}, "cost_depths": [5, 9], "search_depth": 10}
BASES: dict[type[Profile], dict] = {DepthProfile: SMALL, GatesProfile: GATES, VeryDeepProfile: VERY_DEEP}


@pytest.mark.parametrize(
    ("schema", "changes", "message"),
    [
        (DepthProfile, {"rungs": [{"epochs": 2, "keep": 6}]}, "rung of 2 epochs keeps 6 trials, there are 5 before it"),
        (DepthProfile, {"rungs": [{"epochs": 2, "keep": 2}, {"epochs": 4, "keep": 3}]}, "keeps 3 trials, there are 2"),
        (DepthProfile, {"rungs": [{"epochs": 1, "keep": 2}]}, "rung of 1 epochs follows one of 1: epochs must grow"),
        (DepthProfile, {"rungs": []}, "drawn belongs to searches with rungs"),
        (DepthProfile, {"drawn": {7: 1}}, "its keys are among depths"),
        (GatesProfile, {}, "one of search and own_search is needed"),
        (GatesProfile, {"search": "quick", "transform_bias": {"mnist": -2.0}}, "transform_bias has none for digits"),
        (VeryDeepProfile, {"depths": {"mnist": [5]}}, "depths has none for digits"),
        (VeryDeepProfile, {"cost_depths": [5, 5]}, "5 is given twice"),
        (GatesProfile, {"search": "quick", "own_search": OWN}, "one of search and own_search"),
        (GatesProfile, {"own_search": OWN | {"epochs": 2}}, "a rung of 2 epochs follows one of 2"),
        (GatesProfile, {"own_search": OWN | {"keep": 4}}, "keeps 4 trials, there are 3"),
    ],
)
def test_bad_searches_are_refused_in_one_line(schema: type[Profile], changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        schema.model_validate(BASES[schema] | changes)
