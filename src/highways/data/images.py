"""Data sets of images and tables: as pictures of bytes, or flat and scaled (`Images`)."""

import gzip
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from highways.config import Part, RunConfig
from highways.data import synthetic
from highways.data.batches import Batches, Labelled
from highways.data.sources import source
from highways.errors import HighwaysError

EVALUATION_BATCH = 500
Examples = dict[Part, tuple[Tensor, Tensor]]
"""Examples and their classes, `(examples,)`, int64, by part. Examples are pictures, `(examples, channels, height,
width)`, uint8; or flat, `(examples, features)`, float32."""
Loader = Callable[[dict[str, Path]], Examples]
"""Function that reads examples from a data set's files, given by name."""


@dataclass(frozen=True)
class Images(Labelled):
    """A data set of flattened images, or of other examples with a fixed number of features.

    Its examples are `(examples, features)`, float32; in [0, 1] for images.
    """

    @property
    def features(self) -> int:
        """Number of features of an example."""
        return self.x["train"].shape[1]

    def training_batches(self, config: RunConfig, epoch: Callable[[], int]) -> Batches:
        """Return an epoch's batches of the training part, in random order or that of the data; see `Batches`."""
        order = config.order_seed if config.budget.shuffle else None
        return Batches(self.x["train"], self.y["train"], config.budget.batch_size, order, epoch)

    def evaluation_batches(self, config: RunConfig, part: Part) -> Batches:
        """Return the batches of a whole part, in the order of the data."""
        return Batches(self.x[part], self.y[part], EVALUATION_BATCH)


def divided(x: Tensor, y: Tensor, training: Tensor) -> Examples:
    """Divide examples and their classes by a mask, `(examples,)`, of those for training; the others are for testing."""
    return {"train": (x[training], y[training]), "test": (x[~training], y[~training])}


def standardised(x: NDArray[np.float64], y: NDArray[np.int64], training: NDArray[np.bool_]) -> Examples:
    """Standardise features to mean 0 and deviation 1 on the training part; a feature that is constant there becomes 0.

    Examples, `(examples, features)`, outside the mask `training`, `(examples,)`, are for testing.
    """
    mean, deviation = x[training].mean(axis=0), x[training].std(axis=0)
    scaled = torch.from_numpy(((x - mean) / np.where(deviation > 0, deviation, np.inf)).astype(np.float32))
    return divided(scaled, torch.from_numpy(y).long(), torch.from_numpy(training))


# Files to pictures


def read_idx(path: Path, dimensions: int) -> Tensor:
    """Read a gzipped idx file of unsigned bytes (format: http://yann.lecun.com/exdb/mnist/).

    The file may be the user's own, so any fault raises a `HighwaysError`.
    """
    try:
        content = gzip.decompress(path.read_bytes())
        if content[:4] != bytes([0, 0, 8, dimensions]):
            raise ValueError(f"not an idx file of unsigned bytes with {dimensions} dimensions")
        shape = np.frombuffer(content, ">u4", dimensions, offset=4)
        return torch.from_numpy(np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(shape).copy())
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise HighwaysError(f"{path}: cannot be read: {error}") from None


def read_cifar(path: Path, classes: int) -> tuple[Tensor, Tensor]:
    """Read a checked file of CIFAR's binary version: per image, label bytes, then 1,024 red, green and blue bytes.

    With 100 classes, a coarse label, which is ignored, precedes the fine one.
    """
    head = 1 if classes == 10 else 2
    table = torch.from_numpy(np.fromfile(path, np.uint8)).view(-1, head + 3072)
    return table[:, head:].reshape(-1, 3, 32, 32).contiguous(), table[:, head - 1].long()


def mnist(files: dict[str, Path]) -> Examples:
    """MNIST; all 60,000 training images are used for training."""

    def part(name: str) -> tuple[Tensor, Tensor]:
        images, labels = files[f"{name}-images-idx3-ubyte.gz"], files[f"{name}-labels-idx1-ubyte.gz"]
        return read_idx(images, dimensions=3)[:, None], read_idx(labels, dimensions=1).long()

    return {"train": part("train"), "test": part("t10k")}


def _cifar(files: dict[str, Path], training: Sequence[str], testing: str, classes: int) -> Examples:
    xs, ys = zip(*[read_cifar(files[f"{name}.bin"], classes) for name in training], strict=True)
    return {"train": (torch.cat(xs), torch.cat(ys)), "test": read_cifar(files[f"{testing}.bin"], classes)}


def _pictures_of_digits(files: dict[str, Path]) -> Examples:
    """Scikit-learn's digits; their sixteen grey steps are scaled to 0 to 255."""
    flat = _digits(files).items()
    return {part: ((x * 255).round().to(torch.uint8).view(-1, 1, 8, 8), y) for part, (x, y) in flat}


# Files to flat examples


def _digits(files: dict[str, Path]) -> Examples:
    """Scikit-learn's digits, scaled by 1/16. Every fifth image is for testing: 1,438 + 359."""
    table = torch.from_numpy(np.loadtxt(files["digits.csv.gz"], dtype=np.float32, delimiter=","))
    return divided(table[:, :-1] / 16, table[:, -1].long(), torch.arange(len(table)) % 5 != 4)


def _weak_signal(files: dict[str, Path]) -> Examples:
    """The task that `highways.data.synthetic` generates; there are no files."""
    examples = source("weak-signal").examples
    count = examples["train"] + examples["test"]
    return standardised(*synthetic.weak_signal(count), np.arange(count) < examples["train"])


def mnist_fours_and_nines(files: dict[str, Path]) -> Examples:
    """MNIST's fours (class 0) and nines (1), cropped by two pixels on each side, 2x2 mean-pooled, in [0, 1]."""

    def part(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        chosen = (y == 4) | (y == 9)
        small = functional.avg_pool2d(x[chosen][:, :, 2:-2, 2:-2].float() / 255, 2)
        return small.flatten(1), (y[chosen] == 9).long()

    return {name: part(x, y) for name, (x, y) in mnist(files).items()}


PICTURES: dict[str, Loader] = {
    "digits": _pictures_of_digits,
    "mnist": mnist,
    "cifar10": partial(_cifar, training=[f"data_batch_{n}" for n in range(1, 6)], testing="test_batch", classes=10),
    "cifar100": partial(_cifar, training=["train"], testing="test", classes=100),
}
FLAT: dict[str, Loader] = {"digits": _digits, "weak-signal": _weak_signal, "mnist-4-9": mnist_fours_and_nines}
"""Loaders of data sets whose flat examples are not their pictures divided by 255."""
