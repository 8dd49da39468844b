"""Networks: the highway gate, shared by all transforms; plain and highway stacks; populations."""

import importlib
from typing import Any

from torch import nn

from highways.config import RunConfig
from highways.nn.bag_of_words import BagOfWords
from highways.nn.bilstm import BiLSTMNetwork
from highways.nn.conv import ConvNetwork
from highways.nn.dense import Dense, DenseNetwork
from highways.nn.highway import Highway
from highways.nn.population import DensePopulation

__all__ = ["BagOfWords", "BiLSTMNetwork", "ConvNetwork", "Dense", "DenseNetwork", "DensePopulation", "Highway"]


def build_network(config: RunConfig, data: Any) -> nn.Module:
    """Return the untrained network of a run, from `build` in the module named after the network's family.

    `data` is its data set, from `highways.data.load`; if it does not fit the network, `HighwaysError` is raised.
    """
    family = importlib.import_module(f"{__name__}.{config.network.family.replace('-', '_')}")
    return family.build(config.network, data, config.seed)
