"""Convolutional networks (P1 Table 1, P2 Tables 1 to 3, the Keras convolution post): parameters and runs."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, field_validator

from highways.config.base import Epochs, Strict, Trials, no_repetition
from highways.config.conv import NETWORKS, ConvConfig
from highways.config.profiles import Profile
from highways.config.run import (
    AdamConfig,
    BudgetConfig,
    CaffeConfig,
    DataConfig,
    ImageDataName,
    PicturesConfig,
    RunConfig,
)

Precision = Literal["float32", "bfloat16"]


class ConvTraining(Strict):
    """Which convolutional network is trained on what, for how long, how often."""

    network: str
    """A name in `highways.config.conv.NETWORKS`."""
    data: ImageDataName
    epochs: Epochs
    runs: Trials
    """Seeds 0, 1, ...: each draws weights, dropout, order and augmentation."""
    precision: Precision | None = None
    """By default the profile's."""

    @field_validator("network")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in NETWORKS:
            raise ValueError(f"no such network; there are: {', '.join(NETWORKS)}")
        return name


class ConvProfile(Profile):
    """Parameters of `03_conv`: the convolutional networks of P1 Table 1, P2 Tables 1 to 3, the Keras convolution post.

    How a network is trained follows from what it is and from the data (`recipe`): as the authors' released
    solvers say, on MNIST for 300 and on CIFAR for 400 epochs; with fewer epochs the schedule keeps its shape.
    """

    experiment: ClassVar[str] = "03_conv"

    trainings: list[ConvTraining] = Field(min_length=1)
    precision: Precision = "float32"

    @field_validator("trainings")
    @classmethod
    def _trainings(cls, trainings: list[ConvTraining]) -> list[ConvTraining]:
        pairs = [f"{training.network} on {training.data}" for training in trainings]
        no_repetition(pairs)
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
            precision=training.precision or self.precision,
        )


def recipe(name: str, data: ImageDataName) -> tuple[ConvConfig, PicturesConfig, CaffeConfig | AdamConfig, int]:
    """Return how a network is trained on a data set: the network, the pictures, the optimiser, the batch size.

    The networks of P1 Table 1 and P2 Table 2 (A, 2, C, 3, 4, their plain twins, the Fitnets) have translations only,
    Highway 3 and 4 the first 40,000 images only, as the papers say; the others mirror images, too, as released.

    Source: examples/*/solver.prototxt and network.prototxt of flukeskywalker/highway-networks (rate .01 with
    steps at 1/3 and 2/3 on MNIST; .025 with steps at 1/2, 3/4 and 7/8 on CIFAR; batches of 100); the Keras
    convolution post (Adam with Keras's settings, batches of 32, pixels from 0 to 255).
    """
    network = NETWORKS[name]
    if name in ("keras-post", "seed-003"):
        adam = AdamConfig(kind="adam", learning_rate=1e-3, epsilon=1e-7 if name == "keras-post" else 1e-8)
        return network, PicturesConfig(scale=1.0), adam, 32
    if data in ("cifar10", "cifar100"):
        kind = name.removeprefix("highway-").removeprefix("plain-")
        pictures = PicturesConfig(
            scale=1 / 255,
            contrast=True,
            mean_image=True,
            pad=8,
            mirror=kind not in ("2", "a", "c", "3", "4", "fitnet-1", "fitnet-4"),
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
