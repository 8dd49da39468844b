"""Loading any data set by its configuration."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import get_args

from highways.config import DataConfig
from highways.config.run import DataName, TextDataName
from highways.data import features, images
from highways.data.images import Images
from highways.data.pictures import Pictures, load_pictures
from highways.data.sentences import Sentences
from highways.data.sources import fingerprint, locate
from highways.errors import HighwaysError

LOADERS: dict[str, Callable[[dict[str, Path]], Images]] = images.LOADERS | {
    "weak-signal": features.weak_signal,
    "mnist-4-9": features.mnist_fours_and_nines,
}
"""What makes flat data sets out of their files."""
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
    if config.pictures is not None:
        return load_pictures(config)
    if config.name in LOADERS:
        data = LOADERS[config.name](locate(config.name))
        return data.first(config.training_examples) if config.training_examples else data
    if config.name not in get_args(TextDataName):
        raise HighwaysError(f"nothing loads the data set {config.name!r}")
    from highways.data.text import load_sentences

    return load_sentences(config)
