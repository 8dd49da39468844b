"""Image data sets as tensors: flat and scaled (`Images`), or as they are in their files (`Raw`)."""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from highways.config import RunConfig
from highways.data.batches import Batches
from highways.data.sources import fingerprint, locate
from highways.errors import HighwaysError

EVALUATION_BATCH = 500


@dataclass(frozen=True)
class Raw:
    """A data set of images as bytes.

    Attributes:
        train_x: `(examples, channels, height, width)`, uint8.
        train_y: `(examples,)`, int64 in [0, classes).
        test_x: As `train_x`.
        test_y: As `train_y`.
        classes: Number of classes.
    """

    train_x: Tensor
    train_y: Tensor
    test_x: Tensor
    test_y: Tensor
    classes: int


@dataclass(frozen=True)
class Images:
    """A data set of images, flattened, or of other examples with a fixed number of features.

    Attributes:
        name: Such as `mnist`.
        train_x: `(examples, features)`, float32, of images in [0, 1].
        train_y: `(examples,)`, int64 in [0, classes).
        test_x: As `train_x`.
        test_y: As `train_y`.
        classes: Number of classes.
        fingerprint: Of the source files and the preparation.
    """

    name: str
    train_x: Tensor
    train_y: Tensor
    test_x: Tensor
    test_y: Tensor
    classes: int
    fingerprint: str

    parts: ClassVar[tuple[Literal["train", "test"], ...]] = ("train", "test")

    @property
    def device(self) -> torch.device:
        """Where the tensors lie."""
        return self.train_x.device

    def size(self, part: Literal["train", "test"]) -> int:
        """Return the number of images of a part."""
        return len(self._part(part)[1])

    def _part(self, part: Literal["train", "test"]) -> tuple[Tensor, Tensor]:
        return (self.train_x, self.train_y) if part == "train" else (self.test_x, self.test_y)

    def training_batches(self, config: RunConfig, epoch: Callable[[], int]) -> Batches:
        """Return an epoch's batches of the training part, in a random order, or in that of the data.

        Args:
            config: The run; its batch size, whether it shuffles, and its order's seed.
            epoch: Returns the number of the epoch, from 0; asked when its first batch is.
        """
        order = config.order_seed if config.budget.shuffle else None
        return Batches(self.train_x, self.train_y, config.budget.batch_size, order, epoch)

    def evaluation_batches(self, config: RunConfig, part: Literal["train", "test"]) -> Batches:
        """Return the batches of a whole part, in the order of the data."""
        return Batches(*self._part(part), EVALUATION_BATCH)

    def first(self, count: int) -> Images:
        """Return the data set with only the first `count` training examples.

        Raises:
            HighwaysError: There are fewer.
        """
        if count > len(self.train_y):
            raise HighwaysError(f"data.training_examples is {count}, but {self.name} has {len(self.train_y)}")
        return replace(self, train_x=self.train_x[:count], train_y=self.train_y[:count])

    @property
    def features(self) -> int:
        """Features of an example."""
        return self.train_x.shape[1]

    def to(self, device: torch.device) -> Images:
        """Return the data set with its tensors on `device`."""
        return replace(
            self,
            train_x=self.train_x.to(device),
            train_y=self.train_y.to(device),
            test_x=self.test_x.to(device),
            test_y=self.test_y.to(device),
        )


def load_raw(name: str) -> Raw:
    """Load a data set of images as bytes.

    Raises:
        HighwaysError: See `highways.data.sources.locate`.
    """
    return RAW_LOADERS[name](locate(name))


def _digits(files: dict[str, Path]) -> Images:
    """Scikit-learn's digits, scaled by 1/16. Every fifth image is for testing: 1,438 + 359."""
    path = files["digits.csv.gz"]
    try:
        with gzip.open(path, "rt", encoding="ascii") as file:
            table = torch.tensor([[float(field) for field in line.split(",")] for line in file])
        if table.shape[1] != 65:
            raise ValueError(f"{table.shape[1]} columns")
    except (OSError, ValueError, IndexError, EOFError, zlib.error) as error:
        raise HighwaysError(f"{path}: not a table of 65 columns of numbers: {_first_line(error)}") from None
    x, y = table[:, :-1] / 16, table[:, -1].long()
    test = torch.arange(len(x)) % 5 == 4
    return Images("digits", x[~test], y[~test], x[test], y[test], 10, fingerprint("digits"))


def _raw_digits(files: dict[str, Path]) -> Raw:
    """Scikit-learn's digits; their sixteen steps become 0 to 255."""
    flat = _digits(files)

    def pictures(x: Tensor) -> Tensor:
        return (x * 255).round().to(torch.uint8).view(-1, 1, 8, 8)

    return Raw(pictures(flat.train_x), flat.train_y, pictures(flat.test_x), flat.test_y, 10)


def raw_mnist(files: dict[str, Path]) -> Raw:
    """MNIST; all 60,000 training images are trained on."""

    def split(name: str) -> tuple[Tensor, Tensor]:
        images, labels = files[f"{name}-images-idx3-ubyte.gz"], files[f"{name}-labels-idx1-ubyte.gz"]
        x, y = _idx(images, dimensions=3), _idx(labels, dimensions=1).long()
        if len(x) != len(y):
            raise HighwaysError(f"{labels}: {len(y)} labels of {len(x)} images in {images.name}")
        _check_labels(y, 10, labels)
        return x[:, None], y

    return Raw(*split("train"), *split("t10k"), 10)


def _raw_cifar10(files: dict[str, Path]) -> Raw:
    parts = [read_cifar(files[f"data_batch_{n}.bin"], classes=10, images=10_000) for n in range(1, 6)]
    train_x, train_y = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
    return Raw(train_x, train_y, *read_cifar(files["test_batch.bin"], classes=10, images=10_000), 10)


def _raw_cifar100(files: dict[str, Path]) -> Raw:
    train = read_cifar(files["train.bin"], classes=100, images=50_000)
    return Raw(*train, *read_cifar(files["test.bin"], classes=100, images=10_000), 100)


def read_cifar(path: Path, classes: int, images: int) -> tuple[Tensor, Tensor]:
    """Read a file of CIFAR's binary version: label bytes, then 1,024 red, green and blue bytes an image.

    Args:
        path: The file.
        classes: 10; or 100, where a coarse label, which is passed over, comes before the fine one.
        images: How many there must be.

    Raises:
        HighwaysError: The file has another size, or a label is out of range.
    """
    head = 1 if classes == 10 else 2
    expected = images * (head + 3072)
    try:
        if (size := path.stat().st_size) != expected:
            raise HighwaysError(f"{path}: {size} bytes where {images} images have {expected}")
        content = np.fromfile(path, np.uint8)
    except OSError as error:
        raise HighwaysError(f"{path}: cannot be read: {error.strerror or error}") from None
    table = torch.from_numpy(content).view(images, head + 3072)
    labels = table[:, head - 1].long()
    _check_labels(labels, classes, path)
    return table[:, head:].reshape(images, 3, 32, 32).contiguous(), labels


def _check_labels(labels: Tensor, classes: int, path: Path) -> None:
    if int(labels.max()) >= classes:
        place = int((labels >= classes).nonzero()[0])
        raise HighwaysError(f"{path}: image {place + 1}: the label must be below {classes}, found {int(labels[place])}")


def _flat(name: str, raw: Raw) -> Images:
    """Flatten images and scale them by 1/255."""
    train_x, test_x = (x.flatten(1).float() / 255 for x in (raw.train_x, raw.test_x))
    return Images(name, train_x, raw.train_y, test_x, raw.test_y, raw.classes, fingerprint(name))


LARGEST = 2**30
"""Bytes that an idx file may announce; MNIST's largest has 47 million."""


def _idx(path: Path, dimensions: int) -> Tensor:
    """Read a gzipped idx file of unsigned bytes (http://yann.lecun.com/exdb/mnist/, the format's description).

    No more is unpacked than the header announces.

    Args:
        path: The file.
        dimensions: How many there must be.

    Raises:
        HighwaysError: It cannot be read or unpacked, or has another header or another number of bytes.
    """
    head = 4 + 4 * dimensions
    try:
        with gzip.open(path) as file:
            header = file.read(head)
            if len(header) < head or header[:4] != bytes([0, 0, 8, dimensions]):
                raise HighwaysError(f"{path}: not an idx file of unsigned bytes with {dimensions} dimensions")
            shape = [int(n) for n in np.frombuffer(header, ">u4", dimensions, offset=4)]
            announced = math.prod(shape)
            if not 0 < announced <= LARGEST:
                raise HighwaysError(f"{path}: the header announces {announced} bytes of data")
            content = file.read(announced)
            rest = file.read(1)  # what follows the data is looked at, for the checksum is behind it
    except (OSError, EOFError, zlib.error) as error:
        raise HighwaysError(f"{path}: cannot be read: {_first_line(error)}") from None
    if len(content) < announced or rest:
        found = f"more than {announced}" if rest else len(content)
        raise HighwaysError(f"{path}: {found} bytes of data where the header announces {announced}")
    return torch.from_numpy(np.frombuffer(content, np.uint8).reshape(shape).copy())


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


RAW_LOADERS: dict[str, Callable[[dict[str, Path]], Raw]] = {
    "digits": _raw_digits,
    "mnist": raw_mnist,
    "cifar10": _raw_cifar10,
    "cifar100": _raw_cifar100,
}
LOADERS: dict[str, Callable[[dict[str, Path]], Images]] = {
    "digits": _digits,
    "mnist": lambda files: _flat("mnist", raw_mnist(files)),
    "cifar10": lambda files: _flat("cifar10", _raw_cifar10(files)),
    "cifar100": lambda files: _flat("cifar100", _raw_cifar100(files)),
}
