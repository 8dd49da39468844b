"""What follows from a profile's records: its comparison tables, the verdicts on all claims, and `claims.json`."""

import hashlib
import json
import math
import sys
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from highways import paths
from highways.claims.history import fixed, read_history
from highways.claims.judge import Claim, Judgement, by_whose, claims_text, judge, read_claims
from highways.claims.sources import documents, numbers_of, spoken
from highways.config.profiles import profile_path
from highways.errors import HighwaysError
from highways.experiments import BY_NAME, EXPERIMENTS
from highways.experiments.base import SECTIONS, notes_of
from highways.files import remove_strays, write_all, write_whole
from highways.tracking import Listed, Source

TABLES = {table.name: (experiment, table) for experiment in EXPERIMENTS for table in experiment.tables}
"""Every table by name, with its experiment, in the order of the report."""


def write_tables(
    profile: str, names: Collection[str] = (), source: Source = "records", folder: Path | None = None
) -> list[Path]:
    """Write tables, by default all that the profile has runs for, to their experiments' folders; return their paths.

    Missing runs are reported on standard error.
    """
    if unknown := [name for name in names if name not in TABLES]:
        raise HighwaysError(f"no table {unknown[0]!r}; there are: {', '.join(TABLES)}")
    written: list[Path] = []
    for experiment in EXPERIMENTS:
        chosen = [table for table in experiment.tables if not names or table.name in names]
        if not chosen or not (names or profile_path(profile, experiment.name).exists()):
            continue
        study = experiment.of(profile)
        records = study.records(source)
        if not names and records.empty:
            continue  # the profile has not run this notebook yet
        if records.shortfall:
            print(f"{profile}/{experiment.name}: {records.shortfall}", file=sys.stderr)
        study.settings.runs()
        home = folder or study.results.tables
        written += write_all({home / name: text for table in chosen for name, text in table.texts(records).items()})
    return written


def all_claims() -> dict[str, Claim]:
    """Return all claims by id."""
    return read_claims({name: experiment.named_measures for name, experiment in BY_NAME.items()}, every=True)


LEADING, LEAD = next((one, one.lead) for one in EXPERIMENTS if one.lead is not None)
"""The experiment that the report and README begin with, and what they show of it."""


@dataclass(frozen=True)
class Judged:
    """All judged claims of a profile, with the records that they were judged on."""

    profile: str
    claims: Mapping[str, Claim]
    """Claims by id."""
    listed: Mapping[str, Listed]
    """Existing records by experiment."""
    judgements: Sequence[Judgement]

    @cached_property
    def tables(self) -> Mapping[Path, str]:
        """Content that the records give for each existing table file, by path."""
        texts: dict[Path, str] = {}
        for one in EXPERIMENTS:
            folder, records = paths.Results(self.profile).of(one.name).tables, self.listed[one.name]
            if folder.exists() and not records.empty:
                texts |= {folder / name: text for table in one.tables for name, text in table.texts(records).items()}
        return {path: text for path, text in texts.items() if path.exists()}

    @cached_property
    def rows(self) -> Mapping[str, dict[str, Any]]:
        """What pages, report, README and `claims.json` show of each claim, by its id; their templates read it.

        `said` is the measured value with its unit; `differs` holds unmet requirements of the claim and what its runs
        have instead; `lacking` puts these in words.
        """
        return {row.claim_id: self._row(row) for row in self.judgements}

    def _row(self, row: Judgement) -> dict[str, Any]:
        claim, named = self.claims[row.claim_id], documents(row.source)
        unit, differs = BY_NAME[claim.experiment].named_measures.unit(claim.measure), {}
        if row.verdict != "not run" and row.scope not in ("", "full"):
            differs = claim.evidence(self.listed[claim.experiment]).gaps
        return vars(row) | {
            "own": row.own,
            "experiment": claim.experiment,
            "documents": named,
            "of_papers": bool({"P1", "P2"} & set(named)),
            "of_study": claim.of_study,
            "unit": unit,
            "said": spoken(row.measured, unit),
            "differs": differs,
            "lacking": [_lack(name, *gap) for name, gap in differs.items()],
        }

    def of(self, experiment: str) -> list[dict[str, Any]]:
        """Return the rows of an experiment's claims."""
        return [row for row in self.rows.values() if row["experiment"] == experiment]


def _lack(name: str, asked: str, had: str) -> str:
    """Describe in words what a claim's runs have instead of what it requires."""
    if name in ("epochs", "trials", "survivors", "seeds", "training_examples"):
        return f"{had} of {asked} {name.replace('_', ' ')}"
    return f"{name}: {had}" if name == "depths" else f"{name}: {had} for {asked}"


def judge_all(profile: str, source: Source = "records") -> Judged:
    """Judge all claims on the runs that a profile lists."""
    claims, since = all_claims(), read_history()
    listed = {
        one.name: one.of(profile).records(source) if profile_path(profile, one.name).exists() else Listed(known=False)
        for one in EXPERIMENTS
    }
    judgements = []
    for name, claim in claims.items():
        measures, records = BY_NAME[claim.experiment].named_measures, listed[claim.experiment]
        judgement = judge(name, claim, measures, records, profile)
        judgements.append(replace(judgement, fixed=fixed(since.get(name), claim, measures, records)))
    return Judged(profile, claims, listed, judgements)


SCHEMA = "highways-claims/4"


def export_text(judged: Judged) -> str:
    """Return the content of `claims.json`: the judged claims with their evidence, as docs/claims.md describes it.

    It is byte-identical from run to run, and from records or MLflow.
    """
    since, sums = read_history(), dict[str, str]()
    for listed in judged.listed.values():
        sums |= {record.own_key: record.sha256 for record in (*listed, *listed.analyses)}
    rows = []
    for row in judged.rows.values():
        commit = since.get(row["claim_id"])
        when = {"text": row["fixed"]} | ({"at": commit.fixed_at, "commit": commit.commit} if commit else {})
        rows.append(_claim(row, judged) | {"evidence": _evidence(row, judged, sums), "fixed": when})
    counts = by_whose(judged.judgements)
    notes = {row["evidence"]["experiment"]: "" for row in rows}
    notes |= {name: f"{text}\n" for name in notes if (text := notes_of(name)[SECTIONS[-1]])}
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
    experiment, listed, cell_of = BY_NAME[claim.experiment], judged.listed[claim.experiment], claim.required.cell_of
    results, evidence = paths.Results(judged.profile).of(experiment.name), claim.evidence(listed)
    there = row["verdict"] != "not run" and not listed.empty
    return {
        "experiment": experiment.name,
        "data": row["data"],
        "trials": dict(Counter(" ".join(map(str, cell_of(run.config))) for run in evidence.runs if there)),
        "networks": len(evidence.records.networks()) if there and claim.each_network else None,
        "records": [
            {"folder": paths.shown(folder), "number": len(own), "sha256": hashlib.sha256(text.encode()).hexdigest()}
            for folder, own in ((results.runs, evidence.runs), (results.analyses, evidence.records.analyses))
            if there and (text := "\n".join(sorted(sums[one.own_key] for one in own)))
        ],
        "tables": [paths.shown(results.tables / f"{table.name}.csv") for table in experiment.tables if there],
        "figures": [paths.shown(results.figures / f"{name}.png") for name in experiment.figures if there],
        "notebook": f"notebooks/{experiment.name}.ipynb",
        "parameters": f"profiles/{row['profile']}/{experiment.name}.yaml",
        "command": experiment.command(row["profile"]),
    }


def write_claims(judged: Judged) -> Path:
    """Write `claims.csv`, `claims.json` and the counts for `dvc metrics`, and return the path of the first."""
    results = paths.Results(judged.profile)
    remove_strays(results.folder)
    write_whole(results.claims, claims_text(judged.judgements))
    write_whole(results.claims_json, export_text(judged))
    write_whole(results.verdicts, json.dumps(by_whose(judged.judgements), indent=2, sort_keys=True) + "\n")
    return results.claims
