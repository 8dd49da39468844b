"""Are the results intact? Records against their checksums; tables, claims and pages against what the records give."""

from collections.abc import Mapping
from pathlib import Path

from highways import paths
from highways.claims.judge import claims_text
from highways.config.profiles import profile_path
from highways.errors import HighwaysError
from highways.experiments import EXPERIMENTS, REPORT
from highways.report.export import export_text
from highways.report.pages import pages
from highways.report.verdicts import judge_all
from highways.tracking import AnalysisStore, RecordStore

REMAKE = "`highways tables` and `highways claims` make it"


def faults(profile: str) -> tuple[int, list[str]]:
    """Check a profile's records, and make its tables, claims and pages again to compare them.

    That a record is gone or is another than was committed, git knows: what was made of it is then not as it was.

    Returns:
        How many files were checked, and one line for each that is not intact.
    """
    results, lines, checked = paths.Results(profile), list[str](), 0
    for name in results.experiments():
        folder = results.of(name)
        for store in (RecordStore(folder.runs), AnalysisStore(folder.analyses)):
            checked += len([*store])
            list(store.readable(lines.append))
    tables: dict[Path, str] = {}
    for one in EXPERIMENTS:
        folder = results.of(one.name).tables
        try:
            if profile_path(profile, one.name).exists() and not (records := one.of(profile).records()).empty:
                tables |= {folder / name: text for table in one.tables for name, text in table.texts(records).items()}
        except HighwaysError as error:
            lines.append(f"{paths.shown(folder)}: cannot be checked: {error}")
    lines += _differences(tables)
    judged: dict[Path, str] = {}
    published = any(path.exists() for path in (results.claims, results.claims_json, results.page))
    if published and profile_path(profile, REPORT.name).exists():
        try:
            verdicts = judge_all(profile)
            judged = {results.claims: claims_text(verdicts.judgements), results.claims_json: export_text(verdicts)}
            judged |= {} if lines else pages(verdicts)  # they show all the rest
        except HighwaysError as error:
            lines.append(f"{paths.shown(results.claims)}: cannot be checked: {error}")
    return checked + len(tables) + len(judged), lines + _differences(judged)


def _differences(expected: Mapping[Path, str]) -> list[str]:
    """Return a line for each file that is not what it should be."""
    lines = []
    for path, text in expected.items():
        if not path.exists():
            lines.append(f"{paths.shown(path)}: missing; {REMAKE}")
        elif path.read_bytes() != text.encode():
            lines.append(f"{paths.shown(path)}: not what the records give; {REMAKE} again")
    return lines
