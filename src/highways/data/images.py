"""Image data sets as tensors."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from highways.data.sources import fingerprint, locate
from highways.errors import HighwaysError


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

    @property
    def features(self) -> int:
        """Features of an example."""
        return self.train_x.shape[1]

    def to(self, device: torch.device) -> Images:
        """Return the data set with its tensors on `device`."""
        tensors = (t.to(device) for t in (self.train_x, self.train_y, self.test_x, self.test_y))
        return Images(self.name, *tensors, self.classes, self.fingerprint)


@lru_cache(maxsize=2)
def load(name: str) -> Images:
    """Load a data set, fetching its files where they are missing.

    Raises:
        HighwaysError: See `highways.data.sources.locate`.
    """
    if name not in _LOADERS:
        raise HighwaysError(f"no data set {name!r}; there are: {', '.join(_LOADERS)}")
    return _LOADERS[name](locate(name))


def _digits(files: dict[str, Path]) -> Images:
    """Scikit-learn's digits, scaled by 1/16. Every fifth image is for testing: 1,438 + 359."""
    table = torch.from_numpy(np.loadtxt(files["digits.csv.gz"], delimiter=",", dtype=np.float32))
    x, y = table[:, :-1] / 16, table[:, -1].long()
    test = torch.arange(len(x)) % 5 == 4
    return Images("digits", x[~test], y[~test], x[test], y[test], 10, fingerprint("digits"))


def _mnist(files: dict[str, Path]) -> Images:
    """MNIST, scaled by 1/255; all 60,000 training images are trained on."""
    parts = []
    for split in ("train", "t10k"):
        x = _idx(files[f"{split}-images-idx3-ubyte.gz"], dimensions=3)
        y = _idx(files[f"{split}-labels-idx1-ubyte.gz"], dimensions=1)
        parts += [x.flatten(1).float() / 255, y.long()]
    return Images("mnist", *parts, 10, fingerprint("mnist"))


def _idx(path: Path, dimensions: int) -> Tensor:
    """Read a gzipped idx file of unsigned bytes (http://yann.lecun.com/exdb/mnist/, the format's description)."""
    content = gzip.decompress(path.read_bytes())
    header = 4 + 4 * dimensions
    if content[:4] != bytes([0, 0, 8, dimensions]):
        raise HighwaysError(f"{path}: not an idx file of unsigned bytes with {dimensions} dimensions")
    shape = [int(n) for n in np.frombuffer(content, ">i4", dimensions, offset=4)]
    if len(content) - header != np.prod(shape):
        raise HighwaysError(
            f"{path}: {len(content) - header} bytes of data where the header announces {np.prod(shape)}"
        )
    return torch.from_numpy(np.frombuffer(content, np.uint8, offset=header).reshape(shape).copy())


_LOADERS = {"digits": _digits, "mnist": _mnist}
