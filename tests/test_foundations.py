"""Five points, dropout, a recurrence, two heads."""

import csv
import math
from pathlib import Path

import pytest
import torch
from toolbox import texts_of

from highways.errors import HighwaysError
from highways.experiments.foundations import (
    TRAJECTORY,
    Dropout,
    FoundationsProfile,
    Perceptron,
)
from highways.experiments.foundations_studies import RECURRENCE_VERSIONS, Recurrence, Recurrents, TwoHeads, class_loss
from highways.experiments.small import study_panels
from highways.inside.analyse import analyse
from highways.show.tables import reference
from highways.tracking import AnalysisRecord, listed_records


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


def test_windows_of_the_recurrence_follow_its_rule() -> None:
    x, y = Recurrence(examples=50, length=6).windows(seed=0)
    numbers = torch.cat([x, y[:, None]], dim=1)
    before, after = numbers[:, :-1], numbers[:, 1:]
    assert torch.equal(after, torch.where(before < 10, before + 1, before.sin()))
    assert (before[:, -1] >= 10).any()


def test_recurrence_trains_what_it_says() -> None:
    found = Recurrence(examples=100, steps=250, hidden=8, learning_rate=0.01, seeds=3).measure()
    for name in ("as_asked", "scaled", "frozen"):
        assert len(found[f"{name}_lstm_gradient"]) == 200
        torch.testing.assert_close(found[f"{name}_lstm_gradient"][0], found[f"{name}_lstm_gradient_start"].mean())
    assert torch.equal(found["as_asked_lstm_gradient_start"], found["frozen_lstm_gradient_start"])
    assert float(found["as_asked_steps_error"].mean()) < float(found["frozen_steps_error"].mean())


def test_networks_of_the_recurrence_are_lstms() -> None:
    networks = Recurrents(hidden=6, seeds=2)
    readout, bias = networks.weights[4:]
    assert readout.abs().max() <= 2
    place = 2 * RECURRENCE_VERSIONS.index("linear") + 1
    torch.manual_seed(1)
    lstm = torch.nn.LSTM(1, 6)
    x = torch.randn(5, 4)  # windows, length
    with torch.no_grad():
        expected = lstm(x.T[..., None])[0][-1] @ readout[place] + 0.1
        torch.testing.assert_close(networks(x.expand(len(bias), -1, -1))[place], expected)


def test_zero_rows_are_silent_under_categorical_cross_entropy_only() -> None:
    logits = torch.randn(6, 3, requires_grad=True)
    target, labelled = torch.eye(3).repeat(2, 1), torch.tensor([True, True, False, False, False, False])
    target = target * labelled[:, None]

    def rows(version: str) -> torch.Tensor:
        return torch.autograd.grad(class_loss(version, logits, target, labelled), logits)[0].abs().sum(dim=1)

    for silent in ("zeros-categorical", "masked-categorical", "masked-binary", "alone"):
        assert (rows(silent) > 0).tolist() == labelled.tolist(), silent
    assert (rows("zeros-binary") > 0).all()
    torch.testing.assert_close(rows("zeros-categorical")[:2], rows("masked-categorical")[:2] / 3)


def test_two_heads_learn_and_small_batches_vary(project: Path) -> None:
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


def test_table_of_the_foundations_has_the_printed_values(project: Path) -> None:
    chosen = FoundationsProfile(
        profile="quick", data="digits", seeds=2, steps=2, recurrence_steps=2, dropout_draws=5, dropout_inputs=1_000
    )
    analyse(chosen.analyses(), experiment=chosen.experiment, profile="quick", threads=1, mlflow=False)
    rows = list(csv.DictReader(texts_of("foundations", chosen)["foundations.csv"].splitlines()))
    trajectory = [row for row in rows if " at step " in row["quantity"]]
    assert len(trajectory) == 3 * 16
    assert all(float(row["value"]) == pytest.approx(float(row["paper"]), abs=2e-6) for row in trajectory)
    assert study_panels(listed_records(chosen))
