"""The verdicts on all claims of a profile."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from highways import paths
from highways.claims.history import fixed, read_history
from highways.claims.judge import Claim, Judgement, by_whose, claims_text, judge, read_claims
from highways.config.profiles import profile_path
from highways.experiments import BY_NAME, EXPERIMENTS
from highways.experiments.base import Experiment, Table
from highways.files import remove_strays
from highways.report.export import export_text
from highways.tracking import Listed
from highways.tracking.reading import Source
from highways.tracking.records import write_atomically


def all_claims() -> dict[str, Claim]:
    """Return all claims by id.

    Raises:
        HighwaysError: An entry is at fault; one line that names it.
    """
    return read_claims({name: experiment.named_measures for name, experiment in BY_NAME.items()}, every=True)


@dataclass(frozen=True)
class Judged:
    """All claims of a profile, judged, with the records that they were judged on."""

    profile: str
    claims: Mapping[str, Claim]
    """By id."""
    listed: Mapping[str, Listed]
    """By experiment, as far as there are records."""
    judgements: Sequence[Judgement]

    @cached_property
    def tables(self) -> Mapping[Path, str]:
        """Content of the tables' files that are there, by path, as the records give it."""
        texts: dict[Path, str] = {}
        for one in EXPERIMENTS:
            folder, records = paths.Results(self.profile).of(one.name).tables, self.listed[one.name]
            if folder.exists() and not records.empty:
                for table in one.tables:
                    texts |= {folder / name: text for name, text in table.texts(records).items()}
        return {path: text for path, text in texts.items() if path.exists()}

    def text(self, experiment: Experiment, table: Table) -> str:
        """Return a table as CSV, empty where it has not been made."""
        return self.tables.get(paths.Results(self.profile).of(experiment.name).tables / f"{table.name}.csv", "")

    def altered(self) -> list[Path]:
        """Return the tables' files that are not what the records give."""
        return [path for path, text in self.tables.items() if path.read_bytes() != text.encode()]

    def of(self, experiment: str) -> list[Judgement]:
        """Return the judgements on an experiment's claims."""
        return [row for row in self.judgements if self.claims[row.claim_id].experiment == experiment]


def read_listed(profile: str, source: Source = "records") -> dict[str, Listed]:
    """Return what a profile lists, as far as it is there, by experiment; of one that it has not, nothing is known."""
    return {
        one.name: one.of(profile).records(source) if profile_path(profile, one.name).exists() else Listed(known=False)
        for one in EXPERIMENTS
    }


def judge_all(profile: str, source: Source = "records") -> Judged:
    """Judge all claims on the runs that a profile lists."""
    claims, listed, since = all_claims(), read_listed(profile, source), read_history()
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
    write_atomically(results.claims, claims_text(judged.judgements))
    write_atomically(results.claims_json, export_text(judged))
    write_atomically(results.verdicts, json.dumps(by_whose(judged.judgements), indent=2, sort_keys=True) + "\n")
    return results.claims
