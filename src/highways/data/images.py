"""Image data sets as tensors: flat and scaled (`Images`), or as they are in their files (`Raw`)."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from highways.config import RunConfig
from highways.data.batches import Batches, Tensors
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
class Images(Tensors):
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
        """Return an epoch's batches of the training part, in a random order or in that of the data; see `Batches`."""
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


def load_raw(name: str) -> Raw:
    """Load a data set of images as bytes.

    Raises:
        HighwaysError: See `highways.data.sources.locate`.
    """
    return RAW_LOADERS[name](locate(name))


def _digits(files: dict[str, Path]) -> Images:
    """Scikit-learn's digits, scaled by 1/16. Every fifth image is for testing: 1,438 + 359."""
    table = torch.from_numpy(np.loadtxt(files["digits.csv.gz"], dtype=np.float32, delimiter=","))
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
        return read_idx(images, dimensions=3)[:, None], read_idx(labels, dimensions=1).long()

    return Raw(*split("train"), *split("t10k"), 10)


def _raw_cifar10(files: dict[str, Path]) -> Raw:
    parts = [read_cifar(files[f"data_batch_{n}.bin"], classes=10) for n in range(1, 6)]
    train_x, train_y = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
    return Raw(train_x, train_y, *read_cifar(files["test_batch.bin"], classes=10), 10)


def _raw_cifar100(files: dict[str, Path]) -> Raw:
    return Raw(*read_cifar(files["train.bin"], classes=100), *read_cifar(files["test.bin"], classes=100), 100)


def read_cifar(path: Path, classes: int) -> tuple[Tensor, Tensor]:
    """Read a checked file of CIFAR's binary version: label bytes, then 1,024 red, green and blue bytes an image.

    Of 100 classes a coarse label, which is passed over, comes before the fine one.
    """
    head = 1 if classes == 10 else 2
    table = torch.from_numpy(np.fromfile(path, np.uint8)).view(-1, head + 3072)
    return table[:, head:].reshape(-1, 3, 32, 32).contiguous(), table[:, head - 1].long()


def _flat(name: str, raw: Raw) -> Images:
    """Flatten images and scale them by 1/255."""
    train_x, test_x = (x.flatten(1).float() / 255 for x in (raw.train_x, raw.test_x))
    return Images(name, train_x, raw.train_y, test_x, raw.test_y, raw.classes, fingerprint(name))


def read_idx(path: Path, dimensions: int) -> Tensor:
    """Read a gzipped idx file of unsigned bytes (http://yann.lecun.com/exdb/mnist/, the format's description).

    Raises:
        HighwaysError: It cannot be read or unpacked, or has another header or another number of bytes.
    """
    try:
        content = gzip.decompress(path.read_bytes())
        if content[:4] != bytes([0, 0, 8, dimensions]):
            raise ValueError(f"not an idx file of unsigned bytes with {dimensions} dimensions")
        shape = np.frombuffer(content, ">u4", dimensions, offset=4)
        return torch.from_numpy(np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(shape).copy())
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise HighwaysError(f"{path}: cannot be read: {error}") from None


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
