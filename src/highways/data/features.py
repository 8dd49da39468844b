"""Data sets of two classes and 144 features, as the Keras/Lasagne question has: one made here, one out of MNIST."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from highways.data import synthetic
from highways.data.images import Images, raw_mnist
from highways.data.sources import fingerprint, sources


def weak_signal(files: dict[str, Path]) -> Images:
    """Return the task that `highways.data.synthetic` makes; features have mean 0, deviation 1 over the training part.

    Args:
        files: None, there are no files.
    """
    split, test = (sources()["weak-signal"].examples[part] for part in ("train", "test"))  # type: ignore[index]
    made, labels = synthetic.weak_signal(split + test)
    x = torch.from_numpy(((made - made[:split].mean(axis=0)) / made[:split].std(axis=0)).astype(np.float32))
    y = torch.from_numpy(labels).long()
    return Images("weak-signal", x[:split], y[:split], x[split:], y[split:], 2, fingerprint("weak-signal"))


def mnist_fours_and_nines(files: dict[str, Path]) -> Images:
    """Return MNIST's fours (class 0) and nines (1): two pixels cut off on each side, means of two by two, in [0, 1].

    Args:
        files: MNIST's.
    """
    raw = raw_mnist(files)

    def part(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        chosen = (y == 4) | (y == 9)
        small = functional.avg_pool2d(x[chosen][:, :, 2:-2, 2:-2].float() / 255, 2)
        return small.flatten(1), (y[chosen] == 9).long()

    train, test = part(raw.train_x, raw.train_y), part(raw.test_x, raw.test_y)
    return Images("mnist-4-9", *train, *test, 2, fingerprint("mnist-4-9"))
