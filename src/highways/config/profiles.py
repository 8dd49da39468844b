"""Profiles: how much of each notebook is run, on which data, where.

A profile file `profiles/<profile>/<notebook>.yaml` holds the parameters of one notebook; Papermill
passes it with `-f`. Its schema is here, and the schema turns it into the exact list of runs: a
table holds these runs and no others.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar

import numpy as np
from pydantic import ConfigDict, Field, field_validator, model_validator

from highways import paths
from highways.config.analysis import (
    AnalysisConfig,
    CostConfig,
    DropoutConfig,
    GatesConfig,
    LesionsConfig,
    LogisticConfig,
    ParityConfig,
    PerceptronConfig,
    RecurrenceConfig,
    SignalConfig,
    StuckConfig,
    TwoHeadsConfig,
    VarianceConfig,
)
from highways.config.base import Strict, read_yaml, validate
from highways.config.conv import NETWORKS, ConvConfig
from highways.config.factorial import cells, run_of
from highways.config.run import (
    AdamConfig,
    BagOfWordsConfig,
    BiLSTMConfig,
    BiLSTMKind,
    BudgetConfig,
    CaffeConfig,
    DataConfig,
    DenseConfig,
    FeatureDataName,
    ImageDataName,
    Initialisation,
    PicturesConfig,
    RunConfig,
    SGDConfig,
    TextDataName,
)
from highways.errors import HighwaysError, NotYet


class Profile(Strict):
    """What every profile file has. Types are strict: "1" or true is no number of epochs."""

    model_config = ConfigDict(strict=True)

    experiment: ClassVar[str]
    """Name of the notebook, of its folder of records and of its MLflow experiment."""

    profile: str = Field(pattern=r"^[a-z][a-z0-9_-]*$")
    """Name of the profile: the folder under `profiles/` and under `results/`."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    workers: int = Field(default=1, ge=1)
    """Processes that train at the same time."""

    def runs(self) -> list[RunConfig]:
        """Return the runs that this profile lists, in a fixed order.

        Raises:
            NotYet: They follow from results of an earlier stage, which has not been run.
        """
        return []

    def analyses(self) -> list[AnalysisConfig]:
        """Return the analyses that this profile lists, in a fixed order.

        Raises:
            NotYet: See `runs`.
        """
        return []

    @classmethod
    def from_namespace(cls, namespace: Mapping[str, Any]) -> Self:
        """Return the parameters that a notebook has set as variables, checked.

        Where they are not those of the profile's file (somebody tries something out), the profile
        becomes `explore`: the profile's own results stay as they are, and finished runs are shared.

        Args:
            namespace: The notebook's `globals()`.

        Raises:
            HighwaysError: A parameter is missing or at fault.
        """
        values = {name: namespace[name] for name in cls.model_fields if name in namespace}
        settings = validate(cls, values, f"parameters of {cls.experiment}.ipynb")
        path = profile_path(settings.profile, cls.experiment)
        if not path.exists() or settings == load_profile(settings.profile, cls):
            return settings
        print(f"not the parameters of profiles/{settings.profile}/{path.name}: results go to results/{EXPLORE}")
        return settings.model_copy(update={"profile": EXPLORE})


def _no_repetition(values: list[Any]) -> list[Any]:
    for value in values:
        if values.count(value) > 1:
            raise ValueError(f"{value} is given twice")
    return values


class DepthProfile(Profile):
    """Parameters of `01_depth`: the random search of P1 Fig. 1 and P2 Fig. 1.

    The papers searched the initial learning rate, the momentum, the decay of the rate, the
    activation (ReLU or tanh) and, for highways, the transform bias between -1 and -10. They state
    no range of the first three. Ours:

    - learning rate: log-uniform in [1e-5, 1];
    - momentum: 1 - momentum log-uniform in [0.01, 0.5], that is, momentum in [0.5, 0.99];
    - decay per epoch: 1 - decay log-uniform in [0.001, 0.1], that is, decay in [0.9, 0.999];
    - transform bias: uniform in [-10, -1].

    Trial `i` draws from its own stream, so its settings depend on `search_seed` and `i` alone: they
    are the same for both kinds of network and all depths, and more trials leave the earlier ones.
    """

    experiment: ClassVar[str] = "01_depth"
    learning_rate_range: ClassVar[tuple[float, float]] = (1e-5, 1.0)
    one_minus_momentum_range: ClassVar[tuple[float, float]] = (0.01, 0.5)
    one_minus_decay_range: ClassVar[tuple[float, float]] = (0.001, 0.1)
    transform_bias_range: ClassVar[tuple[float, float]] = (-10.0, -1.0)

    data: ImageDataName
    depths: list[Annotated[int, Field(ge=1, le=10_000)]] = Field(min_length=1)
    trials: int = Field(ge=1)
    epochs: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    plain_width: int = Field(default=71, ge=1)
    highway_width: int = Field(default=50, ge=1)
    search_seed: int = Field(default=0, ge=0)

    @field_validator("depths")
    @classmethod
    def _depths(cls, depths: list[int]) -> list[int]:
        return _no_repetition(depths)

    def draw(self, trial: int) -> dict[str, Any]:
        """Return the settings that trial number `trial` drew."""
        random = np.random.default_rng([self.search_seed, trial])
        learning_rate, momentum, decay, activation, bias = random.random(5)

        def between(ends: tuple[float, float], u: float) -> float:
            return float(f"{ends[0] + (ends[1] - ends[0]) * u:.4g}")

        def log_between(ends: tuple[float, float], u: float) -> float:
            return float(f"{ends[0] * (ends[1] / ends[0]) ** u:.4g}")

        return {
            "learning_rate": log_between(self.learning_rate_range, learning_rate),
            "momentum": round(1 - log_between(self.one_minus_momentum_range, momentum), 6),
            "decay": round(1 - log_between(self.one_minus_decay_range, decay), 6),
            "activation": "relu" if activation < 0.5 else "tanh",
            "transform_bias": between(self.transform_bias_range, bias),
        }

    def runs(self) -> list[RunConfig]:
        """Return both kinds, every depth, every trial, in this order."""
        return [
            self._run(kind, depth, trial)
            for kind in ("plain", "highway")
            for depth in self.depths
            for trial in range(self.trials)
        ]

    def _run(self, kind: Literal["plain", "highway"], depth: int, trial: int) -> RunConfig:
        drawn = self.draw(trial)
        return RunConfig(
            data=DataConfig(name=self.data),
            network=DenseConfig(
                kind=kind,
                depth=depth,
                width=self.highway_width if kind == "highway" else self.plain_width,
                activation=drawn["activation"],
                transform_bias=drawn["transform_bias"] if kind == "highway" else None,
            ),
            optimiser=SGDConfig(learning_rate=drawn["learning_rate"], momentum=drawn["momentum"], decay=drawn["decay"]),
            budget=BudgetConfig(epochs=self.epochs, batch_size=self.batch_size),
            seed=trial,
        )


class BiLSTMProfile(Profile):
    """Parameters of `02_bilstm_depth`: BiLSTMs of 1 to 20 layers, plain and highway (seed 002).

    The bag of words that stands beside them has settings of its own: one run a data set, ten epochs at
    a rate of 0.01, no decay of weights.
    """

    experiment: ClassVar[str] = "02_bilstm_depth"

    data: list[TextDataName] = Field(min_length=1)
    variants: list[BiLSTMKind | Literal["highway-released-padded"]] = Field(min_length=1)
    """Kinds of networks; `highway-released-padded` lets padding in, as the released code did."""
    depths: list[Annotated[int, Field(ge=1, le=1_000)]] = Field(min_length=1)
    seeds: int = Field(ge=1)
    """How many; they are 0, 1, ..., and each draws weights and order of sentences."""
    epochs: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    hidden: int = Field(ge=1)
    embedding: int = Field(ge=1)
    dropout: float = Field(ge=0, lt=1)
    transform_bias: float = -1.0
    """P2 sec. 2.2 advises -1 for about ten layers, -2 for twenty; one value serves all depths here."""
    learning_rate: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=1e-8, ge=0)
    clip_norm: float = Field(default=3.0, gt=0)
    snapshot_steps: int = Field(default=100, ge=1)
    vectors: str | None = None
    """File of word vectors in GloVe's text format, `embedding` wide."""

    @field_validator("data", "variants", "depths")
    @classmethod
    def _lists(cls, values: list[Any]) -> list[Any]:
        return _no_repetition(values)

    def runs(self) -> list[RunConfig]:
        """Return for every data set the bag of words, then every variant, depth and seed, in this order."""
        listed = []
        for data in self.data:
            listed.append(self._bag_of_words(data))
            listed += [
                self._run(data, variant, depth, seed)
                for variant in self.variants
                for depth in self.depths
                for seed in range(self.seeds)
            ]
        return listed

    def _bag_of_words(self, data: TextDataName) -> RunConfig:
        return RunConfig(
            data=DataConfig(name=data),
            network=BagOfWordsConfig(family="bag-of-words"),
            optimiser=AdamConfig(kind="adam", learning_rate=0.01),
            budget=BudgetConfig(epochs=10, batch_size=self.batch_size),
        )

    def _run(self, data: TextDataName, variant: str, depth: int, seed: int) -> RunConfig:
        kind = variant.removesuffix("-padded")
        return RunConfig(
            data=DataConfig(name=data, vectors=self.vectors),
            network=BiLSTMConfig(
                family="bilstm",
                kind=kind,  # type: ignore[arg-type]
                depth=depth,
                hidden=self.hidden,
                embedding=self.embedding,
                dropout=self.dropout,
                transform_bias=self.transform_bias if kind == "highway" else None,
                padding="none" if variant == kind else "seen",
            ),
            optimiser=AdamConfig(
                kind="adam",
                learning_rate=self.learning_rate,
                weight_decay=self.weight_decay,
                clip_norm=self.clip_norm,
            ),
            budget=BudgetConfig(epochs=self.epochs, batch_size=self.batch_size, snapshot_steps=self.snapshot_steps),
            seed=seed,
            order_seed=seed,
        )


class ConvTraining(Strict):
    """Which convolutional network is trained on what, for how long, how often."""

    model_config = ConfigDict(strict=True)

    network: str
    """A name in `highways.config.conv.NETWORKS`."""
    data: ImageDataName
    epochs: int = Field(ge=1)
    runs: int = Field(ge=1)
    """Seeds 0, 1, ...: each draws weights, dropout, order and augmentation."""

    @field_validator("network")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in NETWORKS:
            raise ValueError(f"no such network; there are: {', '.join(NETWORKS)}")
        return name


class ConvProfile(Profile):
    """Parameters of `03_conv`: the convolutional networks of P1 Table 1, P2 Tables 1 to 3, seed 003.

    How a network is trained follows from what it is and from the data (`recipe`): as the authors' released
    solvers say, on MNIST for 300 and on CIFAR for 400 epochs; with fewer epochs the schedule keeps its shape.
    """

    experiment: ClassVar[str] = "03_conv"

    trainings: list[ConvTraining] = Field(min_length=1)
    precision: Literal["float32", "bfloat16"] = "float32"

    @field_validator("trainings")
    @classmethod
    def _trainings(cls, trainings: list[ConvTraining]) -> list[ConvTraining]:
        pairs = [f"{training.network} on {training.data}" for training in trainings]
        _no_repetition(pairs)
        return trainings

    def runs(self) -> list[RunConfig]:
        """Return every training's runs, in the order of the trainings and seeds."""
        return [self._run(training, seed) for training in self.trainings for seed in range(training.runs)]

    def _run(self, training: ConvTraining, seed: int) -> RunConfig:
        network, pictures, optimiser, batch_size = recipe(training.network, training.data)
        return RunConfig(
            data=DataConfig(name=training.data, pictures=pictures),
            network=network,
            optimiser=optimiser,
            budget=BudgetConfig(epochs=training.epochs, batch_size=batch_size),
            seed=seed,
            order_seed=seed,
            precision=self.precision,
        )


def recipe(name: str, data: ImageDataName) -> tuple[ConvConfig, PicturesConfig, CaffeConfig | AdamConfig, int]:
    """Return how a network is trained on a data set: the network, the pictures, the optimiser, the batch size.

    The networks of P1 Table 1 and P2 Table 2 (A, C, 3, 4, their plain twins, the Fitnets) have translations only,
    Highway 3 and 4 the first 40,000 images only, as the papers say; the others mirror images, too, as released.

    Source: examples/*/solver.prototxt and network.prototxt of flukeskywalker/highway-networks (rate .01 with
    steps at 1/3 and 2/3 on MNIST; .025 with steps at 1/2, 3/4 and 7/8 on CIFAR; batches of 100); seed 003
    (Adam with Keras's settings, batches of 32, pixels from 0 to 255).
    """
    network = NETWORKS[name]
    if name == "seed-003":
        return network, PicturesConfig(scale=1.0), AdamConfig(kind="adam", learning_rate=1e-3), 32
    if data in ("cifar10", "cifar100"):
        kind = name.removeprefix("highway-").removeprefix("plain-")
        pictures = PicturesConfig(
            scale=1 / 255,
            contrast=True,
            mean_image=True,
            pad=8,
            mirror=kind not in ("a", "c", "3", "4", "fitnet-1", "fitnet-4"),
            training_images=40_000 if kind in ("3", "4") else None,
        )
        optimiser = CaffeConfig(kind="caffe", learning_rate=0.025, milestones=(1 / 2, 3 / 4, 7 / 8))
        if data == "cifar100":  # the one released network whose classifier is drawn like its other layers
            network = network.model_copy(update={"classifier_std": None})
        return network, pictures, optimiser, 100
    optimiser = CaffeConfig(kind="caffe", learning_rate=0.01, milestones=(1 / 3, 2 / 3))
    if name == "highway-mnist-32-short":
        optimiser = CaffeConfig(kind="caffe", learning_rate=0.025, milestones=(1 / 2, 3 / 4, 7 / 8))
    if data == "digits":  # a stand-in, 8x8: enlarged to what the network can pool three times, more steps an epoch
        return network, PicturesConfig(enlarge=3), optimiser, 10
    return network, PicturesConfig(), optimiser, 100


def trial_of_search(profile: str, network: Literal["plain", "highway"], depth: int, rank: int = 1) -> RunConfig:
    """Return a trial of `01_depth` by its outcome, from the records of the search.

    The outcome is the lowest training cross-entropy that the trial reached, as in the search itself.

    Args:
        profile: Of the search.
        network: Kind of network.
        depth: Its depth.
        rank: 1 for the best trial, 2 for the second best, ...

    Raises:
        NotYet: The search has not been run, not with that network, or has not so many trials that learned.
        HighwaysError: A record is damaged.
    """
    folder = paths.Results(profile).runs(DepthProfile.experiment)
    where = folder.relative_to(paths.root())
    listed = load_profile(profile, DepthProfile).runs()
    outcomes = []
    for path in sorted(folder.glob(f"{network}-d{depth:03d}-*.json")):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            config, curve = RunConfig.model_validate(record["config"]), record["curves"].get("train_cross_entropy")
        except (OSError, ValueError, KeyError, AttributeError):
            raise HighwaysError(f"{path.relative_to(paths.root())}: damaged; `highways verify` says more") from None
        if config in listed and curve:
            outcomes.append((min(curve), path.stem, config))
    if len(outcomes) < rank:
        trials = f"{len(outcomes)} trials of {network} networks of {depth} layers that learned"
        raise NotYet(f"{where} has {trials}, number {rank} is needed; `dvc repro 01_depth@{profile}` makes it")
    return sorted(outcomes, key=lambda outcome: outcome[:2])[rank - 1][2]


class GatesProfile(Profile):
    """Parameters of `04_gates`: the highway networks whose gates P1 Fig. 2 and P2 Figs. 2 and 3 show.

    All settings that P1 sec. 4 does not state are those of the best highway networks of `depth` layers of
    `01_depth`; the transform bias is the paper's. With another bias than it was found with a network may diverge:
    then the next one of `ranks` counts.
    """

    experiment: ClassVar[str] = "04_gates"

    data: list[ImageDataName] = Field(min_length=1)
    depth: int = Field(default=50, ge=2, le=10_000)
    width: int = Field(default=50, ge=1)
    transform_bias: dict[ImageDataName, float]
    """By data set; P1: -2 for MNIST, -4 for CIFAR-100."""
    epochs: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    seed: int = Field(default=0, ge=0)
    examples: int = Field(default=10_000, ge=1)
    """Training examples over which gates are averaged."""
    example: int = Field(default=0, ge=0)
    """Number of the one training example that is looked at."""
    search: str
    """Profile of the search whose best trials give the other settings."""
    ranks: dict[ImageDataName, list[Annotated[int, Field(ge=1)]]] = Field(default_factory=dict)
    """Which of its trials, by data set; 1, the best one, by default. The first that does not diverge is shown."""

    @model_validator(mode="after")
    def _a_bias_for_each(self) -> Self:
        for values in (self.data, *self.ranks.values()):
            _no_repetition(values)
        if missing := [name for name in self.data if name not in self.transform_bias]:
            raise ValueError(f"transform_bias has none for {', '.join(missing)}")
        return self

    def runs(self) -> list[RunConfig]:
        """Return for every data set a run a rank."""
        return [
            self._run(name, trial_of_search(self.search, "highway", self.depth, rank))
            for name in self.data
            for rank in self.ranks.get(name) or [1]
        ]

    def _run(self, name: ImageDataName, trial: RunConfig) -> RunConfig:
        assert isinstance(trial.network, DenseConfig)
        return RunConfig(
            data=DataConfig(name=name),
            network=DenseConfig(
                kind="highway",
                depth=self.depth,
                width=self.width,
                activation=trial.network.activation,
                transform_bias=self.transform_bias[name],
            ),
            optimiser=trial.optimiser,
            budget=BudgetConfig(epochs=self.epochs, batch_size=self.batch_size),
            seed=self.seed,
            order_seed=self.seed,
        )

    def analyses(self) -> list[AnalysisConfig]:
        """Return the gates of every run."""
        measure = GatesConfig(examples=self.examples, example=self.example)
        return [AnalysisConfig(run=run, measure=measure) for run in self.runs()]


class LesionProfile(Profile):
    """Parameters of `05_lesion`: P2 Fig. 4, on the networks of `04_gates`."""

    experiment: ClassVar[str] = "05_lesion"

    networks: str
    """Profile of the `04_gates` whose networks are lesioned."""

    def runs(self) -> list[RunConfig]:
        """Return the runs of `04_gates`."""
        return load_profile(self.networks, GatesProfile).runs()

    def analyses(self) -> list[AnalysisConfig]:
        """Return the lesions of every run."""
        return [AnalysisConfig(run=run, measure=LesionsConfig()) for run in self.runs()]


class VeryDeepProfile(Profile):
    """Parameters of `06_very_deep`: networks of 200 to more than 1,000 layers (P1 sec. 1 and 3.3, P2 sec. 2.2).

    All settings but depth and epochs are those of the best plain and the best highway network of
    `search_depth` layers of `01_depth`. At another depth or on other data than it was found with a network may
    diverge: then the next one of `highway_ranks` counts.
    """

    experiment: ClassVar[str] = "06_very_deep"

    data: list[ImageDataName] = Field(min_length=1)
    depths: dict[ImageDataName, list[Annotated[int, Field(ge=2, le=10_000)]]]
    """By data set."""
    epochs: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    plain_width: int = Field(default=71, ge=1)
    highway_width: int = Field(default=50, ge=1)
    checkpoint_every: int | None = Field(default=None, ge=1)
    seed: int = Field(default=0, ge=0)
    signal_examples: int = Field(default=1_000, ge=1)
    """Training examples on which gradients are measured."""
    cost_depths: list[Annotated[int, Field(ge=2, le=10_000)]]
    """Depths at which a training step's time and memory are measured, on the first data set."""
    cost_steps: int = Field(default=5, ge=1)
    search: str
    """Profile of the search whose best trials give the other settings."""
    search_depth: int = Field(default=100, ge=1)
    highway_ranks: dict[ImageDataName, list[Annotated[int, Field(ge=1)]]] = Field(default_factory=dict)
    """Which trials of highway networks, by data set; 1, the best one, by default. All are trained; of each depth the
    first that does not diverge is judged."""

    @model_validator(mode="after")
    def _depths_for_each(self) -> Self:
        for values in (self.data, self.cost_depths, *self.depths.values(), *self.highway_ranks.values()):
            _no_repetition(values)
        if missing := [name for name in self.data if not self.depths.get(name)]:
            raise ValueError(f"depths has none for {', '.join(missing)}")
        return self

    def runs(self) -> list[RunConfig]:
        """Return for every data set both kinds, every depth and rank, in this order."""
        return [
            self._run(name, kind, depth, self.checkpoint_every, rank)
            for name in self.data
            for kind in ("plain", "highway")
            for depth in self.depths[name]
            for rank in (self.highway_ranks.get(name) if kind == "highway" else None) or [1]
        ]

    def analyses(self) -> list[AnalysisConfig]:
        """Return the signal before and after training of every run, then the cost of a step, by depth.

        The cost of the deepest network is measured with activation checkpointing, too, of every so many
        blocks as the root of their number.
        """
        signals = [
            AnalysisConfig(run=run, measure=SignalConfig(trained=trained, examples=self.signal_examples))
            for run in self.runs()
            for trained in (False, True)
        ]
        measured = [(depth, None) for depth in self.cost_depths]
        if self.cost_depths:
            measured.append((max(self.cost_depths), round(max(self.cost_depths) ** 0.5)))
        costs = [
            AnalysisConfig(run=self._run(self.data[0], kind, depth, every), measure=CostConfig(steps=self.cost_steps))
            for kind in ("plain", "highway")
            for depth, every in measured
        ]
        return signals + costs

    def _run(
        self, data: ImageDataName, kind: Literal["plain", "highway"], depth: int, every: int | None, rank: int = 1
    ) -> RunConfig:
        trial = trial_of_search(self.search, kind, self.search_depth, rank)
        assert isinstance(trial.network, DenseConfig)
        return RunConfig(
            data=DataConfig(name=data),
            network=DenseConfig(
                kind=kind,
                depth=depth,
                width=self.highway_width if kind == "highway" else self.plain_width,
                activation=trial.network.activation,
                transform_bias=trial.network.transform_bias,
                checkpoint_every=every,
            ),
            optimiser=trial.optimiser,
            budget=BudgetConfig(epochs=self.epochs, batch_size=self.batch_size),
            seed=self.seed,
            order_seed=self.seed,
        )


class KerasLasagneProfile(Profile):
    """Parameters of `07_keras_vs_lasagne`: a factorial over what two implementations differ in (seed 000)."""

    experiment: ClassVar[str] = "07_keras_vs_lasagne"

    data: list[FeatureDataName] = Field(min_length=1)
    training_examples: int | None = Field(default=None, ge=1)
    """Of each data set, the first so many; all by default."""
    fraction: bool
    """Sixteen cells of the 128 of the levels as written, and two of other versions of Keras; otherwise all 193. See
    `highways.config.factorial`."""
    seeds: int = Field(default=3, ge=2)
    """Of initial weights and dropout; each is a whole factorial of its own. The batches come in one order for all."""
    epochs: int = Field(default=10, ge=2)
    """Keras's; Lasagne's 1 is read off the same curves, since nothing in training depends on how long it will last."""
    width: int = Field(default=32, ge=1)
    dropout: float = Field(default=0.04, ge=0, lt=1)

    @field_validator("data")
    @classmethod
    def _data(cls, values: list[Any]) -> list[Any]:
        return _no_repetition(values)

    def runs(self) -> list[RunConfig]:
        """Return every data set's cells, each with every seed."""
        return [
            run_of(cell, data, self.training_examples, self.epochs, self.width, self.dropout, seed)
            for data in self.data
            for cell in cells(self.fraction)
            for seed in range(self.seeds)
        ]

    def analyses(self) -> list[AnalysisConfig]:
        """Return a logistic regression on each data set."""
        levels = [LogisticConfig(data=data, training_examples=self.training_examples) for data in self.data]
        return [AnalysisConfig(measure=level) for level in levels]


class InitialisationProfile(Profile):
    """Parameters of `08_initialisation`: initial weights, by depth, and two questions about them (seed 001 a, c)."""

    experiment: ClassVar[str] = "08_initialisation"

    data: ImageDataName
    initialisations: list[Initialisation] = Field(min_length=1)
    depths: list[Annotated[int, Field(ge=1, le=10_000)]] = Field(min_length=1)
    width: int = Field(default=50, ge=1)
    activation: Literal["relu", "tanh"] = "relu"
    transform_bias: float = -2.0
    learning_rates: list[Annotated[float, Field(gt=0)]] = Field(min_length=1)
    """Each network is trained at each of these; the best run's training cross-entropy counts."""
    momentum: float = Field(default=0.9, ge=0, lt=1)
    epochs: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    seeds: int = Field(default=1, ge=1)
    signal_examples: int = Field(default=1_000, ge=1)
    draws: int = Field(default=20_000, ge=2)
    """Of the weights of one unit, for the variance of its input."""
    stuck_steps: int = Field(default=200, ge=1)
    """Of the network that learned nothing."""

    @field_validator("initialisations", "depths", "learning_rates")
    @classmethod
    def _lists(cls, values: list[Any]) -> list[Any]:
        return _no_repetition(values)

    def runs(self) -> list[RunConfig]:
        """Return both kinds, every depth, initialisation, rate and seed, in this order."""
        return [
            self._run(kind, depth, initialisation, rate, seed)
            for kind in ("plain", "highway")
            for depth in self.depths
            for initialisation in self.initialisations
            for rate in self.learning_rates
            for seed in range(self.seeds)
        ]

    def analyses(self) -> list[AnalysisConfig]:
        """Return the signal before training of every network that has blocks, then the two studies."""
        untrained = [
            run
            for run in self.runs()
            if (run.optimiser.learning_rate, run.seed) == (self.learning_rates[0], 0) and run.network.depth > 1
        ]
        measure = SignalConfig(trained=False, examples=self.signal_examples)
        studies = [VarianceConfig(draws=self.draws), StuckConfig(steps=self.stuck_steps)]
        return [AnalysisConfig(run=run, measure=measure) for run in untrained] + [
            AnalysisConfig(measure=study) for study in studies
        ]

    def _run(
        self,
        kind: Literal["plain", "highway"],
        depth: int,
        initialisation: Initialisation,
        rate: float,
        seed: int,
    ) -> RunConfig:
        return RunConfig(
            data=DataConfig(name=self.data),
            network=DenseConfig(
                kind=kind,
                depth=depth,
                width=self.width,
                activation=self.activation,
                transform_bias=self.transform_bias if kind == "highway" else None,
                initialisation=initialisation,
            ),
            optimiser=SGDConfig(learning_rate=rate, momentum=self.momentum),
            budget=BudgetConfig(epochs=self.epochs, batch_size=self.batch_size),
            seed=seed,  # one order for all, so that all train together
        )


class ParityProfile(Profile):
    """Parameters of `09_l2_parity`: NumPy beside PyTorch with Keras's penalty (seed 004)."""

    experiment: ClassVar[str] = "09_l2_parity"

    data: ImageDataName
    examples: int | None = Field(default=None, ge=10)
    hidden: int = Field(default=30, ge=1)
    steps: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    decay: float = Field(gt=0)
    """Lambda."""
    loop_examples: int = Field(default=500, ge=1)

    def analyses(self) -> list[AnalysisConfig]:
        """Return the one study."""
        names = ("data", "examples", "hidden", "steps", "learning_rate", "decay", "loop_examples")
        return [AnalysisConfig(measure=ParityConfig(**{name: getattr(self, name) for name in names}))]


class FoundationsProfile(Profile):
    """Parameters of `10_foundations`: four small questions of seed 001 (b, d, e, f)."""

    experiment: ClassVar[str] = "10_foundations"

    data: ImageDataName
    """Of the two heads."""
    labelled: int = Field(default=100, ge=10)
    seeds: int = Field(default=5, ge=2)
    steps: int = Field(ge=1)
    """Of the two heads."""
    recurrence_steps: int = Field(ge=1)
    dropout_draws: int = Field(default=2_000, ge=2)

    def analyses(self) -> list[AnalysisConfig]:
        """Return the four studies."""
        studies = (
            PerceptronConfig(),
            DropoutConfig(draws=self.dropout_draws),
            RecurrenceConfig(steps=self.recurrence_steps),
            TwoHeadsConfig(data=self.data, labelled=self.labelled, seeds=self.seeds, steps=self.steps),
        )
        return [AnalysisConfig(measure=study) for study in studies]


class ReportProfile(Profile):
    """Parameters of `99_report`."""

    experiment: ClassVar[str] = "99_report"


PROFILE_SCHEMAS: dict[str, type[Profile]] = {
    schema.experiment: schema
    for schema in (
        DepthProfile,
        BiLSTMProfile,
        ConvProfile,
        GatesProfile,
        LesionProfile,
        VeryDeepProfile,
        KerasLasagneProfile,
        InitialisationProfile,
        ParityProfile,
        FoundationsProfile,
        ReportProfile,
    )
}

EXPLORE = "explore"
"""Profile of what is tried out in a notebook with other parameters than a profile file's."""

P = TypeVar("P", bound=Profile)


def profile_path(profile: str, notebook: str) -> Path:
    """Return the path of a notebook's parameters in a profile."""
    return paths.root() / "profiles" / profile / f"{notebook}.yaml"


def profile_names() -> list[str]:
    """Return the profiles that there are."""
    return sorted(folder.name for folder in (paths.root() / "profiles").iterdir() if folder.is_dir())


def load_profile(profile: str, schema: type[P]) -> P:
    """Read and check the parameters of one notebook.

    Raises:
        HighwaysError: No such profile, or a key or value at fault; one line that names it.
    """
    if profile not in profile_names():
        raise HighwaysError(f"no profile {profile!r}; there are: {', '.join(profile_names())}")
    path = profile_path(profile, schema.experiment)
    where = str(path.relative_to(paths.root()))
    settings = validate(schema, read_yaml(path), where)
    if settings.profile != profile:
        raise HighwaysError(f"{where}: key 'profile' must be {profile!r}, found {settings.profile!r}")
    return settings


def active_profiles() -> list[str]:
    """Return the profiles that `dvc repro` runs: `active` in `params.yaml`.

    Raises:
        HighwaysError: The file or a name in it is at fault.
    """
    content = validate(_Parameters, read_yaml(paths.root() / "params.yaml"), "params.yaml")
    _check_names(content.active)
    return content.active


def use_profiles(names: list[str]) -> None:
    """Make `names` the active profiles; the file is written only if that changes something.

    Raises:
        HighwaysError: There is no such profile.
    """
    _check_names(names)
    path = paths.root() / "params.yaml"
    text = path.read_text(encoding="utf-8")
    head = list(itertools.takewhile(lambda line: line.startswith("#"), text.splitlines()))
    new = "\n".join([*head, f"active: [{', '.join(names)}]"]) + "\n"
    if new != text:
        path.write_text(new, encoding="utf-8")


class _Parameters(Strict):
    active: list[str] = Field(min_length=1)


def _check_names(names: list[str]) -> None:
    for name in names:
        if name not in profile_names():
            raise HighwaysError(f"no profile {name!r}; there are: {', '.join(profile_names())}")
