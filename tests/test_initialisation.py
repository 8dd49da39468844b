"""Initial weights, the network that learned nothing, and one network twice."""

from __future__ import annotations

import bisect
import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from highways.analysis.foundations import (
    POINTS,
    PRINTED,
    class_loss,
    dropout_means,
    perceptron,
    recurrence,
    recurrence_data,
    two_heads,
)
from highways.analysis.initialisation import boolean_task, stuck_versions, z_variance
from highways.analysis.parity import _gradient, _gradient_loop, _zeros, parity
from highways.analysis.perform import analyse
from highways.claims.judge import judge_experiment
from highways.config import (
    AnalysisConfig,
    DenseConfig,
    DropoutConfig,
    InitialisationProfile,
    ParityConfig,
    ParityProfile,
    PerceptronConfig,
    RecurrenceConfig,
    StuckConfig,
    TwoHeadsConfig,
    VarianceConfig,
)
from highways.errors import HighwaysError
from highways.nn import DenseNetwork
from highways.nn.dense import drawn
from highways.report.initialisation_figures import initialisation_figure
from highways.report.tables import table_texts
from highways.tracking import listed_records
from highways.training import sweep

WIDE, TALL = torch.Size((40, 300)), torch.Size((300, 40))


@pytest.mark.parametrize(
    ("how", "variance"),
    [("normal", 1.0), ("normal_fan_in", 1 / 300), ("he_normal", 2 / 300), ("glorot_uniform", 2 / 340), ("zeros", 0.0)],
)
def test_initial_weights_have_the_variance_of_their_name(how: str, variance: float) -> None:
    weight = drawn(WIDE, how, torch.Generator().manual_seed(0))  # type: ignore[arg-type]
    assert weight.shape == WIDE
    assert weight.mean().abs() <= 4 * math.sqrt(variance / weight.numel())
    assert float(weight.var()) == pytest.approx(variance, rel=0.05)


@pytest.mark.parametrize("shape", [WIDE, TALL])
def test_orthogonal_weights_are(shape: torch.Size) -> None:
    weight = drawn(shape, "orthogonal", torch.Generator().manual_seed(0)).double()
    product = weight @ weight.T if shape == WIDE else weight.T @ weight
    torch.testing.assert_close(product, torch.eye(40, dtype=torch.float64), rtol=0, atol=1e-5)


def test_networks_are_drawn_as_they_say_and_gates_keep_their_bias() -> None:
    config = DenseConfig(kind="highway", depth=3, width=5, transform_bias=-2.0, initialisation="zeros")
    network = DenseNetwork(config, 4, 3)
    assert not any(module.weight.any() for module in network.modules() if isinstance(module, torch.nn.Linear))
    assert all((block.gate.bias == -2).all() for block in network.blocks)


def test_variance_of_z_is_that_of_the_text() -> None:
    found = z_variance(VarianceConfig(draws=40_000))
    assert float(found["normal"]) == pytest.approx(501, rel=0.03)
    assert float(found["normal_fan_in"]) == pytest.approx(1.5, rel=0.03)
    assert float(found["he_normal"]) == pytest.approx(2.0, rel=0.03)


def test_what_was_wrong_with_the_network_that_learned_nothing() -> None:
    config = StuckConfig(features=64, hidden=32, examples=400, steps=150, learning_rate=0.2)
    found = {name: values.tolist() for name, values in stuck_versions(config).items()}
    assert set(found["as_written_loss"]) == {0.0}, "softmax over one logit"
    assert found["as_written_first_gradient"] == [0.0]
    assert max(found["sigmoid_accuracy"]) > 0.75, "a first layer of zeros is no obstacle"
    assert found["sigmoid_distinct_units"] == [32.0], "its hidden units have different gradients"
    assert found["all_zero_distinct_units"] == [0.0]
    assert found["random_subset_accuracy"] == [1.0]
    assert len(found["random_loss"]) == 151


def test_labels_of_the_boolean_task_are_balanced() -> None:
    x, y = boolean_task(StuckConfig(features=30, examples=200))
    assert set(x.unique().tolist()) == {0.0, 1.0}
    assert y.mean() == pytest.approx(0.5, abs=0.01)


def test_gradient_of_the_network_from_scratch_is_that_of_differences() -> None:
    random = np.random.default_rng(0)
    x, y = random.random((7, 5)), np.eye(3)[random.integers(0, 3, 7)]
    weights = [random.normal(size=weight.shape) for weight in _zeros(x, y, 4)]

    def loss() -> float:
        hidden = 1 / (1 + np.exp(-(x @ weights[0] + weights[1])))
        return float(np.mean((1 / (1 + np.exp(-(hidden @ weights[2] + weights[3]))) - y) ** 2))

    gradients = _gradient(x, y, weights)
    for one, other in zip(gradients, _gradient_loop(x, y, weights), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-16)
    for weight, gradient in zip(weights, gradients, strict=True):
        for place in np.ndindex(weight.shape):
            weight[place] += 1e-6
            above = loss()
            weight[place] -= 2e-6
            below = loss()
            weight[place] += 1e-6
            assert gradient[place] == pytest.approx((above - below) / 2e-6, abs=1e-8)


def test_two_implementations_differ_by_the_factor_two_alone(project: Path) -> None:
    found = parity(ParityConfig(data="digits", examples=200, steps=30, loop_examples=20))
    for same in ("no_decay", "half_penalty", "decoupled", "weight_decay"):
        assert found[same].max() < 1e-12, same
    assert found["penalty"][0] < 1e-12, "weights that are zero do not decay"
    assert found["penalty"][-1] > 0.01
    assert found["adam"][-1] > 0.01
    assert float(found["hidden_units"]) == 1, "zero weights stay equal"
    with pytest.raises(HighwaysError, match="99999 examples were asked for, digits has"):
        parity(ParityConfig(data="digits", examples=99_999))


def test_studies_have_tables_and_are_judged_without_runs(project: Path) -> None:
    chosen = ParityProfile(
        profile="quick", data="digits", examples=100, steps=20, learning_rate=1.0, decay=0.01, loop_examples=10
    )
    analyse(chosen.analyses(), experiment=chosen.experiment, profile="quick", mlflow=False)
    rows = table_texts("l2_parity", chosen)["l2_parity.csv"].splitlines()
    assert rows[0] == "variant,data,step,difference,source_says"
    assert [row for row in rows if row.startswith("penalty,digits,20,")]
    judged = {row.claim_id: (row.verdict, row.scope, row.data) for row in judge_experiment(chosen)}
    assert judged["parity-factor-two"] == ("replicated", "stand-in", "digits")
    assert len(judged) == 6


def test_initialisations_train_together_and_have_a_table(project: Path) -> None:
    chosen = InitialisationProfile(
        profile="quick",
        data="digits",
        initialisations=["he_normal", "zeros", "normal"],
        depths=[1, 2, 4],
        width=6,
        learning_rates=[0.1, 0.01],
        epochs=1,
        batch_size=100,
        signal_examples=50,
        draws=100,
        stuck_steps=2,
    )
    records = sweep(chosen.runs(), experiment=chosen.experiment, profile="quick", mlflow=False)
    assert {record.engine["group"] for record in records} == {6}
    analyse(chosen.analyses(), experiment=chosen.experiment, profile="quick", mlflow=False)
    texts = table_texts("initialisation", chosen)
    assert len(texts["initialisation.csv"].splitlines()) == 1 + 2 * 3 * 3
    assert initialisation_figure(listed_records(chosen)).axes
    assert len(table_texts("initialisation_studies", chosen)["initialisation_studies.csv"].splitlines()) == 1 + 3 + 24
    assert listed_records(chosen).complete


def test_points_of_the_perceptron_are_those_that_have_the_printed_loss() -> None:
    """Of all fives with whole inputs from -4 to 10: (0, 0) twice, (2, 1) twice, and one far out."""
    inputs = torch.arange(-4, 11, dtype=torch.float64)
    points = [(x, y) for x in inputs.tolist() for y in (0, 1)]
    out = torch.sigmoid(PRINTED["w"] * inputs + PRINTED["b"])
    errors = torch.stack([out.square(), (1 - out).square()], dim=1).flatten().tolist()
    pairs = sorted((errors[i] + errors[j], i, j) for i in range(len(points)) for j in range(i, len(points)))
    sums = [total for total, _, _ in pairs]
    found = set()
    for three in itertools.combinations_with_replacement(range(len(points)), 3):
        left = 5 * PRINTED["loss"] - math.fsum(errors[i] for i in three)
        for _, i, j in pairs[bisect.bisect_left(sums, left - 5e-8) : bisect.bisect_right(sums, left + 5e-8)]:
            found.add(tuple(sorted(points[place] for place in (*three, i, j))))
    assert found == {((0, 0), (0, 0), (2, 1), (2, 1), (last, 0)) for last in (8, 9, 10)}
    assert tuple(sorted(POINTS)) in found


def test_perceptron_on_five_points() -> None:
    found = perceptron(PerceptronConfig(starts=50))
    assert found["threshold_right"].tolist() == [4]
    assert found["printed_loss"].item() == pytest.approx(PRINTED["loss"], abs=2e-8)
    assert set(found["linear_right"].tolist()) == {3}
    assert set(found["sigmoid_right"].tolist()) == {3, 4}, "the repair depends on where it starts"
    slow = perceptron(PerceptronConfig(starts=50, steps=1))
    w, b = found["start_w"][0].item(), found["start_b"][0].item()
    x, y = (np.array(values, float) for values in zip(*POINTS, strict=True))
    out = w * x + b
    w, b = w - 0.01 * np.mean(2 * (out - y) * x), b - 0.01 * np.mean(2 * (out - y))
    assert slow["linear_loss"][0].item() == pytest.approx(np.mean((w * x + b - y) ** 2))


def test_dropout_keeps_the_mean_if_it_is_inverted() -> None:
    found = dropout_means(DropoutConfig(draws=3_000, inputs=500))
    torch.testing.assert_close(found["inverted"], torch.ones(4, dtype=torch.float64), rtol=0, atol=0.01)
    torch.testing.assert_close(found["plain"], torch.tensor([1.0, 0.7, 0.5, 0.3]).double(), rtol=0, atol=0.01)


def test_windows_of_the_recurrence_follow_its_rule() -> None:
    x, y = recurrence_data(RecurrenceConfig(examples=50, length=6))
    numbers = torch.cat([x, y[:, None]], dim=1)
    before, after = numbers[:, :-1], numbers[:, 1:]
    assert torch.equal(after, torch.where(before < 10, before + 1, before.sin()))
    assert (before[:, -1] >= 10).any()


def test_recurrence_trains_what_it_says() -> None:
    found = recurrence(RecurrenceConfig(examples=100, steps=30, hidden=8, learning_rate=0.01))
    for name in ("as_asked", "scaled", "frozen"):
        assert len(found[f"{name}_lstm_gradient"]) == 30
    assert float(found["as_asked_lstm_gradient"][0]) == float(found["frozen_lstm_gradient"][0])
    assert float(found["as_asked_steps_error"]) < float(found["frozen_steps_error"])


def test_zero_rows_are_silent_under_categorical_cross_entropy_only() -> None:
    logits = torch.randn(6, 3, requires_grad=True)
    target, labelled = torch.eye(3).repeat(2, 1), torch.tensor([True, True, False, False, False, False])
    target = target * labelled[:, None]

    def rows(version: str) -> torch.Tensor:
        return torch.autograd.grad(class_loss(version, logits, target, labelled), logits)[0].abs().sum(dim=1)

    for silent in ("zeros-categorical", "masked-categorical", "masked-binary", "alone"):
        assert (rows(silent)[2:] == 0).all(), silent
        assert (rows(silent)[:2] > 0).all()
    assert (rows("zeros-binary") > 0).all()
    torch.testing.assert_close(rows("zeros-categorical")[:2], rows("masked-categorical")[:2] / 3)


def test_two_heads_learn(project: Path) -> None:
    found = two_heads(TwoHeadsConfig(data="digits", steps=150, seeds=2))
    assert len(found["alone_accuracy"]) == 2
    assert float(found["alone_accuracy"].min()) > 0.6
    assert (found["zeros_binary_confidence"] < found["masked_binary_confidence"]).all()
    with pytest.raises(HighwaysError, match="9999 labelled examples were asked for, digits has"):
        two_heads(TwoHeadsConfig(data="digits", labelled=9_999))


def test_study_has_a_key_of_its_own(project: Path) -> None:
    one, other = (AnalysisConfig(measure=ParityConfig(data="digits", steps=steps)) for steps in (5, 6))
    assert one.key("f") != other.key("f") != other.key("g")
    assert one.key("f").startswith("parity-")
    assert one.data is not None
    assert AnalysisConfig(measure=VarianceConfig()).data is None
