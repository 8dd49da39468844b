"""Loading any data set by its configuration."""

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from highways.config import DataConfig
from highways.config.data import OwnFile, Part
from highways.data.images import FLAT, PICTURES, Examples, Images, flattened, mnist, standardised
from highways.data.own import own_files, pixels, read_own
from highways.data.pictures import Pictures, load_pictures
from highways.data.sentences import Sentences
from highways.data.sources import fingerprint, locate, source
from highways.errors import HighwaysError

DataSet = Images | Pictures | Sentences
"""What all data sets have: `name`, `classes`, `fingerprint`, what `Tensors` has, `training_batches` and
`evaluation_batches`."""


def load(data: DataConfig | str) -> DataSet:
    """Load a data set by its configuration, or just its name, fetching and preparing it where that is still to do."""
    config = DataConfig.of(data)
    return _load(config.model_dump_json(), fingerprint(config))


@lru_cache(maxsize=2)
def _load(text: str, mark: str) -> DataSet:
    """Load what `text` describes; `mark`, its fingerprint, is new where a file of the user's was changed."""
    config = DataConfig.model_validate_json(text)
    if config.reads == ("text",):
        from highways.data.text import load_sentences

        return load_sentences(config)
    flat = config.pictures is None
    examples = _examples(config.name, flat) if config.own is None else _own_examples(config.own, flat)
    count = int(examples[1].max()) + 1 if config.own else source(config.name).classes
    if flat:
        return Images(config.name, *examples, count, mark).first(config.training_examples)
    return load_pictures(config, examples, count)


def _examples(name: str, flat: bool) -> Examples:
    if flat and name in FLAT:
        return FLAT[name](locate(name))
    pictures = PICTURES[name](locate(name))
    return flattened(pictures) if flat else pictures


def _own_examples(own: OwnFile, flat: bool) -> Examples:
    if own.kind == "table":
        table = read_own(own)
        return standardised(np.array(table.x), table.y, table.part == "train")
    files = {path.name: path for path in own_files(own).values()}
    pictures = _own_idx(own, files) if any(name.endswith("-ubyte.gz") for name in files) else _own_pictures(own)
    return flattened(pictures) if flat else pictures


def _own_pictures(own: OwnFile) -> Examples:
    held = read_own(own)
    x, y, training = torch.from_numpy(pixels(held.x)), torch.from_numpy(held.y), torch.from_numpy(held.part == "train")
    return x[training], y[training], x[~training], y[~training]


def _own_idx(own: OwnFile, files: dict[str, Path]) -> Examples:
    """Read a user's files in MNIST's format, which no checksum vouches for."""
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


def _is_own(data: DataConfig | str) -> bool:
    return isinstance(data, DataConfig) and data.own is not None


def examples(data: DataConfig | str, part: Part) -> int:
    """Return the number of examples of a part of a data set."""
    if part not in (load(data).parts if _is_own(data) else source(data).examples):
        raise HighwaysError(f"{data if isinstance(data, str) else data.name} has no {part} part")
    return len(load(data).targets(part)) if _is_own(data) else source(data).examples[part]


def classes(data: DataConfig | str) -> int:
    """Return the number of classes of a data set."""
    return load(data).classes if _is_own(data) else source(data).classes


def majority(data: DataConfig | str) -> float:
    """Return the accuracy on the test part of always answering its most frequent class."""
    if _is_own(data):
        labels = load(data).targets("test")
        return int(labels.bincount().max()) / len(labels)
    if (count := source(data).majority) is None:
        raise HighwaysError(f"data/sources.yaml does not say how frequent the test part's classes are: {data}")
    return count / examples(data, "test")
