"""Networks: the highway gate, once for any transform; plain and highway stacks; populations."""

from highways.nn.bilstm import BagOfWords, BiLSTMNetwork
from highways.nn.conv import ConvNetwork
from highways.nn.dense import Dense, DenseNetwork
from highways.nn.highway import Highway
from highways.nn.population import DensePopulation

__all__ = ["BagOfWords", "BiLSTMNetwork", "ConvNetwork", "Dense", "DenseNetwork", "DensePopulation", "Highway"]
