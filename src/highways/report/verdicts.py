"""The verdicts on all claims of a profile."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from highways import paths
from highways.claims.judge import Claim, Judgement, claims_text, judge, read_claims
from highways.config.profiles import profile_path
from highways.experiments import EXPERIMENTS
from highways.files import remove_strays
from highways.report.export import export_text
from highways.tracking import Listed
from highways.tracking.manifest import Manifest
from highways.tracking.reading import Source
from highways.tracking.records import write_atomically


def all_claims() -> dict[str, Claim]:
    """Return all claims by id.

    Raises:
        HighwaysError: An entry is at fault; one line that names it.
    """
    return read_claims({experiment.name: experiment.named_measures for experiment in EXPERIMENTS}, every=True)


def read_listed(profile: str, source: Source = "records") -> dict[str, Listed]:
    """Return what a profile lists, as far as it is there, by experiment; of one that it has not, nothing is known."""
    return {
        one.name: one.of(profile).records(source) if profile_path(profile, one.name).exists() else Listed(known=False)
        for one in EXPERIMENTS
    }


def judge_all(profile: str, source: Source = "records", listed: Mapping[str, Listed] | None = None) -> list[Judgement]:
    """Judge all claims on the runs that a profile lists.

    Args:
        profile: Name of the profile.
        source: Where the records are read from.
        listed: What `read_listed` returned, if it has been read already.
    """
    measures = {experiment.name: experiment.named_measures for experiment in EXPERIMENTS}
    listed = read_listed(profile, source) if listed is None else listed
    return [
        judge(name, claim, measures[claim.experiment], listed[claim.experiment], profile)
        for name, claim in all_claims().items()
    ]


def write_claims(profile: str, source: Source = "records") -> tuple[Path, list[Judgement]]:
    """Judge all claims, write `claims.csv`, `claims.json` and the counts for `dvc metrics`.

    New records and figures are taken into the manifest.

    Returns:
        The path of `claims.csv`, and the judgements.
    """
    listed = read_listed(profile, source)
    judgements = judge_all(profile, source, listed)
    remove_strays(paths.Results(profile).folder)
    write_atomically(paths.Results(profile).claims, claims_text(judgements))
    write_atomically(paths.Results(profile).claims_json, export_text(profile, judgements, listed, all_claims()))
    counts = {
        whose: dict(Counter(row.verdict for row in judgements if row.own == own))
        for whose, own in (("sources", False), ("our own", True))
    }
    write_atomically(paths.Results(profile).verdicts, json.dumps(counts, indent=2, sort_keys=True) + "\n")
    Manifest(profile).publish()
    return paths.Results(profile).claims, judgements
