"""Numbers that must not change unnoticed.

If one of these tests fails, results have changed: either undo that, or raise the family's version in
the family's `numerics` (its runs are then trained again) and write the new numbers here.
"""

from typing import get_args

import pytest
import torch
from toolbox import config_of
from torch.nn import functional

from highways.config import BagOfWordsConfig, BiLSTMConfig, ConvConfig, DataConfig, DenseConfig
from highways.data import Batches, load
from highways.experiments.conv import recipe
from highways.nn import build_network
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
    ("bilstm", 1, "highway-zero-padding"): 0.6996374,
    ("bilstm", 1, "plain-matched"): 0.7101120,
    ("bag-of-words", 1, "bag-of-words"): 0.6652288,
    ("conv", 1, "highway"): 2.2885864,
    ("conv", 1, "plain"): 2.3059671,
}
"""By family, its numerics version, kind, and activation of dense networks: loss of a batch after 20 steps."""

FAMILIES = {"dense": DenseConfig, "conv": ConvConfig, "bilstm": BiLSTMConfig, "bag-of-words": BagOfWordsConfig}


@pytest.mark.parametrize(("kind", "activation"), [(k, a) for k in ("plain", "highway") for a in ("relu", "tanh")])
def test_dense_numerics(project, run_config, kind: str, activation: str) -> None:
    config = run_config(kind=kind, activation=activation, learning_rate=0.05)
    data = load("digits")
    batches = list(Batches(data.train_x, data.train_y, 50, config.order_seed))[:STEPS]

    module = PopulationModule([config], ["key"], data, lambda event: None)
    for index, batch in enumerate(batches):
        module.training_step(batch, index)
    x, y = batches[0]
    population_loss = functional.cross_entropy(module.logits(x)[0], y).item()

    network = build_network(config, data)
    optimiser = torch.optim.SGD(network.parameters(), config.optimiser.learning_rate, config.optimiser.momentum)
    for x_step, y_step in batches:
        optimiser.zero_grad()
        functional.cross_entropy(network(x_step), y_step).backward()
        optimiser.step()
    single_loss = functional.cross_entropy(network(x), y).item()

    expected = GOLDEN["dense", DenseConfig.numerics, kind, activation]
    assert single_loss == pytest.approx(expected, rel=1e-4)
    assert population_loss == pytest.approx(expected, rel=1e-4)


def test_every_kind_of_network_has_a_number() -> None:
    kinds = {name: get_args(family.model_fields["kind"].annotation) for name, family in FAMILIES.items()}
    golden = {(family, kind) for family, _, kind, *_ in GOLDEN}
    assert {(family, kind) for family, names in kinds.items() for kind in names} == golden


@pytest.mark.parametrize(
    ("family", "kind"), [(one[0], one[2]) for one in GOLDEN if one[0] in ("bilstm", "bag-of-words")]
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_text_numerics(project, family: str, kind: str) -> None:
    network: dict = {"family": family, "kind": kind}
    if family == "bilstm":
        network |= {"depth": 3, "hidden": 8, "embedding": 8}
    if kind == "highway":
        network["transform_bias"] = -1.0
    adam = {"kind": "adam", "learning_rate": 0.01, "weight_decay": 1e-3, "clip_norm": 0.05}
    config = config_of(network, "synthetic-tweets", adam, budget={"batch_size": 32})
    loss = after_steps(SentenceModule(config, "key", load(config.data), lambda event: None))
    assert loss == pytest.approx(GOLDEN[family, FAMILIES[family].numerics, kind], rel=1e-4)


@pytest.mark.parametrize("kind", ["highway", "plain"])
def test_conv_numerics(project, kind: str) -> None:
    network, pictures, optimiser, _ = recipe(f"{kind}-mnist-16", "digits")
    pictures = pictures.model_copy(update={"pad": 1, "contrast": True})
    config = config_of(network, DataConfig(name="digits", pictures=pictures), optimiser, budget={"batch_size": 20})
    loss = after_steps(ClassifierModule(config, "key", load(config.data), lambda event: None))
    # from processors with AVX-512 to those without it the highway network's differs by 8e-4
    assert loss == pytest.approx(GOLDEN["conv", ConvConfig.numerics, kind], rel=2e-3)


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
