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
from highways.claims.history import Fixed, read_history
from highways.claims.judge import Claim, Judgement, by_whose, shortfalls
from highways.claims.required import cell_of
from highways.claims.sources import documents, numbers_of, unit_of
from highways.experiments import EXPERIMENTS
from highways.experiments.base import Experiment
from highways.tracking import Listed

if TYPE_CHECKING:
    from highways.report.verdicts import Judged

SCHEMA = "highways-claims/3"


def export_text(judged: Judged) -> str:
    """Return the content of `claims.json`."""
    experiments = {one.name: one for one in EXPERIMENTS}
    sums: dict[str, str] = {}
    for records in judged.listed.values():
        sums |= {run.run_key: run.content()["sha256"] for run in records}
        sums |= {analysis.key: analysis.content()["sha256"] for analysis in records.analyses}
    since = read_history()
    rows = [
        _claim(row, judged, experiments[judged.claims[row.claim_id].experiment], sums)
        | {"fixed": _fixed(row, since.get(row.claim_id))}
        for row in judged.judgements
    ]
    counts = by_whose(judged.judgements)
    content = {"schema": SCHEMA, "profile": judged.profile, "counts": counts, "claims": rows}
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _claim(row: Judgement, judged: Judged, experiment: Experiment, sums: Mapping[str, str]) -> dict[str, Any]:
    claim, listed = judged.claims[row.claim_id], judged.listed[experiment.name]
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
        "evidence": _evidence(row, claim, experiment, listed, sums),
    }


def _fixed(row: Judgement, since: Fixed | None) -> dict[str, Any]:
    return {"text": row.fixed} | ({} if since is None else {"at": since.fixed_at, "commit": since.commit})


def _evidence(
    row: Judgement, claim: Claim, experiment: Experiment, listed: Listed, sums: Mapping[str, str]
) -> dict[str, Any]:
    results = paths.Results(row.profile).of(experiment.name)
    tables, figures, groups = [], [], {}
    if row.verdict != "not run" and not listed.empty:
        tables = [paths.shown(results.tables / f"{table.name}.csv") for table in experiment.tables]
        figures = [paths.shown(results.figures / f"{name}.png") for name in experiment.figures]
        groups = {
            results.runs: [sums[run.run_key] for run in listed if claim.required.concerns(run.config)],
            results.analyses: [sums[analysis.key] for analysis in listed.analyses],
        }
    return {
        "experiment": experiment.name,
        "data": row.data,
        "trials": _trials(claim, listed) if groups else {},
        "networks": len(listed.networks()) if groups and claim.each_network else None,
        "records": [
            {"folder": paths.shown(folder), "number": len(own), "sha256": _digest(own)}
            for folder, own in groups.items()
            if own
        ],
        "tables": tables,
        "figures": figures,
        "notebook": f"notebooks/{experiment.name}.ipynb",
        "parameters": f"profiles/{row.profile}/{experiment.name}.yaml",
        "command": experiment.command(row.profile),
    }


def _trials(claim: Claim, listed: Listed) -> dict[str, int]:
    """Return how many runs of each kind of network and depth a verdict on runs rests on."""
    chosen = [] if claim.of_study else claim.required.of_data_sets(listed)
    counts = Counter(cell_of(run.config) for run in chosen if claim.required.concerns(run.config))
    return {f"{kind} {depth}": number for (kind, depth), number in counts.items()}


def _digest(sums: Sequence[str]) -> str:
    """Return one sha256 over those of some records, whatever their order."""
    return hashlib.sha256("\n".join(sorted(sums)).encode()).hexdigest()
