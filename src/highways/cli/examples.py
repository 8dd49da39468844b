"""An example of a run's YAML for every family of networks, made from the schema: each field with what it means."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from itertools import pairwise
from typing import Any, Literal, cast, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from highways.config import RunConfig, validate

Family = Literal["dense", "conv", "bilstm", "bag-of-words"]

_TEXT = {"data": {"name": "synthetic-tweets"}, "optimiser": {"kind": "adam", "learning_rate": 0.001}}
_EXAMPLES: dict[Family, dict[str, Any]] = {
    "dense": {
        "data": {"name": "digits"},
        "network": {"family": "dense", "kind": "highway", "depth": 10, "width": 50, "transform_bias": -2.0},
        "optimiser": {"kind": "sgd", "learning_rate": 0.03, "momentum": 0.9, "decay": 0.95},
        "budget": {"epochs": 5, "batch_size": 50},
    },
    "conv": {
        "data": {"name": "digits", "pictures": {"scale": 0.0625, "enlarge": 2}},
        "network": {
            "family": "conv",
            "name": "my-network",
            "kind": "highway",
            "stages": [
                {"width": 16, "entry": 3, "blocks": 2, "kernels": [3], "pool": 2},
                {"width": 24, "entry": 3, "blocks": 2, "pool": 2, "dropout": 0.2},
            ],
            "transform_bias": -1.0,
        },
        "optimiser": {"kind": "caffe", "learning_rate": 0.02, "milestones": [0.6, 0.8]},
        "budget": {"epochs": 5, "batch_size": 50},
    },
    "bilstm": _TEXT
    | {
        "network": {
            "family": "bilstm",
            "kind": "highway",
            "depth": 2,
            "hidden": 32,
            "embedding": 32,
            "transform_bias": -1.0,
        },
        "budget": {"epochs": 2, "batch_size": 32},
    },
    "bag-of-words": _TEXT | {"network": {"family": "bag-of-words"}, "budget": {"epochs": 5, "batch_size": 32}},
}
FAMILIES = tuple(_EXAMPLES)
_WIDTH = 100
_BELONGS_TO = {
    "vectors": "text",
    "snapshot_steps": "text",
    "pictures": "pictures",
    "precision": "pictures",
    "training_examples": "flat",
    "shuffle": "flat",
}
"""Fields that are for networks that read so, and are refused elsewhere."""


def example_of(family: Family) -> str:
    """Return a run of a family as YAML with comments: what is set, and what could be, with its default."""
    run = validate(RunConfig, _EXAMPLES[family], f"the example of {family}")
    lines = [
        f"# A run of the family {family}. Written to a file, `highways run FILE` trains it, and",
        "# `highways run FILE --set network.depth=20` another one. Lines behind a # have their default; what decides",
        "# the result stands here, all of it, so that the same file is the same run.",
    ]
    reads, meanings = run.network.reads, _docstrings(RunConfig)
    for name, field in RunConfig.model_fields.items():
        value = getattr(run, name)
        if _BELONGS_TO.get(name, reads) != reads:
            continue
        if isinstance(value, BaseModel):
            lines += ["", *_comment(_first_line(type(value)), ""), f"{name}:", *_section(value, reads, "  ")]
        else:
            lines += ["", *_comment(_meaning(field, meanings.get(name, "")), ""), f"# {name}: {_flow(value)}"]
    return "\n".join(lines) + "\n"


def _section(model: BaseModel, reads: str, indent: str) -> list[str]:
    lines, meanings = [], _docstrings(type(model))
    for name, field in type(model).model_fields.items():
        value, given = getattr(model, name), name in model.model_fields_set
        if _BELONGS_TO.get(name, reads) != reads:
            continue
        lines += _comment(_meaning(field, meanings.get(name, "")), indent)
        if given and isinstance(value, BaseModel):
            lines += [f"{indent}{name}:", *_section(value, reads, indent + "  ")]
        elif given and isinstance(value, tuple) and any(isinstance(item, BaseModel) for item in value):
            lines += [f"{indent}{name}:", *(f"{indent}  - {_flow(item)}" for item in value)]
        else:
            lines.append(f"{indent}{'' if given else '# '}{name}: {_flow(value)}")
    return lines


def _docstrings(model: type[BaseModel]) -> dict[str, str]:
    """Return what stands below the fields of a model and of its bases, by name.

    pydantic could hand it on as descriptions; for every model at import, that takes as long as all the rest of them.
    """
    found: dict[str, str] = {}
    for one in reversed(model.__mro__):
        if issubclass(one, BaseModel) and one is not BaseModel:
            body = cast(ast.ClassDef, ast.parse(textwrap.dedent(inspect.getsource(one))).body[0]).body
            for field, below in pairwise(body):
                if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                    match below:
                        case ast.Expr(ast.Constant(str(text))):
                            found[field.target.id] = inspect.cleandoc(text)
    return found


def _meaning(field: FieldInfo, docstring: str) -> str:
    """Return what a field means, and what may be said where that is a choice."""
    choices = [str(word) for part in (field.annotation, *get_args(field.annotation)) for word in _words(part)]
    meaning = docstring.partition("\n\n")[0]
    return " ".join(part for part in (meaning, f"One of {', '.join(choices)}." if len(choices) > 1 else "") if part)


def _words(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) is Literal else ()


def _comment(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        re.sub(r"\s+", " ", text),
        _WIDTH,
        initial_indent=f"{indent}# ",
        subsequent_indent=f"{indent}# ",
        break_on_hyphens=False,
    )


def _first_line(model: type[BaseModel]) -> str:
    return (inspect.getdoc(model) or "").partition("\n")[0]


def _flow(value: Any) -> str:
    """Return a value as YAML on one line."""
    if isinstance(value, BaseModel):
        given = {name: getattr(value, name) for name in type(value).model_fields if name in value.model_fields_set}
        return "{" + ", ".join(f"{name}: {_flow(item)}" for name, item in given.items()) + "}"
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    return str(value)
