"""What follows from a profile's records: its comparison tables, and the verdicts on all claims."""

import json
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from highways import paths
from highways.claims.history import fixed, read_history
from highways.claims.judge import Claim, Judgement, by_whose, claims_text, judge, read_claims
from highways.claims.sources import documents, spoken
from highways.config.profiles import profile_path
from highways.errors import HighwaysError
from highways.experiments import BY_NAME, EXPERIMENTS
from highways.files import remove_strays, write_whole
from highways.report.export import export_text
from highways.tracking import Listed
from highways.tracking.reading import Source

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
        texts = {name: text for table in chosen for name, text in table.texts(records).items()}
        for name, text in texts.items():
            path = (folder or study.results.tables) / name
            write_whole(path, text)
            written.append(path)
    return written


def all_claims() -> dict[str, Claim]:
    """Return all claims by id."""
    return read_claims({name: experiment.named_measures for name, experiment in BY_NAME.items()}, every=True)


LEADING = next(one for one in EXPERIMENTS if one.lead is not None)
"""The experiment that the report and README begin with."""
assert LEADING.lead is not None
LEAD = LEADING.lead


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
                for table in one.tables:
                    texts |= {folder / name: text for name, text in table.texts(records).items()}
        return {path: text for path, text in texts.items() if path.exists()}

    def altered(self) -> list[Path]:
        """Return the table files that differ from what the records give."""
        return [path for path, text in self.tables.items() if path.read_bytes() != text.encode()]

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


def write_claims(judged: Judged) -> Path:
    """Write `claims.csv`, `claims.json` and the counts for `dvc metrics`, and return the path of the first."""
    results = paths.Results(judged.profile)
    remove_strays(results.folder)
    write_whole(results.claims, claims_text(judged.judgements))
    write_whole(results.claims_json, export_text(judged))
    write_whole(results.verdicts, json.dumps(by_whose(judged.judgements), indent=2, sort_keys=True) + "\n")
    return results.claims
