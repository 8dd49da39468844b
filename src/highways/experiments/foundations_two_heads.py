"""One encoder with a classifier and a decoder, on partly labelled data (the initialisation questions, f)."""

from collections.abc import Iterator, Mapping
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from highways.config.run import ImageDataName
from highways.data import Images, load
from highways.errors import HighwaysError
from highways.experiments.small import EVERY, Quantity, SmallStudy, stored
from highways.show.figures import Panel
from highways.show.tables import Row
from highways.tracking import AnalysisRecord

HEAD_VERSIONS = ("alone", "zeros-categorical", "zeros-binary", "masked-categorical", "masked-binary")
"""`alone`: the classifier without decoder, its loss the mean over labelled rows; `zeros-...`: both heads, unlabelled
rows have zero one-hot vectors, the loss is the mean over all rows; `masked-...`: both heads, the classifier's loss is
the mean over labelled rows only. `categorical` (and `alone`) is softmax cross-entropy, `binary` a sigmoid and binary
cross-entropy for each class, the question's own. All see the same batches."""

BATCHES = (8, 32, 100)
"""Sizes of batches that are compared; the answer asks for 32 rows at least. Which of their rows have a label is chance,
by the share of `TwoHeads`, so that a batch may have none: the classifier is not updated then."""

METRIC_BATCHES = 1_000
"""Batches of test examples per seed and size; each has its own accuracy."""

METRIC_ROWS = 1_000
"""Training rows per seed, or a few more, on which the two metrics are compared."""


class TwoHeads(SmallStudy):
    """One encoder with a classifier and a decoder, on partly labelled data (the initialisation questions, f).

    RMSprop trains the versions, from several seeds. Dense layers; the question's own network is convolutional.
    """

    kind: str = "two-heads"
    version: ClassVar[int] = 3
    title: ClassVar[str] = "f: two heads"
    versions: ClassVar[tuple[str, ...]] = HEAD_VERSIONS
    quantities: ClassVar[Mapping[str, Quantity]] = {
        "gradient that unlabelled rows send into the classifier": ("unlabelled_gradient", EVERY),
        "gradient that labelled rows among them send into it": ("labelled_gradient", EVERY),
        "test accuracy": ("accuracy", EVERY),
        "mean highest probability": ("confidence", EVERY),
    }
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

    def measure(self) -> dict[str, Tensor]:
        """Train the versions, then `masked-categorical` on batches of several sizes.

        Returns:
            One value per seed. For each version: `accuracy`, on the test set after training, `confidence`, the mean
            highest probability there, and `unlabelled_gradient` and `labelled_gradient`, norms of what the unlabelled
            rows of a batch alone, and the whole batch, send into the classifier before training. Of
            `masked-categorical`: `metrics_all_rows` and `metrics_labelled_rows`, training accuracies over all rows,
            where a zero vector counts as class 0, and over those that have a label. For each size of `BATCHES`:
            `accuracy`, after the same number of examples, `without_label`, the share of batches of test examples that
            have no label, and so no accuracy, and `deviation` of the others' accuracies, over rows that have one.

        Raises:
            HighwaysError: There are fewer training examples than labels asked for.
        """
        data = load(self.data)
        assert isinstance(data, Images)
        if self.labelled >= (count := len(data.train_y)):
            raise HighwaysError(f"{self.labelled} labelled examples were asked for, {self.data} has {count}")
        of_seeds = []
        for seed in range(self.seeds):
            values: dict[str, Tensor] = {}
            for version in HEAD_VERSIONS:
                values |= self._train_version(data, version, seed)
            for size in BATCHES:
                values |= self._train_by_chance(data, size, seed)
            of_seeds.append(values)
        return {name: torch.stack([values[name] for values in of_seeds]) for name in of_seeds[0]}

    def _train_version(self, data: Images, version: str, seed: int) -> dict[str, Tensor]:
        trial, found = _Trial(self, data, seed), {}
        x, target, labelled = trial.batch()
        for name, part in (("unlabelled", ~labelled), ("labelled", slice(None))):
            trial.zero_grad()
            class_loss(version, trial(x[part])[0], target[part], labelled[part]).backward()
            gradients = [p.grad for p in trial.classifier.parameters() if p.grad is not None]
            found[stored(version, f"{name}_gradient")] = nn.utils.get_total_norm(gradients)
        trial.fit(version)
        with torch.no_grad():
            logits = trial(data.test_x.cpu())[0]
        odds = torch.sigmoid(logits) if version.endswith("binary") else torch.softmax(logits, dim=1)
        found[stored(version, "accuracy")] = (logits.argmax(dim=1) == data.test_y.cpu()).double().mean()
        found[stored(version, "confidence")] = odds.max(dim=1).values.mean().double()
        if version != "masked-categorical":
            return found
        batches = [trial.batch() for _ in range(-(-METRIC_ROWS // self.batch_size))]
        x, target, labelled = (torch.cat(parts) for parts in zip(*batches, strict=True))
        with torch.no_grad():
            right = (trial(x)[0].argmax(dim=1) == target.argmax(dim=1)).double()
        return found | {"metrics_all_rows": right.mean(), "metrics_labelled_rows": right[labelled].mean()}

    def _train_by_chance(self, data: Images, size: int, seed: int) -> dict[str, Tensor]:
        """Train `masked-categorical` on batches of one size, in which rows have a label by chance."""
        chance = self.labelled_of_batch / self.batch_size
        steps = max(1, round(self.steps * self.batch_size / size))
        trial = _Trial(self.model_copy(update={"batch_size": size, "steps": steps}), data, seed, chance)
        trial.fit("masked-categorical")
        with torch.no_grad():
            right = trial(data.test_x.cpu())[0].argmax(dim=1) == data.test_y.cpu()
        batches = torch.randint(len(right), (METRIC_BATCHES, size), generator=trial.random)
        labelled = torch.rand(METRIC_BATCHES, size, generator=trial.random) < chance
        accuracies = (right[batches] & labelled).sum(dim=1).double() / labelled.sum(dim=1)
        without = accuracies.isnan()
        return {
            f"batch_{size}_accuracy": right.double().mean(),
            f"batch_{size}_without_label": without.double().mean(),
            f"batch_{size}_deviation": accuracies[~without].std(),
        }

    def rows(self, found: AnalysisRecord) -> Iterator[Row]:
        """See `SmallStudy`."""
        yield from super().rows(found)
        trained = {
            "metrics_all_rows": "training accuracy over all rows, zero rows counted as class 0",
            "metrics_labelled_rows": "training accuracy over rows that have a label",
        }
        for size in BATCHES:
            rows = f"batches of {size}, labels by chance"
            trained[f"batch_{size}_accuracy"] = f"test accuracy, {rows}, the same number of examples"
            trained[f"batch_{size}_without_label"] = f"batches without a label, of all, {rows}"
            trained[f"batch_{size}_deviation"] = f"standard deviation of a batch's accuracy over labelled rows, {rows}"
        for quantity, text in trained.items():
            yield self.mean("masked-categorical", text, quantity, found.row(quantity))

    def panels(self, found: AnalysisRecord) -> list[Panel]:
        """See `SmallStudy`."""
        heads = {"accuracy": "test accuracy", "confidence": "mean highest probability"}
        batches = {"accuracy": "test accuracy", "deviation": "deviation of a batch's accuracy"}
        batches["without_label"] = "batches without a label"
        title, sizes = f"(f) {self.data}: batches with labels by chance", [f"batch_{size}" for size in BATCHES]
        return [
            self.bars(found, f"(f) {self.data}: two heads, few labels", heads, "share"),
            self.bars(found, title, batches, "share", sizes),
        ]


def class_loss(version: str, logits: Tensor, target: Tensor, labelled: Tensor) -> Tensor:
    """Return the classifier's loss in a version of `HEAD_VERSIONS`.

    Logits and targets, one-hot or zero where there is no label, are `(batch, classes)`; `labelled`, bool, `(batch,)`.
    """
    if version.endswith("binary"):
        rows = functional.binary_cross_entropy_with_logits(logits, target, reduction="none").mean(dim=1)
    else:
        rows = -(target * torch.log_softmax(logits, dim=1)).sum(dim=1)
    if version.startswith("zeros"):
        return rows.mean()
    return (rows * labelled).sum() / labelled.sum().clamp_min(1)


class _Trial(nn.Module):
    """What a seed draws: an encoder with a classifier and a decoder, the training rows that have a label, batches.

    In a batch as many rows have a label as the study says, or each has one with the probability `chance`.
    """

    def __init__(self, study: TwoHeads, data: Images, seed: int, chance: float | None = None):
        super().__init__()
        torch.manual_seed(seed)
        self.encoder = nn.Linear(data.features, study.hidden)
        self.classifier = nn.Linear(study.hidden, data.classes)
        self.decoder = nn.Linear(study.hidden, data.features)
        self.study, self.chance, self.random = study, chance, torch.Generator().manual_seed(seed)
        self.x, self.one_hot = data.train_x.cpu(), functional.one_hot(data.train_y.cpu(), data.classes).float()
        order = torch.randperm(len(self.x), generator=self.random)
        self.known, self.unknown = order[: study.labelled], order[study.labelled :]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map `(batch, features)` to logits of the classes and of the features."""
        code = torch.relu(self.encoder(x))
        return self.classifier(code), self.decoder(code)

    def batch(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return `(batch, features)`, one-hot labels `(batch, classes)`, zero where there is none, and who has one."""
        size, few = self.study.batch_size, self.study.labelled_of_batch
        if self.chance is not None:
            few = int((torch.rand(size, generator=self.random) < self.chance).sum())
        parts = ((self.known, few), (self.unknown, size - few))
        rows = torch.cat([part[torch.randint(len(part), (count,), generator=self.random)] for part, count in parts])
        labelled = torch.arange(size) < few
        return self.x[rows], self.one_hot[rows] * labelled[:, None], labelled

    def fit(self, version: str) -> None:
        """Train a version of `HEAD_VERSIONS`."""
        optimiser = torch.optim.RMSprop(self.parameters(), lr=self.study.learning_rate)
        for _ in range(self.study.steps):
            x, target, labelled = self.batch()
            logits, decoded = self(x)
            loss = class_loss(version, logits, target, labelled)
            if version != "alone":
                loss = loss + functional.binary_cross_entropy_with_logits(decoded, x)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
