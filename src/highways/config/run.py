"""`RunConfig`: everything that decides the result of one training run.

Settings that do not decide it (device, engine, threads, how many runs are trained together) are not here; the record
states them instead.
"""

import hashlib
import json
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, Tag, model_validator

from highways.config.base import BatchSize, Count, Depth, Epochs, Network, Seed, Strict, Width, tagged_union
from highways.config.conv import ConvConfig
from highways.config.data import DataConfig

Initialisation = Literal["he_normal", "zeros", "normal", "normal_fan_in", "glorot_uniform", "orthogonal"]
"""`he_normal`: N(0, 2 / fan-in) (He et al. 2015); `normal`: N(0, 1); `normal_fan_in`: N(0, 1 / fan-in);
`glorot_uniform`: uniform within +-sqrt(6 / (fan-in + fan-out)) (Glorot and Bengio 2010); `orthogonal`: orthonormal
rows or columns (Saxe et al. 2014)."""


class DenseConfig(Network):
    """A fully-connected network: a plain layer to `width`, `depth - 1` further layers, a softmax.

    Source: P1 sec. 3.1 and P2 sec. 3.1. As there, `depth` does not count the softmax layer.
    """

    optimisers: ClassVar[tuple[str, ...]] = ("sgd", "adagrad", "adadelta")
    reads: ClassVar[Literal["flat", "pictures", "text"]] = "flat"
    tolerance: ClassVar[float] = 1e-5  # 1e-6 measured, with 10 highway layers

    family: Literal["dense"] = "dense"
    kind: Literal["plain", "highway"]
    depth: Depth
    width: Width
    activation: Literal["relu", "tanh"] = "relu"
    transform_bias: float | None = None
    """Initial bias of the transform gates; required for highway networks, and only for them."""
    initialisation: Initialisation = "he_normal"
    """Initialisation of all weights; P1 sec. 3.1 uses He's. Biases start at 0."""
    block_initialisation: Initialisation | None = None
    """Initialisation of the blocks' weights, if it differs: in the Keras/Lasagne question, Lasagne's highway layers
    were orthogonal, and the layers around them Glorot-uniform."""
    first_activation: Literal["linear", "relu", "tanh"] | None = None
    """Activation of the first layer; by default `activation`. The question's Keras network starts with a linear one."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Inverted dropout after the first layer and after every block, and once more before the read-out, as in both
    networks of the Keras/Lasagne question."""
    checkpoint_every: Count | None = None
    """Activation checkpointing, for depths that would not fit in memory: for each group of this many blocks, only the
    input of the first is kept for the backward pass, and the rest is recomputed. Results are identical."""

    def slug_parts(self, optimiser: str) -> list[str]:
        drawn = self.initialisation if self.initialisation != "he_normal" else None
        first = f"{self.first}-first" if self.first != self.activation else None
        parts = [self.activation, drawn, self.block_initialisation, first, optimiser if optimiser != "sgd" else None]
        return [part.replace("_", "-") for part in parts if part is not None]

    @property
    def first(self) -> Literal["linear", "relu", "tanh"]:
        """Activation of the first layer."""
        return self.first_activation or self.activation

    @property
    def work(self) -> float:
        return self.depth * self.width**2 * (2 if self.kind == "highway" else 1)


BiLSTMKind = Literal["plain", "highway-article", "highway-described", "highway-released", "highway", "plain-matched"]
"""See `highways.nn.bilstm`, which describes each kind."""


class BiLSTMConfig(Network):
    """A stack of bidirectional LSTMs over word vectors, the maximum over time, and a linear read-out.

    Source: the Highway BiLSTM article and its repository; `highways.nn.bilstm` describes the kinds.
    """

    optimisers: ClassVar[tuple[str, ...]] = ("sgd", "adam")
    reads: ClassVar[Literal["flat", "pictures", "text"]] = "text"
    tolerance: ClassVar[float] = 1e-4  # 2e-9 measured, with 2 layers

    family: Literal["bilstm"]
    kind: BiLSTMKind
    depth: int = Field(ge=1, le=1_000)
    """Number of stacked BiLSTMs."""
    hidden: Width
    """Units of each direction."""
    embedding: Width
    """Width of the word vectors."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Dropout of the word vectors."""
    transform_bias: float | None = None
    """Initial bias of the transform gates; required for `highway`, and only for it: the sources' kinds draw it like any
    other bias."""
    padding: Literal["none", "seen"] = "none"
    """`seen`: batches mix lengths and are padded to the longest sentence; the LSTMs and the maximum see the padding, as
    in the released code. `highway-released` only."""

    @model_validator(mode="after")
    def _options_where_they_belong(self) -> "BiLSTMConfig":
        if self.padding == "seen" and self.kind != "highway-released":
            raise ValueError("padding 'seen' is an option of the kind 'highway-released'")
        return self

    def slug_parts(self, optimiser: str) -> list[str]:
        return [f"h{self.hidden}" + ("-padded" if self.padding == "seen" else "")]

    @property
    def width(self) -> int:
        """Units of each direction, equal to `hidden`."""
        return self.hidden

    @property
    def work(self) -> float:
        return self.depth * self.hidden**2 + 1


class BagOfWordsConfig(Network):
    """Logistic regression on word counts: the baseline that a sequence model must beat."""

    optimisers: ClassVar[tuple[str, ...]] = ("sgd", "adam")
    reads: ClassVar[Literal["flat", "pictures", "text"]] = "text"
    tolerance: ClassVar[float] = 1e-5

    family: Literal["bag-of-words"]
    kind: Literal["bag-of-words"] = "bag-of-words"

    depth: ClassVar[int] = 0
    width: ClassVar[int] = 0
    transform_bias: ClassVar[None] = None


NetworkConfig = Annotated[
    Annotated[DenseConfig, Tag("dense")]
    | Annotated[BiLSTMConfig, Tag("bilstm")]
    | Annotated[BagOfWordsConfig, Tag("bag-of-words")]
    | Annotated[ConvConfig, Tag("conv")],
    tagged_union("family", default="dense"),
]


class SGDConfig(Strict):
    """Stochastic gradient descent with momentum: v = momentum * v + g; w = w - rate * v."""

    kind: Literal["sgd"] = "sgd"
    learning_rate: float = Field(gt=0)
    """Learning rate of the first epoch."""
    momentum: float = Field(default=0.0, ge=0, lt=1)
    decay: float = Field(default=1.0, gt=0, le=1)
    """Factor of the learning rate from one epoch to the next (exponential decay)."""


class AdamConfig(Strict):
    """Adam (Kingma and Ba 2015), with moment decays 0.9 and 0.999."""

    kind: Literal["adam"]
    learning_rate: float = Field(gt=0)
    weight_decay: float = Field(default=0.0, ge=0)
    """Multiplied by the weight and added to the gradient."""
    clip_norm: float | None = Field(default=None, gt=0)
    """Largest norm of the whole gradient, which is clipped to it."""
    epsilon: float = Field(default=1e-8, gt=0)
    """Keras uses 1e-7."""


class CaffeConfig(Strict):
    """Nesterov's accelerated gradient with a stepwise learning rate, as in the authors' Caffe solvers.

    Weight decay is added to the gradients of weights, not of biases; the classifier's weights have `classifier_decay`
    times as much decay, and biases `bias_rate` times the learning rate. Our velocity is in units of the gradient,
    Caffe's in units of the update: for some updates after the rate drops, ours are smaller.

    Source: examples/*/solver.prototxt and network.prototxt of flukeskywalker/highway-networks.
    """

    kind: Literal["caffe"]
    learning_rate: float = Field(gt=0)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    milestones: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = ()
    """Points at which the rate is multiplied by `factor`, as fractions of the whole training."""
    factor: float = Field(default=0.1, gt=0, le=1)
    weight_decay: float = Field(default=1e-3, ge=0)
    classifier_decay: float = Field(default=10.0, ge=0)
    bias_rate: float = Field(default=2.0, ge=0)


class AdagradConfig(Strict):
    """Adagrad (Duchi et al. 2011): w = w - rate * g / (sqrt(s) + epsilon), where s is the sum of all g^2.

    The defaults are those of Keras 1.0.3 to 1.2.2. Keras 1.0.0 to 1.0.2 divide by sqrt(s + 1e-6), which is `epsilon` 0
    and `initial_accumulator` 1e-6 (their `keras/optimizers.py`): while gradients are small, so are the steps.
    """

    kind: Literal["adagrad"]
    learning_rate: float = Field(default=0.01, gt=0)
    epsilon: float = Field(default=1e-8, ge=0)
    initial_accumulator: float = Field(default=0.0, ge=0)
    """Initial value of s."""


class AdadeltaConfig(Strict):
    """Adadelta (Zeiler 2012): steps scale with recent steps, by root mean squares that decay with `rho`."""

    kind: Literal["adadelta"]
    learning_rate: float = Field(default=1.0, gt=0)
    """Lasagne's default, like the other defaults."""
    rho: float = Field(default=0.95, gt=0, lt=1)
    epsilon: float = Field(default=1e-6, gt=0)


OptimiserConfig = Annotated[
    Annotated[SGDConfig, Tag("sgd")]
    | Annotated[AdamConfig, Tag("adam")]
    | Annotated[CaffeConfig, Tag("caffe")]
    | Annotated[AdagradConfig, Tag("adagrad")]
    | Annotated[AdadeltaConfig, Tag("adadelta")],
    tagged_union("kind", default="sgd"),
]


class BudgetConfig(Strict):
    """How long a run is trained, and with which batches."""

    epochs: Epochs
    batch_size: BatchSize
    """Some batches may be smaller; no example is left out."""
    shuffle: bool = True
    """Use a new random order every epoch, or else the data's own. Texts and pictures are always shuffled."""
    snapshot_steps: Count | None = None
    """Also measure development and test accuracy each time this many steps have passed; texts only."""
    schedule_epochs: Epochs | None = None
    """Length of the learning rate's schedule, if training stops before its end; by default `epochs`."""

    @model_validator(mode="after")
    def _schedule_is_long_enough(self) -> "BudgetConfig":
        if self.scheduled < self.epochs:
            raise ValueError(f"schedule_epochs is {self.scheduled}, below the {self.epochs} epochs of the training")
        return self

    @property
    def scheduled(self) -> int:
        """Epochs of the whole schedule of the learning rate."""
        return self.schedule_epochs or self.epochs


class RunConfig(Strict):
    """One training run, as a value: equal configurations give equal results."""

    data: DataConfig
    network: NetworkConfig
    optimiser: OptimiserConfig
    budget: BudgetConfig
    seed: Seed = 0
    """Seed of the initial weights and of dropout."""
    order_seed: Seed = 0
    """Seed of the order of the examples."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """`bfloat16`: products in bfloat16, weights and sums in float32; convolutional networks only."""

    @model_validator(mode="after")
    def _parts_fit(self) -> "RunConfig":
        network, family, name = self.network, self.network.family, self.data.name
        if network.reads not in self.data.reads:
            raise ValueError(f"a network of family {family!r} cannot be trained on {name!r}")
        if (network.reads == "pictures") != (self.data.pictures is not None):
            raise ValueError("data.pictures belongs to convolutional networks, which need it, and to no others")
        if self.precision != "float32" and network.reads != "pictures":
            raise ValueError("precision 'bfloat16' is for convolutional networks")
        if network.reads != "text" and (self.data.vectors or self.budget.snapshot_steps):
            raise ValueError(f"data.vectors and budget.snapshot_steps are for texts, and {name!r} is none")
        if network.reads != "flat" and (self.data.training_examples or not self.budget.shuffle):
            raise ValueError("data.training_examples and budget.shuffle are for dense networks")
        if self.optimiser.kind not in network.optimisers:
            named = ", ".join(map(repr, network.optimisers))
            raise ValueError(f"networks of family {family!r} are trained with {named}, not {self.optimiser.kind!r}")
        return self

    def key(self, fingerprint: str) -> str:
        """Return the run's key: a readable slug, and a hash of the configuration, the data and the numerics version.

        Fields with their default value are left out, so that a field added later, whose default is the earlier
        behaviour, does not change the keys of finished runs. (The tag of a kind that joins a union later, such as a new
        optimiser's, has no default: otherwise two kinds would share a key.) `fingerprint` is the data's, from
        `highways.data.fingerprint`.
        """
        places = {"vectors": True, "own": {"file": True}}  # the files' content enters the fingerprint
        config = self.model_dump(mode="json", exclude_defaults=True, exclude={"data": places})
        network = self.network
        content = {"config": config, "data": fingerprint, "family": network.family, "numerics": network.numerics}
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        digest = hashlib.sha256(text.encode()).hexdigest()[:12]
        parts = [network.shown_as, f"d{network.depth:03d}", self.data.name, *network.slug_parts(self.optimiser.kind)]
        bias = f"b{network.transform_bias:.2g}" if network.transform_bias is not None else ""
        order = "" if self.budget.shuffle else "in-order"
        parts += [f"lr{self.optimiser.learning_rate:.2g}", bias, order, f"s{self.seed}", digest]
        return "-".join(filter(None, parts))

    def flat(self) -> dict[str, Any]:
        """Return the configuration as a flat mapping with `section.field` keys (MLflow parameters)."""
        flat: dict[str, Any] = {}
        for name, value in self.model_dump(mode="json").items():
            flat |= {f"{name}.{key}": one for key, one in value.items()} if isinstance(value, dict) else {name: value}
        return flat
