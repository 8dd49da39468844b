"""Strict, immutable settings, and validation errors that fit on one line."""

import difflib
import json
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, ValidationError, model_validator

from highways.config.reading import quoted
from highways.errors import HighwaysError, printable

# Limits far above what anybody trains, low enough that a slip of the keyboard is refused before it fills the memory.
Epochs = Annotated[int, Field(ge=1, le=100_000)]
BatchSize = Annotated[int, Field(ge=1, le=1_000_000)]
Trials = Annotated[int, Field(ge=1, le=10_000)]
"""Runs of one network that differ in what is drawn: trials, seeds."""
Width = Annotated[int, Field(ge=1, le=100_000)]
"""Units or channels."""
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
Count = Annotated[int, Field(ge=1, le=1_000_000_000)]
"""Steps, examples and the like."""
Depth = Annotated[int, Field(ge=1, le=10_000)]
"""Layers."""


def no_repetition(values: list[Any]) -> list[Any]:
    """Return a list in which nothing is given twice, and no two data sets of one's own have one name, as it is."""
    names = [getattr(value, "name", value) for value in values]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{name} is given twice")
    return values


T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)
Distinct = Annotated[list[T], AfterValidator(no_repetition), Field(min_length=1)]
"""A list with something in it, and nothing twice."""

MOST_FAULTS = 5
"""Largest number of faults that one message names."""


class Strict(BaseModel):
    """Base of all settings: unknown keys are refused, values are immutable and finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Network(Strict):
    """Base of the families of networks: what the other rooms must know of each."""

    numerics: ClassVar[int] = 1
    """Version of the family's numbers. Raise it by hand when a change alters its results: its runs then get new keys
    and are trained again. `tests/test_golden.py` notices when it should have been raised."""
    optimisers: ClassVar[tuple[str, ...]]
    """Kinds of optimisers that the family is trained with."""
    reads: ClassVar[Literal["flat", "pictures", "text"]]
    """What it is shown: flat images and features, pictures, or sentences."""
    tolerance: ClassVar[float] = 1e-4
    """Largest relative difference of the cross-entropies after one epoch, where processor, threads or grouping differ:
    sums are taken in another order there, and each step makes the differences grow (`highways verify --rerun`)."""

    @model_validator(mode="after")
    def _gates_have_a_bias(self) -> Self:
        if (getattr(self, "kind", "") == "highway") != (getattr(self, "transform_bias", None) is not None):
            raise ValueError("transform_bias belongs to the kind 'highway', which needs it, and to no other")
        return self

    @property
    def work(self) -> float:
        """A number that grows with the time that one epoch takes."""
        return 1

    @property
    def shown_as(self) -> str:
        """Its name in a run's slug."""
        return str(getattr(self, "kind", ""))

    def slug_parts(self, optimiser: str) -> list[str]:
        """Return further parts of a run's slug, from the network and the optimiser's kind."""
        return []


def tagged_union(tag: str, default: str) -> Discriminator:
    """Return a discriminator of the members of a union: their field `tag`, a `Literal` of one value each."""

    def value(settings: Any) -> Any:
        return settings.get(tag, default) if isinstance(settings, Mapping) else getattr(settings, tag, None)

    value.__name__ = tag  # pydantic names it in its messages
    return Discriminator(value)


def validate(model: type[M], values: Any, where: str) -> M:
    """Check values as JSON in pydantic's strict mode: "10" is no number, true is not 1, keys of mappings are text.

    Files, notebooks and what Papermill passes (mappings with text for keys) are all checked here, so that one of them
    refuses what the others refuse: in one line that names `where`, every key at fault, and what is allowed.
    """
    if not isinstance(values, Mapping):
        raise HighwaysError(f"{where}: expected a mapping of keys to values, found {quoted(values)}")
    try:
        text = json.dumps(values, default=lambda value: dict(value) if isinstance(value, BaseModel) else repr(value))
    except (TypeError, ValueError, RecursionError) as error:  # a key that is a tuple, a list that holds itself
        raise HighwaysError(f"{where}: {error}") from None
    try:
        return model.model_validate_json(text, strict=True)
    except ValidationError as error:
        details = error.errors(include_url=False)
        faults = [_fault(model, detail) for detail in details[:MOST_FAULTS]]
        if (more := len(details) - MOST_FAULTS) > 0:
            faults.append(f"and {more} more")
        raise HighwaysError(f"{where}: {'; '.join(faults)}") from None


def _fault(model: type[BaseModel], detail: Any) -> str:
    model, place = _place(model, detail["loc"])
    key = quoted(".".join(place) or "the whole")
    if detail["type"] == "extra_forbidden":
        allowed = sorted(model.model_fields)
        near = difflib.get_close_matches(str(detail["loc"][-1])[:80], allowed, n=1)
        hint = f", did you mean {near[0]!r}?" if near else ""
        return f"unknown key {key}{hint} (allowed: {', '.join(allowed)})"
    if detail["type"] == "missing":
        return f"key {key} is missing"
    given = f", found {quoted(detail['input'])}" if not isinstance(detail["input"], Mapping) else ""
    if detail["type"] == "list_type":
        given += f"; a list is written [{json.dumps(detail['input'])}]".replace('"', "")
    return f"key {key}: {printable(detail['msg'].removeprefix('Value error, '), 400)}{given}"


def _place(model: type[BaseModel], location: tuple[Any, ...]) -> tuple[type[BaseModel], list[str]]:
    """Return the innermost model around a place, and the keys that lead there, without the tags of unions."""
    keys: list[str] = []
    members = [model]
    for part in location:
        if len(members) > 1:  # part is the tag of one of them
            members = [m for m in members if any(get_args(f.annotation) == (part,) for f in m.model_fields.values())]
            continue
        keys.append(str(part))
        if (field := members[0].model_fields.get(str(part))) is not None:
            members = _models(field.annotation) or members
    return members[0], keys


def _models(annotation: Any) -> list[type[BaseModel]]:
    """Return the models in an annotation: itself, or the members of a union."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]
