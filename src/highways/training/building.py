"""Untrained networks from their configurations: one function a family."""

from __future__ import annotations

from functools import singledispatch

import torch
from torch import nn

from highways.config import BagOfWordsConfig, BiLSTMConfig, ConvConfig, DenseConfig, Network, RunConfig
from highways.data import DataSet, Images, Pictures, Sentences
from highways.errors import HighwaysError
from highways.nn import BagOfWords, BiLSTMNetwork, ConvNetwork, DenseNetwork


def build_network(config: RunConfig, data: DataSet) -> nn.Module:
    """Return the untrained network of a run.

    Raises:
        HighwaysError: The word vectors are not as wide as the network's embedding, or the images are
            too small for the network.
    """
    return _build(config.network, config, data)


@singledispatch
def _build(network: Network, config: RunConfig, data: DataSet) -> nn.Module:
    """Build a network; each family registers its own, below."""
    raise HighwaysError(f"networks of the family {type(network).__name__} cannot be built")


@_build.register
def _conv(network: ConvConfig, config: RunConfig, data: Pictures) -> nn.Module:
    conv = ConvNetwork(network, data.shape, data.classes, seed=config.seed)
    return conv.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


@_build.register
def _dense(network: DenseConfig, config: RunConfig, data: Images) -> nn.Module:
    return DenseNetwork(network, data.features, data.classes, seed=config.seed)


@_build.register
def _bag_of_words(network: BagOfWordsConfig, config: RunConfig, data: Sentences) -> nn.Module:
    return BagOfWords(network, len(data.vocabulary), data.classes)


@_build.register
def _bilstm(network: BiLSTMConfig, config: RunConfig, data: Sentences) -> nn.Module:
    built = BiLSTMNetwork(network, len(data.vocabulary), data.classes, seed=config.seed)
    if (vectors := data.vectors) is not None:
        if vectors.shape[1] != network.embedding:
            wide, file = f"{vectors.shape[1]} wide", config.data.vectors
            raise HighwaysError(f"{file}: its vectors are {wide}, and network.embedding is {network.embedding}")
        with torch.no_grad():
            built.embedding.weight.copy_(torch.where(vectors.isnan(), built.embedding.weight, vectors))
    return built
