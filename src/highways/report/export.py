"""`claims.json`: the judged claims with their evidence, for those who evaluate replications.

docs/claims.md has its schema. It is the same to the byte from run to run, from records and from MLflow.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from highways import paths
from highways.claims.history import read_history
from highways.claims.judge import Judgement, by_whose, shortfalls
from highways.claims.required import cell_of
from highways.claims.sources import documents, numbers_of, unit_of
from highways.experiments import BY_NAME

if TYPE_CHECKING:
    from highways.report.verdicts import Judged

SCHEMA = "highways-claims/3"


def export_text(judged: Judged) -> str:
    """Return the content of `claims.json`."""
    since, rows, sums = read_history(), [], dict[str, str]()
    for listed in judged.listed.values():
        sums |= {run.run_key: run.content()["sha256"] for run in listed}
        sums |= {analysis.key: analysis.content()["sha256"] for analysis in listed.analyses}
    for row in judged.judgements:
        commit = since.get(row.claim_id)
        fixed = {"text": row.fixed} | ({"at": commit.fixed_at, "commit": commit.commit} if commit else {})
        rows.append(_claim(row, judged) | {"evidence": _evidence(row, judged, sums), "fixed": fixed})
    counts = by_whose(judged.judgements)
    content = {"schema": SCHEMA, "profile": judged.profile, "counts": counts, "claims": rows}
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _claim(row: Judgement, judged: Judged) -> dict[str, Any]:
    claim = judged.claims[row.claim_id]
    experiment, listed = BY_NAME[claim.experiment], judged.listed[claim.experiment]
    ends, each = numbers_of(row.measured) if row.measured else ([], [])
    finite = [end if math.isfinite(end) else None for end in ends] or [None]
    lacking = shortfalls(claim, listed) if row.verdict != "not run" and row.scope not in ("", "full") else {}
    return {
        "id": row.claim_id,
        "statement": row.statement,
        "source": row.source,
        "documents": list(documents(row.source)),
        "own": row.own,
        "criterion": row.criterion,
        "required": claim.required.model_dump(exclude_none=True),
        "easier_with_less": claim.easier_with_less,
        "each_network": claim.each_network,
        "beyond_untrained": claim.beyond_untrained,
        "verdict": row.verdict,
        "scope": row.scope,
        "measured": {"low": finite[0], "high": finite[-1], "text": row.measured, "each": each},
        "unit": unit_of(claim, experiment.named_measures),
        "faithfulness": {
            "differs": {name: {"required": asked, "is": had} for name, (asked, had) in lacking.items()},
            "notes": experiment.notes,
        },
    }


def _evidence(row: Judgement, judged: Judged, sums: Mapping[str, str]) -> dict[str, Any]:
    claim = judged.claims[row.claim_id]
    experiment, listed = BY_NAME[claim.experiment], judged.listed[claim.experiment]
    results = paths.Results(row.profile).of(experiment.name)
    there = row.verdict != "not run" and not listed.empty
    groups = {
        results.runs: [sums[run.run_key] for run in listed if claim.required.concerns(run.config)],
        results.analyses: [sums[analysis.key] for analysis in listed.analyses],
    }
    of_trials = [] if claim.of_study or not there else claim.required.of_data_sets(listed)
    concerned = [run.config for run in of_trials if claim.required.concerns(run.config)]
    trials = Counter(" ".join(map(str, cell_of(config, claim.required.cells))) for config in concerned)
    return {
        "experiment": experiment.name,
        "data": row.data,
        "trials": dict(trials),
        "networks": len(listed.networks()) if there and claim.each_network else None,
        "records": [
            {"folder": paths.shown(folder), "number": len(own), "sha256": _digest(own)}
            for folder, own in groups.items()
            if there and own
        ],
        "tables": [paths.shown(results.tables / f"{table.name}.csv") for table in experiment.tables if there],
        "figures": [paths.shown(results.figures / f"{name}.png") for name in experiment.figures if there],
        "notebook": f"notebooks/{experiment.name}.ipynb",
        "parameters": f"profiles/{row.profile}/{experiment.name}.yaml",
        "command": experiment.command(row.profile),
    }


def _digest(sums: Sequence[str]) -> str:
    """Return one sha256 over those of some records, whatever their order."""
    return hashlib.sha256("\n".join(sorted(sums)).encode()).hexdigest()
