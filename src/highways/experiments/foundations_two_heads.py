"""One encoder with a classifier and a decoder, on partly labelled data (the initialisation questions, f)."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from highways.config import DataConfig, RunConfig
from highways.config.analysis import Measure
from highways.config.run import ImageDataName
from highways.data import Images, load
from highways.errors import HighwaysError
from highways.inside.values import lists


class TwoHeadsConfig(Measure):
    """One encoder with a classifier and a decoder, on partly labelled data (the initialisation questions, f)."""

    kind: str = "two-heads"
    version: ClassVar[int] = 3
    data: ImageDataName
    labelled: int = Field(default=100, ge=10)
    """Training examples that have a label."""
    hidden: int = Field(default=64, ge=1)
    steps: int = Field(default=500, ge=1)
    batch_size: int = Field(default=100, ge=10)
    labelled_of_batch: int = Field(default=10, ge=1)
    """Number of rows of each batch that have a label."""
    learning_rate: float = Field(default=1e-3, gt=0)
    """Of RMSprop; the optimiser is the question's, the rate Keras's default."""
    seeds: int = Field(default=5, ge=2)
    """How many; each draws labels, weights and batches."""

    @property
    def data_set(self) -> DataConfig | None:
        """See `Measure`."""
        return DataConfig(name=self.data)

    def perform(self, run: RunConfig | None, network: nn.Module | None, where: torch.device) -> dict[str, Any]:
        """See `Measure`."""
        return lists(two_heads(self))


class TwoHeads(nn.Module):
    """An encoder with a classifier and a decoder."""

    def __init__(self, features: int, hidden: int, classes: int):
        super().__init__()
        self.encoder = nn.Linear(features, hidden)
        self.classifier = nn.Linear(hidden, classes)
        self.decoder = nn.Linear(hidden, features)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map `(batch, features)` to logits of the classes and of the features."""
        code = torch.relu(self.encoder(x))
        return self.classifier(code), self.decoder(code)


HEAD_VERSIONS = ("alone", "zeros-categorical", "zeros-binary", "masked-categorical", "masked-binary")
"""`alone`: the classifier without decoder, its loss the mean over labelled rows; `zeros-...`: both heads, unlabelled
rows have zero one-hot vectors, the loss is the mean over all rows; `masked-...`: both heads, the classifier's loss is
the mean over labelled rows only. `categorical` (and `alone`) is softmax cross-entropy, `binary` a sigmoid and binary
cross-entropy for each class, the question's own. All see the same batches."""


def class_loss(version: str, logits: Tensor, target: Tensor, labelled: Tensor) -> Tensor:
    """Return the classifier's loss in a version of `HEAD_VERSIONS`.

    Args:
        version: Its name.
        logits: `(batch, classes)`.
        target: One-hot, `(batch, classes)`, zero where there is no label.
        labelled: Whether there is one, `(batch,)`, bool.
    """
    if version.endswith("binary"):
        rows = functional.binary_cross_entropy_with_logits(logits, target, reduction="none").mean(dim=1)
    else:
        rows = -(target * torch.log_softmax(logits, dim=1)).sum(dim=1)
    if version.startswith("zeros"):
        return rows.mean()
    return (rows * labelled).sum() / labelled.sum().clamp_min(1)


BATCHES = (8, 32, 100)
"""Sizes of batches that are compared; the answer asks for 32 rows at least. Which of their rows have a label is chance,
by the share of `TwoHeadsConfig`, so that a batch may have none: the classifier is not updated then."""

METRIC_BATCHES = 1_000
"""Batches of test examples per seed and size, of which each has its own accuracy."""

METRIC_ROWS = 1_000
"""Training rows per seed on which the two metrics are compared."""


def two_heads(config: TwoHeadsConfig) -> dict[str, Tensor]:
    """Train the versions with RMSprop on partly labelled data, from several seeds.

    Dense layers; the question's own network is convolutional.

    Returns:
        For each version, with `_` for `-`, one value per seed: `<version>_accuracy`, on the test set after training;
        `<version>_confidence`, the mean highest probability there; `<version>_unlabelled_gradient`, norm of the
        gradient that the unlabelled rows of a batch alone send into the classifier before training;
        `<version>_labelled_gradient`, of the whole batch. Of `masked-categorical`, one value per seed:
        `metrics_all_rows` and `metrics_labelled_rows`, accuracies after training, over all rows of training batches,
        where a zero vector counts as class 0, as in a metric that does not leave it out, and over the rows that have a
        label. And for each size of `BATCHES`, where rows have a label by chance: `batch_<size>_accuracy`, on the test
        set after training on the same number of examples; `batch_<size>_without_label`, share of batches of test
        examples without a label, of which there is no accuracy; `batch_<size>_deviation`, standard deviation of the
        others' accuracies, each over the rows that have a label.

    Raises:
        HighwaysError: There are fewer training examples than labels asked for.
    """
    data = load(config.data)
    assert isinstance(data, Images)
    if config.labelled >= (count := len(data.train_y)):
        raise HighwaysError(f"{config.labelled} labelled examples were asked for, {config.data} has {count}")
    found: dict[str, list[Tensor]] = {}
    for seed in range(config.seeds):
        for version in HEAD_VERSIONS:
            for name, value in _train_heads(config, data, version, seed).items():
                full = name if name.startswith("metrics") else f"{version.replace('-', '_')}_{name}"
                found.setdefault(full, []).append(value)
        for size in BATCHES:
            for name, value in _train_by_chance(config, data, size, seed).items():
                found.setdefault(f"batch_{size}_{name}", []).append(value)
    return {name: torch.stack(values) for name, values in found.items()}


class _Rows:
    """What a seed draws: the training rows that have a label, and batches.

    In a batch `few` rows have a label, or each has one with the probability `chance`.
    """

    def __init__(self, config: TwoHeadsConfig, data: Images, seed: int, chance: float | None = None):
        self.size, self.few, self.chance = config.batch_size, config.labelled_of_batch, chance
        self.random = torch.Generator().manual_seed(seed)
        self.x, self.one_hot = data.train_x.cpu(), functional.one_hot(data.train_y.cpu(), data.classes).float()
        order = torch.randperm(len(self.x), generator=self.random)
        self.known, self.unknown = order[: config.labelled], order[config.labelled :]

    def batch(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return `(batch, features)`, one-hot labels `(batch, classes)`, zero where there is none, and who has one."""
        few = self.few
        if self.chance is not None:
            few = int((torch.rand(self.size, generator=self.random) < self.chance).sum())
        parts = ((self.known, few), (self.unknown, self.size - few))
        rows = torch.cat([part[torch.randint(len(part), (count,), generator=self.random)] for part, count in parts])
        labelled = torch.arange(self.size) < few
        return self.x[rows], self.one_hot[rows] * labelled[:, None], labelled

    def metrics(self, network: TwoHeads) -> dict[str, Tensor]:
        """Return a network's accuracies on further batches, `METRIC_ROWS` rows or more; see `two_heads`."""
        batches = [self.batch() for _ in range(-(-METRIC_ROWS // self.size))]
        x, target, labelled = (torch.cat(parts) for parts in zip(*batches, strict=True))
        with torch.no_grad():
            right = (network(x)[0].argmax(dim=1) == target.argmax(dim=1)).double()
        return {"metrics_all_rows": right.mean(), "metrics_labelled_rows": right[labelled].mean()}


def _train_heads(config: TwoHeadsConfig, data: Images, version: str, seed: int) -> dict[str, Tensor]:
    rows = _Rows(config, data, seed)
    network = _network(config, data, seed)
    found: dict[str, Tensor] = {}
    x, target, labelled = rows.batch()
    for name, part in (("unlabelled", ~labelled), ("labelled", slice(None))):
        network.zero_grad()
        class_loss(version, network(x[part])[0], target[part], labelled[part]).backward()
        gradients = [p.grad for p in network.classifier.parameters() if p.grad is not None]
        found[f"{name}_gradient"] = nn.utils.get_total_norm(gradients)
    _train(network, config, version, rows)
    with torch.no_grad():
        logits = network(data.test_x.cpu())[0]
    odds = torch.sigmoid(logits) if version.endswith("binary") else torch.softmax(logits, dim=1)
    found["accuracy"] = (logits.argmax(dim=1) == data.test_y.cpu()).double().mean()
    found["confidence"] = odds.max(dim=1).values.mean().double()
    return found | (rows.metrics(network) if version == "masked-categorical" else {})


def _train_by_chance(config: TwoHeadsConfig, data: Images, size: int, seed: int) -> dict[str, Tensor]:
    """Train `masked-categorical` on batches of one size, in which rows have a label by chance; see `two_heads`."""
    chance = config.labelled_of_batch / config.batch_size
    steps = max(1, round(config.steps * config.batch_size / size))
    config = config.model_copy(update={"batch_size": size, "steps": steps})
    rows, network = _Rows(config, data, seed, chance), _network(config, data, seed)
    _train(network, config, "masked-categorical", rows)
    with torch.no_grad():
        right = network(data.test_x.cpu())[0].argmax(dim=1) == data.test_y.cpu()
    batches = torch.randint(len(right), (METRIC_BATCHES, size), generator=rows.random)
    labelled = torch.rand(METRIC_BATCHES, size, generator=rows.random) < chance
    accuracies = (right[batches] & labelled).sum(dim=1).double() / labelled.sum(dim=1)
    without = accuracies.isnan()
    return {
        "accuracy": right.double().mean(),
        "without_label": without.double().mean(),
        "deviation": accuracies[~without].std(),
    }


def _network(config: TwoHeadsConfig, data: Images, seed: int) -> TwoHeads:
    torch.manual_seed(seed)
    return TwoHeads(data.features, config.hidden, data.classes)


def _train(network: TwoHeads, config: TwoHeadsConfig, version: str, rows: _Rows) -> None:
    optimiser = torch.optim.RMSprop(network.parameters(), lr=config.learning_rate)
    for _ in range(config.steps):
        x, target, labelled = rows.batch()
        logits, decoded = network(x)
        loss = class_loss(version, logits, target, labelled)
        if version != "alone":
            loss = loss + functional.binary_cross_entropy_with_logits(decoded, x)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
