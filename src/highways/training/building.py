"""Untrained networks from their configurations."""

import torch
from torch import nn

from highways.config import BagOfWordsConfig, BiLSTMConfig, ConvConfig, DenseConfig, RunConfig
from highways.data import DataSet, Images, Pictures, Sentences
from highways.errors import HighwaysError
from highways.nn import BagOfWords, BiLSTMNetwork, ConvNetwork, DenseNetwork


def build_network(config: RunConfig, data: DataSet) -> nn.Module:
    """Return the untrained network of a run.

    Raises:
        HighwaysError: The word vectors are not as wide as the network's embedding, or the images are
            too small for the network.
    """
    match config.network, data:
        case ConvConfig() as network, Pictures():
            conv = ConvNetwork(network, data.shape, data.classes, seed=config.seed)
            return conv.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        case DenseConfig() as network, Images():
            return DenseNetwork(network, data.features, data.classes, seed=config.seed)
        case BagOfWordsConfig() as network, Sentences():
            return BagOfWords(network, len(data.vocabulary), data.classes)
        case BiLSTMConfig() as network, Sentences():
            return _bilstm(network, config, data)
    raise HighwaysError(f"networks of the family {config.network.family!r} cannot be built of these data")


def _bilstm(network: BiLSTMConfig, config: RunConfig, data: Sentences) -> nn.Module:
    built = BiLSTMNetwork(network, len(data.vocabulary), data.classes, seed=config.seed)
    if (vectors := data.vectors) is not None:
        if vectors.shape[1] != network.embedding:
            wide, file = f"{vectors.shape[1]} wide", config.data.vectors
            raise HighwaysError(f"{file}: its vectors are {wide}, and network.embedding is {network.embedding}")
        with torch.no_grad():
            built.embedding.weight.copy_(torch.where(vectors.isnan(), built.embedding.weight, vectors))
    return built
