"""Networks of the initialisation questions: an LSTM that learns x + 1 below 10, else sin(x) (e), and two heads (f)."""

from collections.abc import Mapping
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from highways.config import Count, ImageDataName
from highways.data import Images, load
from highways.errors import HighwaysError
from highways.experiments.small import EVERY, LAST, Bars, Quantity, SmallStudy, by_version, stored, streams
from highways.inside.values import kept_steps


class Recurrent(nn.Module):
    """An LSTM with PyTorch's initial weights, and a linear read-out of its last state.

    The read-out is the question's: weights from N(0, 1) truncated at two deviations, and a bias of 0.1.
    """

    def __init__(self, hidden: int, seed: int):
        super().__init__()
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(seed)
            self.lstm, self.readout = nn.LSTM(1, hidden), nn.Parameter(torch.empty(hidden))
            nn.init.trunc_normal_(self.readout, std=1.0, a=-2.0, b=2.0)
        self.bias = nn.Parameter(torch.tensor(0.1))

    def forward(self, x: Tensor) -> Tensor:
        """Map windows, `(batch, length)`, to the next numbers, `(batch,)`."""
        return self.lstm(x.T[..., None])[0][-1] @ self.readout + self.bias


class Recurrence(SmallStudy):
    """An LSTM that learns x + 1 below 10, else sin(x), one window per step (the initialisation questions, e)."""

    kind: str = "recurrence"
    version: ClassVar[int] = 2
    title: ClassVar[str] = "e: recurrence"
    versions: ClassVar[tuple[str, ...]] = ("as-asked", "linear", "scaled", "frozen", "linear-frozen")
    """`as-asked`: ELU on the output, unscaled numbers; `linear`: no ELU; `scaled`: no ELU, numbers divided by ten in
    and out; `frozen` and `linear-frozen`: as the first two, but the LSTM is not trained."""
    quantities: ClassVar[Mapping[str, Quantity]] = {
        "error where x + 1 follows": ("steps_error", EVERY),
        "error where sin(x) follows": ("sine_error", EVERY),
        "gradient of the LSTM, first step": ("lstm_gradient_start", EVERY),
        "gradient of the read-out, first step": ("readout_gradient_start", EVERY),
        "gradient of the LSTM, last step, mean of seeds": ("lstm_gradient", LAST),
        "gradient of the read-out, last step, mean of seeds": ("readout_gradient", LAST),
    }
    bars: ClassVar = [
        Bars(
            "(e) error after training, mean of seeds",
            {"steps_error": "x + 1 follows", "sine_error": "sin(x) follows"},
            "root mean square",
        )
    ]
    examples: int = Field(default=1_000, ge=10)
    length: Count = 5
    """Numbers that the network sees before it predicts the next one."""
    hidden: Count = 32
    steps: Count = 1_000
    learning_rate: float = Field(default=1e-3, gt=0)
    """Learning rate of Adam, from the question."""
    seeds: int = Field(default=5, ge=2)
    """Number of seeds; each draws weights and the order of the windows, the same for all versions."""
    seed: int = Field(default=0, ge=0)
    """Seed of the windows, which all seeds share."""

    def windows(self, seed: int) -> tuple[Tensor, Tensor]:
        """Return windows, `(examples, length)`, each from its own start, and the number after each, `(examples,)`."""
        numbers = [torch.rand(self.examples, generator=torch.Generator().manual_seed(seed)) * 12 - 1]
        for _ in range(self.length):
            now = numbers[-1]
            numbers.append(torch.where(now < 10, now + 1, torch.sin(now)))
        return torch.stack(numbers[:-1], dim=1), numbers[-1]

    def measure(self) -> dict[str, Tensor]:
        """Train the versions, and return the `quantities` of each.

        There is one value per seed: root mean square errors on new windows after training, and gradient norms at the
        first step. Gradient norms at `kept_steps` of the steps are averaged over seeds.
        """
        trained = [self._train(version, seed) for version in self.versions for seed in range(self.seeds)]
        return by_version(self.versions, {name: torch.stack([one[name] for one in trained]) for name in trained[0]})

    def _train(self, version: str, seed: int) -> dict[str, Tensor]:
        (x, y), (test_x, test_y) = self.windows(self.seed), self.windows(self.seed + 1)
        network, scale = Recurrent(self.hidden, seed), 10.0 if version == "scaled" else 1.0
        output = functional.elu if version in ("as-asked", "frozen") else nn.Identity()
        parts = {"lstm": [*network.lstm.parameters()], "readout": [network.readout, network.bias]}
        learning = parts["readout"] if version.endswith("frozen") else [*network.parameters()]
        adam, (random,) = torch.optim.Adam(learning, lr=self.learning_rate, fused=True), streams([seed])
        rounds = -(-self.steps // self.examples)  # all windows in a random order, round after round
        order = torch.cat([torch.randperm(len(x), generator=random) for _ in range(rounds)])[: self.steps]
        kept, norms = set(kept_steps(self.steps)), []
        for step, row in enumerate(order.tolist()):
            network.zero_grad()
            error = output(network(x[row : row + 1] / scale)) - y[row] / scale
            error.square().sum().backward()
            if step in kept:
                gradients = ([weight.grad for weight in part if weight.grad is not None] for part in parts.values())
                norms.append(torch.stack([nn.utils.get_total_norm(part) for part in gradients]))
            adam.step()
        with torch.no_grad():
            squares, steps = (output(network(test_x / scale)) * scale - test_y).square(), test_x[:, -1] < 10
        curves = dict(zip(parts, torch.stack(norms, dim=1), strict=True))
        found = {"steps_error": squares[steps].mean().sqrt(), "sine_error": squares[~steps].mean().sqrt()}
        found |= {f"{part}_gradient_start": curve[0] for part, curve in curves.items()}
        return found | {f"{part}_gradient": curve for part, curve in curves.items()}


BATCHES = (8, 32, 100)
"""Batch sizes that are compared; the answer asks for at least 32 rows. Rows have labels by chance, in the share that
`TwoHeads` sets, so that a batch may have none; the classifier is then not updated."""

METRIC_BATCHES = 1_000
"""Batches of test examples per seed and size; each has its own accuracy."""
METRIC_ROWS = 1_000
"""Training rows per seed, or a few more, on which the two metrics are compared."""
BY_ROWS = {
    "metrics_all_rows": "training accuracy over all rows, zero rows counted as class 0",
    "metrics_labelled_rows": "training accuracy over rows that have a label",
} | {
    f"batch_{size}_{quantity}": text.format(f"batches of {size}, labels by chance")
    for size in BATCHES
    for quantity, text in {
        "accuracy": "test accuracy, {}, the same number of examples",
        "without_label": "batches without a label, of all, {}",
        "deviation": "standard deviation of a batch's accuracy over labelled rows, {}",
    }.items()
}
"""Further measurements of `masked-categorical`, by name in the record."""


class TwoHeads(SmallStudy):
    """One encoder with a classifier and a decoder, on partly labelled data (the initialisation questions, f).

    RMSprop trains the versions, from several seeds. The layers are dense; the question's own network is convolutional.
    """

    kind: str = "two-heads"
    version: ClassVar[int] = 3
    title: ClassVar[str] = "f: two heads"
    versions: ClassVar = ("alone", "zeros-categorical", "zeros-binary", "masked-categorical", "masked-binary")
    """`alone`: the classifier without decoder, its loss the mean over labelled rows. `zeros-...`: both heads;
    unlabelled rows have zero one-hot vectors, and the loss is the mean over all rows. `masked-...`: both heads; the
    classifier's loss is the mean over labelled rows only. `categorical` (and `alone`) is softmax cross-entropy;
    `binary` is a sigmoid and binary cross-entropy for each class, the question's own. All see the same batches."""
    quantities: ClassVar[Mapping[str, Quantity]] = {
        "gradient that unlabelled rows send into the classifier": ("unlabelled_gradient", EVERY),
        "gradient that labelled rows among them send into it": ("labelled_gradient", EVERY),
        "test accuracy": ("accuracy", EVERY),
        "mean highest probability": ("confidence", EVERY),
    }
    numbers: ClassVar = [("masked-categorical", text, name) for name, text in BY_ROWS.items()]
    bars: ClassVar = [
        Bars(
            "(f) {data}: two heads, few labels", {"accuracy": "test accuracy", "confidence": "mean highest probability"}
        ),
        Bars(
            "(f) {data}: batches with labels by chance",
            {
                "accuracy": "test accuracy",
                "deviation": "deviation of a batch's accuracy",
                "without_label": "batches without a label",
            },
            versions=[f"batch_{size}" for size in BATCHES],
        ),
    ]
    data: ImageDataName
    labelled: int = Field(default=100, ge=10)
    """Number of training examples with a label."""
    hidden: Count = 64
    steps: Count = 500
    batch_size: int = Field(default=100, ge=10)
    labelled_of_batch: Count = 10
    """Number of rows of each batch with a label."""
    learning_rate: float = Field(default=1e-3, gt=0)
    """Learning rate of RMSprop; the optimiser is the question's, the rate Keras's default."""
    seeds: int = Field(default=5, ge=2)
    """Number of seeds; each draws labels, weights and batches."""

    def measure(self) -> dict[str, Tensor]:
        """Train the versions, then `masked-categorical` on batches of several sizes.

        Returns:
            One value per seed for the `quantities` of each version and for `BY_ROWS`. Gradients are those before
            training, of the unlabelled rows of a batch alone, and of the whole batch. A zero vector counts as class 0.
            Batches are of test examples; one without a label has no accuracy.
        """
        data = load(self.data)
        assert isinstance(data, Images)
        if self.labelled >= (count := len(data.y["train"])):
            raise HighwaysError(f"{self.labelled} labelled examples were asked for, {self.data} has {count}")
        of_seeds = []
        for seed in range(self.seeds):
            values: dict[str, Tensor] = {}
            for version in self.versions:
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
            logits = trial(data.x["test"].cpu())[0]
        odds = torch.sigmoid(logits) if version.endswith("binary") else torch.softmax(logits, dim=1)
        found[stored(version, "accuracy")] = (logits.argmax(dim=1) == data.y["test"].cpu()).double().mean()
        found[stored(version, "confidence")] = odds.max(dim=1).values.mean().double()
        if version != "masked-categorical":
            return found
        batches = [trial.batch() for _ in range(-(-METRIC_ROWS // self.batch_size))]
        x, target, labelled = (torch.cat(parts) for parts in zip(*batches, strict=True))
        with torch.no_grad():
            right = (trial(x)[0].argmax(dim=1) == target.argmax(dim=1)).double()
        return found | {"metrics_all_rows": right.mean(), "metrics_labelled_rows": right[labelled].mean()}

    def _train_by_chance(self, data: Images, size: int, seed: int) -> dict[str, Tensor]:
        """Train `masked-categorical` on batches of one size, whose rows have labels by chance."""
        chance = self.labelled_of_batch / self.batch_size
        steps = max(1, round(self.steps * self.batch_size / size))
        trial = _Trial(self.model_copy(update={"batch_size": size, "steps": steps}), data, seed, chance)
        trial.fit("masked-categorical")
        with torch.no_grad():
            right = trial(data.x["test"].cpu())[0].argmax(dim=1) == data.y["test"].cpu()
        batches = torch.randint(len(right), (METRIC_BATCHES, size), generator=trial.random)
        labelled = torch.rand(METRIC_BATCHES, size, generator=trial.random) < chance
        accuracies = (right[batches] & labelled).sum(dim=1).double() / labelled.sum(dim=1)
        without = accuracies.isnan()
        return {
            f"batch_{size}_accuracy": right.double().mean(),
            f"batch_{size}_without_label": without.double().mean(),
            f"batch_{size}_deviation": accuracies[~without].std(),
        }


def class_loss(version: str, logits: Tensor, target: Tensor, labelled: Tensor) -> Tensor:
    """Return the classifier's loss in a version of `TwoHeads.versions`.

    Logits and targets (one-hot, or zero without a label) are `(batch, classes)`; `labelled` is bool, `(batch,)`.
    """
    if version.endswith("binary"):
        rows = functional.binary_cross_entropy_with_logits(logits, target, reduction="none").mean(dim=1)
    else:
        rows = -(target * torch.log_softmax(logits, dim=1)).sum(dim=1)
    if version.startswith("zeros"):
        return rows.mean()
    return (rows * labelled).sum() / labelled.sum().clamp_min(1)


class _Trial(nn.Module):
    """What a seed draws: an encoder with a classifier and a decoder, the training rows with a label, and batches.

    In a batch, as many rows have a label as the study says, or each row has one with probability `chance`.
    """

    def __init__(self, study: TwoHeads, data: Images, seed: int, chance: float | None = None):
        super().__init__()
        torch.manual_seed(seed)
        self.encoder = nn.Linear(data.features, study.hidden)
        self.classifier = nn.Linear(study.hidden, data.classes)
        self.decoder = nn.Linear(study.hidden, data.features)
        self.study, self.chance, self.random = study, chance, torch.Generator().manual_seed(seed)
        self.x, self.one_hot = data.x["train"].cpu(), functional.one_hot(data.y["train"].cpu(), data.classes).float()
        order = torch.randperm(len(self.x), generator=self.random)
        self.known, self.unknown = order[: study.labelled], order[study.labelled :]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map `(batch, features)` to logits of the classes and of the features."""
        code = torch.relu(self.encoder(x))
        return self.classifier(code), self.decoder(code)

    def batch(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return `(batch, features)`, one-hot labels `(batch, classes)`, zero without a label, and which have one."""
        size, few = self.study.batch_size, self.study.labelled_of_batch
        if self.chance is not None:
            few = int((torch.rand(size, generator=self.random) < self.chance).sum())
        parts = ((self.known, few), (self.unknown, size - few))
        rows = torch.cat([part[torch.randint(len(part), (count,), generator=self.random)] for part, count in parts])
        labelled = torch.arange(size) < few
        return self.x[rows], self.one_hot[rows] * labelled[:, None], labelled

    def fit(self, version: str) -> None:
        """Train a version of `TwoHeads.versions`."""
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
