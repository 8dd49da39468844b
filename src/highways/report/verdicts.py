"""The verdicts on all claims of a profile."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from highways import paths
from highways.claims.judge import Claim, Judgement, claims_text, judge, read_claims
from highways.config.profiles import profile_path
from highways.experiments import EXPERIMENTS
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


def judge_all(profile: str, source: Source = "records") -> list[Judgement]:
    """Judge all claims on the runs that a profile lists.

    Args:
        profile: Name of the profile.
        source: Where the records are read from.
    """
    experiments = {experiment.name: experiment for experiment in EXPERIMENTS}
    read: dict[str, Listed] = {}
    judgements = []
    for name, claim in all_claims().items():
        experiment = experiments[claim.experiment]
        if claim.experiment not in read:
            there = profile_path(profile, claim.experiment).exists()
            read[claim.experiment] = experiment.of(profile).records(source) if there else Listed(known=False)
        judgements.append(judge(name, claim, experiment.named_measures, read[claim.experiment], profile))
    return judgements


def write_claims(profile: str, source: Source = "records") -> tuple[Path, list[Judgement]]:
    """Judge all claims, write `claims.csv` and the counts for `dvc metrics`, and return its path and the judgements.

    New records and figures are taken into the manifest.
    """
    judgements = judge_all(profile, source)
    write_atomically(paths.Results(profile).claims, claims_text(judgements))
    counts = {
        whose: dict(Counter(row.verdict for row in judgements if row.own == own))
        for whose, own in (("sources", False), ("our own", True))
    }
    write_atomically(paths.Results(profile).verdicts, json.dumps(counts, indent=2, sort_keys=True) + "\n")
    Manifest(profile).publish()
    return paths.Results(profile).claims, judgements
