"""Convolutional networks as data: short lists of stages, and the named networks of the papers.

The authors released three networks (Caffe, flukeskywalker/highway-networks at commit 87d1c8d). Where only the
number of layers and of parameters is published, `NETWORKS` says which of the lists that fit was chosen.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from highways.config.base import Network, Strict, Width

Window = Annotated[int, Field(ge=1, le=256)]
"""Pixels on a side: of a kernel, of pooling."""


class StageConfig(Strict):
    """A stage: a convolution that changes the width, blocks that keep it, pooling, dropout."""

    width: Width
    """Channels."""
    entry: Window | None = 3
    """Kernel of the plain convolution that opens the stage; `None`: there is none, the width stays."""
    entry_padding: Literal["same", "none"] = "same"
    blocks: int = Field(ge=0, le=1_000)
    """Highway layers or, in a plain network, plain ones."""
    kernels: tuple[Window, ...] = Field(default=(3,), min_length=1)
    """Of the blocks, in turn."""
    pool: Window | None = None
    """Window of the maximum that closes the stage."""
    pool_stride: Window | None = None
    """By default the window's size."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Behind the pooling."""


class ConvConfig(Network):
    """A convolutional network: stages, then a head.

    Source: P1 Table 1, P2 Tables 1 to 3 and their authors' release; the Keras convolution post.
    """

    optimisers: ClassVar[tuple[str, ...]] = ("sgd", "adam", "caffe")
    reads: ClassVar[Literal["flat", "pictures", "text"]] = "pictures"
    tolerance: ClassVar[float] = 0.1  # 0.03 measured, with Adam

    family: Literal["conv"]
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    """Such as `highway-b`; see `NETWORKS`. It begins the names of the runs' files."""
    kind: Literal["plain", "highway"]
    stages: tuple[StageConfig, ...] = Field(min_length=1)
    transform_bias: float | None = None
    """Initial bias of the transform gates; highway networks only, and there it must be given."""
    activation: Literal["relu", "maxout"] = "relu"
    """Of all convolutions and hidden layers but gates; `maxout` is the maximum of two of them."""
    input_dropout: float = Field(default=0.0, ge=0, lt=1)
    pool_rounding: Literal["up", "down"] = "up"
    """Whether pooling windows may reach over the edge, as Caffe has it."""
    one_by_one: Width | None = None
    """Width of a 1x1 convolution after the stages."""
    head: Literal["flatten", "average", "convolution"] = "flatten"
    """What the classifier sees: all positions, or their mean; or it is a 1x1 convolution, averaged itself."""
    head_dropout: float = Field(default=0.0, ge=0, lt=1)
    """Before the classifier and any hidden layers."""
    hidden: tuple[Width, ...] = ()
    """Widths of fully-connected layers before the classifier."""
    hidden_dropout: float = Field(default=0.0, ge=0, lt=1)
    """Behind each of them."""
    initialisation: Literal["he_normal", "glorot_uniform"] = "he_normal"
    """Of weights. The release's filler is called "xavier", but is patched to N(0, 2 / fan-in)."""
    first_std: float | None = Field(default=None, gt=0)
    """Deviation of the first convolution's weights, where it is another.

    In the released CIFAR networks a Gaussian filler is given `value: 0.05`, which that filler does not
    read: its deviation is the default, 1. That is what was trained; 0.05 is probably what was meant."""
    classifier_std: float | None = Field(default=None, gt=0)
    """Deviation of the classifier's weights, where it is another."""

    @model_validator(mode="after")
    def _fits(self) -> "ConvConfig":
        for number, (before, stage) in enumerate(zip(self.stages, self.stages[1:], strict=False), start=2):
            if stage.entry is None and stage.width != before.width:
                change = f"from {before.width} to {stage.width}"
                raise ValueError(f"stage {number}: the width changes {change} without a convolution at its entry")
        return self

    @property
    def depth(self) -> int:
        """Number of layers with weights, the classifier counted, as the papers count."""
        stages = sum(stage.blocks + (stage.entry is not None) for stage in self.stages)
        return stages + (self.one_by_one is not None) + len(self.hidden) + 1

    @property
    def shown_as(self) -> str:
        """See `Network`."""
        return self.name

    @property
    def width(self) -> int:
        """Channels of the first stage."""
        return self.stages[0].width

    @property
    def work(self) -> float:
        """See `Network`."""
        gates = 2 if self.kind == "highway" else 1
        return sum(gates * (stage.blocks + 1) * stage.width**2 / 4**n for n, stage in enumerate(self.stages))


def _mnist(width: int) -> ConvConfig:
    """P2 Table 1: nine convolutions and a softmax. Released as examples/mnist; 10 layers."""
    return ConvConfig(
        family="conv",
        name=f"highway-mnist-{width}",
        kind="highway",
        stages=(
            StageConfig(width=width, entry=5, entry_padding="none", blocks=2, pool=3, pool_stride=2, dropout=0.3),
            StageConfig(width=width, entry=None, blocks=3, pool=3, pool_stride=2, dropout=0.4),
            StageConfig(width=width, entry=None, blocks=3, pool=2, dropout=0.5),
        ),
        transform_bias=-1.0,
        input_dropout=0.2,
        classifier_std=0.1,
    )


def _cifar(
    name: str,
    widths: tuple[int, int, int],
    blocks: tuple[int, int, int],
    one_by_one: int | None,
    kernels: tuple[int, ...] = (3,),
    transform_bias: float = -2.0,
    head: Literal["average", "convolution"] = "average",
    first_std: float = 1.0,
    classifier_std: float | None = 0.05,
) -> ConvConfig:
    """Three stages as in the released examples/cifar10; 19 layers with its own widths and blocks."""
    stages = [
        StageConfig(width=width, blocks=count, kernels=kernels, pool=2 if n < 2 else None, dropout=0.2 * (n < 2))
        for n, (width, count) in enumerate(zip(widths, blocks, strict=True))
    ]
    return ConvConfig(
        family="conv",
        name=name,
        kind="highway",
        stages=tuple(stages),
        transform_bias=transform_bias,
        input_dropout=0.2,
        one_by_one=one_by_one,
        head=head,
        head_dropout=0.2,
        first_std=first_std,
        classifier_std=classifier_std,
    )


def _fitnet(name: str, widths: list[list[int]]) -> ConvConfig:
    """Romero et al. 2015, Table 7: maxout of two pieces and 500 hidden units give its 250K and 2.5M parameters.

    Trained without a teacher here: not the published way, and not to be compared with the published numbers.
    """
    stages = [
        StageConfig(width=width, blocks=0, pool=2 if last and n < 2 else None)
        for n, stage in enumerate(widths)
        for width, last in zip(stage, [False] * (len(stage) - 1) + [True], strict=True)
    ]
    return ConvConfig(
        family="conv",
        name=name,
        kind="plain",
        stages=tuple(stages),
        activation="maxout",
        input_dropout=0.2,
        head="average",
        head_dropout=0.2,
        hidden=(500,),
        classifier_std=0.05,
    )


def plain_twin(network: ConvConfig) -> ConvConfig:
    """Return a highway network's plain twin: the same layers without gates."""
    name = network.name.replace("highway", "plain", 1)
    return network.model_copy(update={"name": name, "kind": "plain", "transform_bias": None})


_HIGHWAYS = [
    _mnist(16),
    _mnist(32),
    # Highway A: 11 layers, 236K; the list is not published. Three convolutions a stage with widths 24, 32, 64
    # and a 1x1 convolution to 64 are one of three lists known to fit: 236,458. The others, to the same three
    # figures, are 28, 40, 56 with 80 (235,706) and 28, 48, 48 with 128 (235,882); this one's widths grow by stage
    # and its 1x1 convolution keeps the last one's.
    _cifar("highway-a", (24, 32, 64), (2, 2, 2), 64, transform_bias=-1.0),
    _cifar("highway-b", (32, 80, 128), (4, 5, 5), 100),
    # The other reading of its first convolution's initialisation.
    _cifar("highway-b-std-0.05", (32, 80, 128), (4, 5, 5), 100, first_std=0.05),
    # Highway C (P2): 32 layers of alternating 3x3 and 1x1, 1.25M; the list is not published. Ten convolutions a
    # stage with widths 24, 48, 96 and 1x1 to 100 give 1,251,798; of the two lists known to fit it is the one whose
    # stages are equally deep and double their width. 9, 10 and 11 with 40, 64, 80 give 1,252,294.
    _cifar("highway-c", (24, 48, 96), (9, 9, 9), 100, kernels=(3, 1), transform_bias=-3.0),
    # Highway 4 (P1) has the same numbers of layers and parameters as P2's C: the other list that fits.
    _cifar("highway-4", (40, 64, 80), (8, 9, 10), 100, kernels=(3, 1), transform_bias=-3.0),
    # Highway 3 (P1): 19 layers, 1.4M: B's blocks with widths 16, 72, 96 give 1,400,142.
    _cifar("highway-3", (16, 72, 96), (4, 5, 5), 100),
    # P2 Table 3 replaces the fully-connected layer by a 1x1 convolution and global average pooling. The released
    # network has both before its classifier: `highway-b` is Table 3's. Read to the letter, the classifier itself is
    # the convolution, and its logits are averaged: the same function, except for the place of the dropout.
    _cifar("highway-all-conv", (32, 80, 128), (4, 5, 5), 100, head="convolution"),
]
# The Keras convolution post: one channel throughout, gate bias 0, two hidden layers; Keras's initialisation.
_KERAS_POST = ConvConfig(
    family="conv",
    name="keras-post",
    kind="highway",
    stages=(StageConfig(width=1, entry=None, blocks=1, kernels=(2,), pool=2),) * 3,
    transform_bias=0.0,
    pool_rounding="down",
    hidden=(300, 200),
    hidden_dropout=0.5,
    initialisation="glorot_uniform",
)
_OTHERS = [
    # For a few epochs: the same network with the rate and the steps of the release's CIFAR solver (`recipe`). The MNIST
    # solver makes its first step after a third of the epochs, which is early where these are twenty and not 300.
    _mnist(32).model_copy(update={"name": "highway-mnist-32-short"}),
    _fitnet("fitnet-1", [[16, 16, 16], [32, 32, 32], [48, 48, 64]]),
    _fitnet("fitnet-4", [[32, 32, 32, 48, 48], [80] * 6, [128] * 6]),
    # The same trained with Adam's usual epsilon, 1e-8 (`recipe`); its name stands in records.
    _KERAS_POST.model_copy(update={"name": "seed-003"}),
    _KERAS_POST,
    # P1's Highway 2, P2 Table 2's Highway B: the released network with translations only (`recipe`).
    _cifar("highway-2", (32, 80, 128), (4, 5, 5), 100),
]
NETWORKS: dict[str, ConvConfig] = {
    network.name: network for network in [*_HIGHWAYS, *map(plain_twin, _HIGHWAYS), *_OTHERS]
}
"""By name. `plain-...` is the plain twin of `highway-...`."""
