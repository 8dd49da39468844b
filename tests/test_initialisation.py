"""Initial weights, the network that learned nothing, and one network twice."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from toolbox import texts_of, verdicts_of

from highways.errors import HighwaysError
from highways.experiments.foundations import Dropout
from highways.experiments.foundations_studies import Recurrence, TwoHeads
from highways.experiments.initialisation import InitialisationProfile, initialisation_figure
from highways.experiments.initialisation_studies import VERSIONS, Saturation, SmallNet, Stuck, Variance
from highways.experiments.l2_parity import Parity, ParityProfile, gradient, gradient_loop, parity_figure, zeros
from highways.experiments.small import SmallStudy, stored
from highways.inside.analyse import analyse
from highways.nn.dense import drawn
from highways.tracking import listed_records
from highways.training import sweep

WIDE, TALL = torch.Size((40, 300)), torch.Size((300, 40))


def test_initial_weights_are_what_they_are_called() -> None:
    variances: dict = {"normal": 1.0, "normal_fan_in": 1 / 300, "he_normal": 2 / 300, "glorot_uniform": 2 / 340}
    for how, variance in (variances | {"zeros": 0.0}).items():
        weight = drawn(WIDE, how, torch.Generator().manual_seed(0))
        assert weight.shape == WIDE
        assert weight.mean().abs() <= 4 * math.sqrt(variance / weight.numel())
        assert float(weight.var()) == pytest.approx(variance, rel=0.05), how
    for shape in (WIDE, TALL):
        weight = drawn(shape, "orthogonal", torch.Generator().manual_seed(0)).double()
        product = weight @ weight.T if shape == WIDE else weight.T @ weight
        torch.testing.assert_close(product, torch.eye(40, dtype=torch.float64), rtol=0, atol=1e-5)


def test_variance_of_z_is_that_of_the_calculation() -> None:
    found = {name: float(variance) for name, variance in Variance(draws=40_000).measure().items()}
    assert found == pytest.approx({"normal": 501, "normal_fan_in": 1.5, "he_normal": 2.0}, rel=0.03)


def test_what_was_wrong_with_the_network_that_learned_nothing() -> None:
    study = Stuck(features=64, hidden=32, examples=400, steps=120, healthy_steps=500, healthy_rate=0.2)
    found = {name: values.tolist() for name, values in study.measure().items()}
    assert set(found["as_written_loss"]) == {0.0}, "softmax over one logit"
    assert found["as_written_first_gradient"] == [0.0]
    assert found["as_written_output_low"] == found["as_written_output_high"] == [pytest.approx(0.5, abs=0.02)]
    assert found["right_loss_loss"][-1] > 0.67, "the right loss alone is no cure"
    last = {version: found[stored(version, "accuracy")][-1] for version in VERSIONS}
    assert min(last[one] for one in ("healthy", "only-zero-first", "only-scalar-bias", "only-small-output")) > 0.85
    assert max(last[one] for one in ("only-one-logit", "all-zero")) < 0.7, "these learn nothing"
    assert last["only-slow"] < last["healthy"] - 0.1
    assert (found["only_zero_first_distinct_units"], found["all_zero_distinct_units"]) == ([32.0], [0.0])


@pytest.mark.parametrize(
    "study",
    [
        Recurrence(steps=3, seeds=2),
        Dropout(inputs=1_000, draws=5),
        TwoHeads(data="digits", steps=2, seeds=2),
        Stuck(features=20, hidden=8, examples=50, steps=3, healthy_steps=3),
        SmallNet(steps=3, seeds=2),
        Saturation(data="digits", steps=3, seeds=2),
    ],
    ids=lambda study: study.kind,
)
def test_a_study_is_deterministic(project: Path, study: SmallStudy) -> None:
    one = study.measure()
    torch.rand(1)  # the state of the global generator does not matter
    other = study.measure()
    assert all(torch.equal(one[name].nan_to_num(), other[name].nan_to_num()) for name in one)


def test_small_network_learns_and_wide_weights_saturate_sigmoids(project: Path) -> None:
    small = SmallNet(steps=400, learning_rate=0.01, seeds=8).measure()
    for name in ("he_normal", "glorot_uniform", "normal_fan_in", "normal"):
        errors, squares = small[f"{name}_absolute_error"], small[f"{name}_squared_error"]
        assert (errors.square() <= squares).all(), "as it is for all numbers"
        assert float(errors.min()) < 0.8 * float(small["guessing_absolute_error"]), "it learns"
    found = Saturation(data="digits", seeds=3).measure()
    assert (found["normal_saturated"] > 0.1).all()
    assert (found["normal_fan_in_saturated"] < 0.01).all()
    assert (found["normal_accuracy"] > 0.2).all()


def test_gradient_of_the_network_from_scratch_is_autograds() -> None:
    random = np.random.default_rng(0)
    x, y = random.random((7, 5)), np.eye(3)[random.integers(0, 3, 7)]
    weights = [random.normal(size=weight.shape) for weight in zeros(x, y, 4)]
    tensors = [torch.from_numpy(weight).requires_grad_() for weight in weights]
    hidden = torch.sigmoid(torch.from_numpy(x) @ tensors[0] + tensors[1])
    loss = (torch.sigmoid(hidden @ tensors[2] + tensors[3]) - torch.from_numpy(y)).square().mean()
    for ours in (gradient(x, y, weights), gradient_loop(x, y, weights)):
        for one, other in zip(ours, torch.autograd.grad(loss, tensors, retain_graph=True), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-16)


def test_two_implementations_differ_by_the_factor_two_alone(project: Path) -> None:
    found = Parity(data="digits", examples=200, steps=30, loop_examples=20).measure()
    for same in ("no_decay", "half_penalty", "decoupled", "weight_decay"):
        assert found[same].max() < 1e-12, same
    assert found["penalty"][0] < 1e-12, "weights that are zero do not decay"
    assert found["penalty"][-1] > 0.01
    assert found["adam"][-1] > 0.01
    for name in ("loss", "accuracy_gap", "gradient"):
        assert max(found[f"no_decay_{name}"].max(), found[f"half_penalty_{name}"].max()) < 1e-10, name
    assert found["penalty_loss_gap"][-1] > 1e-3, "lambda / 2 and lambda times the sum of squares"
    assert float(found["hidden_units"]) == 1, "zero weights stay equal"
    with pytest.raises(HighwaysError, match="training_examples is 99999, but digits has"):
        Parity(data="digits", examples=99_999).measure()


def test_studies_have_tables_and_are_judged_without_runs(project: Path) -> None:
    chosen = ParityProfile(
        profile="quick", data="digits", examples=100, steps=20, learning_rate=1.0, decay=0.01, loop_examples=10
    )
    analyse(chosen.analyses(), experiment=chosen.experiment, profile="quick", mlflow=False)
    rows = texts_of("l2_parity", chosen)["l2_parity.csv"].splitlines()
    assert rows[0] == "variant,data,step,difference,source_says"
    assert [row for row in rows if row.startswith("penalty,digits,20,")]
    assert [row for row in rows if row.startswith("half-penalty: gradient,digits,20,")]
    assert parity_figure(listed_records(chosen)).panels
    judged = {row.claim_id: (row.verdict, row.scope, row.data) for row in verdicts_of(chosen)}
    assert judged["parity-factor-two"] == ("consistent", "stand-in", "digits")
    assert {"parity-without-decay", "parity-penalty-differs"} <= judged.keys()


def test_initialisations_train_together_and_have_a_table(project: Path) -> None:
    small = {"profile": "quick", "data": "digits", "depths": [1, 2, 4], "width": 6, "epochs": 1, "batch_size": 100}
    small |= {"initialisations": ["he_normal", "zeros", "normal"], "learning_rates": [0.1, 0.01]}
    small |= {"signal_examples": 50, "draws": 100, "stuck_steps": 2, "small_net_steps": 2, "saturation_steps": 2}
    chosen = InitialisationProfile.model_validate(small)
    records = sweep(chosen.runs(), experiment=chosen.experiment, profile="quick", mlflow=False)
    assert {record.engine["group"] for record in records} == {6}
    analyse(chosen.analyses(), experiment=chosen.experiment, profile="quick", mlflow=False)
    assert len(texts_of("initialisation", chosen)["initialisation.csv"].splitlines()) == 1 + 2 * 3 * 3
    assert initialisation_figure(listed_records(chosen)).panels
    assert listed_records(chosen).shortfall == ""
