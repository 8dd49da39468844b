"""Numbers that must not change unnoticed.

If one of these tests fails, results have changed: either undo that, or raise the family's version in
`highways.config.run.NUMERICS` (its runs are then trained again) and write the new numbers here.
"""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from highways.config import NUMERICS
from highways.data import Batches, load
from highways.training.modules import PopulationModule, build_network

STEPS = 20
GOLDEN = {
    ("dense", 1, "plain", "relu"): 1.987835,
    ("dense", 1, "plain", "tanh"): 1.5710804,
    ("dense", 1, "highway", "relu"): 1.8444182,
    ("dense", 1, "highway", "tanh"): 1.7800151,
}
"""By family, its numerics version, kind and activation: loss of a batch after 20 steps."""


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

    expected = GOLDEN["dense", NUMERICS["dense"], kind, activation]
    assert single_loss == pytest.approx(expected, rel=1e-4)
    assert population_loss == pytest.approx(expected, rel=1e-4)
