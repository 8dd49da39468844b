"""Convolutional networks as data: short lists of stages. `networks.yaml` contains those of the papers."""

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from highways.config.base import Network, Strict, Width, validate
from highways.config.reading import read_mapping

Window = Annotated[int, Field(ge=1, le=256)]
"""Side length in pixels of a kernel or pooling window."""


class StageConfig(Strict):
    """A stage: a convolution that changes the width, blocks that keep it, pooling, dropout."""

    width: Width
    """Channels."""
    entry: Window | None = 3
    """Kernel of the plain convolution that opens the stage; `None`: no convolution, unchanged width."""
    entry_padding: Literal["same", "none"] = "same"
    blocks: int = Field(ge=0, le=1_000)
    """Number of highway layers or, in a plain network, plain layers."""
    kernels: tuple[Window, ...] = Field(default=(3,), min_length=1)
    """Kernels of the blocks, used in turn."""
    pool: Window | None = None
    """Window of the max-pooling that closes the stage."""
    pool_stride: Window | None = None
    """Defaults to the window's size."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Dropout after the pooling."""


class ConvConfig(Network):
    """A convolutional network: stages, then a head.

    Source: P1 Table 1, P2 Tables 1 to 3 and their authors' release; the Keras convolution post.
    """

    optimisers: ClassVar[tuple[str, ...]] = ("sgd", "adam", "caffe")
    reads: ClassVar[Literal["flat", "pictures", "text"]] = "pictures"
    tolerance: ClassVar[float] = 0.1  # 0.03 measured, with Adam

    family: Literal["conv"]
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    """For example `highway-b`; see `NETWORKS`. File names of its runs begin with it."""
    kind: Literal["plain", "highway"]
    stages: tuple[StageConfig, ...] = Field(min_length=1)
    transform_bias: float | None = None
    """Initial bias of the transform gates; required for highway networks, and only for them."""
    activation: Literal["relu", "maxout"] = "relu"
    """Activation of all convolutions and hidden layers except gates; `maxout` is the maximum of two of them."""
    input_dropout: float = Field(default=0.0, ge=0, lt=1)
    pool_rounding: Literal["up", "down"] = "up"
    """Whether pooling windows may reach over the edge (`up`), as in Caffe."""
    one_by_one: Width | None = None
    """Width of a 1x1 convolution after the stages."""
    head: Literal["flatten", "average", "convolution"] = "flatten"
    """The classifier reads all positions, or their mean; or it is a 1x1 convolution, whose output is averaged."""
    head_dropout: float = Field(default=0.0, ge=0, lt=1)
    """Dropout before the classifier and any hidden layers."""
    hidden: tuple[Width, ...] = ()
    """Widths of fully-connected layers before the classifier."""
    hidden_dropout: float = Field(default=0.0, ge=0, lt=1)
    """Dropout after each hidden layer."""
    initialisation: Literal["he_normal", "glorot_uniform"] = "he_normal"
    """Initialisation of weights. The release's filler is called "xavier", but is patched to N(0, 2 / fan-in)."""
    first_std: float | None = Field(default=None, gt=0)
    """Standard deviation of the first convolution's weights, if it differs.

    The released CIFAR networks give a Gaussian filler `value: 0.05`, a key that it ignores: its standard deviation is
    the default, 1. The authors trained with 1, and probably meant 0.05."""
    classifier_std: float | None = Field(default=None, gt=0)
    """Standard deviation of the classifier's weights, if it differs."""

    @model_validator(mode="after")
    def _fits(self) -> "ConvConfig":
        for number, (before, stage) in enumerate(zip(self.stages, self.stages[1:], strict=False), start=2):
            if stage.entry is None and stage.width != before.width:
                change = f"from {before.width} to {stage.width}"
                raise ValueError(f"stage {number}: the width changes {change} without a convolution at its entry")
        if self.head == "convolution" and self.hidden:
            raise ValueError("the head 'convolution' is the classifier: there are no hidden layers before it")
        if self.initialisation != "he_normal" and (self.first_std or self.classifier_std):
            raise ValueError("first_std and classifier_std belong to the initialisation 'he_normal'")
        return self

    @property
    def depth(self) -> int:
        """Number of layers with weights, including the classifier, as the papers count."""
        stages = sum(stage.blocks + (stage.entry is not None) for stage in self.stages)
        return stages + (self.one_by_one is not None) + len(self.hidden) + 1

    @property
    def shown_as(self) -> str:
        return self.name

    @property
    def width(self) -> int:
        """Channels of the first stage."""
        return self.stages[0].width

    @property
    def work(self) -> float:
        gates = 2 if self.kind == "highway" else 1
        return sum(gates * (stage.blocks + 1) * stage.width**2 / 4**n for n, stage in enumerate(self.stages))


def _read_networks() -> dict[str, ConvConfig]:
    path = Path(__file__).with_name("networks.yaml")
    described, ungated = read_mapping(path), {"kind": "plain", "transform_bias": None}
    highways, others = described["with_plain_twin"], described["without"]
    twins = {name.replace("highway", "plain", 1): network | ungated for name, network in highways.items()}
    named = {name: {"name": name} | network for name, network in (highways | twins | others).items()}
    return {name: validate(ConvConfig, network, f"{path}: {name}") for name, network in named.items()}


NETWORKS = _read_networks()
"""The networks of the papers, by name."""
