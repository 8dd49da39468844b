"""BiLSTM networks against their equations."""

from typing import get_args

import numpy as np
import pytest
import torch
from toolbox import overfitted
from torch import nn
from torch.nn import functional

from highways.config import BagOfWordsConfig, BiLSTMConfig
from highways.config.run import BiLSTMKind
from highways.nn import BagOfWords, BiLSTMNetwork
from highways.nn.bilstm import initialise

KINDS = get_args(BiLSTMKind)
WORDS, HIDDEN, EMBEDDING = 11, 3, 4
COUNTS = {"plain": 502, "highway-article": 556, "highway-described": 610, "highway-released": 502}
COUNTS |= {"highway-zero-padding": 556, "highway": 700, "plain-matched": 616}
"""Parameters of two layers: a map of a layer's 4 and 3 inputs has 30 and 24, a gate of 6 units 42."""


def network(kind: str, depth: int = 2, **more) -> BiLSTMNetwork:
    bias = -1.0 if kind == "highway" else None
    content = {"kind": kind, "depth": depth, "hidden": HIDDEN, "embedding": EMBEDDING, "transform_bias": bias}
    config = BiLSTMConfig.model_validate({"family": "bilstm"} | content | more)
    return BiLSTMNetwork(config, WORDS, 2, seed=1)


def tokens(batch: int = 5, time: int = 6) -> torch.Tensor:
    return torch.randint(2, WORDS, (batch, time), generator=torch.Generator().manual_seed(0))


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def lstm(parameters: dict[str, np.ndarray], x: np.ndarray, state: list | None) -> tuple[np.ndarray, list]:
    """A bidirectional LSTM, gate by gate (Hochreiter and Schmidhuber 1997, with forget gates)."""
    outputs, states = [], []
    for direction, suffix in enumerate(("", "_reverse")):
        h, c = state[direction] if state else (np.zeros((x.shape[1], HIDDEN)),) * 2
        steps = range(len(x)) if not suffix else reversed(range(len(x)))
        made: dict[int, np.ndarray] = {}
        for t in steps:
            z = x[t] @ parameters[f"weight_ih_l0{suffix}"].T + parameters[f"bias_ih_l0{suffix}"]
            z = z + h @ parameters[f"weight_hh_l0{suffix}"].T + parameters[f"bias_hh_l0{suffix}"]
            i, f, g, o = np.split(z, 4, axis=1)
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c)
            made[t] = h
        outputs.append(np.stack([made[t] for t in range(len(x))]))
        states.append((h, c))
    return np.concatenate(outputs, axis=2), states


def affine(module: nn.Module, x: np.ndarray) -> np.ndarray:
    return x @ module.weight.detach().numpy().T + module.bias.detach().numpy()


def expected(built: BiLSTMNetwork, words: torch.Tensor) -> np.ndarray:
    """The table in the module's docstring, written out."""
    kind = built.config.kind
    x = built.embedding.weight.detach().numpy()[words.numpy()].transpose(1, 0, 2)
    if built.matched:
        x = affine(built.entry, x)
    state = None
    for block in built.blocks:
        inner = block.transform if kind == "highway" else block
        parameters = {name: value.detach().numpy() for name, value in inner.lstm.named_parameters()}
        h, reached = lstm(parameters, x, None if built.matched else state)
        if kind == "plain-matched":
            x = h
            continue
        if kind == "highway":
            t = sigmoid(affine(block.gate, x))
            x = h * t + x * (1 - t)
            continue
        state = reached
        if kind == "plain":
            y = h
        elif kind == "highway-released":
            block.gate.calls = 0
            g = block.gate(torch.from_numpy(x)).numpy()
            block.gate.calls = 0
            y = h * sigmoid(g) + g * (1 - sigmoid(g))
        elif kind == "highway-article":
            g = affine(block.gate, x)
            y = h * sigmoid(g) + g * (1 - sigmoid(g))
        else:
            t = sigmoid(affine(block.gate, x))
            zeros = np.zeros((*x.shape[:2], 2 * HIDDEN - x.shape[2]))
            carried = affine(block.carry, x) if kind == "highway-described" else np.concatenate([x, zeros], axis=2)
            y = h * t + carried * (1 - t)
        x = affine(block.convert, y)
    return affine(built.readout, np.tanh(np.tanh(x).max(axis=0)))


@pytest.mark.parametrize("kind", KINDS)
def test_output_is_the_equation(kind: str) -> None:
    built = network(kind, depth=3).double().eval()
    want = expected(built, tokens())
    np.testing.assert_allclose(built(tokens()).detach().numpy(), want, rtol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_right(kind: str) -> None:
    built = network(kind).double()

    def same_draws(*_: torch.Tensor) -> torch.Tensor:
        for block in built.blocks:
            if kind == "highway-released":
                block.gate.calls = 0
        return built(tokens(2, 3))

    assert torch.autograd.gradcheck(same_draws, tuple(built.parameters()), fast_mode=True)


def test_parameter_counts() -> None:
    found = {kind: sum(parameter.numel() for parameter in network(kind).parameters()) for kind in KINDS}
    assert found == COUNTS


def test_released_gate_is_drawn_anew_at_every_call_and_never_learns() -> None:
    built = network("highway-released")
    assert not any("gate" in name for name, _ in built.named_parameters())
    first, second = built.eval()(tokens()), built(tokens())
    assert not torch.equal(first, second), "in testing, too"
    again = network("highway-released").eval()
    assert torch.equal(again(tokens()), first), "but equal seeds give equal draws"
    resumed = network("highway-released").eval()
    resumed.load_state_dict(again.state_dict())
    assert torch.equal(resumed(tokens()), second), "and a resumed network goes on with the draws it would have had"


@pytest.mark.parametrize("kind", KINDS)
def test_sentence_of_one_word_and_of_500_work_and_a_seed_is_a_set_of_weights(kind: str) -> None:
    first, second = network(kind), network(kind).state_dict()
    assert all(torch.equal(weights, second[name]) for name, weights in first.state_dict().items())
    for time in (1, 500):
        assert first(tokens(2, time)).isfinite().all()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "highway-released"])
def test_one_batch_can_be_overfitted(kind: str) -> None:
    assert overfitted(network(kind, hidden=8, embedding=8), tokens(8)) < 0.01


def test_gradients_reach_the_first_block_of_a_deep_highway_and_not_of_a_deep_plain_net() -> None:
    def norm(kind: str) -> float:
        built = network(kind, depth=20, hidden=16, embedding=16)
        functional.cross_entropy(built(tokens(20)), torch.arange(20) % 2).backward()
        return float(torch.nn.utils.get_total_norm([p.grad for p in built.blocks[0].parameters()]))

    assert norm("highway") > 100 * norm("plain-matched")


def test_bag_of_words_does_not_see_the_order() -> None:
    bag = BagOfWords(BagOfWordsConfig(family="bag-of-words"), WORDS, 2).double()
    nn.init.normal_(bag.embedding.weight)
    words = tokens()
    torch.testing.assert_close(bag(words), bag(words.flip(1)), rtol=1e-12, atol=1e-12)


def test_layer_that_would_be_drawn_from_the_global_generator_is_refused() -> None:
    built = network("plain")
    built.blocks[0] = nn.Conv1d(EMBEDDING, HIDDEN, 1)
    with pytest.raises(TypeError, match=r"initialise\(\) does not draw Conv1d"):
        initialise(built, seed=0)
