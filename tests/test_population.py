"""A population does to each member what training it alone does, by an optimiser whose schedule is the settings'."""

import math
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import get_args

import pytest
import torch
from toolbox import forget
from torch import nn
from torch.nn import functional

from highways.config import DenseConfig, RunConfig, SGDConfig
from highways.config.run import AdamConfig, CaffeConfig, NetworkConfig, OptimiserConfig
from highways.data import load
from highways.errors import HighwaysError
from highways.nn import DenseNetwork, DensePopulation
from highways.nn.dense import dropout_masks
from highways.training import load_network, run, sweep
from highways.training.optimisers import OPTIMISERS, RATES, RULES, Moment, Rule, build, clip


def members(kind: str, activation: str, depth: int = 5, count: int = 3, **more) -> list[DenseNetwork]:
    bias = -1.0 if kind == "highway" else None
    config = DenseConfig(kind=kind, depth=depth, width=7, activation=activation, transform_bias=bias, **more)
    return [DenseNetwork(config, 6, 4, seed=seed).double() for seed in range(count)]


def assert_each_trains_as_it_does_alone(project: Path, configs: list[RunConfig], first: float = 1e-4) -> None:
    """Train runs as one population, then each by autograd and `torch.optim`, and compare all curves.

    They agree within 1e-4, after the first epoch within `first`.
    """
    together = sweep(configs, profile="p", experiment="together", mlflow=False, threads=1)
    assert {record.engine["group"] for record in together} == {len(configs)}
    forget(project)
    for config, member in zip(configs, together, strict=True):
        alone = run(config, mlflow=False, profile="p", experiment="alone", threads=1)
        assert alone.engine["population"] is False
        assert alone.parameters == member.parameters
        curve = alone.curves["train_cross_entropy"]
        assert len(curve) == 1 or curve[1] != curve[0]
        for name, curve in alone.curves.items():
            assert member.curves[name] == pytest.approx(curve, rel=1e-4), name
            assert member.curves[name][0] == pytest.approx(curve[0], rel=first), name


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(0)
    return torch.randn(11, 6, dtype=torch.float64, generator=random), torch.randint(0, 4, (11,), generator=random)


def gradients(population: DensePopulation, masks: torch.Tensor | None = None) -> dict:
    """Each member's gradients of its loss of a batch, by parameter and layer."""
    found: dict[tuple[str, int], torch.Tensor] = {}
    population.forward_backward(*batch(), lambda name, layer, g: found.update({(name, layer): g.clone()}), masks)
    return found


def with_optimiser(config: RunConfig, **optimiser: object) -> RunConfig:
    return RunConfig.model_validate(config.model_dump() | {"optimiser": optimiser})


def assert_gradients_agree(population: DensePopulation, found: dict, trial: int, network: DenseNetwork) -> None:
    """Compare one trial's gradients with those that autograd left in its network."""
    for name, sources in population._sources().items():
        for layer, source in enumerate(sources):
            ours = found[name, layer][trial]
            ours = ours.T if name.endswith("weight") else ours[0]
            torch.testing.assert_close(ours, network.get_parameter(source).grad, rtol=1e-10, atol=1e-14)


NETWORKS = [{"depth": depth} for depth in (1, 2, 5)] + [
    {"dropout": 0.3, "first_activation": first, "checkpoint_every": every}
    for first in ("linear", "relu", "tanh")
    for every in (None, 2)
]


@pytest.mark.parametrize("kind", ["plain", "highway"])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("more", NETWORKS, ids=str)
def test_gradients_equal_autograds_in_float64(kind: str, activation: str, more: dict) -> None:
    networks = members(kind, activation, **more)
    population = DensePopulation(networks)
    x, y = batch()
    masks = [None] * len(networks)
    if "dropout" in more:
        masks = [dropout_masks(n.config, 11, seed=seed, epoch=0, step=0).double() for seed, n in enumerate(networks)]
    found = gradients(population, torch.stack(masks, dim=1) if "dropout" in more else None)
    assert len(found) == sum(len(layers) for _, layers in population.named_buffers()), "every parameter has one"
    for trial, network in enumerate(networks):
        functional.cross_entropy(network(x, masks[trial]), y).backward()
        torch.testing.assert_close(population(x)[trial], network(x).detach(), rtol=1e-12, atol=1e-14)
        assert_gradients_agree(population, found, trial, network)


def test_dropout_keeps_as_many_as_it_should_and_the_mean() -> None:
    config = DenseConfig(kind="highway", depth=6, width=40, transform_bias=-1.0, dropout=0.2)
    masks = dropout_masks(config, 500, seed=1, epoch=2, step=3)
    assert masks.shape == (6, 500, 40)
    assert masks[:-1].unique().tolist() == pytest.approx([0.0, 1 / 0.8])
    assert masks[-1].unique().tolist() == pytest.approx([0.0, 1 / 0.64])  # twice before the read-out
    assert (masks[:-1] > 0).double().mean().item() == pytest.approx(0.8, abs=0.01)
    assert (masks[-1] > 0).double().mean().item() == pytest.approx(0.64, abs=0.02)
    assert torch.equal(masks, dropout_masks(config, 500, seed=1, epoch=2, step=3))
    assert not torch.equal(masks, dropout_masks(config, 500, seed=1, epoch=2, step=4))
    assert not torch.equal(masks, dropout_masks(config, 500, seed=1, epoch=3, step=3))
    assert dropout_masks(config, 1, seed=20_261_121, epoch=9_999, step=9_999).shape == (6, 1, 40), "any seed will do"


def test_member_state_gives_the_member_back_and_members_of_two_shapes_are_refused() -> None:
    networks = members("highway", "tanh")
    population = DensePopulation(networks)
    for trial, network in enumerate(networks):
        state = population.member_state(trial)
        assert all(torch.equal(state[name], weights) for name, weights in network.state_dict().items())
    with pytest.raises(ValueError, match="one kind, depth, width, activation"):
        DensePopulation([*members("plain", "relu"), *members("plain", "tanh")])


@pytest.mark.parametrize(("kind", "activation"), [("plain", "relu"), ("highway", "tanh")])
def test_member_equals_the_run_trained_alone(project: Path, run_config, kind: str, activation: str) -> None:
    settings = [(0.003, 0.9, 0.5, -1.0), (0.01, 0.5, 0.9, -3.0), (0.02, 0.0, 1.0, -2.0)]
    names = ("learning_rate", "momentum", "decay", "transform_bias")
    common = {"kind": kind, "activation": activation, "epochs": 3}
    configs = [run_config(seed=n, **common, **dict(zip(names, one, strict=True))) for n, one in enumerate(settings)]
    assert_each_trains_as_it_does_alone(project, configs, first=1e-5)


@pytest.mark.parametrize("kind", RULES)
def test_every_rule_is_that_of_torch_optim_of_its_name(project: Path, run_config, kind: str) -> None:
    rates = enumerate((0.01, 0.02))
    configs = [with_optimiser(run_config(epochs=2, seed=n), kind=kind, learning_rate=rate) for n, rate in rates]
    textbook = type(build(configs[0].optimiser, nn.Linear(1, 1)))
    assert textbook is getattr(torch.optim, textbook.__name__)
    assert textbook.__name__.lower() == kind
    assert_each_trains_as_it_does_alone(project, configs)


class CosineAdam(Rule[AdamConfig]):
    """Adam whose rate falls to nothing along a cosine: it needs the step and the number of all steps."""

    state = ("mean", "square")
    every_step = True

    def __init__(self, settings: Sequence[AdamConfig], moment: Moment, like: torch.Tensor):
        count, cosine = moment.step + 1, (1 + math.cos(math.pi * moment.step / moment.steps)) / 2
        rates = [-one.learning_rate * cosine / (1 - 0.9**count) for one in settings]
        self.step, self.unbiased = like.new_tensor(rates)[:, None, None], 1 - 0.999**count

    def update(self, weight: torch.Tensor, gradient: torch.Tensor, *state: torch.Tensor) -> None:
        """See `Rule`."""
        mean, square = state
        mean.lerp_(gradient, 0.1)
        square.lerp_(gradient.square(), 0.001)
        weight.addcmul_(mean / (square / self.unbiased).sqrt_().add_(1e-8), self.step)


def test_adam_with_a_schedule_can_be_added(project: Path, run_config, monkeypatch) -> None:
    monkeypatch.setattr(DenseConfig, "optimisers", ("sgd", "adam"))
    monkeypatch.setitem(RULES, "adam", CosineAdam)
    monkeypatch.setitem(RATES, "adam", lambda own, _, done: [own.learning_rate * (1 + math.cos(math.pi * done)) / 2])
    adam = {"kind": "adam", "epsilon": 1e-8}
    configs = [with_optimiser(run_config(epochs=2), **adam, learning_rate=rate) for rate in (0.001, 0.01)]
    assert_each_trains_as_it_does_alone(project, configs)


KERAS = {"kind": "adagrad", "epsilon": 0.0, "initial_accumulator": 1e-6}


@pytest.mark.parametrize(
    ("optimiser", "shuffle"), [({"kind": "adagrad"}, True), (KERAS, False), ({"kind": "adadelta"}, True)]
)
def test_member_with_dropout_equals_the_run_alone(project: Path, run_config, optimiser: dict, shuffle: bool) -> None:
    """Adagrad, Adadelta, dropout, a linear first layer, blocks drawn otherwise: as autograd and torch.optim have it."""
    values = run_config(epochs=2).model_dump()
    values["budget"]["shuffle"] = shuffle
    values["network"] |= {"initialisation": "glorot_uniform", "first_activation": "linear", "dropout": 0.1}
    configs = []
    for seed, (bias, blocks) in enumerate([(-1.0, "orthogonal"), (-2.0, None), (1.0, "glorot_uniform")]):
        network = values["network"] | {"block_initialisation": blocks, "transform_bias": bias}
        configs.append(RunConfig.model_validate(values | {"network": network, "optimiser": optimiser, "seed": seed}))
    assert_each_trains_as_it_does_alone(project, configs)


@pytest.mark.parametrize("kind", ["sgd", "adagrad", "adadelta"])
def test_diverged_member_leaves_and_costs_the_others_nothing(project: Path, run_config, kind: str) -> None:
    def config(rate: float, seed: int) -> RunConfig:
        return with_optimiser(run_config(epochs=3, seed=seed), kind=kind, learning_rate=rate)

    good = [config(rate, seed) for seed, rate in enumerate((0.01, 0.03))]
    records = sweep([good[0], config(1e30, 7), good[1]], profile="p", experiment="with", mlflow=False, threads=1)
    assert [record.status for record in records] == ["finished", "diverged", "finished"]
    assert (records[1].diverged_epoch, records[1].weights_sha256, records[1].epochs) == (1, None, 0)
    (alone,) = sweep([config(1e30, 8)], profile="p", experiment="with", mlflow=False, threads=1)
    assert alone.status == "diverged", "nobody is left"
    forget(project)
    without = sweep(good, profile="p", experiment="without", mlflow=False, threads=1)
    for ours, theirs in zip(records[::2], without, strict=True):
        assert ours.curves["train_cross_entropy"] == pytest.approx(theirs.curves["train_cross_entropy"], rel=1e-5)


@pytest.mark.parametrize("kind", ["plain", "highway"])
def test_population_learns_and_its_weights_are_kept(project: Path, run_config, kind: str) -> None:
    (record,) = sweep([run_config(kind=kind, epochs=8)], profile="p", experiment="e", mlflow=False)
    curve = record.curves["train_cross_entropy"]
    assert curve[-1] < 0.5 < curve[0]
    data = load("digits")
    with torch.no_grad():
        logits = load_network(record)(data.x["test"])
    accuracy = (logits.argmax(1) == data.y["test"]).double().mean().item()
    assert accuracy == pytest.approx(record.last("test_accuracy"), abs=1e-12)


@pytest.mark.parametrize(("kind", "every"), [("plain", 3), ("highway", 1), ("highway", 4), ("highway", 100)])
def test_activation_checkpointing_changes_no_bit(kind: str, every: int) -> None:
    networks = members(kind, "tanh", depth=9)
    whole = gradients(DensePopulation(networks))
    for network in networks:
        network.config = network.config.model_copy(update={"checkpoint_every": every})
    kept = gradients(DensePopulation(networks))
    assert whole.keys() == kept.keys()
    assert all(torch.equal(whole[place], kept[place]) for place in whole)


def test_every_kind_that_a_configuration_can_name_has_one_and_another_is_an_error() -> None:
    kinds = {get_args(member)[1].tag for member in get_args(get_args(OptimiserConfig)[0])}
    assert kinds == set(OPTIMISERS)
    for member in get_args(get_args(NetworkConfig)[0]):
        assert set(get_args(member)[0].optimisers) <= set(OPTIMISERS)
    assert set(DenseConfig.optimisers) == set(RULES), "dense networks train as populations, by a rule"
    with pytest.raises(HighwaysError, match="no optimiser 'lion': there are sgd, adam, caffe"):
        build(SimpleNamespace(kind="lion"), nn.Linear(1, 1))


def test_rates_decay_or_step_biases_have_twice_as_much_and_the_whole_gradient_is_clipped() -> None:
    sgd = SGDConfig(learning_rate=0.5, momentum=0.9, decay=0.1)
    assert [RATES["sgd"](sgd, epoch, 0.0) for epoch in range(3)] == [pytest.approx([r]) for r in (0.5, 0.05, 0.005)]
    caffe = CaffeConfig(kind="caffe", learning_rate=0.02, milestones=(0.5, 0.75))
    found = [RATES["caffe"](caffe, 0, done) for done in (0.0, 0.49, 0.5, 0.75, 1.0)]
    assert found == [pytest.approx([r, r, 2 * r]) for r in (0.02, 0.02, 0.002, 0.0002, 0.0002)]
    network = nn.Linear(1, 1)
    for bound, norm in ((None, 5.0), (1.0, 1.0), (10.0, 5.0)):
        network.weight.grad, network.bias.grad = torch.tensor([[3.0]]), torch.tensor([4.0])
        clip(AdamConfig(kind="adam", learning_rate=0.1, clip_norm=bound), network)
        found = torch.cat([network.weight.grad.flatten(), network.bias.grad]).norm().item()
        assert found == pytest.approx(norm, rel=1e-5)
