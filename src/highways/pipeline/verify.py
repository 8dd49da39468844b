"""Are the results intact? Records against their checksums; tables, claims and pages against what the records give."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from highways import paths
from highways.claims.judge import claims_text
from highways.config.profiles import profile_path
from highways.errors import HighwaysError
from highways.experiments import EXPERIMENTS, REPORT
from highways.experiments.base import Experiment
from highways.report.export import export_text
from highways.report.pages import pages
from highways.report.verdicts import judge_all
from highways.show.tables import table_files
from highways.tracking import AnalysisStore, RecordStore

REMAKE = "`highways tables` and `highways claims` make it"
NOT_INTACT = "its records are not intact"
Expected = Mapping[Path, "str | HighwaysError"]
"""Content of derived files, by path; or why it is not known."""


def faults(profile: str) -> tuple[int, list[str]]:
    """Check a profile's records, and make its tables, claims and pages again to compare them.

    That a record is gone or is another than was committed, git knows: what was made of it is then not as it was.

    Returns:
        How many files were checked, and one line for each that is not intact.
    """
    lines, broken, checked = [], set(), 0
    for store in (RecordStore, AnalysisStore):
        for path in sorted(paths.Results(profile).folder.glob(f"*/{store.kind}/*.json")):
            checked += 1
            try:
                store.record.read(path)
            except HighwaysError as error:
                lines.append(str(error))
                broken.add(path.parent.parent.name)
    expected: dict[Path, str | HighwaysError] = {}
    for experiment in EXPERIMENTS:
        expected |= _tables(profile, experiment, experiment.name in broken)
    lines += filter(None, (_difference(path, text) for path, text in expected.items()))
    judged = _judged(profile, bool(broken), bool(lines))
    lines += filter(None, (_difference(path, text) for path, text in judged.items()))
    return checked + len(expected) + len(judged), lines


def _difference(path: Path, expected: str | HighwaysError) -> str:
    """Return a line that says how a file differs from what it should be, an empty one where it does not."""
    where = paths.shown(path)
    if isinstance(expected, HighwaysError):
        return f"{where}: cannot be checked: {expected}"
    try:
        same = path.read_bytes() == expected.encode()
    except FileNotFoundError:
        return f"{where}: missing; {REMAKE}"
    except OSError:
        return f"{where}: cannot be read"
    return "" if same else f"{where}: not what the records give; {REMAKE} again"


def _tables(profile: str, experiment: Experiment, broken: bool) -> Expected:
    folder = paths.Results(profile).of(experiment.name)
    recorded = any(path for part in (folder.runs, folder.analyses) for path in part.glob("*.json"))
    if not recorded or not profile_path(profile, experiment.name).exists():
        return {}
    try:
        if broken:
            raise HighwaysError(NOT_INTACT)
        study = experiment.of(profile)
        texts = [table.texts(study.records()) for table in experiment.tables]
        return {folder.tables / name: text for files in texts for name, text in files.items()}
    except HighwaysError as error:
        names = [name for table in experiment.tables for name in table_files(table.name)]
        return dict.fromkeys((folder.tables / name for name in names), error)


def _judged(profile: str, broken: bool, faulty: bool) -> Expected:
    """Return the claims and, where everything else is intact, the pages, which show it."""
    results = paths.Results(profile)
    published = any(path.exists() for path in (results.claims, results.claims_json, results.page))
    if not published or not profile_path(profile, REPORT.name).exists():
        return {}
    try:
        if broken:
            raise HighwaysError(NOT_INTACT)
        judged = judge_all(profile)
        claims = {results.claims: claims_text(judged.judgements), results.claims_json: export_text(judged)}
        return claims if faulty else claims | pages(judged)
    except HighwaysError as error:
        return dict.fromkeys((results.claims, results.claims_json), error)
