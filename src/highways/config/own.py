"""Data of the user's own, by path: what has to be said of a file."""

from __future__ import annotations

import codecs
import re
from pathlib import PurePath
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from highways.config.base import Seed, Strict


def _encoding(name: str) -> str:
    try:
        return codecs.lookup(name).name
    except LookupError:
        raise ValueError("no such encoding; there are utf-8, latin-1, cp1252 and others") from None


class OwnFile(Strict):
    """A file, or a folder of images, in the place of one of the named data sets; `highways.data.own` reads it.

    A file with a column of sentences is a data set of sentences, one without a table of features.
    """

    file: Annotated[str, Field(min_length=1)]
    """Its path, absolute or from the project's root. Its content, not its place, enters the run's key."""
    label: str | None = None
    """The column that has the classes; a folder of images has none."""
    text: str | None = None
    """The column that has the sentences."""
    without: Annotated[
        tuple[str, ...], BeforeValidator(lambda given: tuple(given) if type(given) is list else given)
    ] = ()
    """Columns of a table that are no features."""
    split: str | None = None
    """The column that says `train`, `dev` or `test`; by default the parts are drawn."""
    test: float = Field(default=0.2, gt=0, lt=1)
    """Fraction of the examples that is drawn for testing."""
    dev: float = Field(default=0.1, gt=0, lt=1)
    """Fraction of the sentences that is drawn for development; tables and images have no such part."""
    split_seed: Seed = 0
    """Draws which examples are in which part."""
    encoding: Annotated[str, AfterValidator(_encoding)] = "utf-8"

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.test + (self.dev if self.text else 0) >= 1:
            raise ValueError("test and dev leave nothing to train on")
        if self.label is None and (self.text or self.without or self.split):
            raise ValueError("key 'label' is missing: the column that has the classes")
        return self

    @property
    def kind(self) -> Literal["table", "sentences", "images"]:
        """What it holds."""
        return "images" if self.label is None else "sentences" if self.text else "table"

    @property
    def name(self) -> str:
        """Its name in tables, figures and run keys: the file's, with a dot in it, which no named data set has."""
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", PurePath(self.file).name).strip(".-")[-60:] or "data"
        return name if "." in name else f"{name}.images"
