"""Optimisers of single runs: every kind has one, and its schedule and bound are the settings'."""

from types import SimpleNamespace
from typing import get_args

import pytest
import torch
from torch import nn

from highways.config import AdamConfig, CaffeConfig, ConvConfig, DenseConfig, SGDConfig
from highways.config.run import BagOfWordsConfig, BiLSTMConfig, OptimiserConfig
from highways.errors import HighwaysError
from highways.training.optimisers import OPTIMISERS, RULES, build, clip, rates


def test_every_kind_that_a_configuration_can_name_has_one() -> None:
    kinds = {get_args(member)[1].tag for member in get_args(get_args(OptimiserConfig)[0])}
    assert kinds == set(OPTIMISERS)
    for family in (DenseConfig, ConvConfig, BiLSTMConfig, BagOfWordsConfig):
        assert set(family.optimisers) <= set(OPTIMISERS)
    assert set(DenseConfig.optimisers) == set(RULES), "dense networks train as populations, by a rule"


def test_unknown_kind_is_an_error_and_not_another_optimiser() -> None:
    with pytest.raises(HighwaysError, match="no optimiser 'lion': there are sgd, adam, caffe"):
        build(SimpleNamespace(kind="lion"), nn.Linear(1, 1))


def test_rates_decay_from_epoch_to_epoch_or_step_at_milestones_and_biases_have_twice_as_much() -> None:
    sgd = SGDConfig(learning_rate=0.5, momentum=0.9, decay=0.1)
    assert [rates(sgd, epoch, 0.0) for epoch in range(3)] == [pytest.approx([r]) for r in (0.5, 0.05, 0.005)]
    caffe = CaffeConfig(kind="caffe", learning_rate=0.02, milestones=(0.5, 0.75))
    found = [rates(caffe, 0, done) for done in (0.0, 0.49, 0.5, 0.75, 1.0)]
    assert found == [pytest.approx([r, r, 2 * r]) for r in (0.02, 0.02, 0.002, 0.0002, 0.0002)]


@pytest.mark.parametrize(("bound", "norm"), [(None, 5.0), (1.0, 1.0), (10.0, 5.0)])
def test_clipping_cuts_the_norm_of_the_whole_gradient(bound: float | None, norm: float) -> None:
    network = nn.Linear(1, 1)
    network.weight.grad, network.bias.grad = torch.tensor([[3.0]]), torch.tensor([4.0])
    clip(AdamConfig(kind="adam", learning_rate=0.1, clip_norm=bound), network)
    assert torch.cat([network.weight.grad.flatten(), network.bias.grad]).norm().item() == pytest.approx(norm, rel=1e-5)
