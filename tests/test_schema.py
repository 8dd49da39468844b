"""The schema that editors check `references/claims.yaml` with."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from highways.claims.schema import schema_text
from highways.experiments import EXPERIMENTS


@pytest.fixture(scope="module")
def text() -> str:
    return schema_text({one.name: one.named_measures for one in EXPERIMENTS})


def test_committed_schema_is_current_and_claims_name_it(text: str, repository: Path) -> None:
    assert (repository / "references/claims.schema.json").read_text() == text, "run `make pipeline`"
    first, _, _ = (repository / "references/claims.yaml").read_text().partition("\n")
    assert first == "# yaml-language-server: $schema=claims.schema.json"


def test_every_claim_passes_and_slips_do_not(text: str, repository: Path) -> None:
    validator = jsonschema.Draft7Validator(json.loads(text))
    claims = yaml.safe_load((repository / "references/claims.yaml").read_text())
    assert [error.message for error in validator.iter_errors(claims)] == []
    claim = claims["depth-plain-degrades"]
    without = {key: value for key, value in claim.items() if key != "criterion"}
    slips = [
        {"experiment": "01_depht"},
        {"holds": {"over": 10}},
        {"measure": {"name": "no_such_measure"}},
        {"measure": {"ratio": [{"depth": 10}], "of": "best_train_cross_entropy"}},
        {"required": {"epochs": "many"}},
        {"verdict": "replicated"},
    ]
    for wrong in [without, *(claim | slip for slip in slips)]:
        assert not validator.is_valid({"a": wrong}), wrong
