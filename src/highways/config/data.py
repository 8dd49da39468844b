"""The data of a run: a named data set, or a file of the user's own."""

import re
from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import AfterValidator, BeforeValidator, Field, SerializeAsAny, WrapValidator, model_validator

from highways.config.base import Count, Seed, Strict, validate

ImageDataName = Literal["digits", "mnist", "cifar10", "cifar100"]
"""`digits` is scikit-learn's (1,797 images of 8x8); `mnist` has 60,000 + 10,000 images of 28x28; `cifar10` and
`cifar100` have 50,000 + 10,000 colour images of 32x32."""
UNPUBLISHED = "unpublished"
"""Required data set of a claim whose data were never published."""
STAND_INS: dict[str, str] = {"cifar100": "cifar10", UNPUBLISHED: "weak-signal"}
"""Stand-ins for data sets that are not available; their results are compared with the sources' numbers."""
FeatureDataName = Literal["weak-signal", "mnist-4-9"]
"""Two classes, 144 features: the project generates `weak-signal` with scikit-learn; `mnist-4-9` is MNIST's fours and
nines at 12x12 pixels."""
TextDataName = Literal["synthetic-tweets", "sst2", "sst5", "tweets"]
"""The project generates `synthetic-tweets`; `sst2` and `sst5` are the Stanford Sentiment Treebank in two and five
classes; `tweets` are SemEval-2017's (task 4 A, two classes)."""
DataName = Literal[ImageDataName, FeatureDataName, TextDataName]
Part = Literal["train", "dev", "test"]
"""Part of a data set; only sentences have a `dev` part."""


class PicturesConfig(Strict):
    """Preprocessing of the images of a convolutional network.

    In this order: multiply pixels (0 to 255) by `scale`; normalise contrast; subtract the training set's mean image; in
    training, pad with zeros, crop at random to the original size, and mirror at random.

    Source: the authors' release. MNIST: 1/256 only. CIFAR: all steps, with 8 pixels of padding.
    """

    scale: float = Field(default=1 / 256, gt=0)
    contrast: bool = False
    """Global contrast normalisation: subtract each image's mean and divide by its standard deviation."""
    mean_image: bool = False
    pad: int = Field(default=0, ge=0, le=256)
    """Pixels on each side, for the random crops of training."""
    mirror: bool = False
    training_images: Count | None = None
    """Train on only this many images, the first ones (P1 Table 1: 40,000 for Highway 3 and 4)."""
    enlarge: int = Field(default=1, ge=1, le=64)
    """Enlarge every pixel to a square of this side length, for images smaller than the network expects."""


def _encoding(name: str) -> str:
    try:
        "text".encode(name)
    except LookupError:
        raise ValueError("no such encoding; there are utf-8, latin-1, cp1252 and others") from None
    return name


class OwnFile(Strict):
    """A file, or a folder of images, instead of a named data set; `highways.data.own` reads it.

    A file with a column of sentences is a data set of sentences; a file without one is a table of features.
    """

    file: Annotated[str, Field(min_length=1)]
    """Path, absolute or from the project's root. Name and content, not the folder, enter the run's key."""
    label: str | None = None
    """The column of classes; a folder of images has none."""
    text: str | None = None
    """The column of sentences."""
    without: Annotated[
        tuple[str, ...], BeforeValidator(lambda given: tuple(given) if type(given) is list else given)
    ] = ()
    """Columns of a table that are not features."""
    split: str | None = None
    """The column that contains `train`, `dev` or `test`; by default the parts are drawn at random."""
    test: float = Field(default=0.2, gt=0, lt=1)
    """Fraction of the examples drawn for testing."""
    dev: float = Field(default=0.1, gt=0, lt=1)
    """Fraction of the sentences drawn for development; tables and images have no such part."""
    split_seed: Seed = 0
    """Seed that decides which examples are in which part."""
    encoding: Annotated[str, AfterValidator(_encoding)] = "utf-8"

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.test + (self.dev if self.text else 0) >= 1:
            raise ValueError("test and dev leave nothing to train on")
        if self.label is None and (self.text or self.without or self.split):
            raise ValueError("key 'label' is missing: the column that has the classes")
        return self

    @property
    def kind(self) -> Literal["table", "sentences", "images"]:
        """What kind of data it holds."""
        return "images" if self.label is None else "sentences" if self.text else "table"

    @property
    def name(self) -> str:
        """Name in tables, figures and run keys: the file's, always with a dot, which no named data set has."""
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", PurePath(self.file).name).strip(".-")[-60:] or "data"
        return name if "." in name else f"{name}.images"


class DataConfig(Strict):
    """The data set of a run: a named one, or the user's own, `{file: my.csv, label: ..., ...}`."""

    name: str
    own: OwnFile | None = Field(default=None, exclude_if=lambda own: own is None)
    """The user's own data instead of a named set; its fields may also be given here directly."""
    vectors: str | None = None
    """Path of a file of word vectors in GloVe's text format, absolute or from the project's root. Its content, not its
    path, enters the run's key. By default word vectors are drawn at random, like other weights."""
    pictures: PicturesConfig | None = None
    """Preprocessing for convolutional networks; by default images are flat, scaled to [0, 1]."""
    training_examples: Count | None = None
    """Train on only this many examples, the first ones; flat images and features only. (For pictures:
    `pictures.training_images`.)"""

    @model_validator(mode="before")
    @classmethod
    def _fields_of_own(cls, values: Any) -> Any:
        if not isinstance(values, Mapping) or ("file" not in values and values.get("own") is None):
            return values
        fields = {name: value for name, value in values.items() if name in cls.model_fields}
        own = fields.get("own") or {name: value for name, value in values.items() if name not in fields}
        file = own.file if isinstance(own, OwnFile) else own.get("file") if isinstance(own, Mapping) else None
        return {"name": OwnFile.model_construct(file=str(file)).name} | fields | {"own": own}

    @model_validator(mode="after")
    def _name_fits(self) -> Self:
        if self.own is not None and self.name != self.own.name:
            raise ValueError(f"own data have the name of their file, {self.own.name!r}, found {self.name!r}")
        if self.own is None and self.name not in get_args(DataName):
            there = f"there are: {', '.join(get_args(DataName))}; of your own give the file: {{file: ..., label: ...}}"
            raise ValueError(f"no data set {self.name!r}; {there}")
        return self

    @classmethod
    def of(cls, data: "str | Mapping[str, Any] | DataConfig", **more: Any) -> "DataConfig":
        """Return the checked configuration of a data set, given its name or a description of own data."""
        if not isinstance(data, DataConfig):
            data = validate(cls, {"name": data} if isinstance(data, str) else data, "data")
        return data.model_copy(update=more)

    @property
    def first_examples(self) -> int | None:
        """Number of training examples that are used, the first ones; `None` for all."""
        return self.training_examples or (self.pictures.training_images if self.pictures else None)

    @property
    def reads(self) -> tuple[str, ...]:
        """The networks that it is for; see `Network.reads`."""
        kind = self.own.kind if self.own else ""
        if kind == "sentences" or self.name in get_args(TextDataName):
            return ("text",)
        return ("flat",) if kind == "table" or self.name in get_args(FeatureDataName) else ("flat", "pictures")


def _or_own(reads: Literal["flat", "pictures", "text"]) -> WrapValidator:
    """Return a validator that accepts the description of own data instead of a name."""
    others = {"flat": "sentences", "pictures": "no images", "text": "no sentences"}[reads]

    def check(value: Any, named: Callable[[Any], Any]) -> Any:
        if not isinstance(value, Mapping | DataConfig):
            return named(value)
        data = DataConfig.model_validate(value, strict=True)
        if reads not in data.reads:
            raise ValueError(f"{data.name!r} holds {others}")
        return data

    return WrapValidator(check)


ImageData = Annotated[ImageDataName, _or_own("flat"), SerializeAsAny()]  # type: ignore[operator]
PictureData = Annotated[ImageDataName, _or_own("pictures"), SerializeAsAny()]  # type: ignore[operator]
TextData = Annotated[TextDataName, _or_own("text"), SerializeAsAny()]  # type: ignore[operator]
"""Data that a profile names, or describes with `{file: ..., label: ...}`, which becomes a `DataConfig`."""
