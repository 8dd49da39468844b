"""Strict, immutable settings, and validation errors that fit on one line."""

import difflib
import json
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, ValidationError, model_validator

from highways.config.reading import quoted
from highways.errors import HighwaysError, printable

# Limits far above anything trained in practice, but low enough to reject a typo before it fills the memory.
Epochs = Annotated[int, Field(ge=1, le=100_000)]
BatchSize = Annotated[int, Field(ge=1, le=1_000_000)]
Trials = Annotated[int, Field(ge=1, le=10_000)]
"""Number of runs of one network that differ in random draws: trials, seeds."""
Width = Annotated[int, Field(ge=1, le=100_000)]
"""Units or channels."""
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
Count = Annotated[int, Field(ge=1, le=1_000_000_000)]
"""Steps, examples and the like."""
Depth = Annotated[int, Field(ge=1, le=10_000)]
"""Layers."""


def no_repetition(values: list[Any]) -> list[Any]:
    """Return the list unchanged if no value, and no name of a user's own data set, occurs twice in it."""
    names = [getattr(value, "name", value) for value in values]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{name} is given twice")
    return values


T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)
Distinct = Annotated[list[T], AfterValidator(no_repetition), Field(min_length=1)]
"""A list that is not empty and repeats nothing."""


class Strict(BaseModel):
    """Base of all settings: unknown keys are rejected, values are immutable and finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Network(Strict):
    """Base of the network families: the properties that other packages need to know."""

    numerics: ClassVar[int] = 1
    """Version of the family's numerics. Raise it by hand when a change alters results: the family's runs then get new
    keys and are retrained. `tests/test_golden.py` fails if it should have been raised."""
    optimisers: ClassVar[tuple[str, ...]]
    """Kinds of optimiser that can train the family."""
    reads: ClassVar[Literal["flat", "pictures", "text"]]
    """Input of the network: flat images and features, pictures, or sentences."""
    tolerance: ClassVar[float] = 1e-4
    """Largest accepted relative difference of cross-entropies after one epoch if processor, threads or grouping differ:
    sums are then computed in another order, and each step amplifies the difference (`highways verify --rerun`)."""

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
        """The network's name in a run's slug."""
        return str(getattr(self, "kind", ""))

    def slug_parts(self, optimiser: str) -> list[str]:
        """Return further parts of a run's slug, from the network and the optimiser's kind."""
        return []


def tagged_union(tag: str, default: str) -> Discriminator:
    """Return a discriminator of a union's members by their field `tag`, a `Literal` with one value in each."""

    def value(settings: Any) -> Any:
        return settings.get(tag, default) if isinstance(settings, Mapping) else getattr(settings, tag, None)

    value.__name__ = tag  # pydantic's messages use this name
    return Discriminator(value)


def validate(model: type[M], values: Any, where: str) -> M:
    """Check values as JSON in pydantic's strict mode: "10" is not a number, true is not 1, mapping keys are strings.

    Files, notebooks and Papermill's parameters (mappings with string keys) are all checked here, so that all reject the
    same values: in one line that names `where`, every wrong key, and what is allowed.
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
        faults = [_fault(model, detail) for detail in details[:5]]
        if more := len(details) - len(faults):
            faults.append(f"and {more} more")
        raise HighwaysError(f"{where}: {'; '.join(faults)}") from None


def _fault(model: type[BaseModel], detail: Any) -> str:
    keys: list[str] = []
    members = [model]  # the innermost model around the fault, or the members of a union of models
    for part in detail["loc"]:
        if len(members) > 1:  # part is the tag of a union member
            members = [m for m in members if any(get_args(f.annotation) == (part,) for f in m.model_fields.values())]
            continue
        keys.append(str(part))
        if (field := members[0].model_fields.get(str(part))) is not None:
            members = _models(field.annotation) or members
    key = quoted(".".join(keys) or "the whole")
    if detail["type"] == "extra_forbidden":
        allowed = sorted(members[0].model_fields)
        near = difflib.get_close_matches(str(detail["loc"][-1])[:80], allowed, n=1)
        hint = f", did you mean {near[0]!r}?" if near else ""
        return f"unknown key {key}{hint} (allowed: {', '.join(allowed)})"
    if detail["type"] == "missing":
        return f"key {key} is missing"
    given = f", found {quoted(detail['input'])}" if not isinstance(detail["input"], Mapping) else ""
    if detail["type"] == "list_type":
        given += f"; a list is written [{json.dumps(detail['input'])}]".replace('"', "")
    return f"key {key}: {printable(detail['msg'].removeprefix('Value error, '), 400)}{given}"


def _models(annotation: Any) -> list[type[BaseModel]]:
    """Return the models in an annotation: itself, or the members of a union."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]
