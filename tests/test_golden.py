"""Numbers that must not change unnoticed.

If one of these tests fails, results have changed: either undo that, or raise the family's version in
the family's `numerics` (its runs are then trained again) and write the new numbers here.
"""

from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from toolbox import config_of
from torch.nn import functional

from highways.config import DataConfig, RunConfig
from highways.config.run import NetworkConfig
from highways.data import load
from highways.experiments.conv import recipe
from highways.training.modules import ClassifierModule, SentenceModule
from highways.training.together import PopulationModule

STEPS = 20
GOLDEN = {
    ("dense", 1, "plain", "relu"): 1.987835,
    ("dense", 1, "plain", "tanh"): 1.5710804,
    ("dense", 1, "highway", "relu"): 1.8444182,
    ("dense", 1, "highway", "tanh"): 1.7800151,
    ("bilstm", 1, "plain"): 0.7041782,
    ("bilstm", 1, "highway"): 0.7029122,
    ("bilstm", 1, "highway-article"): 0.7023668,
    ("bilstm", 1, "highway-described"): 0.7151061,
    ("bilstm", 1, "highway-released"): 0.6899623,
    ("bilstm", 1, "plain-matched"): 0.7101120,
    ("bag-of-words", 1, "bag-of-words"): 0.6652288,
    ("conv", 1, "highway"): 2.2885864,
    ("conv", 1, "plain"): 2.3059671,
}
"""By family, its numerics version, kind, and activation of dense networks: loss of a batch after 20 steps."""

KINDS = {
    (get_args(member)[1].tag, kind)
    for member in get_args(get_args(NetworkConfig)[0])
    for kind in get_args(get_args(member)[0].model_fields["kind"].annotation)
}


def test_every_kind_of_network_has_a_number() -> None:
    assert {(family, kind) for family, _, kind, *_ in GOLDEN} == KINDS


def config_of_a(family: str, kind: str, activation: str = "relu") -> RunConfig:
    if family == "dense":
        bias = {"transform_bias": -2.0} if kind == "highway" else {}
        network: Any = {"kind": kind, "depth": 4, "width": 8, "activation": activation} | bias
        return config_of(network, optimiser={"learning_rate": 0.05, "momentum": 0.9}, budget={"batch_size": 50})
    if family == "conv":
        network, pictures, optimiser, _ = recipe(f"{kind}-mnist-16", "digits")
        pictures = pictures.model_copy(update={"pad": 1, "contrast": True})
        data = DataConfig(name="digits", pictures=pictures)
        return config_of(network, data, optimiser, budget={"batch_size": 20})
    network = {"family": family, "kind": kind}
    if family == "bilstm":
        network |= {"depth": 3, "hidden": 8, "embedding": 8}
    if kind == "highway":
        network["transform_bias"] = -1.0
    adam = {"kind": "adam", "learning_rate": 0.01, "weight_decay": 1e-3, "clip_norm": 0.05}
    return config_of(network, "synthetic-tweets", adam, budget={"batch_size": 32})


@pytest.mark.parametrize("key", GOLDEN, ids=str)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_numerics(project: Path, key: tuple[Any, ...]) -> None:
    family, version, *kind = key
    config = config_of_a(family, *kind)
    assert config.network.numerics == version
    module = SentenceModule if config.network.reads == "text" else ClassifierModule
    # from processors with AVX-512 to those without it convolutional highway networks differ by 8e-4
    expected = pytest.approx(GOLDEN[key], rel=2e-3 if family == "conv" else 1e-4)
    assert after_steps(module(config, "key", load(config.data), lambda event: None)) == expected
    if family == "dense":
        assert population_after_steps(config) == expected


def after_steps(module: ClassifierModule) -> float:
    """Loss of the first batch after the first steps of an epoch, taken as Lightning takes them."""
    batches = list(module.data.training_batches(module.configs[0], lambda: 0))[:STEPS]
    optimiser = module.configure_optimizers()
    torch.manual_seed(0)
    for index, batch in enumerate(batches):
        optimiser.zero_grad()
        module.training_step(batch, index).backward()
        module.on_before_optimizer_step(optimiser)
        optimiser.step()
    module.network.eval()
    with torch.no_grad():
        return module.training_step(batches[0], 0).item()


def population_after_steps(config: RunConfig) -> float:
    """The same of a population of one."""
    module = PopulationModule([config], ["key"], load(config.data), lambda event: None)
    batches = list(module.data.training_batches(config, lambda: 0))[:STEPS]
    for index, batch in enumerate(batches):
        module.training_step(batch, index)
    x, y = batches[0]
    return functional.cross_entropy(module.logits(x)[0], y).item()
