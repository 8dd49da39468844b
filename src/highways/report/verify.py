"""Are the results what they were when they were made?"""

from __future__ import annotations

import contextlib
from pathlib import Path

from highways import paths
from highways.claims.judge import claims_text
from highways.config.profiles import profile_path
from highways.errors import HighwaysError
from highways.experiments import EXPERIMENTS, REPORT
from highways.report.export import export_text
from highways.report.pages import pages
from highways.report.verdicts import all_claims, judge_all, read_listed
from highways.show.tables import table_files
from highways.tracking import AnalysisStore, RecordStore


def faults(profile: str) -> tuple[int, list[str]]:
    """Check every record of a profile, of runs and of analyses, and its tables, claims and pages against them.

    Returns:
        How many files were checked, and one line for each that is not intact.
    """
    results = paths.Results(profile)
    checked, found = 0, []
    for store in (RecordStore, AnalysisStore):
        for path in sorted(results.folder.glob(f"*/{store.kind}/*.json")):
            checked += 1
            try:
                store.record.read(path)
            except HighwaysError as error:
                found.append(str(error))
    for path, text in _derived(profile, damaged=bool(found)).items():
        checked += 1
        name = paths.shown(path)
        if not path.exists():
            found.append(f"{name}: missing; `highways tables` and `highways claims` make it")
        elif text is None:
            found.append(f"{name}: cannot be checked, its records are not intact")
        elif path.read_bytes() != text.encode():
            found.append(f"{name}: not what the records give; `highways tables` and `highways claims` make it anew")
    return checked, found


def _derived(profile: str, damaged: bool) -> dict[Path, str | None]:
    """Return what the derived files should be, by path; `None` where damaged records do not let us tell."""
    results = paths.Results(profile)
    made: dict[Path, str | None] = {}
    for experiment in EXPERIMENTS:
        folder = results.of(experiment.name)
        there = any(path for part in (folder.runs, folder.analyses) for path in part.glob("*.json"))
        if not there or not profile_path(profile, experiment.name).exists():
            continue
        for table in experiment.tables:
            texts: dict[str, str | None] = dict.fromkeys(table_files(table.name))
            with contextlib.suppress(HighwaysError):
                study = experiment.of(profile)
                texts |= table.texts(study.records(), study.settings)
            made |= {folder.tables / file: text for file, text in texts.items()}
    if results.claims.exists() and profile_path(profile, REPORT.name).exists():
        made |= {results.claims: None, results.claims_json: None}
        with contextlib.suppress(HighwaysError):
            listed = read_listed(profile)
            judgements = judge_all(profile, listed=listed)
            made[results.claims] = claims_text(judgements)
            made[results.claims_json] = export_text(profile, judgements, listed, all_claims())
            if not damaged:
                made |= pages(profile, judgements)
    return made
