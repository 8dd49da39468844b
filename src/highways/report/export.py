"""`claims.json`: the judged claims with their evidence, for anyone who evaluates replications.

docs/claims.md describes its schema. It is byte-identical from run to run, and from records or MLflow.
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
from highways.claims.judge import by_whose
from highways.claims.sources import numbers_of
from highways.experiments import BY_NAME
from highways.tracking import AnalysisRecord, RunRecord

if TYPE_CHECKING:
    from highways.report.verdicts import Judged

SCHEMA = "highways-claims/4"


def export_text(judged: Judged) -> str:
    """Return the content of `claims.json`."""
    since, sums = read_history(), dict[str, str]()
    for listed in judged.listed.values():
        sums |= {record.own_key: record.sha256 for record in (*listed, *listed.analyses)}
    rows = []
    for row in judged.rows.values():
        commit = since.get(row["claim_id"])
        fixed = {"text": row["fixed"]} | ({"at": commit.fixed_at, "commit": commit.commit} if commit else {})
        rows.append(_claim(row, judged) | {"evidence": _evidence(row, judged, sums), "fixed": fixed})
    counts = by_whose(judged.judgements)
    notes = {name: BY_NAME[name].notes for name in dict.fromkeys(row["evidence"]["experiment"] for row in rows)}
    content = {"schema": SCHEMA, "profile": judged.profile, "counts": counts, "notes": notes, "claims": rows}
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _claim(row: Mapping[str, Any], judged: Judged) -> dict[str, Any]:
    claim = judged.claims[row["claim_id"]]
    ends, each = numbers_of(row["measured"]) if row["measured"] else ([], [])
    finite = [end if math.isfinite(end) else None for end in ends] or [None]
    return {
        "id": row["claim_id"],
        **{name: row[name] for name in ("statement", "source", "documents", "own", "criterion")},
        "required": claim.required.model_dump(exclude_none=True),
        **{name: getattr(claim, name) for name in ("easier_with_less", "each_network", "beyond_untrained")},
        **{name: row[name] for name in ("verdict", "scope")},
        "measured": {"low": finite[0], "high": finite[-1], "text": row["measured"], "each": each},
        "unit": row["unit"],
        "differs": {name: {"required": asked, "is": had} for name, (asked, had) in row["differs"].items()},
    }


def _evidence(row: Mapping[str, Any], judged: Judged, sums: Mapping[str, str]) -> dict[str, Any]:
    claim = judged.claims[row["claim_id"]]
    experiment, listed, required = BY_NAME[claim.experiment], judged.listed[claim.experiment], claim.required
    results, evidence = paths.Results(judged.profile).of(experiment.name), claim.evidence(listed)
    there = row["verdict"] != "not run" and not listed.empty
    groups: dict[Any, Sequence[RunRecord | AnalysisRecord]] = {
        results.runs: [] if evidence.study else evidence.runs,
        results.analyses: [evidence.study] if evidence.study else evidence.records.analyses,
    }
    concerned = [run.config for run in evidence.runs] if there and not evidence.study else []
    return {
        "experiment": experiment.name,
        "data": row["data"],
        "trials": dict(Counter(" ".join(map(str, required.cell_of(config))) for config in concerned)),
        "networks": len(evidence.records.networks()) if there and claim.each_network else None,
        "records": [
            {"folder": paths.shown(folder), "number": len(own), "sha256": hashlib.sha256(text.encode()).hexdigest()}
            for folder, own in groups.items()
            if there and (text := "\n".join(sorted(sums[one.own_key] for one in own)))
        ],
        "tables": [paths.shown(results.tables / f"{table.name}.csv") for table in experiment.tables if there],
        "figures": [paths.shown(results.figures / f"{name}.png") for name in experiment.figures if there],
        "notebook": f"notebooks/{experiment.name}.ipynb",
        "parameters": f"profiles/{row['profile']}/{experiment.name}.yaml",
        "command": experiment.command(row["profile"]),
    }
