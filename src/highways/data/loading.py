"""Loading any data set by its configuration."""

from __future__ import annotations

from functools import lru_cache
from typing import get_args

from highways.config import DataConfig
from highways.config.run import DataName, TextDataName
from highways.data.images import FLAT, PICTURES, Examples, Images, flattened
from highways.data.pictures import Pictures, load_pictures
from highways.data.sentences import Sentences
from highways.data.sources import classes, fingerprint, locate
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
    """Load what `text` describes; `mark`, its fingerprint, is new where a file of word vectors was changed."""
    config = DataConfig.model_validate_json(text)
    if config.name in get_args(TextDataName):
        from highways.data.text import load_sentences

        return load_sentences(config)
    if config.pictures is not None:
        return load_pictures(config, _examples(config.name, flat=False))
    data = Images(config.name, *_examples(config.name, flat=True), classes(config.name), mark)
    return data.first(config.training_examples)


def _examples(name: str, flat: bool) -> Examples:
    if flat and name in FLAT:
        return FLAT[name](locate(name))
    if name not in PICTURES:
        raise HighwaysError(f"nothing loads the data set {name!r}")
    pictures = PICTURES[name](locate(name))
    return flattened(pictures) if flat else pictures
