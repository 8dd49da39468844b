"""Convolutional networks: the papers' parameter counts, the equations, training as released."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from toolbox import HERE, config_of, forget, overfitted, record_of
from torch import nn
from torch.nn import functional

from highways.config import NETWORKS, ConvConfig, RunConfig, validate
from highways.data import load
from highways.errors import HighwaysError
from highways.experiments import conv
from highways.nn import ConvNetwork, Highway
from highways.tracking import Listed
from highways.tracking.records import run_keys
from highways.training import run
from highways.training.checkpoints import load_weights
from highways.training.modules import ClassifierModule

RELEASED = {
    ("highway-mnist-16", "mnist"): (38_986, 39e3, 10),
    ("highway-mnist-32", "mnist"): (151_690, 151e3, 10),
    ("highway-a", "cifar10"): (236_458, 236e3, 11),
    ("highway-b", "cifar10"): (2_256_838, 2.3e6, 19),
    ("highway-b", "cifar100"): (2_265_928, 2.3e6, 19),
    ("highway-c", "cifar10"): (1_251_798, 1.25e6, 32),
    ("highway-3", "cifar10"): (1_400_142, 1.4e6, 19),
    ("highway-4", "cifar10"): (1_252_294, 1.25e6, 32),
}
"""Parameters, the papers' rounded number of them, and layers."""


def test_parameters_depths_and_multiplications_are_those_that_were_published() -> None:
    for (network, data), (count, rounded, layers) in RELEASED.items():
        assert (conv.built_parameters([], network, data), NETWORKS[network].depth) == (count, layers)
        assert count == pytest.approx(rounded, rel=0.02)
    assert conv.built_parameters([], "keras-post", "mnist") == 65_240
    down = NETWORKS["highway-mnist-32"].model_copy(update={"pool_rounding": "down"})
    assert sum(p.numel() for p in ConvNetwork(down, (1, 28, 28), 10).parameters()) == 150_090, "Caffe rounds up"
    for network, count in {"fitnet-1": 30e6, "fitnet-4": 382e6}.items():  # Romero et al. 2015, Table 5
        assert conv.built_multiplications([], network, "cifar10") == pytest.approx(count, rel=0.01)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_maps_images_to_logits_in_both_precisions(name: str) -> None:
    shape = conv.SHAPES["mnist" if "mnist" in name or name in ("keras-post", "seed-003") else "cifar10"]
    network = ConvNetwork(NETWORKS[name], shape, 7)
    for exact in (True, False):
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=not exact):
            logits = network(torch.rand(1, *shape))
        assert logits.shape == (1, 7)
        assert logits.isfinite().all()


def small(**more: object) -> ConvConfig:
    stages = [{"width": 4, "blocks": 1, "pool": 2}, {"width": 6, "blocks": 2, "kernels": [3, 1]}]
    content = {"family": "conv", "name": "small", "kind": "highway", "transform_bias": -1.0, "stages": stages}
    return ConvConfig.model_validate(content | {"one_by_one": 5, "head": "average"} | more)


def convolved(x: torch.Tensor, layer: nn.Conv2d) -> torch.Tensor:
    """A convolution of stride 1 that keeps the size, the odd pixel of padding right and below."""
    before, after = (layer.kernel_size[0] - 1) // 2, layer.kernel_size[0] // 2
    return functional.conv2d(functional.pad(x, (before, after) * 2), layer.weight, layer.bias)


@pytest.mark.parametrize("kernel", [1, 2, 3])
def test_highway_convolution_is_the_equation(kernel: int) -> None:
    """Even kernels are padded right and below."""
    network = ConvNetwork(small(stages=[{"width": 3, "entry": None, "blocks": 1, "kernels": [kernel]}]), (3, 6, 6), 2)
    (block,) = network.double().blocks
    assert isinstance(block, Highway)
    x = torch.randn(2, 3, 6, 6, dtype=torch.float64)
    t = torch.sigmoid(convolved(x, block.gate))
    want = torch.relu(convolved(x, block.transform.linear)) * t + x * (1 - t)
    torch.testing.assert_close(block(x), want, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("activation", ["relu", "maxout"])
@pytest.mark.parametrize("head", ["flatten", "average", "convolution"])
def test_gradients_are_right(activation: str, head: str) -> None:
    torch.manual_seed(0)
    network = ConvNetwork(small(activation=activation, head=head), (2, 4, 4), 2).double()
    x = torch.randn(2, 2, 4, 4, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda *_: network(x), tuple(network.parameters()), fast_mode=True)


def test_plain_twin_is_the_highway_with_open_gates_and_one_batch_can_be_overfitted() -> None:
    highway = ConvNetwork(small(transform_bias=1e4), (2, 8, 8), 3).double().eval()
    plain = ConvNetwork(small(kind="plain", transform_bias=None), (2, 8, 8), 3).double().eval()
    state = {name.replace(".transform.", "."): value for name, value in highway.state_dict().items()}
    plain.load_state_dict({name: value for name, value in state.items() if ".gate." not in name})
    x = torch.randn(2, 2, 8, 8, dtype=torch.float64)
    torch.testing.assert_close(highway(x), plain(x), rtol=1e-12, atol=0)
    assert overfitted(ConvNetwork(small(), (1, 8, 8), 2), torch.rand(8, 1, 8, 8)) < 0.01


def test_initialisation_is_the_releases() -> None:
    network = ConvNetwork(NETWORKS["highway-b"], (3, 32, 32), 10)
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    assert convolutions[0].weight.std().item() == pytest.approx(1, rel=0.06), "the slip of the release"
    assert convolutions[-2].weight.std().item() == pytest.approx((2 / (9 * 128)) ** 0.5, rel=0.02)
    assert network.classifier.weight.std().item() == pytest.approx(0.05, rel=0.1)
    assert {block.gate.bias.max().item() for block in network.blocks} == {-2.0}
    meant = ConvNetwork(NETWORKS["highway-b-std-0.05"], (3, 32, 32), 10)
    first = next(module for module in meant.modules() if isinstance(module, nn.Conv2d))
    assert first.weight.std().item() == pytest.approx(0.05, rel=0.06)
    assert conv.recipe("highway-b", "cifar100")[0].classifier_std is None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([{"width": 4, "blocks": 1, "entry": 9, "entry_padding": "none"}], r"stage 1: its first convolution, 9x9,"),
        ([{"width": 4, "blocks": 0, "pool": 2}, {"width": 4, "blocks": 0, "pool": 9}], r"stage 2: its pooling, 9x9,"),
        ([{"width": 4, "blocks": 1, "entry": None}], r"stage 1: 2 channels come in, its width is 4"),
        (
            [{"width": 4, "blocks": 1}, {"width": 6, "entry": None, "blocks": 1}],
            "stage 2: the width changes from 4 to 6",
        ),
        ({"head": "convolution", "hidden": [4]}, "no hidden layers before it"),
        ({"initialisation": "glorot_uniform", "classifier_std": 0.1}, "belong to the initialisation 'he_normal'"),
    ],
)
def test_description_that_does_not_fit_says_where(given: Any, message: str) -> None:
    more = given if isinstance(given, dict) else {"stages": given, "pool_rounding": "down"}
    with pytest.raises((HighwaysError, ValidationError), match=message):
        ConvNetwork(small(**more), (2, 8, 8), 2)


def config(epochs: int = 2, schedule_epochs: int | None = None, **more: object) -> RunConfig:
    stages = [{"width": 4, "blocks": 1, "pool": 2, "dropout": 0.1}, {"width": 4, "blocks": 1}]
    network = small(stages=stages, head="flatten").model_dump()
    caffe = {"kind": "caffe", "learning_rate": 0.02, "milestones": [0.5], "weight_decay": 0.01}
    shown = {"name": "digits", "pictures": {"pad": 1, "mirror": True}}
    budget = {"epochs": epochs, "schedule_epochs": schedule_epochs}
    return config_of(network, shown, more.pop("optimiser", caffe), budget=budget, **more)


def test_first_step_is_the_solvers() -> None:
    chosen = config(1)
    data = load(chosen.data)
    module = ClassifierModule(chosen, "k", data, lambda event: None)
    optimiser = module.configure_optimizers()
    before = {name: value.clone() for name, value in module.network.named_parameters()}
    x, y = next(iter(data.training_batches(chosen, lambda: 0)))
    module.network.eval()
    functional.cross_entropy(module.network(x), y).backward()
    gradients = {name: value.grad.clone() for name, value in module.network.named_parameters()}
    for group, times in zip(optimiser.param_groups, (1.0, 1.0, 2.0), strict=True):
        group["lr"] = 0.02 * times
    optimiser.step()
    for name, value in module.network.named_parameters():
        decay = 0.0 if name.endswith("bias") else 0.1 if name.startswith("classifier") else 0.01
        gradient = gradients[name] + decay * before[name]
        rate = 0.04 if name.endswith("bias") else 0.02
        want = before[name] - rate * 1.9 * gradient  # Nesterov's first step: (1 + momentum) g
        torch.testing.assert_close(value.detach(), want, rtol=1e-4, atol=1e-6)


def test_the_beginning_of_a_schedule_is_trained_at_its_rates(project) -> None:
    begun = config(1, schedule_epochs=3)
    curves = [run(chosen, **HERE).curves["train_cross_entropy"][:1] for chosen in (config(3), begun, config(1))]
    assert curves[0] == curves[1]
    assert curves[0] != curves[2], "its rate falls within the epoch"
    with pytest.raises(ValidationError, match="schedule_epochs is 2, below the 3 epochs of the training"):
        config(3, schedule_epochs=2)


def test_learning_curves_are_held_against_the_authors_log() -> None:
    log = conv.authors_log("highway-b", "cifar10")

    def begun(more: float, schedule: int | None = 400) -> Any:
        curve = [log[epoch] + (more if epoch > 10 else 1) for epoch in range(1, 21)]
        budget = SimpleNamespace(epochs=20, scheduled=schedule or 20)
        network = NETWORKS["highway-b"]
        config = SimpleNamespace(network=network, data=SimpleNamespace(name="cifar10"), budget=budget)
        return SimpleNamespace(config=config, curves={"test_accuracy": curve}, epochs=20)

    runs: Any = [begun(0.01), begun(-0.02), begun(0.3, schedule=None)]
    found = conv.difference_from_log(runs, "highway-b", "cifar10", (11, 20))
    assert found is not None
    assert found.values == pytest.approx((0.01, -0.02))
    assert (found.low, found.high) == pytest.approx((-0.02, 0.01))
    assert conv.difference_from_log(runs[2:], "highway-b", "cifar10", (11, 20)) is None, "its rate was lowered"


def test_bfloat16_is_a_run_of_its_own_that_learns_alike_and_repeats_to_the_bit_on_a_cpu(project) -> None:
    adam = {"kind": "adam", "learning_rate": 0.01}
    exact, fast = (config(3, precision=precision, optimiser=adam) for precision in ("float32", "bfloat16"))
    assert run_keys([exact]) != run_keys([fast])
    records = []
    for chosen in (exact, fast, fast):
        forget(project)
        records.append(run(chosen, **HERE, device="cpu"))
    losses = [record.last("train_cross_entropy") for record in records]
    assert losses[0] != losses[1] == pytest.approx(losses[0], abs=0.1)
    assert losses[0] < 2.1
    assert records[1].weights_sha256 == records[2].weights_sha256
    assert records[1].curves == records[2].curves
    weights = load_weights(records[2].run_key, records[2].weights_sha256)
    assert weights is not None
    assert {tensor.dtype for tensor in weights.values()} == {torch.float32}, "products are in bfloat16, weights are not"


def test_trainings_have_their_own_precision_and_schedules_their_own_rows() -> None:
    training = {"network": "highway-mnist-16", "data": "digits", "epochs": 1, "runs": 2}
    trainings = [training | {"precision": "bfloat16"}, training | {"runs": 1, "schedule_epochs": 3}]
    runs = validate(conv.ConvProfile, {"profile": "p", "trainings": trainings}, "test").runs()
    assert [run.precision for run in runs] == ["bfloat16", "bfloat16", "float32"]
    curves = {"train_cross_entropy": [1.0], "test_accuracy": [1.0]}
    records = Listed(record_of(config, curves) for config in runs)
    assert conv.CONV.figures["conv"](records).whole(), "of no error there is no logarithm"
    rows = conv.conv_rows(records)
    assert [row["network"] for row in rows if row["runs"]] == ["highway-mnist-16", "highway-mnist-16, schedule of 3"]
    with pytest.raises(ValidationError, match="Input should be 'highway-mnist-16'"):
        conv.ConvProfile.model_validate({"profile": "x", "trainings": [training | {"network": "b"}]})
