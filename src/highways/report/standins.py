"""Random data of a data set's shape, and what a network of a run is like: nothing is fetched or trained for it."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from highways.config import DataConfig, DenseConfig, RunConfig
from highways.data import DataSet, Images, Pictures, Sentences, classes
from highways.data.sentences import PADDING, PARTS, Split
from highways.training.building import build_network
from highways.training.groups import trains_together
from highways.training.memory import FLOAT, population_bytes

SHAPES: dict[str, tuple[int, int, int]] = {
    "digits": (1, 8, 8),
    "mnist": (1, 28, 28),
    "cifar10": (3, 32, 32),
    "cifar100": (3, 32, 32),
    "weak-signal": (1, 12, 12),
    "mnist-4-9": (1, 12, 12),
}
"""Channels, height and width of images, and of the features that stand for images."""
LENGTHS = (6, 12, 19, 26, 32)
"""Words of the sentences, as many of each: as long, on average, as those of the Stanford Sentiment Treebank."""
STATES = {"sgd": 1, "adam": 2, "caffe": 1, "adagrad": 1, "adadelta": 2}
"""Tensors that an optimiser keeps of every weight."""


def stand_in(data: DataConfig, training: int, testing: int, words: int = 14_000) -> DataSet:
    """Return random examples of a data set's shape and number of classes.

    Args:
        data: The data set, and how it is shown.
        training: Training examples.
        testing: Examples of each other part.
        words: Words of the vocabulary, where it has one.
    """
    random = torch.Generator().manual_seed(0)
    count = {part: training if part == "train" else testing for part in PARTS}
    labels = {part: torch.randint(0, classes(data.name), (n,), generator=random) for part, n in count.items()}
    if data.name not in SHAPES:
        splits = {}
        for part, n in count.items():
            lengths = torch.tensor(LENGTHS).repeat(-(-n // len(LENGTHS)))[:n]
            tokens = torch.randint(2, max(words, 3), (n, max(LENGTHS)), generator=random)
            tokens[torch.arange(max(LENGTHS)) >= lengths[:, None]] = PADDING
            splits[part] = Split(tokens, lengths, labels[part])
        return Sentences(data.name, splits, [str(word) for word in range(words)], classes(data.name), "random")
    shape = SHAPES[data.name]
    if data.pictures is None:
        drawn = {part: torch.rand(n, features(data), generator=random) for part, n in count.items()}
        kind = classes(data.name)
        return Images(data.name, drawn["train"], labels["train"], drawn["test"], labels["test"], kind, "random")
    channels, height, width = shape[0], *(side * data.pictures.enlarge for side in shape[1:])
    return Pictures(
        name=data.name,
        images={
            part: torch.randint(0, 256, (count[part], channels, height, width), dtype=torch.uint8, generator=random)
            for part in ("train", "test")
        },
        labels={part: labels[part] for part in ("train", "test")},
        classes=classes(data.name),
        fingerprint="random",
        config=data.pictures,
        mean=torch.zeros(channels, height, width) if data.pictures.mean_image else None,
    )


def features(data: DataConfig) -> int:
    """Return the features of an example, or the words of a long sentence."""
    channels, height, width = SHAPES.get(data.name, (1, 1, max(LENGTHS)))
    return channels * height * width


def parameters(config: RunConfig) -> int:
    """Return the trained weights and biases of a run's network; of texts with a vocabulary as large as usual."""
    if isinstance(config.network, DenseConfig):  # one formula; a thousand layers take long to build
        network = config.network
        block = (network.width + 1) * network.width * (2 if network.kind == "highway" else 1)
        ends = (features(config.data) + 1) * network.width + (network.width + 1) * classes(config.data.name)
        return ends + (network.depth - 1) * block
    return _built(_network_only(config).model_dump_json())[0]


def work(config: RunConfig) -> float:
    """Return a number that grows in proportion to the arithmetic of one example, within a family of networks.

    Floating-point operations of convolutional networks, the weights of dense ones, else what the family says.
    """
    if config.network.family == "dense":
        return float(parameters(config))
    if config.network.reads == "pictures":
        return _built(_network_only(config).model_dump_json())[1]
    return config.network.work


def _network_only(config: RunConfig) -> RunConfig:
    """Return a run of the same network on data of the same shape: what all runs of one network have in common."""
    data = config.data.model_copy(update={"vectors": None, "training_examples": None})
    if data.pictures is not None:
        data = data.model_copy(update={"pictures": data.pictures.model_copy(update={"training_images": None})})
    budget = config.budget.model_copy(update={"epochs": 1})
    update = {"data": data, "budget": budget, "seed": 0, "order_seed": 0, "precision": "float32"}
    return config.model_copy(update=update)


@lru_cache(maxsize=4096)
def _built(text: str) -> tuple[int, float]:
    """Return the weights of a network, and of a convolutional one the operations of an example."""
    config = RunConfig.model_validate_json(text)
    data = stand_in(config.data, len(LENGTHS), len(LENGTHS))
    with torch.device("meta"):  # shapes only
        network = build_network(config, data).eval()
    operations = 0.0
    if isinstance(data, Pictures):
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            network(data.prepared(data.images["train"][:1]).to("meta"))
        operations = float(counter.get_total_flops())
    return sum(parameter.numel() for parameter in network.parameters()), operations


def group_bytes(config: RunConfig, members: int) -> int:
    """Return what a group holds in memory while it trains, without its data: weights, optimiser, activations.

    Of a population it is reckoned (`highways.training.memory`), of another network counted in one pass forward.
    """
    if trains_together(config):
        return population_bytes(config, members, features(config.data), classes(config.data.name))
    return _single_bytes(_network_only(config).model_dump_json())


@lru_cache(maxsize=256)
def _single_bytes(text: str) -> int:
    config = RunConfig.model_validate_json(text)
    data = stand_in(config.data, config.budget.batch_size, len(LENGTHS))
    network = build_network(config, data)
    kept: dict[int, int] = {}

    def note(tensor: torch.Tensor) -> None:  # nothing goes back, and a tensor that keeps itself is never freed
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()

    (x, y), *_ = data.training_batches(config, epoch=lambda: 0)
    with torch.autograd.graph.saved_tensors_hooks(note, lambda _: torch.empty(0)):
        loss = functional.cross_entropy(network(x), y)
    del loss
    weights = sum(parameter.numel() for parameter in network.parameters())
    return sum(kept.values()) + FLOAT * weights * (1 + STATES[config.optimiser.kind])


def data_bytes(data: DataConfig, training: int, testing: int) -> int:
    """Return what a data set holds in memory, from the size of an example."""
    one = stand_in(data, len(LENGTHS), len(LENGTHS), words=3)
    if isinstance(one, Sentences):
        each = max(LENGTHS) * 8 * 2
    elif isinstance(one, Pictures):
        each = one.images["train"][0].nbytes
    else:
        each = one.train_x[0].nbytes
    return each * (training + testing)
