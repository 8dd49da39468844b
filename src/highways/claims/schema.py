"""A JSON Schema of `references/claims.yaml`, for editors that complete and check while one types."""

import json
from collections.abc import Mapping

from pydantic.json_schema import models_json_schema

from highways.claims.judge import Claim
from highways.claims.values import Expression, Measures


def schema_text(known: Mapping[str, Measures]) -> str:
    """Return the content of `references/claims.schema.json`.

    It cannot say which arguments a measure takes: `highways claims` does.

    Args:
        known: Experiments by name, with their measures.
    """
    _, schema = models_json_schema([(Claim, "validation"), (Expression, "validation")])
    names = sorted({name for measures in known.values() for name in measures.functions})
    function = {"type": "object", "required": ["name"], "properties": {"name": {"enum": names}}}
    properties = schema["$defs"]["Claim"]["properties"]
    properties["experiment"] = {"enum": list(known), "description": "Notebook whose records judge it."}
    properties["measure"] = {"anyOf": [{"$ref": "#/$defs/Expression"}, function]}
    content = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Claims by id",
        "type": "object",
        "additionalProperties": {"$ref": "#/$defs/Claim"},
    }
    return json.dumps(content | schema, indent=1) + "\n"
