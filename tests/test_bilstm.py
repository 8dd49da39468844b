"""BiLSTM networks against their equations; trained on texts, measured, and judged."""

from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
import torch
from toolbox import HERE, OF_MLFLOW, overfitted, record_of, verdicts_of
from torch import nn

from highways.config.run import BiLSTMConfig, BiLSTMKind, RunConfig
from highways.data import load
from highways.experiments.bilstm_depth import BiLSTMProfile, accuracies, by_depth, gradient_ratio, variant
from highways.nn import BiLSTMNetwork
from highways.nn.bilstm import initialise
from highways.tracking import Listed, RunRecord
from highways.training import run

pytestmark = OF_MLFLOW

KINDS = get_args(BiLSTMKind)
WORDS, HIDDEN, EMBEDDING = 11, 3, 4
COUNTS = {"plain": 502, "highway-article": 556, "highway-described": 610, "highway-released": 502}
COUNTS |= {"highway": 700, "plain-matched": 616}
"""Parameters of two layers: a map of a layer's 4 and 3 inputs has 30 and 24, a gate of 6 units 42."""


def network(kind: str, depth: int = 2, **more) -> BiLSTMNetwork:
    bias = -1.0 if kind == "highway" else None
    content = {"kind": kind, "depth": depth, "hidden": HIDDEN, "embedding": EMBEDDING, "transform_bias": bias}
    config = BiLSTMConfig.model_validate({"family": "bilstm"} | content | more)
    return BiLSTMNetwork(config, WORDS, 2, seed=1)


def tokens(batch: int = 5, time: int = 6) -> torch.Tensor:
    return torch.randint(2, WORDS, (batch, time), generator=torch.Generator().manual_seed(0))


def expected(built: BiLSTMNetwork, words: torch.Tensor) -> torch.Tensor:
    """The table in the module's docstring, written out; LSTMs and linear maps are torch's."""
    kind, x, state = built.config.kind, built.embedding(words.t()), None
    if built.matched:
        x = built.entry(x)
    for block in built.blocks:
        inner = block.transform if kind == "highway" else block
        h, reached = inner.lstm(x, None if built.matched else state)
        if kind == "plain-matched":
            x = h
        elif kind == "highway":
            t = torch.sigmoid(block.gate(x))
            x = h * t + x * (1 - t)
        else:
            x, state = block.convert(layer_of_the_source(kind, block, x, h)), reached
    return built.readout(torch.tanh(torch.tanh(x).amax(dim=0)))


def layer_of_the_source(kind: str, block: nn.Module, x: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
    """What a layer makes of its input and its BiLSTM's output, before its linear map."""
    if kind == "plain":
        return h
    g = block.gate(x)
    if kind == "highway-released":
        block.gate.calls = 0  # the network draws the same once more
    t = torch.sigmoid(g)
    if kind == "highway-described":
        return h * t + block.carry(x) * (1 - t)
    return h * t + g * (1 - t)


@pytest.mark.parametrize("kind", KINDS)
def test_output_is_the_equation_sizes_the_sources_and_any_length_works(kind: str) -> None:
    built = network(kind, depth=3).double().eval()
    torch.testing.assert_close(expected(built, tokens()), built(tokens()), rtol=1e-10, atol=0)
    first, second = network(kind), network(kind).state_dict()
    assert sum(parameter.numel() for parameter in first.parameters()) == COUNTS[kind]
    assert all(torch.equal(weights, second[name]) for name, weights in first.state_dict().items())
    for time in (1, 500):
        assert first(tokens(2, time)).isfinite().all()


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_right(kind: str) -> None:
    built = network(kind).double()

    def same_draws(*_: torch.Tensor) -> torch.Tensor:
        for block in built.blocks:
            if kind == "highway-released":
                block.gate.calls = 0
        return built(tokens(2, 3))

    assert torch.autograd.gradcheck(same_draws, tuple(built.parameters()), fast_mode=True)


def test_released_gate_is_drawn_anew_at_every_call_and_never_learns() -> None:
    built = network("highway-released")
    assert not any("gate" in name for name, _ in built.named_parameters())
    first, second = built.eval()(tokens()), built(tokens())
    assert not torch.equal(first, second), "in testing, too"
    again = network("highway-released").eval()
    assert torch.equal(again(tokens()), first), "but equal seeds give equal draws"
    resumed = network("highway-released").eval()
    resumed.load_state_dict(again.state_dict())
    assert torch.equal(resumed(tokens()), second), "and a resumed network goes on with the draws it would have had"


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "highway-released"])
def test_one_batch_can_be_overfitted(kind: str) -> None:
    assert overfitted(network(kind, hidden=8, embedding=8), tokens(8)) < 0.01


def test_layer_that_would_be_drawn_from_the_global_generator_is_refused() -> None:
    built = network("plain")
    built.blocks[0] = nn.Conv1d(EMBEDDING, HIDDEN, 1)
    with pytest.raises(TypeError, match=r"initialise\(\) does not draw Conv1d"):
        initialise(built, seed=0)


def settings(**changes: object) -> BiLSTMProfile:
    content = {"profile": "quick", "data": ["synthetic-tweets"], "variants": ["plain", "highway"], "depths": [1, 2]}
    content |= {"seeds": 1, "epochs": 1, "batch_size": 200, "hidden": 4, "embedding": 4, "dropout": 0.2}
    return BiLSTMProfile.model_validate(content | {"snapshot_steps": 20} | changes)


def one(kind: str = "highway-released", **changes: object) -> RunConfig:
    return settings(variants=[kind], depths=[2], **changes).runs()[1]


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


VARIANTS = ["plain", "plain-matched", "highway", "highway-article", "highway-described", "highway-released"]
CHOSEN = {"profile": "x", "data": ["sst2"], "seeds": 3, "epochs": 10, "hidden": 300, "embedding": 300, "dropout": 0.6}
CHOSEN |= {"variants": VARIANTS, "depths": [1, 2, 3, 5, 10, 12, 15, 20], "batch_size": 16}


def judged(accuracy: Callable[[str, int], float], **changes: object) -> dict[str, tuple[str, str]]:
    """Verdicts and scopes for runs on SST-2 with these test accuracies; no gradients are measured."""
    chosen, records = BiLSTMProfile.model_validate(CHOSEN | changes), []
    for config in chosen.runs():
        value = accuracy(config.network.kind, config.network.depth)
        measured = {"snapshot_dev_accuracy": [value], "snapshot_test_accuracy": [value]}
        records.append(record_of(config, {"test_accuracy": [value]}, measurements=measured))
    rows = [row for row in verdicts_of(chosen, Listed(records)) if "data: sst2" in row.required]
    found = {row.claim_id.removeprefix("bilstm-"): (row.verdict, row.scope) for row in rows}
    return {name: verdict for name, verdict in found.items() if "gradient" not in name}


def test_gradients_of_two_networks_are_compared_seed_by_seed() -> None:
    runs = BiLSTMProfile.model_validate(CHOSEN | {"depths": [1, 20], "variants": ["plain"]}).runs()[1:6]
    looks = {"snapshot_dev_accuracy": [0.5], "snapshot_test_accuracy": [0.5]}
    norms = [looks | {"gradient_norm_first_block": [value]} for value in (1.0, 2.0, 4.0, 1e-9, 4e-9)]
    records = [record_of(run, {"test_accuracy": [0.5]}, measurements=one) for run, one in zip(runs, norms, strict=True)]
    assert gradient_ratio(Listed(records), ("plain", 20), ("plain", 1)).values == pytest.approx((1e-9, 2e-9))


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
