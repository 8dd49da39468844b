"""The factorial over what a Keras and a Lasagne network differ in: its cells, its effects, its table."""

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from toolbox import HERE, verdicts_of, write_idx

from highways.config import DataConfig
from highways.data import Images, load
from highways.data.images import mnist_fours_and_nines
from highways.errors import HighwaysError
from highways.experiments import keras_lasagne as kl
from highways.inside.analyse import analyse
from highways.tracking import listed_records
from highways.training import run, sweep

NAMES = list(kl.FACTORS)
THERE: dict[str, Any] = HERE | {"experiment": kl.KerasLasagneProfile.experiment}
WHOLE = kl.KerasLasagneProfile(profile="p", data=["weak-signal"], fraction=False)


def with_epochs(chosen: list[kl.Cell]) -> list[kl.Cell]:
    return [(*cell[:-1], level) for cell in chosen for level in (0, 1)]


def made(chosen: list[kl.Cell], seeds: int = 3, **effects: float) -> kl.Factorial:
    """A factorial that follows from effects, such as `optimiser` or `optimiser_x_epochs`, to the last digit."""

    def accuracy(cell: kl.Cell, seed: int) -> float:
        signs = {name: 1 if level else -1 for name, level in zip(NAMES, cell, strict=True)}
        terms = [
            effect / 2 * math.prod(signs[factor] for factor in name.split("_x_")) for name, effect in effects.items()
        ]
        return 0.7 + seed / 100 + math.fsum(terms)

    return kl.Factorial("made", 10, {cell: [accuracy(cell, seed) for seed in range(seeds)] for cell in chosen}, 0.6)


@pytest.mark.parametrize("fraction", [True, False])
def test_effects_come_out_as_they_were_put_in(fraction: bool) -> None:
    chosen = with_epochs(kl.cells(fraction))
    found = made(chosen, optimiser=0.1, transform_bias=-0.04, optimiser_x_epochs=0.06)
    assert (found.effect("transform_bias", high=2) == []) is fraction
    assert found.effect("optimiser") == pytest.approx([0.1] * 3)
    assert found.effect("transform_bias") == pytest.approx([-0.04] * 3)
    assert found.effect("shuffle") == pytest.approx([0.0] * 3)
    assert found.difference(kl.LASAGNE, kl.KERAS) == pytest.approx([0.06] * 3)
    assert found.difference(kl.KERAS, None) == pytest.approx([0.1 - 0.03 + 0.03 + seed / 100 for seed in range(3)])
    for level, when, effect in ((0, "after 10 epochs", [0.04] * 3), (1, "after 1 epoch", [0.16] * 3)):
        assert found.effect("optimiser", epochs=level) == pytest.approx(effect)
        assert found.effects()[when]["optimiser: adagrad to adadelta"] == pytest.approx(effect)
    if not fraction:
        assert found.effect("transform_bias", epochs=0, high=2) == pytest.approx([-0.04] * 3), "by `made`, as level 1"


def test_cells_hold_both_networks_are_told_from_their_runs_and_a_fraction_is_of_resolution_four() -> None:
    assert (len(set(kl.cells(False))), len(set(kl.cells(True)))) == (193, 18)
    for fraction in (True, False):
        assert {kl.KERAS, kl.LASAGNE, kl.KERAS_1_0_0, kl.KERAS_1_2_2} <= set(with_epochs(kl.cells(fraction)))
    configs = [WHOLE.run(cell, "weak-signal") for cell in kl.cells(False)]
    assert [kl.cell_of(config) for config in configs] == kl.cells(False)
    assert len({config.key("") for config in configs}) == 193
    chosen = np.array([[1 if level else -1 for level in cell[:-1]] for cell in kl.cells(True) if max(cell) <= 1])
    pairs = [chosen[:, i] * chosen[:, j] for i, j in itertools.combinations(range(chosen.shape[1]), 2)]
    for place, signs in enumerate(chosen.T):
        others = [*np.delete(chosen, place, axis=1).T, *pairs]
        assert not any(signs @ other for other in others), "no main effect with another or with a pair"


def test_first_epoch_of_a_long_run_is_a_run_of_one_epoch(project: Path) -> None:
    small = WHOLE.model_copy(update={"training_examples": 300, "width": 6})
    trained = [run(small.model_copy(update={"epochs": n}).run(kl.LASAGNE, "weak-signal"), **HERE) for n in (1, 3)]
    short, curves = (record.curves for record in trained)
    assert {name: curve[:1] for name, curve in curves.items()} == short


def test_weak_signal_is_weak_and_standardised(project: Path) -> None:
    data = load("weak-signal")
    assert isinstance(data, Images)
    assert (data.size("train"), data.size("test"), data.features, data.classes) == (20_000, 5_000, 144, 2)
    torch.testing.assert_close(data.x["train"].mean(dim=0), torch.zeros(144), rtol=0, atol=1e-4)
    torch.testing.assert_close(data.x["train"].std(dim=0), torch.ones(144), rtol=1e-3, atol=0)
    few = load(DataConfig(name="weak-signal", training_examples=4_000))
    assert torch.equal(few.x["train"], data.x["train"][:4_000])  # type: ignore[union-attr]
    level = kl.Logistic(data="weak-signal", training_examples=4_000).measure()
    assert 0.6 < float(level["test_accuracy"]) < 0.7
    with pytest.raises(HighwaysError, match="training_examples is 20001, but weak-signal has 20000"):
        load(DataConfig(name="weak-signal", training_examples=20_001))
    with pytest.raises(HighwaysError, match="its first 1 training examples have one class only"):
        kl.Logistic(data="weak-signal", training_examples=1).measure()


def test_fours_and_nines_are_cut_and_halved(project: Path, tmp_path: Path) -> None:
    files = {}
    for part, count in (("train", 30), ("t10k", 20)):
        pixels = np.full((count, 28, 28), 7)
        pixels[:, 2:4, 2:4] = [[10, 20], [30, 40]]  # the first pixel of the small image
        labels = np.arange(count) % 10
        for name, array in ((f"{part}-images-idx3-ubyte.gz", pixels), (f"{part}-labels-idx1-ubyte.gz", labels)):
            files[name] = tmp_path / name
            write_idx(files[name], array)
    examples = mnist_fours_and_nines(files)
    x, y = examples["train"]
    assert x.shape == (6, 144)
    assert y.tolist() == [0, 1, 0, 1, 0, 1]
    assert examples["test"][1].tolist() == [0, 1, 0, 1]
    assert x[0, :2].tolist() == pytest.approx([25 / 255, 7 / 255])


def test_fraction_is_trained_tabulated_and_judged(project: Path) -> None:
    small = {"data": ["weak-signal"], "training_examples": 200, "seeds": 2, "epochs": 2, "width": 4}
    settings = kl.KerasLasagneProfile.model_validate(small | {"profile": "p", "fraction": True})
    sweep(settings.runs()[:5], **THERE)
    assert not list(kl.keras_lasagne_rows(listed_records(settings))), "of an incomplete factorial"
    sweep(settings.runs(), **THERE)
    assert "logistic" not in next(kl.answer(listed_records(settings)))
    analyse(settings.analyses(), **THERE)
    listed = listed_records(settings)
    (found,) = kl.factorials(listed).values()
    assert set(found.accuracies) == set(with_epochs(kl.cells(True)))
    second = next(run for run in listed if kl.cell_of(run.config) == kl.KERAS and run.config.seed == 1)
    curve = second.curves["test_accuracy"]
    assert (found.accuracies[kl.KERAS][1], found.accuracies[(*kl.KERAS[:-1], 1)][1]) == (curve[1], curve[0])

    assert {"epochs: 2 to 1", "Lasagne, 2 epochs"} <= {row["term"] for row in kl.keras_lasagne_rows(listed)}
    assert f"Keras from 1.0.3 {math.fsum(found.accuracies[kl.KERAS]) / 2:.3f}" in next(kl.answer(listed))
    scopes = {judgement.claim_id: judgement.scope for judgement in verdicts_of(settings)}
    assert scopes["keras-lasagne-on-images-too"] == "", "no other data stand in for images"
    assert scopes["keras-lasagne-lasagne-beats-keras"] == "stand-in"
    assert scopes["keras-lasagne-gates-that-start-open"] == ""  # a fraction does not have that level
