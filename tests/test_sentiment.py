"""Training on texts: equal to the bit, resumable, measured, and judged."""

from collections.abc import Callable
from pathlib import Path

import pytest
from toolbox import HERE, OF_MLFLOW, Stopped, forget, record_of, stop_at, texts_of, verdicts_of

from highways.config import RunConfig
from highways.data import load
from highways.experiments.bilstm_depth import BiLSTMProfile, accuracies, by_depth, variant
from highways.tracking import Listed, RunRecord
from highways.tracking.events import EpochEnded
from highways.training import run, sweep

pytestmark = OF_MLFLOW


def settings(**changes: object) -> BiLSTMProfile:
    content = {"profile": "quick", "data": ["synthetic-tweets"], "variants": ["plain", "highway"], "depths": [1, 2]}
    content |= {"seeds": 1, "epochs": 1, "batch_size": 200, "hidden": 4, "embedding": 4, "dropout": 0.2}
    return BiLSTMProfile.model_validate(content | {"snapshot_steps": 20} | changes)


def one(kind: str = "highway-released", **changes: object) -> RunConfig:
    return settings(variants=[kind], depths=[2], **changes).runs()[1]


def test_run_that_a_sweep_resumes_after_an_epoch_equals_an_uninterrupted_one(project: Path, monkeypatch) -> None:
    config = one(epochs=2)
    monkeypatch.setenv("HIGHWAYS_CHECKPOINT_EVERY_S", "0")
    with pytest.raises(Stopped):
        run(config, **HERE, on_event=stop_at(2))
    assert len(list(project.glob("checkpoints/resume/*/*.ckpt"))) == 1
    events: list = []
    [resumed] = sweep([config], **HERE, on_event=events.append)
    assert [event.epoch for event in events if isinstance(event, EpochEnded)] == [2]
    assert not list(project.glob("checkpoints/resume/*/*.ckpt"))
    forget(project)
    again = run(config, **HERE)
    for value in ("curves", "measurements", "weights_sha256"):
        assert getattr(resumed, value) == getattr(again, value)


def test_record_has_snapshots_and_gradients(project: Path) -> None:
    record = run(one(epochs=2), **HERE)
    measured = record.measurements
    steps = len(list(load(record.config.data).training_batches(record.config, epoch=lambda: 0)))
    assert steps > 20
    assert measured["snapshot_step"] == sorted({20, *range(20, 2 * steps, 20), steps, 2 * steps})
    assert {len(values) for name, values in measured.items() if name.startswith("snapshot")} == {
        len(measured["snapshot_step"])
    }
    assert measured["snapshot_test_accuracy"][-1] == record.last("test_accuracy")
    for block in ("first", "last"):
        before, after = measured[f"gradient_norm_{block}_block"]
        assert before > 0
        assert after > 0
    assert set(record.curves) == {f"{p}_{m}" for p in ("train", "dev", "test") for m in ("cross_entropy", "accuracy")}
    assert RunRecord.loads(record.dumps(), "x") == record


def test_rules_choose_their_snapshot() -> None:
    measured = {"snapshot_dev_accuracy": [0.5, 0.8, 0.8, 0.7], "snapshot_test_accuracy": [0.9, 0.7, 0.75, 0.6]}
    record = record_of(one(), {"test_accuracy": [0.6]}, measurements=measured)
    assert accuracies(record) == (0.6, 0.7, 0.9)
    assert by_depth([record], "highway-released") == {2: 0.7}
    assert accuracies(record_of(one(), {}, diverged_epoch=1)) == (0.5, 0.5, 0.5), "a run that diverged is guessing"
    padded = one("highway-released-padded")
    assert padded.network == one().network.model_copy(update={"padding": "seen"})
    assert variant(record.model_copy(update={"config": padded})) == "highway-released-padded"


def test_gradient_is_cut_to_the_norm(project: Path) -> None:
    loose, tight = one("plain", epochs=1, clip_norm=1e9), one("plain", epochs=1, clip_norm=1e-12)
    records = sweep([loose, tight], **HERE)
    assert records[0].last("train_cross_entropy") < 0.99 * records[1].last("train_cross_entropy")


def test_measurements_come_out_of_mlflow_as_they_went_in(tracked_project: Path) -> None:
    small = settings()
    sweep(small.runs(), experiment=small.experiment, profile=small.profile)
    assert texts_of("bilstm_depth", small, "mlflow") == texts_of("bilstm_depth", small, "records")


# Claims

VARIANTS = ["plain", "plain-matched", "highway", "highway-article", "highway-described", "highway-released"]
CHOSEN = {"profile": "x", "data": ["sst2"], "seeds": 3, "epochs": 10, "hidden": 300, "embedding": 300, "dropout": 0.6}
CHOSEN |= {"variants": VARIANTS, "depths": list(range(1, 21)), "batch_size": 16}


def judged(accuracy: Callable[[str, int], float], **changes: object) -> dict[str, tuple[str, str]]:
    """Verdicts and scopes for runs with these test accuracies."""
    chosen = BiLSTMProfile.model_validate(CHOSEN | changes)
    records = []
    for config in chosen.runs():
        value = accuracy(config.network.kind, config.network.depth)
        measured = {"snapshot_dev_accuracy": [value], "snapshot_test_accuracy": [value]}
        records.append(record_of(config, {"test_accuracy": [value]}, measurements=measured))
    return {
        row.claim_id.removeprefix("bilstm-"): (row.verdict, row.scope) for row in verdicts_of(chosen, Listed(records))
    }


def as_the_article_says(kind: str, depth: int) -> float:
    if kind.startswith("plain"):
        return 0.8 if depth <= 10 else 0.4
    return 0.8 if depth == 1 else 0.75


def test_claims_are_judged_by_what_the_variants_reach() -> None:
    found = judged(as_the_article_says)
    assert found.pop("highway-keeps-its-accuracy") == ("not replicated", "full")
    assert set(found.values()) == {("replicated", "full")}
    found = judged(lambda kind, depth: 909 / 1821 if kind == "plain" and depth > 10 else 0.8)
    assert found["plain-at-chance-after-10"] == ("replicated", "full"), "chance is not below chance"
    assert found["plain-below-chance-after-10"] == ("not replicated", "full")
    assert found["highway-keeps-its-accuracy"] == ("replicated", "full")
    found = judged(lambda kind, depth: 0.8)
    for claim in ("highway-released-declines-less", "highway-declines-less", "released-gate-contributes"):
        assert found[claim] == ("not replicated", "full"), "equal variants show no difference"


@pytest.mark.parametrize(
    ("changes", "scope"),
    [
        ({"epochs": 9}, "reduced"),
        ({"hidden": 150}, "reduced"),
        ({"data": ["sst5", "sst2"]}, "full"),
        ({"data": ["synthetic-tweets"]}, "stand-in"),
    ],
)
def test_scope_follows_seeds_epochs_widths_and_data(changes: dict, scope: str) -> None:
    found = judged(as_the_article_says, **changes)
    assert found["highway-released-declines-less"] == ("replicated" if scope == "full" else "consistent", scope)
    easier_with_less = "replicated" if scope == "full" else "inconclusive"
    assert found["plain-no-gain"] == (easier_with_less, scope)
