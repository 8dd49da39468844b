"""Image data sets as tensors."""

from __future__ import annotations

import gzip
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
class Images:
    """A data set of images, flattened.

    Attributes:
        name: Such as `mnist`.
        train_x: `(examples, features)`, float32 in [0, 1].
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
        """Return an epoch's batches of the training part, in a random order.

        Args:
            config: The run; its batch size and its order's seed.
            epoch: Returns the number of the epoch, from 0; asked when its first batch is.
        """
        return Batches(self.train_x, self.train_y, config.budget.batch_size, config.order_seed, epoch)

    def evaluation_batches(self, config: RunConfig, part: Literal["train", "test"]) -> Batches:
        """Return the batches of a whole part, in the order of the data."""
        return Batches(*self._part(part), EVALUATION_BATCH)

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


def load_images(name: str) -> Images:
    """Load a data set of images.

    Raises:
        HighwaysError: See `highways.data.sources.locate`.
    """
    return LOADERS[name](locate(name))


def _digits(files: dict[str, Path]) -> Images:
    """Scikit-learn's digits, scaled by 1/16. Every fifth image is for testing: 1,438 + 359."""
    table = torch.from_numpy(np.loadtxt(files["digits.csv.gz"], delimiter=",", dtype=np.float32))
    x, y = table[:, :-1] / 16, table[:, -1].long()
    test = torch.arange(len(x)) % 5 == 4
    return Images("digits", x[~test], y[~test], x[test], y[test], 10, fingerprint("digits"))


def _mnist(files: dict[str, Path]) -> Images:
    """MNIST, scaled by 1/255; all 60,000 training images are trained on."""

    def split(name: str) -> tuple[Tensor, Tensor]:
        x = _idx(files[f"{name}-images-idx3-ubyte.gz"], dimensions=3)
        y = _idx(files[f"{name}-labels-idx1-ubyte.gz"], dimensions=1)
        return x.flatten(1).float() / 255, y.long()

    (train_x, train_y), (test_x, test_y) = split("train"), split("t10k")
    return Images("mnist", train_x, train_y, test_x, test_y, 10, fingerprint("mnist"))


def _idx(path: Path, dimensions: int) -> Tensor:
    """Read a gzipped idx file of unsigned bytes (http://yann.lecun.com/exdb/mnist/, the format's description)."""
    content = gzip.decompress(path.read_bytes())
    header = 4 + 4 * dimensions
    if content[:4] != bytes([0, 0, 8, dimensions]):
        raise HighwaysError(f"{path}: not an idx file of unsigned bytes with {dimensions} dimensions")
    shape = [int(n) for n in np.frombuffer(content, ">i4", dimensions, offset=4)]
    if len(content) - header != np.prod(shape):
        announced, found = int(np.prod(shape)), len(content) - header
        raise HighwaysError(f"{path}: {found} bytes of data where the header announces {announced}")
    return torch.from_numpy(np.frombuffer(content, np.uint8, offset=header).reshape(shape).copy())


LOADERS = {"digits": _digits, "mnist": _mnist}
