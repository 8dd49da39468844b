"""`claims.json`: the judged claims with their evidence, for those who evaluate replications.

The file is one object:

- `schema`: `highways-claims/2`; a change of what follows raises the number.
- `profile`: name of the profile; `counts`: verdicts on the sources' claims (`sources`) and on our own (`our_own`).
- `claims`: an object each, in the order of `references/claims.yaml`:
    - `id`, `statement`, `criterion`; `source`, as the claim has it, `documents`, the texts that it names, and `own`,
      whether it is a question or a calculation of ours;
    - `required`: what a full judgement needs, and `easier_with_less`, whether less makes the criterion easier to meet;
    - `verdict`: `replicated`, `not replicated`, `inconclusive` or `not run`; `scope`: `full`, `pruned`, `reduced`,
      `stand-in`, or empty where it was not run;
    - `measured`: `low` and `high`, equal where it is no interval, `null` where nothing was or where it is infinite
      (`text` has it as in `claims.csv`, `each` the values behind an interval where they are fewer than five);
      `unit`: `nats`, `ratio`, `share`, `points` (difference of shares), `correlation`, `parameters`, or empty;
    - `faithfulness`: `differs`, by what it is (`data`, `epochs`, `trials`, ...) what is `required` and what there `is`;
      `notes`, what the sources leave open and what else differs in this experiment, Markdown;
    - `evidence`: `experiment`; `data`; `records`, the folders of runs and of analyses with the number of those that
      concern the claim and one sha256 over theirs; `tables` and `figures` that show it; `notebook`, `parameters`,
      `command`. Paths are from the root of the checkout.

It is the same to the byte from run to run, from records and from MLflow, and `highways verify` checks it.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from highways import paths
from highways.claims.judge import Claim, Judgement, by_whose, shortfalls
from highways.claims.sources import documents, numbers_of, unit_of
from highways.experiments import EXPERIMENTS
from highways.experiments.base import Experiment
from highways.tracking import Listed

if TYPE_CHECKING:
    from highways.report.verdicts import Judged

SCHEMA = "highways-claims/2"


def export_text(judged: Judged) -> str:
    """Return the content of `claims.json`."""
    experiments = {one.name: one for one in EXPERIMENTS}
    sums: dict[str, str] = {}
    for records in judged.listed.values():
        sums |= {run.run_key: run.content()["sha256"] for run in records}
        sums |= {analysis.key: analysis.content()["sha256"] for analysis in records.analyses}
    rows = []
    for row in judged.judgements:
        claim = judged.claims[row.claim_id]
        rows.append(_claim(row, claim, experiments[claim.experiment], judged.listed[claim.experiment], sums))
    content = {
        "schema": SCHEMA,
        "profile": judged.profile,
        "counts": by_whose(judged.judgements),
        "claims": rows,
    }
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _claim(
    row: Judgement, claim: Claim, experiment: Experiment, listed: Listed, sums: Mapping[str, str]
) -> dict[str, Any]:
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


def _evidence(
    row: Judgement, claim: Claim, experiment: Experiment, listed: Listed, sums: Mapping[str, str]
) -> dict[str, Any]:
    results = paths.Results(row.profile).of(experiment.name)
    tables = [results.tables / f"{table.name}.csv" for table in experiment.tables]
    figures = [results.figures / f"{name}.png" for name in experiment.figures]
    there = row.verdict != "not run" and not listed.empty
    runs = [run for run in listed if claim.required.concerns(run.config)]
    groups: dict[Path, list[str]] = {
        results.runs: [sums[run.run_key] for run in runs],
        results.analyses: [sums[analysis.key] for analysis in listed.analyses],
    }
    return {
        "experiment": experiment.name,
        "data": row.data,
        "records": [
            {"folder": paths.shown(folder), "number": len(own), "sha256": _digest(own)}
            for folder, own in groups.items()
            if own and row.verdict != "not run"
        ],
        "tables": [paths.shown(path) for path in tables if there],
        "figures": [paths.shown(path) for path in figures if there],
        "notebook": f"notebooks/{experiment.name}.ipynb",
        "parameters": f"profiles/{row.profile}/{experiment.name}.yaml",
        "command": experiment.command(row.profile),
    }


def _digest(sums: Sequence[str]) -> str:
    """Return one sha256 over those of some records, whatever their order."""
    return hashlib.sha256("\n".join(sorted(sums)).encode()).hexdigest()
