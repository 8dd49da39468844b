"""`dvc.yaml`, and for editors a JSON Schema of the claims; `make pipeline` writes both, a test keeps them current."""

import json

from pydantic.json_schema import models_json_schema

from highways import paths
from highways.claims.judge import Claim
from highways.claims.values import Expression
from highways.config.profiles import profile_names
from highways.experiments import BY_NAME, EXPERIMENTS
from highways.experiments.base import Experiment
from highways.report.render import render


def sources_of(experiment: Experiment) -> list[str]:
    """Return the source files of an experiment: its module, and modules whose names begin with its name."""
    folder, name = paths.root() / "src/highways/experiments", experiment.schema.__module__.split(".")[2]
    files = [folder / f"{name}.py", *sorted(folder.glob(f"{name}_*.py"))]
    return [path.relative_to(paths.root()).as_posix() for path in files]


def _before(experiment: Experiment) -> list[Experiment]:
    """Return the experiments whose records an experiment uses, directly or indirectly, the earliest first."""
    before = [one for one in EXPERIMENTS if one.name in experiment.after]
    return list({other.name: other for one in before for other in [*_before(one), one]}.values())


def dvc_text() -> str:
    """Return the content of `dvc.yaml`."""
    return render("dvc.yaml.j2", experiments=EXPERIMENTS, before=_before, sources=sources_of, profiles=profile_names())


def schema_text() -> str:
    """Return the content of `claims.schema.json`; it does not describe measures' arguments, which `claims` checks."""
    _, schema = models_json_schema([(Claim, "validation"), (Expression, "validation")])
    names = sorted({name for one in EXPERIMENTS for name in one.named_measures.functions})
    function = {"type": "object", "required": ["name"], "properties": {"name": {"enum": names}}}
    properties = schema["$defs"]["Claim"]["properties"]
    properties["experiment"] = {"enum": list(BY_NAME), "description": "Notebook whose records judge it."}
    properties["measure"] = {"anyOf": [{"$ref": "#/$defs/Expression"}, function]}
    head = {"$schema": "http://json-schema.org/draft-07/schema#", "title": "Claims by id", "type": "object"}
    return json.dumps(head | {"additionalProperties": {"$ref": "#/$defs/Claim"}} | schema, indent=1) + "\n"
