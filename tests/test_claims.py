"""Claims: the rules of judging, and the claims of the depth study on known outcomes."""

import json
import math
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema
import numpy as np
import pytest
import yaml
from pydantic import ValidationError
from toolbox import record_of, verdicts_of

from highways.claims.judge import Bounds, Claim, Judgement, judge, measured_text, read_claims
from highways.claims.required import Evidence, Required
from highways.claims.sources import numbers_of, spoken
from highways.claims.values import Expression, Interval, Measures, Networks, measured, measured_of_networks, study_ratio
from highways.config.profiles import load_profile
from highways.errors import HighwaysError
from highways.experiments import CONV, DEPTH, GATES, LESION
from highways.experiments.conv import ConvProfile
from highways.experiments.depth import DepthProfile
from highways.experiments.gates import GatesProfile
from highways.experiments.lesion import LesionProfile
from highways.pipeline.generated import schema_text
from highways.report.verdicts import LEAD, all_claims
from highways.tracking import Listed, RunRecord
from highways.tracking.records import run_keys

DEPTHS = [10, 20, 50, 100]
PAPER_P1 = dict(zip([("plain", depth) for depth in DEPTHS], (6.98e-6, 5.78e-5, 1.93e-3, 1.37e-1), strict=True))
PAPER_P1 |= zip([("highway", depth) for depth in DEPTHS], (6.90e-5, 6.09e-6, 2.37e-5, 1.20e-5), strict=True)
NO_DIFFERENCE = dict.fromkeys(PAPER_P1, 1e-5)
BETTER, DEGRADES, TRAINS = "depth-highway-two-orders-better", "depth-plain-degrades", "depth-plain-trains-at-10"


def settings(**changes: object) -> DepthProfile:
    content = {"profile": "x", "data": "mnist", "depths": DEPTHS, "trials": 40, "epochs": 400, "batch_size": 100}
    return DepthProfile.model_validate(content | changes)


def records(
    chosen: DepthProfile, loss: dict[tuple[str, int], float], epochs_to_loss: int = 1, spread: float = 0.01
) -> Listed:
    """Records whose best outcomes are `loss`, reached after `epochs_to_loss` epochs of 2.3; each trial is worse."""
    configs, found = chosen.runs(), []
    first = record_of(configs[0], {})
    for config, key in zip(configs, run_keys(configs), strict=True):
        outcome = loss[config.network.kind, config.network.depth] * (1 + spread * config.seed)
        curves = {"train_cross_entropy": [2.3] * (epochs_to_loss - 1) + [outcome]}
        found.append(first.model_copy(update={"config": config, "run_key": key, "curves": curves}))
    return Listed(found)


ANSWERS = [
    (0.0, 1.0, "the plain one is lower"),
    (0.5, 0.5, "they are equal"),
    (3, 1, "highway one is 3 times lower"),
]


@pytest.mark.parametrize(("plain", "highway", "said"), ANSWERS)
def test_answer_compares_any_two_losses(plain: float, highway: float, said: str) -> None:
    listed = records(settings(trials=1, depths=[3]), {("plain", 3): plain, ("highway", 3): highway})
    assert said in " ".join(DEPTH.answer(listed))
    assert next(iter(LEAD.rows(listed)))["plain, P1"] == "", "the papers have no network of 3 layers"


@cache
def claims() -> dict[str, Claim]:
    return all_claims()


def judged(claim: str | Claim, listed: Listed) -> Judgement:
    """The verdict on a claim of the depth study, or on a changed one."""
    claim = claims()[claim] if isinstance(claim, str) else claim
    return judge("x", claim, DEPTH.named_measures, listed, "p")


def verdict(claim: str | Claim, listed: Listed) -> tuple[str, str]:
    row = judged(claim, listed)
    return row.verdict, row.scope


def verdicts(chosen: DepthProfile, loss: dict) -> dict[str, tuple[str, str]]:
    return {row.claim_id: (row.verdict, row.scope) for row in verdicts_of(chosen, records(chosen, loss))}


def test_the_papers_own_outcomes_replicate_the_depth_claims_and_equal_networks_do_not() -> None:
    found = verdicts(settings(trials=100), PAPER_P1)
    assert found.pop("depth-highway-converges-faster")[0] == "not replicated"  # these records have one epoch
    assert set(found.values()) == {("replicated", "full"), ("by construction", "full")}  # the latter: parameters
    equal = verdicts(settings(trials=100), NO_DIFFERENCE)
    assert {equal[name] for name in (DEGRADES, BETTER, f"{BETTER}-top10")} == {("not replicated", "full")}
    assert equal["depth-highway-does-not-degrade"] == ("replicated", "full")


def with_rungs(loss: dict, *rungs: tuple[int, int], trials: int = 40) -> Listed:
    """Records of a search of `trials` for 10 epochs, of which each rung kept so many for so many epochs."""
    found = list(records(settings(epochs=10, trials=trials), dict.fromkeys(PAPER_P1, 0.1)))
    for keep, epochs in rungs:
        found += records(settings(trials=keep, epochs=epochs), loss)
    return Listed(found)


@pytest.mark.parametrize(
    ("scope", "listing"),
    [
        ("full", lambda loss: records(settings(), loss)),
        ("reduced", lambda loss: records(settings(epochs=399), loss)),
        ("reduced", lambda loss: records(settings(trials=39), loss)),
        ("reduced", lambda loss: records(settings(plain_width=100), loss)),
        ("stand-in", lambda loss: records(settings(data="digits"), loss)),
        ("pruned", lambda loss: with_rungs(loss, (10, 40), (3, 400))),
        ("pruned", lambda loss: with_rungs(loss, (1, 400))),
        ("reduced", lambda loss: with_rungs(loss, (3, 400), trials=39)),
        ("reduced", lambda loss: with_rungs(loss, (10, 40))),
        ("pruned", lambda loss: Listed(records(settings(), loss), pruned=True)),
        ("reduced", lambda loss: Listed(records(settings(epochs=10), loss), pruned=True)),
    ],
)
def test_scope_follows_data_budget_and_widths_and_decides_what_a_criterion_is_worth(scope: str, listing) -> None:
    """A search is pruned where its survivors are trained to the end, in rungs or by a search of their own."""
    met, missed, full = listing(PAPER_P1), listing(NO_DIFFERENCE), scope in ("full", "pruned")
    assert verdict(BETTER, met) == ("replicated" if full else "consistent", scope)
    assert verdict(BETTER, missed) == ("not replicated" if full else "inconclusive", scope)
    assert verdict(DEGRADES, met) == ("replicated" if full else "inconclusive", scope), "less budget makes it easier"


@pytest.mark.parametrize(("epochs", "scope"), [(10, "full"), (40, "reduced")])
def test_search_with_rungs_is_full_where_all_its_trials_had_the_epochs(epochs: int, scope: str) -> None:
    claim = claims()[DEGRADES]
    required = claim.required.model_copy(update={"epochs": epochs, "survivors": None})
    claim = claim.model_copy(update={"required": required})
    whole = with_rungs(PAPER_P1, (10, 40), (3, 400))
    assert judged(claim, whole).scope == scope
    assert list(claim.evidence(whole).gaps) == ([] if scope == "full" else ["epochs"])


@pytest.mark.parametrize(
    ("ended", "expected"),
    [
        ([], "not run"),
        (["diverged"], "not run"),
        (["finished"], "replicated"),
        (["diverged", "finished"], "replicated"),
    ],
)
def test_one_that_reached_the_end_is_enough_where_one_survivor_is_required(ended: list[str], expected: str) -> None:
    whole = with_rungs(PAPER_P1, (10, 40), (3, 400))
    plain = [run for run in whole if run.config.network.kind == "plain"]
    last = [run for run in plain if (run.config.budget.epochs, run.config.network.depth) == (400, 100)]
    ends = [run.model_copy(update={"status": status}) for run, status in zip(last, ended, strict=False)]
    there = [*(run for run in whole if run not in last), *ends]
    missing = [run.config for run in last[len(ended) :]]
    found = verdict(DEGRADES, Listed(there, missing=missing))
    assert found == (expected, "pruned" if expected == "replicated" else "")
    first = next(run.config for run in plain if run.config.budget.epochs == 10)
    assert judged(DEGRADES, Listed(there, missing=[*missing, first])).verdict == "not run", "of an earlier rung"
    assert judged(f"{BETTER}-top10", whole).verdict == "not run", "three have no top ten"


def test_missing_runs_matter_to_the_claims_that_they_concern() -> None:
    chosen = settings()
    whole = records(chosen, PAPER_P1)
    missing = [record.config for record in whole if record.config.network.depth == 100][:1]
    some = Listed((record for record in whole if record.config not in missing), missing=missing)
    needed = {TRAINS: False, "depth-plain-trains-at-20": False, DEGRADES: True, BETTER: True}
    for claim, needs in needed.items():
        assert judged(claim, some).verdict == ("not run" if needs else "replicated"), claim
    for nothing in (Listed(known=False), Listed()):
        assert judged(DEGRADES, nothing).verdict == "not run"
    fewer = records(settings(depths=[10]), PAPER_P1)
    assert judged("depth-highway-converges-faster", fewer).scope == "reduced"
    assert verdict(DEGRADES, fewer) == ("not run", "")


def test_network_all_of_whose_trials_diverged_is_infinitely_worse() -> None:
    diverged = [
        record.model_copy(update={"curves": {}, "status": "diverged", "diverged_epoch": 1})
        if (record.config.network.kind, record.config.network.depth) == ("plain", 100)
        else record
        for record in records(settings(), PAPER_P1)
    ]
    row = judged(BETTER, Listed(diverged))
    assert (row.verdict, row.measured) == ("replicated", "inf")


def test_faster_means_fewer_epochs_at_every_depth_by_a_factor() -> None:
    chosen = settings(trials=1)
    slow, fast = records(chosen, PAPER_P1, 9), records(chosen, PAPER_P1, 3)
    kinds = {"plain": slow, "highway": fast}
    mixed = [record for kind, group in kinds.items() for record in group if record.config.network.kind == kind]
    at_10 = [r for r in fast if r.config.network.depth == 10] + [r for r in mixed if r.config.network.depth != 10]
    called = {"name": "share_faster", "losses": [0.2], "factor": 1.25}
    found = [measured(DEPTH.named_measures, called, runs) for runs in (mixed, fast, at_10)]
    assert found == [Interval(share, share, point=share) for share in (1, 0, 0.75)], "one trial: no other draw"
    assert measured(DEPTH.named_measures, called | {"factor": 9.0}, mixed) == Interval(0, 0, point=0)
    assert measured(DEPTH.named_measures, called | {"losses": [0.2, 1e-9]}, mixed) == found[0], "neither reaches it"


@pytest.mark.parametrize(
    ("bounds", "within", "outside", "across"),
    [
        ({"above": 1}, [1.1, (1.1, 2)], [1.0, (0.5, 1), (1, 1)], [(0.9, 1.1)]),  # it touches a strict bound outside
        ({"below": 1}, [0.9], [1.0, (1.0, 2.0)], []),
        ({"at_least": 1, "at_most": 2}, [1.0, (1.1, 1.9)], [2.1, (2.1, 2.3), (0.1, 0.9)], [(1.5, 2.5), (0.5, 2.5)]),
        ({"equals": 3}, [3.0], [3.1], [math.nan, (2.0, math.nan)]),
        ({"at_least": 0}, [], [], [(-0.02, 0.0)]),
    ],
)
def test_number_is_within_bounds_or_not_and_an_interval_may_lie_across(bounds: dict, within, outside, across) -> None:
    for values, kept in ((within, True), (outside, False), (across, None)):
        for value in values:
            found = Bounds(**bounds).keep(Interval(*value) if isinstance(value, tuple) else value)
            assert found is kept, value


def test_few_values_stand_behind_their_interval_and_networks_are_told_apart() -> None:
    for runs, text in ((1, ""), (3, " (0.001, 0.002, 0.003)"), (5, "")):
        values = tuple(0.001 * (number + 1) for number in range(runs))
        found = measured_text(Interval(-0.01, 0.02, values))
        assert found == f"-0.01 to 0.02{text}"
        assert numbers_of(found) == ([-0.01, 0.02], list(values) if text else [])
    text = measured_text(Networks((-0.657, -0.0681), (-0.34, math.nan)))
    assert text == "-0.657, -0.0681; untrained -0.34"
    assert numbers_of(text) == ([-0.657, -0.0681], [-0.657, -0.0681])
    assert spoken(text, "correlation") == "-0.657, -0.0681 (untrained -0.34)"
    with pytest.raises(ValidationError, match="beyond_untrained needs each_network"):
        Claim.model_validate(CLAIM | {"beyond_untrained": True})


@pytest.mark.parametrize(
    ("accuracies", "changes", "judgement"),
    [
        ([0.9955, 0.9953, 0.9954], {}, ("replicated", "full")),
        ([0.9905, 0.9903, 0.9904], {}, ("not replicated", "full")),
        ([0.9985, 0.9953, 0.9914], {}, ("inconclusive", "full")),  # runs too far apart
        ([0.9955, 0.9953], {}, ("consistent", "reduced")),
        ([0.9905, 0.9903, 0.9904], {"epochs": 20}, ("inconclusive", "reduced")),
        ([0.9], {"data": "digits"}, ("inconclusive", "stand-in")),
    ],
)
def test_convolutional_claims_are_judged_by_interval_and_margin(accuracies: list, changes: dict, judgement) -> None:
    training = {"network": "highway-mnist-32", "data": "mnist", "epochs": 300, "runs": len(accuracies)} | changes
    chosen = ConvProfile.model_validate({"profile": "x", "trainings": [training]})
    runs = zip(chosen.runs(), accuracies, strict=True)
    listed = Listed(record_of(config, {"test_accuracy": [accuracy]}) for config, accuracy in runs)
    row = judge("x", claims()["conv-mnist-32"], CONV.named_measures, listed, "p")
    assert (row.verdict, row.scope) == judgement


@pytest.mark.parametrize(
    ("given", "instead", "fault"),
    [
        ("name: share_faster", "name: share_slower", "no such measure; there are: .*"),
        ("factor: 1.25", "factor: few", "key 'factor': .*found 'few'"),
        (", factor: 1.25", "", "key 'factor' is missing"),
        ("take: [max, min]", "take: [most, min]", "take.*: Input should be 'max', 'min', .*"),
        ("name: study_value,", "name: study_value, take: median,", "take': Input should be 'first', 'last', .*"),
        ("value: {network: plain", "values: {network: plain", "unknown key 'values', did you mean 'value'.*"),
        ("to: 40}}, below: 1.25", "to: 40}}", "a share needs below.*"),
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
    claim = Claim.model_validate(CLAIM | {"measure": expression})
    with pytest.raises(HighwaysError, match=f"^references/claims.yaml: x: key 'measure': {fault}"):
        judge("x", claim, Measures({}, lambda records: ROWS), Listed([run_of()]), "p")


def run_of(kind: str = "plain", depth: int = 10, width: int = 71, seed: int = 0, **budget: int) -> RunRecord:
    config = settings(depths=[10], trials=1).runs()[0]
    network = config.network.model_copy(update={"kind": kind, "depth": depth, "width": width})
    record = record_of(config, {"train_cross_entropy": [1e-5]})
    update = {"network": network, "budget": config.budget.model_copy(update=budget), "seed": seed}
    return record.model_copy(update={"config": config.model_copy(update=update)})


def evidence_for(asked: dict, runs: list[RunRecord], study: Any = None) -> Evidence:
    required = Required.model_validate(asked)
    return Evidence(required, Listed(analyses=[study]) if study else required.of_data_sets(Listed(runs)), study)


SHORT = [run_of(epochs=10), run_of(epochs=10, seed=1), run_of()]
"""A search of two trials with a rung for one."""


@pytest.mark.parametrize(
    ("asked", "runs", "lack"),
    [
        ({"data": "mnist", "epochs": 400, "steps": 10, "survivors": 2}, [run_of()], {}),
        ({"data": ["mnist", "cifar100"]}, [run_of()], {"data": ("mnist cifar100", "mnist")}),
        ({"epochs": 1000}, [run_of(), run_of("highway", epochs=40)], {"epochs": ("1,000", "40")}),
        ({"trials": 2}, [run_of(), run_of(seed=1), run_of("highway")], {"trials": ("2", "1")}),
        ({"trials": 2}, SHORT, {"epochs": ("the same of every trial", "fewer of those that did not go on")}),
        ({"survivors": 2}, SHORT, {"survivors": ("2", "1")}),
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
        ({"trained_to": 1e-3, "depths": [10]}, [run_of()], {}),
        ({"trained_to": 1e-9, "depths": [10]}, [run_of()], {"trained_to": ("below 1e-09 nats", "1e-05")}),
    ],
)
def test_each_requirement_says_in_what_it_is_not_met(asked: dict, runs: list[RunRecord], lack: dict) -> None:
    assert evidence_for(asked, runs).gaps == lack


def test_a_study_has_numbers_of_its_own_and_no_networks() -> None:
    study: Any = SimpleNamespace(data="", kind="it", config=SimpleNamespace(measure=SimpleNamespace(steps=5)))
    asked = {"steps": 10, "draws": 2, "survivors": 1, "depths": [10], "widths": {"plain": 71}, "training_examples": 9}
    evidence = evidence_for(asked, [run_of(width=5)], study)
    assert (evidence.gaps, evidence.scope) == ({"steps": ("10", "5"), "draws": ("2", "0")}, "reduced")
    assert evidence_for({"steps": 5, "depths": [10]}, [], study).scope == "full"


def test_a_requirement_of_another_kind_is_refused() -> None:
    bad: list[dict[str, Any]] = [{"epochs": "10"}, {"epochs": 0}, {"depths": 10}, {"width": 5}, {"data": []}]
    for one in [*bad, {"widths": {}}, {"cells": {"girth": [1]}}, {"trained_to": 0.5}]:
        with pytest.raises(ValidationError):
            Required.model_validate(one, strict=True)


def test_networks_that_were_not_trained_as_far_as_required_decide_nothing() -> None:
    claim = claims()[TRAINS]
    required = claim.required.model_copy(update={"trained_to": 1e-9})
    claim = claim.model_copy(update={"required": required})
    assert verdict(claim, records(settings(), PAPER_P1)) == ("inconclusive", "reduced")


def test_committed_verdicts_say_what_they_fall_short_of_and_which_rest_on_a_search(repository: Path) -> None:
    rows = {row["id"]: row for row in json.loads((repository / "results/laptop/claims.json").read_text())["claims"]}
    below = [row for row in rows.values() if row["scope"] in ("reduced", "stand-in")]
    assert below
    assert not [row["id"] for row in below if not row["differs"]]
    assert {rows[f"conv-parameters-{name}"]["verdict"] for name in "ab"} == {"by construction"}
    whole = json.loads((repository / "results/weekend/claims.json").read_text())["claims"]
    assert all(row["evidence"]["networks"] == len(row["measured"]["each"]) for row in whole if row["each_network"])
    assert {row["verdict"] for row in rows.values() if "unpublished" in str(row["required"])} == {"cannot be judged"}
    for schema in (GatesProfile, LesionProfile):
        assert [load_profile(name, schema).pruned for name in ("laptop", "weekend")] == [False, True]


def listed_study(**values: list[float]) -> Any:
    """Records with a study of the kind `it`."""
    study: Any = SimpleNamespace(kind="it", values=values, row=values.__getitem__)
    return Listed(analyses=[study])


def test_a_ratio_over_seeds_has_the_interval_of_its_logarithms() -> None:
    studies = listed_study(one=[2.0, 8.0, 4.0], other=[1.0, 1.0, 1.0], none=[1.0, 0.0, 1.0])
    found, inverse = (study_ratio(studies, "it", *names) for names in (("one", "other"), ("other", "one")))
    assert isinstance(found, Interval)
    assert isinstance(inverse, Interval)
    assert found.values == (2, 8, 4)
    half = 4.302653 / 3**0.5  # Student's, of logarithms whose deviation is log 2
    assert (found.low, found.point, found.high) == pytest.approx((4 / 2**half, 4, 4 * 2**half))
    assert (inverse.low, inverse.high) == pytest.approx((1 / found.high, 1 / found.low))
    assert [Bounds(above=bound).keep(found) for bound in (0.5, 2)] == [True, None]
    assert Bounds(above=1).keep(study_ratio(studies, "it", "one", "none")) is None, "no ratio to zero"  # type: ignore[arg-type]
    one_seed = listed_study(one=[3.0], other=[2.0])
    assert study_ratio(one_seed, "it", "one", "other") == 1.5, "no interval"
    assert study_ratio(one_seed, "it", "one", "missing") is study_ratio(Listed(), "it", "one", "other") is None


def test_a_bound_within_the_interval_of_a_search_leaves_the_claim_open() -> None:
    chosen = settings(depths=[10])
    close, far = (judged(TRAINS, records(chosen, dict.fromkeys(PAPER_P1, loss), spread=1.0)) for loss in (9e-5, 9e-6))
    assert (close.verdict, far.verdict) == ("inconclusive", "replicated")
    (low, high), (point,) = numbers_of(close.measured)
    assert low == point == 9e-5 < 1e-4 < high


def test_a_share_has_the_interval_of_its_draws_and_none_where_they_do_not_say_it() -> None:
    draws = [{"layer": layer, "loss": np.array([1.0, 4.0, below, np.nan])} for layer, below in ((1, 1.0), (2, 5.0))]
    measures, share = Measures({}, lambda records: ROWS, lambda records: draws), {"of": "loss", "below": 3}
    for rows, value in (({"layer": [1, 2]}, Interval(0.0, 1.0, point=1.0)), ({"kind": "a"}, 0.5), ({"layer": 4}, 0.0)):
        assert measured(measures, share | {"share": rows}, Listed()) == value


CLAIM = {"experiment": "x", "source": "P1", "statement": "s", "criterion": "c", "measure": {}, "holds": {"above": 0}}


@pytest.mark.parametrize(
    ("values", "untrained", "kept"),
    [
        ((1.0,), None, True),
        ((1.0, 2.0), None, True),
        ((1.0, -1.0), None, None),
        ((1.0, 2.0, -1.0), None, True),  # two of three must agree
        ((1.0, -2.0, -1.0), None, False),
        ((1.0, 2.0), (0.5, 0.5), True),
        ((1.0, 2.0), (3.0, 3.0), None),  # it holds, and holds better before training: no finding
        ((-1.0, -2.0), (3.0, 3.0), False),
        ((1.0, 2.0), (0.5, math.nan), None),  # one has no control
    ],
)
def test_two_of_three_networks_must_agree_beyond_those_before_training(values, untrained, kept: bool | None) -> None:
    claim = Claim.model_validate(CLAIM | {"each_network": True, "beyond_untrained": untrained is not None})
    assert claim.keeps(Networks(values, untrained or (math.nan,) * len(values))) is kept


def test_no_network_before_training_makes_a_committed_claim_replicated(monkeypatch, repository: Path) -> None:
    monkeypatch.setenv("HIGHWAYS_ROOT", str(repository))
    for experiment in (GATES, LESION):
        listed, measures = experiment.of("weekend").records(), experiment.named_measures
        for name, claim in read_claims({experiment.name: measures}).items():
            chosen = claim.required.of_data_sets(listed)
            found = measured_of_networks(measures, claim.measure, chosen)
            if found is not None and not np.isnan(found.untrained).any():
                before = Networks(found.untrained, found.untrained)
                assert claim.keeps(before) is not True, name


def test_every_claim_passes_the_schema_has_a_bound_and_slips_do_not(repository: Path) -> None:
    text = schema_text()
    validator = jsonschema.Draft7Validator(json.loads(text))
    claims = yaml.safe_load((repository / "references/claims.yaml").read_text())
    assert [error.message for error in validator.iter_errors(claims)] == []
    claim = claims["depth-plain-degrades"]
    without = {key: value for key, value in claim.items() if key != "criterion"}
    slips = [
        {"experiment": "01_depht"},
        {"holds": {"over": 10}},
        {"measure": {"name": "no_such_measure"}},
        {"measure": {"ratio": [{"depth": 10}], "of": "best_train_cross_entropy"}},
        {"required": {"epochs": "many"}},
        {"verdict": "replicated"},
    ]
    for wrong in [without, *(claim | slip for slip in slips)]:
        assert not validator.is_valid({"a": wrong}), wrong
    assert (repository / "references/claims.schema.json").read_text() == text, "run `make pipeline`"
    first, _, _ = (repository / "references/claims.yaml").read_text().partition("\n")
    assert first == "# yaml-language-server: $schema=claims.schema.json"
    assert all(claim["holds"] for claim in claims.values())
