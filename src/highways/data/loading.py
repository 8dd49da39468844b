"""Loading any data set by its configuration."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import get_args

import numpy as np
import torch
from torch import Tensor

from highways.config import DataConfig
from highways.config.data import OwnFile
from highways.config.run import DataName
from highways.data.images import FLAT, PICTURES, Examples, Images, flattened, mnist, standardised
from highways.data.own import Part, own_files, pixels, read_own
from highways.data.pictures import Pictures, load_pictures
from highways.data.sentences import Sentences
from highways.data.sources import classes as classes_of
from highways.data.sources import examples as examples_of
from highways.data.sources import fingerprint, locate
from highways.data.sources import majority as majority_of
from highways.errors import HighwaysError

DataSet = Images | Pictures | Sentences
"""What all data sets have: `name`, `parts`, `classes`, `fingerprint`, `device`, `size`, `to`,
`training_batches` and `evaluation_batches`."""


def load(data: DataConfig | str) -> DataSet:
    """Load a data set, fetching and preparing it where that has not been done.

    Args:
        data: Its configuration, or just its name.

    Raises:
        HighwaysError: There is no such data set, or its files cannot be had; see `highways.data.sources`.
    """
    if isinstance(data, DataConfig):
        return _load(data.model_dump_json(), fingerprint(data))
    if data not in get_args(DataName):
        raise HighwaysError(f"no data set {data!r}; there are: {', '.join(get_args(DataName))}")
    return load(DataConfig.model_validate({"name": data}))


@lru_cache(maxsize=2)
def _load(text: str, mark: str) -> DataSet:
    """Load what `text` describes; `mark`, its fingerprint, is new where a file of the user's was changed."""
    config = DataConfig.model_validate_json(text)
    if config.reads == ("text",):
        from highways.data.text import load_sentences

        return load_sentences(config)
    flat = config.pictures is None
    examples = _examples(config.name, flat) if config.own is None else _own_examples(config.own, flat)
    if fingerprint(config) != mark:
        raise HighwaysError(f"{config.name}: it was changed while it was read; start again")
    count = int(examples[1].max()) + 1 if config.own else classes_of(config.name)
    if flat:
        return Images(config.name, *examples, count, mark).first(config.training_examples)
    return load_pictures(config, examples, count)


def _examples(name: str, flat: bool) -> Examples:
    if flat and name in FLAT:
        return FLAT[name](locate(name))
    if name not in PICTURES:
        raise HighwaysError(f"nothing loads the data set {name!r}")
    pictures = PICTURES[name](locate(name))
    return flattened(pictures) if flat else pictures


def _own_examples(own: OwnFile, flat: bool) -> Examples:
    if own.kind == "table":
        held = read_own(own)
        return standardised(np.array(held.x), held.y, held.part == "train")
    files = {path.name: path for path in own_files(own).values()}
    pictures = _own_idx(own, files) if any(name.endswith("-ubyte.gz") for name in files) else _own_pictures(own)
    return flattened(pictures) if flat else pictures


def _own_pictures(own: OwnFile) -> Examples:
    held = read_own(own)
    x, y, training = torch.from_numpy(pixels(held.x)), torch.from_numpy(held.y), torch.from_numpy(held.part == "train")
    return x[training], y[training], x[~training], y[~training]


def _own_idx(own: OwnFile, files: dict[str, Path]) -> Examples:
    """Read a user's files in MNIST's format, which no checksum vouches for.

    Raises:
        HighwaysError: One is missing or at fault, or they do not belong together.
    """
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


# What data say of themselves: named ones in sources.yaml, own ones once they are loaded


def examples(data: DataConfig | str, part: Part) -> int:
    """Return the number of examples of a part of a data set.

    Raises:
        HighwaysError: It has no such part.
    """
    return examples_of(name, part) if (name := _name(data)) else len(_labels(data, part))


def classes(data: DataConfig | str) -> int:
    """Return the number of classes of a data set."""
    return classes_of(name) if (name := _name(data)) else load(data).classes


def majority(data: DataConfig | str) -> float:
    """Return the accuracy on the test part of always answering its most frequent class.

    Raises:
        HighwaysError: `sources.yaml` does not say.
    """
    if name := _name(data):
        return majority_of(name)
    labels = _labels(data, "test")
    return int(labels.bincount().max()) / len(labels)


def _name(data: DataConfig | str) -> str | None:
    """Return the name of a named data set, `None` of own data."""
    return data if isinstance(data, str) else data.name if data.own is None else None


def _labels(own: DataConfig | str, part: Part) -> Tensor:
    data = load(own)
    if part not in data.parts:
        raise HighwaysError(f"{data.name} has no {part} part")
    if isinstance(data, Sentences):
        return data.splits[part].labels
    if isinstance(data, Pictures):
        return data.labels["train" if part == "train" else "test"]
    return data.train_y if part == "train" else data.test_y
