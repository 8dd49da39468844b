"""Loading any data set by its configuration; its fingerprint, and facts about it."""

import hashlib
import json
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from highways import paths
from highways.config import DataConfig, OwnFile, Part
from highways.data.images import FLAT, PICTURES, Examples, Images, divided, standardised
from highways.data.own import own_files, read_own
from highways.data.pictures import Pictures, as_shown
from highways.data.sentences import Sentences
from highways.data.sources import Source, locate, source
from highways.data.synthetic import GENERATORS
from highways.errors import HighwaysError
from highways.files import file_sha256

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
    parts: Examples = loaders[config.name](locate(config.name)) if config.own is None else _own_examples(config.own)
    if flat and parts["train"][0].dim() == 4:
        parts = {part: (x.flatten(1).float() / 255, y) for part, (x, y) in parts.items()}
    x: dict[Part, Tensor] = {part: x for part, (x, _) in parts.items()}
    y: dict[Part, Tensor] = {part: y for part, (_, y) in parts.items()}
    count = int(y["train"].max()) + 1 if config.own else source(config).classes
    if (most := config.first_examples) is not None:
        if most > len(y["train"]):
            key = "training_examples" if flat else "pictures.training_images"
            raise HighwaysError(f"data.{key} is {most}, but {config.name} has {len(y['train'])}")
        x["train"], y["train"] = x["train"][:most], y["train"][:most]
    if config.pictures is None:
        return Images(config.name, count, mark, x, y)
    return as_shown(Pictures(config.name, count, mark, x, y, config.pictures))


def _own_examples(own: OwnFile) -> Examples:
    examples, classes, part = read_own(own)
    x, y, training = np.array(examples), classes, part == "train"
    if own.kind == "table":
        return standardised(x, y, training)
    return divided(*map(torch.from_numpy, (x, y, training)))


def fingerprint(data: DataConfig | str | None) -> str:
    """Return a sha256 of everything that a data set's content depends on; the source files need not exist.

    This covers the files' checksums (for generated data, the generator's name, parameters and version), the
    preparation's version and the word vectors' content. The fingerprint of no data is empty.
    """
    if data is None:
        return ""
    config = data if isinstance(data, DataConfig) else DataConfig.model_construct(name=data)
    content: dict[str, Any] = {}
    if config.own is not None:
        content["own"] = config.own.model_dump(mode="json", exclude={"file"})
        content["files"] = {path: file_sha256(place) for path, place in own_files(config.own).items()}
    else:
        entry = source(config)
        content["files"] = {file.path: file.sha256 for file in entry.files}
        content["preparation"] = entry.preparation
        if not entry.files:
            content["generator"] = GENERATORS[config.name] | {"examples": entry.examples}
    if config.vectors is not None:
        content["vectors"] = file_sha256(paths.given(config.vectors))
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _facts(data: DataConfig | str) -> Source:
    """Return what `sources.yaml` says of a named data set, or the same facts from the content of the user's own."""
    if isinstance(data, str) or data.own is None:
        return source(data)
    own = load(data)
    counts = {part: len(y) for part, y in own.y.items()}
    most = int(own.y["test"].bincount().max())
    return Source.model_construct(examples=counts, classes=own.classes, majority=most)


def examples(data: DataConfig | str, part: Part) -> int:
    """Return the number of examples of a part of a data set."""
    if (count := _facts(data).examples.get(part)) is None:
        raise HighwaysError(f"{data if isinstance(data, str) else data.name} has no {part} part")
    return count


def trained_on(config: DataConfig) -> int:
    """Return the number of training examples that a run uses."""
    return config.first_examples or examples(config, "train")


def classes(data: DataConfig | str) -> int:
    """Return the number of classes of a data set."""
    return _facts(data).classes


def majority(data: DataConfig | str) -> float:
    """Return the test accuracy of always answering the test part's most frequent class."""
    if (count := _facts(data).majority) is None:
        raise HighwaysError(f"data/sources.yaml does not say how frequent the test part's classes are: {data}")
    return count / examples(data, "test")
