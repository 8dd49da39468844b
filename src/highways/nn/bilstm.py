"""Stacks of bidirectional LSTMs, plain and highway: those of the sources, and those that a comparison needs.

All networks look up word vectors, drop some of their components out, pass them through `depth` BiLSTMs, and return
`readout(tanh(max over time(tanh(x))))`. They differ between look-up and read-out (H units per direction, T = sigmoid(g)
a transform gate):

| kind | layer | gate |
|---|---|---|
| `plain` | C BiLSTM(x) | none |
| `highway-article` | C (BiLSTM(x) * T + g * (1 - T)) | g = G x + b, trained; g itself is carried |
| `highway-released` | the same | g = G x + b, redrawn at every call |
| `highway-described` | C (BiLSTM(x) * T + K x * (1 - T)) | g = G x + b, trained; K, trained, makes x 2H wide |
| `highway` | BiLSTM(x) * T + x * (1 - T) | g = G x + b, trained, b starts at `transform_bias` |
| `plain-matched` | BiLSTM(x) | none |

`plain`, `highway-article` and `highway-released` are the source's: the code in its article, and the code in its
repository. `highway-described` is our reading of its sentence that the input is carried; no source has this layer. In
these four, C is a linear map back to H, so nothing is carried unchanged from layer to layer, and each BiLSTM starts
from the final state (h, c) of the one below. The last two are what a comparison needs: one linear map to 2H at the
entry, layers of one width after it, and no difference except the gate and the carry.

Source: the Highway BiLSTM article and its repository, bamtercelboo/pytorch_Highway_Networks. In models/model_HBiLSTM.py
the gate is trained only in commits 518397f and db17926 (25 September 2017, 21:12, to 26 September). `forward` redraws
it in all earlier commits, from 4ecb7d8 (21 September, in `model_HighWayBiLSTM`) to 6f92a8d, and in all later ones, from
1ba7a17 (26 September, 21:25) on, including 514d487. Plain: models/model_BiLSTM_List.py.
"""

import hashlib
import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from highways.config import BiLSTMConfig
from highways.errors import HighwaysError
from highways.nn.highway import Highway, gated, reset_gate_biases

State = tuple[Tensor, Tensor] | None
"""Final (h, c) of an LSTM, each `(directions, batch, hidden)`."""


class BiLSTM(nn.Module):
    """One bidirectional LSTM as a transform: `(time, batch, inputs)` to `(time, batch, 2 * hidden)`."""

    def __init__(self, inputs: int, hidden: int):
        super().__init__()
        self.lstm = nn.LSTM(inputs, hidden, bidirectional=True)

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs of both directions, concatenated."""
        return self.lstm(x)[0]


class RedrawnLinear(nn.Module):
    """A linear map that never learns: it draws random weights at every call, in training and in testing.

    This is what a layer created inside `forward` amounts to. The draws depend only on the seed, the layer and the
    number of the call. That number is part of the module's state, so that a resumed run continues with the same draws.

    Source: the Highway BiLSTM article, models/model_HBiLSTM.py at commit 514d487. Weights and biases are drawn as in
    `nn.Linear`, uniformly within 1 / sqrt(inputs). `stream` distinguishes this layer's draws from all others.
    """

    def __init__(self, inputs: int, outputs: int, stream: str):
        super().__init__()
        self.inputs, self.outputs, self.stream = inputs, outputs, stream
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        """Map `(..., inputs)` to `(..., outputs)`."""
        digest = hashlib.sha256(f"{self.stream} {self.calls}".encode()).digest()
        random = torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
        drawn = torch.rand(self.outputs, self.inputs + 1, generator=random, dtype=torch.float32)
        drawn = ((2 * drawn - 1) / math.sqrt(self.inputs)).to(x)
        self.calls += 1
        return functional.linear(x, drawn[:, :-1], drawn[:, -1])

    def get_extra_state(self) -> Tensor:
        """Return the number of calls, as a tensor."""
        return torch.tensor(self.calls)

    def set_extra_state(self, state: Any) -> None:
        """Restore the number of calls."""
        self.calls = int(state)


class SourceLayer(nn.Module):
    """A layer of the source's networks: a BiLSTM, in highway networks a gate and a carry, and a linear map to H."""

    def __init__(self, config: BiLSTMConfig, inputs: int, stream: str):
        super().__init__()
        wide = 2 * config.hidden
        self.lstm = nn.LSTM(inputs, config.hidden, bidirectional=True)
        self.convert = nn.Linear(wide, config.hidden)
        self.gate: nn.Module | None = None
        if config.kind == "highway-released":
            self.gate = RedrawnLinear(inputs, wide, stream)
        elif config.kind != "plain":
            self.gate = nn.Linear(inputs, wide)
        self.carry = nn.Linear(inputs, wide) if config.kind == "highway-described" else None

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Map `(time, batch, inputs)` and the state of the layer below to `(time, batch, hidden)` and a state."""
        y, state = self.lstm(x, state)
        if self.gate is not None:
            g = self.gate(x)
            y = gated(self.carry(x) if self.carry is not None else g, y, torch.sigmoid(g))
        return self.convert(y), state


class BiLSTMNetwork(nn.Module):
    """A network of one of the kinds in this module's table, for a vocabulary of `words` words.

    `seed` determines the initial weights, and the gates that are redrawn at every call.
    """

    def __init__(self, config: BiLSTMConfig, words: int, classes: int, seed: int = 0):
        super().__init__()
        hidden, wide = config.hidden, 2 * config.hidden
        self.config = config
        self.embedding = nn.Embedding(words, config.embedding)
        self.matched = config.kind in ("highway", "plain-matched")
        self.entry = nn.Linear(config.embedding, wide) if self.matched else nn.Identity()
        widths = [config.embedding] + [hidden] * (config.depth - 1)
        self.blocks = nn.ModuleList()
        for layer, inputs in enumerate(widths):
            block = BiLSTM(wide, hidden) if self.matched else SourceLayer(config, inputs, f"{seed} {layer}")
            if config.transform_bias is not None:
                block = Highway(block, nn.Linear(wide, wide), config.transform_bias)
            self.blocks.append(block)
        self.readout = nn.Linear(wide if self.matched else hidden, classes)
        initialise(self, seed)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map sentences of one length, `(batch, time)` int64, to logits `(batch, classes)`."""
        x = functional.dropout(self.embedding(tokens.t()), self.config.dropout, self.training)
        x, state = self.entry(x), None
        for block in self.blocks:
            x, state = (block(x), None) if self.matched else block(x, state)
        return self.readout(torch.tanh(torch.tanh(x).amax(dim=0)))


def build(config: BiLSTMConfig, data: Any, seed: int) -> BiLSTMNetwork:
    """Return the untrained network for a data set, with the word vectors of the data if it has any."""
    network = BiLSTMNetwork(config, len(data.vocabulary), data.classes, seed)
    fill_embedding(network.embedding, data)
    return network


def fill_embedding(embedding: nn.Embedding, data: Any) -> None:
    """Copy the word vectors of the data, if it has any, over the random ones; see `build`."""
    if (vectors := data.vectors) is None:
        return
    if vectors.shape[1] != embedding.embedding_dim:
        wide = embedding.embedding_dim
        raise HighwaysError(f"the vectors of data.vectors are {vectors.shape[1]} wide, and network.embedding is {wide}")
    with torch.no_grad():
        embedding.weight.copy_(torch.where(vectors.isnan(), embedding.weight, vectors))


def initialise(network: nn.Module, seed: int) -> None:
    """Draw all weights with the source's initialisation, for all kinds.

    Word vectors come from N(0, 1). LSTM weights are Glorot-uniform with gain sqrt(2), LSTM biases uniform within
    0.0999. Linear maps are uniform within 1 / sqrt(inputs), as in `nn.Linear`; gate biases of `highway` start at its
    `transform_bias`. The weights are drawn on the CPU, in the order in which the modules were created, from a stream of
    their own. Raise `TypeError` for any other module that has weights: it would draw from torch's global generator.

    Source: the Highway BiLSTM article, hyperparams.py and models/model_HBiLSTM.py.
    """
    random = torch.Generator().manual_seed(seed)

    def uniform(parameter: Tensor, bound: float) -> None:
        drawn = torch.rand(parameter.shape, generator=random, dtype=torch.float32)
        parameter.copy_((2 * drawn - 1) * bound)

    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Embedding):
                module.weight.copy_(torch.randn(module.weight.shape, generator=random, dtype=torch.float32))
            elif isinstance(module, nn.RNNBase):
                for name, parameter in module.named_parameters():
                    glorot = math.sqrt(2) * math.sqrt(6 / sum(parameter.shape))
                    uniform(parameter, 0.0999 if name.startswith("bias") else glorot)
            elif isinstance(module, nn.Linear):
                for parameter in (module.weight, module.bias):
                    uniform(parameter, 1 / math.sqrt(module.in_features))
            elif any(True for _ in module.parameters(recurse=False)):
                raise TypeError(f"initialise() does not draw {type(module).__name__}: a run would not be a value")
    reset_gate_biases(network)
