"""Claims: the rules of judging, and the claims of the depth study on known outcomes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from toolbox import record_of, verdicts_of

from highways.claims.judge import Bounds, Claim, Judgement, headline, judge, measured_text, read_claims, shortfalls
from highways.claims.required import Required
from highways.claims.sources import numbers_of, spoken
from highways.claims.studies import study_ratio
from highways.claims.values import Expression, Interval, Measures, Networks, measured, measured_of_networks
from highways.config import AnalysisConfig, BudgetConfig, DataConfig, DenseConfig, RunConfig
from highways.config.profiles import load_profile
from highways.config.run import SGDConfig
from highways.errors import HighwaysError
from highways.experiments import CONV, DEPTH, GATES, LESION
from highways.experiments.bilstm_depth import BiLSTMProfile
from highways.experiments.conv import ConvProfile
from highways.experiments.depth import DepthProfile
from highways.experiments.gates import GatesProfile
from highways.experiments.lesion import LesionProfile
from highways.inside.gates import GatesConfig
from highways.report.verdicts import Judged, all_claims, judge_all
from highways.tracking import Listed, RunRecord

SOURCES = (
    "P1",
    "P2",
    "Keras/Lasagne question",
    "initialisation questions",
    "Highway BiLSTM article",
    "Keras convolution post",
    "NumPy/Keras question",
)
BILSTM = {"profile": "x", "data": ["sst2"], "variants": ["plain"], "depths": [1], "seeds": 1, "epochs": 1} | {
    "batch_size": 1,
    "hidden": 1,
    "embedding": 1,
    "dropout": 0.0,
}


def settings(**changes: object) -> DepthProfile:
    content = {"profile": "x", "data": "mnist", "depths": [10, 20, 50, 100], "trials": 40, "epochs": 400}
    return DepthProfile.model_validate(content | {"batch_size": 100} | changes)


def records(
    chosen: DepthProfile, loss: dict[tuple[str, int], float], epochs_to_loss: int = 1, spread: float = 0.01
) -> Listed:
    """Records whose best outcomes are `loss`, reached after `epochs_to_loss` epochs of 2.3; each trial is worse."""
    found = []
    for config in chosen.runs():
        outcome = loss[config.network.kind, config.network.depth] * (1 + spread * config.seed)
        found.append(record_of(config, {"train_cross_entropy": [2.3] * (epochs_to_loss - 1) + [outcome]}))
    return Listed(found)


PAPER_P1 = {
    ("plain", 10): 6.98e-6,
    ("plain", 20): 5.78e-5,
    ("plain", 50): 1.93e-3,
    ("plain", 100): 1.37e-1,
    ("highway", 10): 6.90e-5,
    ("highway", 20): 6.09e-6,
    ("highway", 50): 2.37e-5,
    ("highway", 100): 1.20e-5,
}
NO_DIFFERENCE = dict.fromkeys(PAPER_P1, 1e-5)


def judged(claim: str | Claim, listed: Listed) -> Judgement:
    """The verdict on a claim of the depth study, or on a changed one."""
    claim = all_claims()[claim] if isinstance(claim, str) else claim
    return judge("x", claim, DEPTH.named_measures, listed, "p")


def verdicts(chosen: DepthProfile, loss: dict) -> dict[str, tuple[str, str]]:
    return {row.claim_id: (row.verdict, row.scope) for row in verdicts_of(chosen, records(chosen, loss))}


def test_the_papers_own_outcomes_replicate_the_depth_claims() -> None:
    found = verdicts(settings(trials=100), PAPER_P1)
    assert found.pop("depth-highway-converges-faster")[0] == "not replicated"  # these records have one epoch
    assert set(found.values()) == {("replicated", "full")}


def test_equal_networks_do_not() -> None:
    found = verdicts(settings(trials=100), NO_DIFFERENCE)
    for claim in ("depth-plain-degrades", "depth-highway-two-orders-better", "depth-highway-two-orders-better-top10"):
        assert found[claim] == ("not replicated", "full")
    assert found["depth-highway-does-not-degrade"] == ("replicated", "full")


@pytest.mark.parametrize(
    ("changes", "scope"),
    [({"epochs": 399}, "reduced"), ({"trials": 39}, "reduced"), ({"data": "digits"}, "stand-in"), ({}, "full")],
)
def test_scope_follows_data_and_budget(changes: dict, scope: str) -> None:
    chosen = settings(**changes)
    assert verdicts(chosen, PAPER_P1)["depth-highway-two-orders-better"] == (
        "replicated" if scope == "full" else "consistent",
        scope,
    )
    failed = verdicts(chosen, NO_DIFFERENCE)["depth-highway-two-orders-better"]
    assert failed == ("not replicated" if scope == "full" else "inconclusive", scope)


def test_what_less_budget_makes_easier_is_replicated_at_full_budget_only() -> None:
    claim = "depth-plain-degrades"
    assert verdicts(settings(), PAPER_P1)[claim] == ("replicated", "full")
    assert verdicts(settings(epochs=10), PAPER_P1)[claim] == ("inconclusive", "reduced")
    assert verdicts(settings(data="digits"), PAPER_P1)[claim] == ("inconclusive", "stand-in")


def with_rungs(*rungs: tuple[int, int], **changes: object) -> Listed:
    """Records of a search of `trials` for 10 epochs, of which each rung kept so many for so many epochs."""
    first = settings(epochs=10, **changes)
    found = list(records(first, dict.fromkeys(PAPER_P1, 0.1)))
    for keep, epochs in rungs:
        found += records(settings(**changes | {"trials": keep, "epochs": epochs}), PAPER_P1)
    return Listed(found)


@pytest.mark.parametrize(
    ("rungs", "trials", "scope"),
    [
        (((10, 40), (3, 400)), 40, "pruned"),
        (((1, 400),), 40, "pruned"),
        (((3, 400),), 39, "reduced"),
        (((10, 40),), 40, "reduced"),
    ],
)
def test_search_with_rungs_is_pruned_where_survivors_are_trained_to_the_end(rungs, trials: int, scope: str) -> None:
    listed = with_rungs(*rungs, trials=trials)
    row = judged("depth-plain-degrades", listed)
    assert (row.verdict, row.scope) == ("replicated" if scope == "pruned" else "inconclusive", scope)
    assert judged("depth-highway-two-orders-better-top10", listed).verdict == "not run", "three have no top ten"


@pytest.mark.parametrize(
    ("pruned", "epochs", "scope"), [(True, 400, "pruned"), (False, 400, "full"), (True, 10, "reduced")]
)
def test_networks_that_a_search_trained_alone_to_the_end_are_pruned(pruned: bool, epochs: int, scope: str) -> None:
    whole = Listed(records(settings(epochs=epochs), PAPER_P1), pruned=pruned)
    assert judged("depth-plain-degrades", whole).scope == scope


def test_the_networks_of_a_search_of_their_own_are_pruned() -> None:
    assert [load_profile(name, GatesProfile).pruned for name in ("laptop", "weekend")] == [False, True]
    assert [load_profile(name, LesionProfile).pruned for name in ("laptop", "weekend")] == [False, True]


def test_untrained_networks_meet_what_is_said_to_be_easier_with_less() -> None:
    """The claims of gates that need no training; on the digits, which stand in for MNIST."""
    measure = GatesConfig(examples=500)
    run = RunConfig(
        data=DataConfig(name="digits"),
        network=DenseConfig(kind="highway", depth=50, width=50, activation="relu", transform_bias=-2.0),
        optimiser=SGDConfig(learning_rate=0.1, momentum=0.9, decay=0.99),
        budget=BudgetConfig(epochs=1, batch_size=50),
        seed=0,
    )
    values = measure.perform(run, None, torch.device("cpu"))
    config = AnalysisConfig(run=run, measure=measure)
    analysis = SimpleNamespace(
        config=config, kind="gates", data="digits", run=run, values=values, row=values.__getitem__
    )
    found = Listed(analyses=[analysis])
    for name in ("activity-falls-with-depth", "change-early", "routing-early", "example-sparse"):
        claim = all_claims()[f"gates-mnist-{name}"]
        value = measured(GATES.named_measures, claim.measure, found)
        assert claim.easier_with_less, name
        assert claim.holds.keep(value), name


@pytest.mark.parametrize(("epochs", "scope"), [(10, "full"), (40, "reduced")])
def test_search_with_rungs_is_full_where_all_its_trials_had_the_epochs(epochs: int, scope: str) -> None:
    claim = all_claims()["depth-plain-degrades"]
    content = claim.required.model_dump(exclude_none=True) | {"epochs": epochs}
    del content["survivors"]
    claim = claim.model_copy(update={"required": Required.model_validate(content)})
    whole = with_rungs((10, 40), (3, 400), trials=40)
    assert judged(claim, whole).scope == scope
    assert list(shortfalls(claim, whole)) == ([] if scope == "full" else ["epochs"])


@pytest.mark.parametrize(
    ("ended", "verdict"),
    [
        ([], "not run"),
        (["diverged"], "not run"),
        (["finished"], "replicated"),
        (["diverged", "finished"], "replicated"),
    ],
)
def test_the_best_of_a_search_that_reached_the_end_is_enough_where_one_survivor_is_required(
    ended: list[str], verdict: str
) -> None:
    whole = with_rungs((10, 40), (3, 400), trials=40)
    cell = [run for run in whole if run.config.budget.epochs == 400 and run.config.network.depth == 100]
    cell = [run for run in cell if run.config.network.kind == "plain"]
    status = dict(zip((run.run_key for run in cell), ended, strict=False))
    there = [
        run.model_copy(update={"status": status.get(run.run_key, run.status)})
        for run in whole
        if run not in cell or run.run_key in status
    ]
    missing = [run.config for run in cell if run.run_key not in status]
    row = judged("depth-plain-degrades", Listed(there, missing=missing))
    assert (row.verdict, row.scope) == (verdict, "pruned" if verdict == "replicated" else "")
    first = [run.config for run in whole if run.config.budget.epochs == 10 and run.config.network.kind == "plain"][:1]
    row = judged("depth-plain-degrades", Listed(there, missing=[*missing, *first]))
    assert row.verdict == "not run", "a run of an earlier rung is missing"


def test_missing_runs_matter_to_the_claims_that_they_concern() -> None:
    chosen = settings()
    whole = records(chosen, PAPER_P1)
    missing = [record.config for record in whole if record.config.network.depth == 100][:1]
    some = Listed((record for record in whole if record.config not in missing), missing=missing)
    found = {row.claim_id: row.verdict for row in verdicts_of(chosen, some)}
    assert found["depth-plain-trains-at-10"] == found["depth-plain-trains-at-20"] == "replicated"
    assert found["depth-plain-degrades"] == found["depth-highway-two-orders-better"] == "not run"


def test_parameters_are_counted_on_built_networks_without_any_run() -> None:
    for name, experiment in (("depth-plain-parameters-per-layer", DEPTH), ("conv-parameters-b", CONV)):
        row = judge(name, all_claims()[name], experiment.named_measures, Listed(known=False), "p")
        assert (row.verdict, row.scope, row.data) == ("replicated", "full", "")


def test_own_questions_are_counted_apart() -> None:
    rows = verdicts_of(BiLSTMProfile.model_validate(BILSTM), Listed(known=False))
    assert headline(rows) == "6 claims of the sources: 6 not run. 4 questions and calculations of our own: 4 not run"


def test_fewer_depths_or_other_widths_are_a_reduced_judgement() -> None:
    at_10 = settings(depths=[10])
    found = verdicts(at_10, PAPER_P1)
    assert found["depth-highway-converges-faster"][1] == "reduced"
    assert found["depth-plain-degrades"] == ("not run", "")
    wide = verdicts(settings(plain_width=100), PAPER_P1)
    assert wide["depth-highway-two-orders-better"] == ("consistent", "reduced")


def test_network_all_of_whose_trials_diverged_is_infinitely_worse() -> None:
    chosen = settings()
    diverged = [
        record.model_copy(update={"curves": {}, "status": "diverged", "diverged_epoch": 1})
        if (record.config.network.kind, record.config.network.depth) == ("plain", 100)
        else record
        for record in records(chosen, PAPER_P1)
    ]
    found = {row.claim_id: (row.verdict, row.measured) for row in verdicts_of(chosen, Listed(diverged))}
    assert found["depth-highway-two-orders-better"] == ("replicated", "inf")


def test_incomplete_runs_are_not_judged() -> None:
    whole = records(settings(), PAPER_P1)
    some = Listed(whole[:-1], missing=[whole[-1].config])
    assert judged("depth-highway-does-not-degrade", some).verdict == "not run"
    for nothing in (Listed(known=False), Listed()):
        assert judged("depth-plain-degrades", nothing).verdict == "not run"


def test_faster_means_fewer_epochs_at_every_depth_by_a_factor() -> None:
    chosen = settings(trials=1)
    slow, fast = records(chosen, PAPER_P1, 9), records(chosen, PAPER_P1, 3)
    kinds = {"plain": slow, "highway": fast}
    mixed = [record for kind, group in kinds.items() for record in group if record.config.network.kind == kind]
    called = {"name": "share_faster", "losses": [0.2], "factor": 1.25}
    assert measured(DEPTH.named_measures, called, mixed) == 1
    assert measured(DEPTH.named_measures, called, fast) == 0
    at_10 = [r for r in fast if r.config.network.depth == 10] + [r for r in mixed if r.config.network.depth != 10]
    assert measured(DEPTH.named_measures, called, at_10) == 0.75
    assert measured(DEPTH.named_measures, called | {"factor": 9.0}, mixed) == 0
    assert measured(DEPTH.named_measures, called | {"losses": [0.2, 1e-9]}, mixed) == 1, "neither reaches it"


@pytest.mark.parametrize(
    ("bounds", "value", "kept"),
    [
        ({"above": 1}, 1.1, True),
        ({"above": 1}, 1.0, False),
        ({"below": 1}, 0.9, True),
        ({"below": 1}, 1.0, False),
        ({"at_least": 1, "at_most": 2}, 1.0, True),
        ({"at_least": 1, "at_most": 2}, 2.1, False),
        ({"equals": 3}, 3.0, True),
        ({"equals": 3}, 3.1, False),
        ({"at_least": -0.001, "at_most": 0.001}, (-0.0009, 0.0002), True),
        ({"at_least": -0.001, "at_most": 0.001}, (0.0011, 0.0013), False),
        ({"at_least": -0.001, "at_most": 0.001}, (-0.0052, -0.004), False),
        ({"at_least": -0.001, "at_most": 0.001}, (0.0005, 0.0015), None),
        ({"at_least": -0.001, "at_most": 0.001}, (-0.002, 0.0051), None),
        ({"above": 0}, (0.01, 0.02), True),
        ({"above": 0}, (-0.02, 0.01), None),
        ({"above": 0}, (-0.02, 0.0), False),  # an interval that touches a strict bound is outside
        ({"above": 0}, (0.0, 0.0), False),
        ({"below": 0.02}, (0.02, 0.03), False),
        ({"at_least": 0}, (-0.02, 0.0), None),
    ],
)
def test_number_is_within_bounds_or_not_and_an_interval_may_lie_across(bounds: dict, value: Any, kept) -> None:
    assert Bounds(**bounds).keep(Interval(*value) if isinstance(value, tuple) else value) is kept


@pytest.mark.parametrize(("runs", "text"), [(1, ""), (3, " (0.001, 0.002, 0.003)"), (5, "")])
def test_few_values_stand_behind_their_interval(runs: int, text: str) -> None:
    values = tuple(0.001 * (number + 1) for number in range(runs))
    found = measured_text(Interval(-0.01, 0.02, values))
    assert found == f"-0.01 to 0.02{text}"
    assert numbers_of(found) == ([-0.01, 0.02], list(values) if text else [])


def conv_verdict(accuracies: list[float], epochs: int = 300, data: str = "mnist") -> tuple[str, str]:
    """Verdict and scope for runs of the MNIST network of width 32 with these test accuracies."""
    training = {"network": "highway-mnist-32", "data": data, "epochs": epochs, "runs": len(accuracies)}
    chosen = ConvProfile.model_validate({"profile": "x", "trainings": [training]})
    runs = zip(chosen.runs(), accuracies, strict=True)
    listed = Listed(record_of(config, {"test_accuracy": [accuracy]}) for config, accuracy in runs)
    return next((j.verdict, j.scope) for j in verdicts_of(chosen, listed) if j.claim_id == "conv-mnist-32")


def test_convolutional_claims_are_judged_by_an_interval_and_a_margin() -> None:
    assert conv_verdict([0.9955, 0.9953, 0.9954]) == ("replicated", "full")
    assert conv_verdict([0.9905, 0.9903, 0.9904]) == ("not replicated", "full")
    assert conv_verdict([0.9985, 0.9953, 0.9914]) == ("inconclusive", "full"), "runs too far apart"
    assert conv_verdict([0.9955, 0.9953]) == ("consistent", "reduced")
    assert conv_verdict([0.9905, 0.9903, 0.9904], epochs=20) == ("inconclusive", "reduced")
    assert conv_verdict([0.9], data="digits") == ("inconclusive", "stand-in")


def test_every_claim_is_well_formed_and_has_a_bound() -> None:
    claims = all_claims()
    assert len(claims) >= 6
    for claim in claims.values():
        assert isinstance(claim, Claim)
        assert claim.holds.model_dump(exclude_none=True)
        assert claim.source.startswith((*SOURCES, "our question", "our calculation"))


@pytest.mark.parametrize(
    ("given", "instead", "fault"),
    [
        ("name: share_faster", "name: share_slower", "no such measure; there are: .*"),
        ("factor: 1.25", "factor: few", "factor: .*found 'few'"),
        (", factor: 1.25", "", "missing a required .*'factor'"),
        ("take: [max, min]", "take: [most, min]", "take.*: Input should be 'max', 'min', .*"),
        ("value: {network: plain", "values: {network: plain", "(values: Extra inputs|one of value, ratio).*"),
        (
            "{share: {layer: {from: 1, to: 40}}, below: 1.25",
            "{share: {layer: {from: 1, to: 40}}",
            "a share needs below.*",
        ),
    ],
)
def test_faulty_argument_of_a_measure_is_named(project: Path, given: str, instead: str, fault: str) -> None:
    path = project / "references" / "claims.yaml"
    path.write_text(path.read_text().replace(given, instead, 1))
    with pytest.raises(HighwaysError, match=rf"^references/claims.yaml: [\w-]+: key 'measure': .*{fault}$"):
        all_claims()


ROWS = [{"kind": "a", "layer": layer, "loss": float(layer), "none": None} for layer in (1, 2, 3, 4)]


@pytest.mark.parametrize(
    ("expression", "number"),
    [
        ({"value": {"layer": 2}, "of": "loss"}, 2.0),
        ({"value": {"layer": {"from": 2, "to": 4}}, "take": "mean", "of": "loss"}, 3.0),
        ({"ratio": [{"layer": [1, 2]}, {"kind": "a"}], "take": "sum", "of": "loss"}, 0.3),
        ({"ratio": [{"layer": [3, 4]}, {"layer": [1, 2]}], "take": ["max", "min"], "of": "loss"}, 4.0),
        ({"difference": [{"kind": "a"}, {"kind": "a"}], "take": ["last", "first"], "of": "loss"}, 3.0),
        ({"share": {"kind": "a"}, "below": 3, "of": "loss"}, 0.5),
        ({"value": {"layer": [4, 5]}, "take": "max", "of": "loss"}, None),
        ({"value": {"layer": 1}, "of": "none"}, None),
    ],
)
def test_an_expression_is_a_number_from_rows(expression: dict[str, Any], number: float | None) -> None:
    assert Expression.model_validate(expression).on(ROWS) == (None if number is None else pytest.approx(number))


@pytest.mark.parametrize(
    ("expression", "fault"),
    [
        ({"value": {"layer": 1}, "of": "los"}, "no column 'los' in the tables; there are: kind, layer, loss, none"),
        ({"value": {"depth": 1}, "of": "loss"}, "no column 'depth'"),
        ({"value": {"kind": "a"}, "of": "loss"}, "4 rows are selected, take says how they become one number"),
    ],
)
def test_an_expression_that_does_not_fit_the_tables_names_the_claim(expression: dict[str, Any], fault: str) -> None:
    claim = all_claims()["lesion-mnist-idle-layers"].model_copy(
        update={"measure": expression, "required": Required(), "each_network": False}
    )
    with pytest.raises(HighwaysError, match=f"^references/claims.yaml: x: key 'measure': {fault}"):
        judge("x", claim, Measures({}, lambda records: ROWS), Listed([run_of()]), "p")


@pytest.fixture(scope="module")
def laptop() -> Judged:
    """The committed profile, judged once."""
    return judge_all("laptop")


def test_what_is_below_full_scope_says_what_it_falls_short_of(laptop: Judged) -> None:
    below = [row for row in laptop.judgements if row.scope in ("reduced", "stand-in")]
    for row in below:
        claim = laptop.claims[row.claim_id]
        assert shortfalls(claim, laptop.listed[claim.experiment]), row.claim_id
    assert below
    assert "stand-in" in headline(laptop.judgements)


def run_of(
    kind: str = "plain", depth: int = 10, width: int = 71, epochs: int = 400, seed: int = 0, **budget: int
) -> RunRecord:
    """A finished run on MNIST."""
    first = records(settings(depths=[10], trials=1), {("plain", 10): 1e-5, ("highway", 10): 1e-5})[0]
    network = first.config.network.model_copy(update={"kind": kind, "depth": depth, "width": width})
    update = {"network": network, "budget": first.config.budget.model_copy(update={"epochs": epochs, **budget})}
    config = first.config.model_copy(update={**update, "seed": seed})
    return first.model_copy(update={"config": config})


@pytest.mark.parametrize(
    ("asked", "runs", "lack"),
    [
        ({"data": "mnist"}, [run_of()], {}),
        ({"data": ["mnist", "cifar100"]}, [run_of()], {"data": ("mnist cifar100", "mnist")}),
        ({"epochs": 400}, [run_of()], {}),
        ({"epochs": 1000}, [run_of(), run_of("highway", epochs=40)], {"epochs": ("1,000", "40")}),
        ({"trials": 2}, [run_of(), run_of(seed=1), run_of("highway")], {"trials": ("2", "1")}),
        ({"trials": 2}, [run_of(epochs=10), run_of(epochs=10, seed=1), run_of()], {}),
        ({"survivors": 2}, [run_of(epochs=10), run_of(epochs=10, seed=1), run_of()], {"survivors": ("2", "1")}),
        ({"survivors": 2}, [run_of()], {}),
        ({"seeds": 2}, [run_of(), run_of()], {"seeds": ("2", "1")}),
        ({"training_examples": 70_000}, [run_of()], {"training_examples": ("70,000", "60,000")}),
        (
            {"depths": [10, 20]},
            [run_of(), run_of(depth=20), run_of("highway")],
            {"depths": ("10 20", "not highway 20")},
        ),
        ({"widths": {"plain": 71, "highway": 50}}, [run_of(width=32)], {"widths": ("highway 50 plain 71", "32")}),
        ({"widths": {"plain": 71}}, [run_of(), run_of("highway", width=5)], {}),
        ({"cells": {"width": [71, 5]}}, [run_of(), run_of(width=9)], {"width": ("71 5", "not 5")}),
        ({"seeds": 2, "cells": {"width": [71, 5]}}, [run_of(), run_of(seed=1), run_of(width=5)], {"seeds": ("2", "1")}),
        ({"schedule_epochs": 500, "epochs": 400}, [run_of(), run_of(schedule_epochs=500)], {}),
        ({"seeds": 2}, [run_of(), run_of(seed=1, schedule_epochs=500)], {"seeds": ("2", "1")}),
        ({"steps": 10}, [run_of()], {}),
        ({"trained_to": 1e-3, "depths": [10]}, [run_of()], {}),
        ({"trained_to": 1e-9, "depths": [10]}, [run_of()], {"trained_to": ("below 1e-09 nats", "1e-05")}),
    ],
)
def test_each_requirement_says_in_what_it_is_not_met(
    asked: dict[str, object], runs: list[RunRecord], lack: dict[str, tuple[str, str]]
) -> None:
    required = Required.model_validate(asked)
    assert required.gaps(required.evidence(Listed(runs))) == lack


def listed_study(**values: list[float]) -> Any:
    """Records with a study of the kind `it`."""
    return SimpleNamespace(analyses=[SimpleNamespace(kind="it", values=values, row=values.__getitem__)])


def test_a_ratio_over_seeds_has_the_interval_of_its_logarithms() -> None:
    records = listed_study(one=[2.0, 8.0, 4.0], other=[1.0, 1.0, 1.0], none=[1.0, 0.0, 1.0])
    found, inverse = study_ratio(records, "it", "one", "other"), study_ratio(records, "it", "other", "one")
    assert isinstance(found, Interval)
    assert isinstance(inverse, Interval)
    assert found.values == (2, 8, 4)
    assert found.point == pytest.approx(4)
    half = 4.302653 / 3**0.5  # Student's, of logarithms whose deviation is log 2
    assert (found.low, found.high) == pytest.approx((4 / 2**half, 4 * 2**half))
    assert (inverse.low, inverse.high) == pytest.approx((1 / found.high, 1 / found.low))
    assert Bounds(above=0.5).keep(found) is True
    assert Bounds(above=2).keep(found) is None
    assert Bounds(above=1).keep(study_ratio(records, "it", "one", "none")) is None, "no ratio to zero"  # type: ignore[arg-type]
    one_seed = listed_study(one=[3.0], other=[2.0])
    assert study_ratio(one_seed, "it", "one", "other") == 1.5, "no interval"
    assert study_ratio(one_seed, "it", "one", "missing") is None
    assert study_ratio(Listed(), "it", "one", "other") is None


def test_a_study_has_numbers_of_its_own_and_no_networks() -> None:
    study: Any = SimpleNamespace(data="", config=SimpleNamespace(measure=SimpleNamespace(steps=5)))
    asked = {"steps": 10, "draws": 2, "survivors": 1, "depths": [10], "widths": {"plain": 71}, "training_examples": 9}
    required = Required.model_validate(asked)
    evidence = required.evidence(Listed([run_of(width=5)]), study)
    assert required.gaps(evidence) == {"steps": ("10", "5"), "draws": ("2", "0")}
    assert required.scope(evidence) == "reduced"
    assert Required.model_validate({"steps": 5, "depths": [10]}).scope(evidence) == "full"


@pytest.mark.parametrize(
    "bad",
    [
        {"epochs": "10"},
        {"epochs": True},
        {"depths": 10},
        {"width": 5},
        {"data": [1]},
        {"data": []},
        {"epochs": 0},
        {"widths": {}},
        {"cells": {"girth": [1]}},
        {"trained_to": 0.5},
        {"trained_to": 0, "depths": [10]},
    ],
)
def test_a_requirement_of_another_kind_is_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Required.model_validate(bad)


def test_networks_that_were_not_trained_as_far_as_required_decide_nothing() -> None:
    claim = all_claims()["depth-plain-trains-at-10"]
    required = claim.required.model_copy(update={"trained_to": 1e-9})
    verdict = judged(claim.model_copy(update={"required": required}), records(settings(), PAPER_P1))
    assert (verdict.verdict, verdict.scope) == ("inconclusive", "reduced")


def test_what_we_chose_to_hold_is_by_construction_and_unpublished_data_decide_nothing(laptop: Judged) -> None:
    rows = {row.claim_id: row for row in laptop.judgements}
    assert rows["conv-parameters-a"].verdict == "by construction"
    assert rows["conv-parameters-b"].verdict == "replicated"
    unpublished = [row for row in rows.values() if "unpublished" in row.required]
    assert {row.verdict for row in unpublished} == {"cannot be judged"}


# What an outcome is worth: intervals of a search, networks beside the best one, networks before training


def test_a_bound_within_the_interval_of_a_search_leaves_the_claim_open() -> None:
    chosen = settings(depths=[10])
    close = Listed(records(chosen, {("plain", 10): 9e-5, ("highway", 10): 9e-5}, spread=1.0))
    row = judged("depth-plain-trains-at-10", close)
    assert (row.verdict, row.measured.partition(" to ")[0]) == ("inconclusive", "9e-05")
    low, high = numbers_of(row.measured)[0]
    assert low < 1e-4 < high
    assert numbers_of(row.measured)[1] == [9e-5]
    far = Listed(records(chosen, {("plain", 10): 9e-6, ("highway", 10): 9e-6}, spread=1.0))
    assert judged("depth-plain-trains-at-10", far).verdict == "replicated"


def test_trials_are_drawn_alike_for_all_networks() -> None:
    row = judged("depth-plain-degrades", records(settings(), PAPER_P1))
    (low, high), (point,) = numbers_of(row.measured)
    assert low == high == pytest.approx(point), "every trial is as much worse at 100 layers as the best one"


@pytest.mark.parametrize(
    ("values", "kept"),
    [([1.0], True), ([1.0, 2.0], True), ([1.0, -1.0], None), ([1.0, 2.0, -1.0], True), ([1.0, -2.0, -1.0], False)],
)
def test_two_of_three_networks_must_agree(values: list[float], kept: bool | None) -> None:
    claim = Claim.model_validate(CLAIM | {"each_network": True})
    assert claim.keeps(Networks(tuple(values), (None,) * len(values))) is kept


CLAIM = {"experiment": "x", "source": "P1", "statement": "s", "criterion": "c", "measure": {}, "holds": {"above": 0}}


def test_what_an_untrained_network_meets_better_is_no_finding() -> None:
    claim = Claim.model_validate(CLAIM | {"each_network": True, "beyond_untrained": True})
    assert claim.keeps(Networks((1.0, 2.0), (0.5, 0.5))) is True
    assert claim.keeps(Networks((1.0, 2.0), (3.0, 3.0))) is None, "it holds, and holds better before training"
    assert claim.keeps(Networks((-1.0, -2.0), (3.0, 3.0))) is False
    assert claim.keeps(Networks((1.0, 2.0), (0.5, None))) is None, "one has no control"
    with pytest.raises(ValidationError, match="beyond_untrained needs each_network"):
        Claim.model_validate(CLAIM | {"beyond_untrained": True})


def test_networks_are_told_apart_in_claims_and_in_words() -> None:
    text = measured_text(Networks((-0.657, -0.0681), (-0.34, None)))
    assert text == "-0.657, -0.0681; untrained -0.34"
    assert numbers_of(text) == ([-0.657, -0.0681], [-0.657, -0.0681])
    assert spoken(text, "correlation") == "\u22120.657, \u22120.0681 (untrained \u22120.34)"


def test_no_network_before_training_makes_a_committed_claim_replicated(monkeypatch, repository: Path) -> None:
    monkeypatch.setenv("HIGHWAYS_ROOT", str(repository))
    for experiment in (GATES, LESION):
        listed, measures = experiment.of("weekend").records(), experiment.named_measures
        for name, claim in read_claims({experiment.name: measures}).items():
            chosen = claim.required.of_data_sets(listed)
            found = measured_of_networks(measures, claim.measure, chosen)
            if found is not None and None not in found.untrained:
                before = Networks(found.untrained, found.untrained)  # type: ignore[arg-type]
                assert claim.keeps(before) is not True, name
