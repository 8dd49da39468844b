"""Analyses of networks, as values: what is measured, and of which run; and studies, which have no run."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import Field, Tag

from highways.config.base import Strict, tagged_union
from highways.config.run import DataConfig, FeatureDataName, ImageDataName, RunConfig

VERSIONS: dict[str, int] = {
    "gates": 1,
    "lesions": 1,
    "signal": 1,
    "cost": 2,
    "logistic": 1,
    "variance": 1,
    "stuck": 2,
    "parity": 2,
    "perceptron": 2,
    "dropout": 2,
    "recurrence": 2,
    "two-heads": 2,
    "small-net": 1,
    "saturation": 1,
}
"""Version of each kind of analysis. Raise one by hand when a change alters its results."""


class GatesConfig(Strict):
    """Transform gates of a highway network: biases, means over examples, one example (P1 Fig. 2, P2 Figs. 2, 3)."""

    kind: Literal["gates"] = "gates"
    examples: int = Field(default=10_000, ge=1)
    """The first of the training set, over which gates are averaged; all of it where it has fewer."""
    example: int = Field(default=0, ge=0)
    """Number of the training example whose gates and block outputs are kept."""


class LesionsConfig(Strict):
    """Every block's gate closed, one at a time, over the whole training set (P2 sec. 4.2, Fig. 4).

    Of convolutional networks, over the first 10,000 training images, as their curves.
    """

    kind: Literal["lesions"] = "lesions"


class SignalConfig(Strict):
    """Size of outputs and of gradients, layer by layer."""

    kind: Literal["signal"] = "signal"
    trained: bool
    """With the final weights, or with the initial ones."""
    examples: int = Field(default=1_000, ge=1)
    """The first of the training set."""


class CostConfig(Strict):
    """Time and memory of a training step of the run; nothing needs to be trained for it."""

    kind: Literal["cost"] = "cost"
    steps: int = Field(default=5, ge=1)
    """Timed, after one to warm up; the fastest counts."""


class LogisticConfig(Strict):
    """Logistic regression, the level to beat (the Keras/Lasagne question)."""

    kind: Literal["logistic"] = "logistic"
    data: FeatureDataName
    training_examples: int | None = Field(default=None, ge=1)
    """The first so many; all by default."""


class VarianceConfig(Strict):
    """Variance of z = w x + b for one example, over draws of the weights (the initialisation questions, a)."""

    kind: Literal["variance"] = "variance"
    inputs: int = Field(default=1_000, ge=1)
    active: int = Field(default=500, ge=1)
    """So many inputs are 1, the others 0."""
    draws: int = Field(default=20_000, ge=2)
    seed: int = Field(default=0, ge=0)


class StuckConfig(Strict):
    """The network that learned nothing, on boolean features made for it (the initialisation questions, c), and its faults one by one.

    Rate, range of the output weights, batches and steps are the source's; sizes and data are ours.
    """

    kind: Literal["stuck"] = "stuck"
    features: int = Field(default=512, ge=1)
    hidden: int = Field(default=256, ge=1)
    examples: int = Field(default=2_000, ge=10)
    subset: int = Field(default=20, ge=2)
    """Size of the subset of the answer's advice: can it be overfitted?"""
    steps: int = Field(default=500, ge=1)
    batch_size: int = Field(default=300, ge=1)
    learning_rate: float = Field(default=0.005, gt=0)
    healthy_rate: float = Field(default=0.05, gt=0)
    """Of the healthy network, which has each fault alone; ours, as its steps."""
    healthy_steps: int = Field(default=2_000, ge=1)
    output_range: float = Field(default=2 / 512, gt=0)
    """Output weights are uniform from the negative of this to this."""
    seed: int = Field(default=0, ge=0)


class SmallNetConfig(Strict):
    """A 7-4-2-1 network of rectified units, from several initialisations (the initialisation questions, its first question).

    The question's data and settings are not known; all but the network are ours.
    """

    kind: Literal["small-net"] = "small-net"
    examples: int = Field(default=500, ge=10)
    """To train on, all in one batch."""
    test_examples: int = Field(default=2_000, ge=10)
    steps: int = Field(default=1_000, ge=1)
    learning_rate: float = Field(default=0.1, gt=0)
    """Of gradient descent."""
    seeds: int = Field(default=30, ge=2)
    """How many; each draws weights, the task is one."""
    seed: int = Field(default=0, ge=0)
    """Of the task."""


class SaturationConfig(Strict):
    """A network of one hidden layer of sigmoids, from N(0, 1) and from N(0, 1 / n) weights (the initialisation questions, a)."""

    kind: Literal["saturation"] = "saturation"
    data: ImageDataName
    hidden: int = Field(default=30, ge=1)
    batch_size: int = Field(default=10, ge=1)
    learning_rate: float = Field(default=0.1, gt=0)
    """Of gradient descent."""
    steps: int = Field(default=6_000, ge=1)
    """At most one epoch's."""
    examples: int = Field(default=1_000, ge=1)
    """The first of the training set, on which activations, gradients and losses are measured."""
    seeds: int = Field(default=5, ge=2)
    """How many; each draws weights and the order of the examples."""


class ParityConfig(Strict):
    """A network written from scratch in NumPy beside the same one in PyTorch, with weight decay (the NumPy/Keras question)."""

    kind: Literal["parity"] = "parity"
    data: ImageDataName
    examples: int | None = Field(default=None, ge=10)
    """The first of the training set; all by default."""
    hidden: int = Field(default=30, ge=1)
    steps: int = Field(default=100, ge=1)
    """Of full-batch gradient descent."""
    learning_rate: float = Field(default=1.0, gt=0)
    decay: float = Field(default=0.01, gt=0)
    """Lambda."""
    adam_rate: float = Field(default=0.01, gt=0)
    """Of the pair that Adam trains."""
    loop_examples: int = Field(default=500, ge=1)
    """Examples on which the source's loop is timed beside the vectorised step."""


class PerceptronConfig(Strict):
    """One unit on five points, trained for squared error, and how many of them it gets right (the initialisation questions, b)."""

    kind: Literal["perceptron"] = "perceptron"
    learning_rate: float = Field(default=0.01, gt=0)
    """The source's, as are the steps."""
    steps: int = Field(default=10_000, ge=1)
    starts: int = Field(default=500, ge=1)
    """Initial states, drawn from N(0, 1)."""
    seed: int = Field(default=0, ge=0)


class DropoutConfig(Strict):
    """Sum of a linear unit under inverted dropout, all inputs one (the initialisation questions, d)."""

    kind: Literal["dropout"] = "dropout"
    keep: tuple[Annotated[float, Field(gt=0, le=1)], ...] = (1.0, 0.7, 0.5, 0.3)
    """Probabilities of keeping an input."""
    inputs: int = Field(default=1_000_000, ge=1)
    """As many weights, drawn from N(0, 1); the source's number, as are the draws."""
    draws: int = Field(default=1_000, ge=2)
    seed: int = Field(default=0, ge=0)


class RecurrenceConfig(Strict):
    """An LSTM that learns x + 1 below 10, else sin(x), one window a step (the initialisation questions, e)."""

    kind: Literal["recurrence"] = "recurrence"
    examples: int = Field(default=1_000, ge=10)
    length: int = Field(default=5, ge=1)
    """Numbers that the network sees before it predicts the next one."""
    hidden: int = Field(default=32, ge=1)
    steps: int = Field(default=1_000, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    """Of Adam; the question's."""
    seeds: int = Field(default=5, ge=2)
    """How many; each draws weights and the order of the windows."""
    seed: int = Field(default=0, ge=0)
    """Of the windows."""


class TwoHeadsConfig(Strict):
    """One encoder with a classifier and a decoder, on partly labelled data (the initialisation questions, f)."""

    kind: Literal["two-heads"] = "two-heads"
    data: ImageDataName
    labelled: int = Field(default=100, ge=10)
    """Training examples that have a label."""
    hidden: int = Field(default=64, ge=1)
    steps: int = Field(default=500, ge=1)
    batch_size: int = Field(default=100, ge=10)
    labelled_of_batch: int = Field(default=10, ge=1)
    """So many rows of each batch have a label."""
    learning_rate: float = Field(default=1e-3, gt=0)
    """Of RMSprop; the optimiser is the question's, the rate Keras's default."""
    seeds: int = Field(default=5, ge=2)
    """How many; each draws labels, weights and batches."""


class AnalysisConfig(Strict):
    """One analysis of one run, or a study, which needs none."""

    run: RunConfig | None = None
    measure: Annotated[
        Annotated[GatesConfig, Tag("gates")]
        | Annotated[LesionsConfig, Tag("lesions")]
        | Annotated[SignalConfig, Tag("signal")]
        | Annotated[CostConfig, Tag("cost")]
        | Annotated[LogisticConfig, Tag("logistic")]
        | Annotated[VarianceConfig, Tag("variance")]
        | Annotated[StuckConfig, Tag("stuck")]
        | Annotated[ParityConfig, Tag("parity")]
        | Annotated[PerceptronConfig, Tag("perceptron")]
        | Annotated[DropoutConfig, Tag("dropout")]
        | Annotated[RecurrenceConfig, Tag("recurrence")]
        | Annotated[TwoHeadsConfig, Tag("two-heads")]
        | Annotated[SmallNetConfig, Tag("small-net")]
        | Annotated[SaturationConfig, Tag("saturation")],
        tagged_union("kind", default="gates"),
    ]

    @property
    def needs_weights(self) -> bool:
        """Tell whether the run must have been trained; one that diverged has no weights to analyse."""
        if isinstance(self.measure, SignalConfig):
            return self.measure.trained
        return isinstance(self.measure, GatesConfig | LesionsConfig)

    @property
    def data(self) -> DataConfig | None:
        """The data set, `None` where the study makes its own examples."""
        if self.run is not None:
            return self.run.data
        if isinstance(self.measure, LogisticConfig):
            return DataConfig(name=self.measure.data, training_examples=self.measure.training_examples)
        own = isinstance(self.measure, ParityConfig | TwoHeadsConfig | SaturationConfig)
        return DataConfig(name=self.measure.data) if own else None  # type: ignore[union-attr]

    @property
    def numerics(self) -> int | None:
        """Numerics version of the run's network."""
        return None if self.run is None else self.run.numerics

    @property
    def label(self) -> str:
        """What tells the analyses of one run apart, for people."""
        if isinstance(self.measure, SignalConfig):
            return "signal_trained" if self.measure.trained else "signal_initial"
        return self.measure.kind

    @property
    def version(self) -> int:
        """Version of this kind of analysis."""
        return VERSIONS[self.measure.kind]

    def key(self, fingerprint: str) -> str:
        """Return the analysis's key: its kind, a hash, and the key of its run.

        As in a run's key, a field that has its default value does not enter.

        Args:
            fingerprint: That of the data (`highways.data.fingerprint`); empty where there is none.
        """
        measure = {"kind": self.measure.kind} | self.measure.model_dump(exclude_defaults=True)
        content: dict[str, Any] = {"measure": measure, "version": self.version}
        if self.run is None and fingerprint:
            content["data"] = fingerprint
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
        if self.run is None:
            return f"{self.measure.kind}-{digest[:12]}"
        return f"{self.measure.kind}-{digest[:6]}-{self.run.key(fingerprint)}"
