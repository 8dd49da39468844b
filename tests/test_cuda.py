"""Every family of networks on a GPU: it trains, it repeats, and it agrees with the CPU."""

from pathlib import Path

import pytest
import torch
from toolbox import HERE, config_of, forget

from highways.config import RunConfig
from highways.data import load
from highways.experiments.conv import recipe
from highways.experiments.keras_lasagne import KERAS, LASAGNE, Cell, KerasLasagneProfile
from highways.inside.cost import step_cost
from highways.inside.gates import gates
from highways.inside.lesions import lesions
from highways.inside.signal import signal
from highways.nn import build_network
from highways.training import run, sweep

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def text(kind: str) -> RunConfig:
    network: dict = {"family": "bilstm", "kind": kind, "depth": 3, "hidden": 8, "embedding": 8, "dropout": 0.1}
    if kind == "bag-of-words":
        network = {"family": kind}
    if kind == "highway":
        network["transform_bias"] = -1.0
    adam = {"kind": "adam", "learning_rate": 0.01, "clip_norm": 3.0}
    return config_of(network, "synthetic-tweets", adam, budget={"epochs": 2, "snapshot_steps": 20})


def images(name: str, precision: str) -> RunConfig:
    network, pictures, optimiser, _ = recipe(name, "digits")
    shown = {"name": "digits", "pictures": pictures.model_dump() | {"pad": 1, "mirror": True}}
    return config_of(network.model_dump(), shown, optimiser.model_dump(), budget={"epochs": 2}, precision=precision)


def features(cell: Cell) -> RunConfig:
    small = {"profile": "p", "data": ["weak-signal"], "training_examples": 500, "epochs": 2, "width": 8}
    return KerasLasagneProfile.model_validate(small | {"fraction": True}).run(cell, "weak-signal")


RUNS = {
    "dense, Adagrad, dropout": features(KERAS),
    "dense, Adadelta, dropout": features(LASAGNE),
    **{kind: text(kind) for kind in ("bag-of-words", "plain", "plain-matched", "highway", "highway-released")},
    "conv": images("highway-mnist-16", "float32"),
    "conv, bfloat16": images("highway-mnist-16", "bfloat16"),
}


@pytest.mark.parametrize("name", RUNS)
def test_run_on_cuda_agrees_with_the_cpu_and_repeats(project, name: str) -> None:
    records = []
    for device in ("cpu", "cuda", "cuda"):
        forget(project)
        records.append(run(RUNS[name], **HERE | {"profile": device}, device=device))
    cpu, cuda, again = records
    assert cuda.environment["device"] != "cpu"
    assert cuda.status == cpu.status == "finished"
    # Dropout and bfloat16 make a difference; the bag of words has neither.
    noise = 1e-4 if name == "bag-of-words" else 0.3
    assert cuda.curves["train_cross_entropy"] == pytest.approx(cpu.curves["train_cross_entropy"], rel=noise)
    if "bfloat16" not in name:
        assert (cuda.curves, cuda.weights_sha256) == (again.curves, again.weights_sha256)
        assert cuda.measurements == again.measurements


@pytest.mark.parametrize("kind", ["plain", "highway"])
def test_population_on_cuda_equals_that_on_the_cpu(project: Path, run_config, kind: str) -> None:
    configs = [run_config(kind=kind, learning_rate=rate, epochs=1) for rate in (0.003, 0.01)]
    on_gpu = sweep(configs, **HERE, device="cuda")
    forget(project)
    on_cpu = sweep(configs, **HERE, device="cpu")
    for ours, theirs in zip(on_gpu, on_cpu, strict=True):
        assert ours.last("train_cross_entropy") == pytest.approx(theirs.last("train_cross_entropy"), rel=1e-3)
        assert ours.environment["device"] != "cpu"


def test_inside_of_a_network_is_the_same_on_both_devices(project: Path, run_config) -> None:
    config = run_config(depth=6)
    found = []
    for device in ("cpu", "cuda"):
        data = load(config.data).to(torch.device(device))
        network, batches = build_network(config, data).to(device), data.evaluation_batches(config, "train")
        by_layer = signal(network, batches, examples=100)
        means = gates(network, batches, data.classes, examples=100)["mean"]
        found.append([*means, lesions(network, batches)["cross_entropy"], by_layer["weight_gradient"]])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
    assert step_cost(config, torch.device("cuda"), 2)[1] > 0
