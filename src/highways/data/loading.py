"""Loading any data set by its configuration."""

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from highways.config import DataConfig, OwnFile, Part
from highways.data.images import FLAT, PICTURES, Examples, Images, mnist, standardised
from highways.data.own import own_files, pixels, read_own
from highways.data.pictures import Pictures, as_shown
from highways.data.sentences import Sentences
from highways.data.sources import fingerprint, locate, source
from highways.errors import HighwaysError

DataSet = Images | Pictures | Sentences
"""All data sets share the attributes of `Labelled`, `training_batches` and `evaluation_batches`."""


def load(data: DataConfig | str) -> DataSet:
    """Load a data set by its configuration or name, fetching and preparing it if necessary.

    Raises:
        HighwaysError: The name is unknown, the files cannot be fetched, or the user's own file has a fault.
    """
    config = DataConfig.of(data)
    return _load(config, fingerprint(config))  # type: ignore[arg-type]


@lru_cache(maxsize=2)
def _load(config: DataConfig, mark: str) -> DataSet:
    """Load a data set; its fingerprint `mark` renews the cache if a user's file changes."""
    if config.reads == ("text",):
        from highways.data.text import load_sentences

        return load_sentences(config, mark)
    flat = config.pictures is None
    loaders = FLAT if flat and config.name in FLAT else PICTURES
    examples = loaders[config.name](locate(config.name)) if config.own is None else _own_examples(config.own)
    train_x, train_y, test_x, test_y = examples
    if flat and train_x.dim() == 4:
        train_x, test_x = (pictures.flatten(1).float() / 255 for pictures in (train_x, test_x))
    count = int(train_y.max()) + 1 if config.own else source(config.name).classes
    key, most = "training_examples", config.training_examples
    if config.pictures is not None:
        key, most = "pictures.training_images", config.pictures.training_images
    if most is not None and most > len(train_y):
        raise HighwaysError(f"data.{key} is {most}, but {config.name} has {len(train_y)}")
    if config.pictures is None:
        return Images(config.name, count, mark, train_x[:most], train_y[:most], test_x, test_y)
    images: dict[Part, Tensor] = {"train": train_x[:most], "test": test_x}
    labels: dict[Part, Tensor] = {"train": train_y[:most], "test": test_y}
    return as_shown(Pictures(config.name, count, mark, images, labels, config.pictures))


def _own_examples(own: OwnFile) -> Examples:
    files = {path.name: path for path in own_files(own).values()} if own.kind == "images" else {}
    if any(name.endswith("-ubyte.gz") for name in files):
        return _own_idx(own, files)
    x, y, part = read_own(own)
    if own.kind == "table":
        return standardised(np.array(x), y, part == "train")
    images, labels, training = torch.from_numpy(pixels(x)), torch.from_numpy(y), torch.from_numpy(part == "train")
    return images[training], labels[training], images[~training], labels[~training]


def _own_idx(own: OwnFile, files: dict[str, Path]) -> Examples:
    """Read and check a user's files in MNIST's format, for which there are no checksums."""
    try:
        train_x, train_y, test_x, test_y = mnist(files)
    except KeyError as error:
        raise HighwaysError(f"{own.file}: no file {error} in it") from None
    if (len(train_x), len(test_x)) != (len(train_y), len(test_y)) or train_x.shape[1:] != test_x.shape[1:]:
        raise HighwaysError(f"{own.file}: there are not as many images as labels, or images of two sizes")
    seen = train_y.unique().tolist()
    if seen != list(range(max(2, len(seen)))) or not set(test_y.tolist()) <= set(seen):
        raise HighwaysError(f"{own.file}: the labels must be 0, 1, ... without a gap, all of them in the training part")
    return train_x, train_y, test_x, test_y


# Facts about data sets: from sources.yaml for named ones, from the content for the user's own


def _is_own(data: DataConfig | str) -> bool:
    return isinstance(data, DataConfig) and data.own is not None


def examples(data: DataConfig | str, part: Part) -> int:
    """Return the number of examples of a part of a data set."""
    if part not in (load(data).parts if _is_own(data) else source(data).examples):
        raise HighwaysError(f"{data if isinstance(data, str) else data.name} has no {part} part")
    return len(load(data).targets(part)) if _is_own(data) else source(data).examples[part]


def trained_on(config: DataConfig) -> int:
    """Return the number of training examples that a run uses."""
    pictures = config.pictures
    fewer = config.training_examples or (pictures.training_images if pictures is not None else None)
    return fewer or examples(config, "train")


def classes(data: DataConfig | str) -> int:
    """Return the number of classes of a data set."""
    return load(data).classes if _is_own(data) else source(data).classes


def majority(data: DataConfig | str) -> float:
    """Return the test accuracy of always answering the test part's most frequent class."""
    if _is_own(data):
        labels = load(data).targets("test")
        return int(labels.bincount().max()) / len(labels)
    if (count := source(data).majority) is None:
        raise HighwaysError(f"data/sources.yaml does not say how frequent the test part's classes are: {data}")
    return count / examples(data, "test")
