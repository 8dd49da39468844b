"""Small studies: five points, dropout, a recurrence, two heads, initial weights, and one network twice."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from highways.errors import HighwaysError
from highways.experiments.foundations import TRAJECTORY, Dropout, Perceptron
from highways.experiments.foundations_studies import Recurrence, Recurrent, TwoHeads, class_loss
from highways.experiments.initialisation_studies import VERSIONS, Saturation, SmallNet, Stuck, Variance
from highways.experiments.l2_parity import Parity, gradient, gradient_loop, zeros
from highways.experiments.small import SmallStudy, stored
from highways.nn.dense import drawn
from highways.show.tables import reference
from highways.tracking import AnalysisRecord


def test_perceptron_follows_the_printed_trajectory_and_comes_out_as_its_committed_record(repository: Path) -> None:
    printed = reference(TRAJECTORY)
    (path,) = repository.glob("results/laptop/10_foundations/analyses/perceptron-*.json")
    values, found = AnalysisRecord.read(path).values, Perceptron().measure()
    assert found["printed_steps"].tolist() == printed["step"].tolist()
    assert found["sigmoid_loss_rows"].tolist() == pytest.approx(printed["loss"].tolist(), rel=0, abs=2.4e-7)
    points = {"rows_within": 16, "threshold_right": 4, "sigmoid_right_printed_start": 4}
    for name, count in (points | {"linear_right_printed_start": 3}).items():
        assert found[name].tolist() == [count], name
    for name in ("linear_right", "sigmoid_right", "linear_loss"):
        assert found[name].tolist() == pytest.approx(values[name], rel=1e-4), name


def test_dropout_keeps_the_mean_if_it_is_inverted() -> None:
    study = Dropout(inputs=20_000)
    found, keep = study.measure(), torch.tensor(study.keep, dtype=torch.float64)
    error = found["inverted_error"]
    assert float(found["sum"].abs()) > 0.5 * math.sqrt(study.inputs)
    assert ((found["inverted"] - 1).abs() <= 4 * error + 1e-6).all()
    assert ((found["plain"] - keep).abs() <= 4 * error * keep + 1e-6).all()
    assert ((found["printed_inverted"] - 1).abs() < 0.03).all()
    assert found["printed_plain"].tolist() == pytest.approx([1, 0.69783, 0.51012, 0.30200], abs=1e-5)
    assert Dropout(inputs=100, draws=3, keep=(0.9,)).measure()["printed_plain"].isnan().all()


def test_windows_of_the_recurrence_follow_its_rule_and_a_frozen_lstm_does_not_learn() -> None:
    x, y = Recurrence(examples=50, length=6).windows(seed=0)
    numbers = torch.cat([x, y[:, None]], dim=1)
    before, after = numbers[:, :-1], numbers[:, 1:]
    assert torch.equal(after, torch.where(before < 10, before + 1, before.sin()))
    assert (before[:, -1] >= 10).any()
    assert Recurrent(hidden=600, seed=2).readout.abs().max() <= 2
    found = Recurrence(steps=100, seeds=2, hidden=8, learning_rate=0.02).measure()
    assert torch.equal(found["frozen_lstm_gradient_start"], found["as_asked_lstm_gradient_start"])
    assert (found["frozen_steps_error"] > found["as_asked_steps_error"]).all()


def test_two_heads_learn_small_batches_vary_and_zero_rows_are_silent(project: Path) -> None:
    found = TwoHeads(data="digits", steps=80, seeds=2).measure()
    assert float(found["alone_accuracy"].min()) > 0.5
    assert (found["zeros_binary_confidence"] < found["masked_binary_confidence"]).all()
    assert (found["metrics_labelled_rows"] > 2 * found["metrics_all_rows"]).all(), "zero rows count as class 0"
    for size in (8, 32, 100):
        without = found[f"batch_{size}_without_label"]
        torch.testing.assert_close(without, torch.full_like(without, 0.9**size), rtol=0, atol=0.06)
    assert (found["batch_8_deviation"] > found["batch_100_deviation"]).all()
    with pytest.raises(HighwaysError, match="9999 labelled examples were asked for, digits has"):
        TwoHeads(data="digits", labelled=9_999).measure()
    logits = torch.randn(6, 3, requires_grad=True)
    target, labelled = torch.eye(3).repeat(2, 1), torch.tensor([True, True, False, False, False, False])
    target = target * labelled[:, None]

    def rows(version: str) -> torch.Tensor:
        return torch.autograd.grad(class_loss(version, logits, target, labelled), logits)[0].abs().sum(dim=1)

    for silent in ("zeros-categorical", "masked-categorical", "masked-binary", "alone"):
        assert (rows(silent) > 0).tolist() == labelled.tolist(), silent
    assert (rows("zeros-binary") > 0).all()
    torch.testing.assert_close(rows("zeros-categorical")[:2], rows("masked-categorical")[:2] / 3)


WIDE, TALL = torch.Size((40, 300)), torch.Size((300, 40))


def test_initial_weights_are_what_they_are_called_and_give_the_variance_of_the_calculation() -> None:
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
