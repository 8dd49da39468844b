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
from highways.show.tables import table_files
from highways.tracking import AnalysisStore, RecordStore

REMAKE = "`highways tables` and `highways claims` make it"
NOT_INTACT = HighwaysError("its records are not intact")


def faults(profile: str) -> tuple[int, list[str]]:
    """Check a profile's records, and make its tables, claims and pages again to compare them.

    That a record is gone or is another than was committed, git knows: what was made of it is then not as it was.

    Returns:
        How many files were checked, and one line for each that is not intact.
    """
    results, lines = paths.Results(profile), []
    recorded, broken, checked = set[str](), set[str](), 0
    for store in (RecordStore, AnalysisStore):
        for path in sorted(results.folder.glob(f"*/{store.kind}/*.json")):
            experiment, checked = path.parents[1].name, checked + 1
            recorded.add(experiment)
            try:
                store.record.read(path)
            except HighwaysError as error:
                lines.append(str(error))
                broken.add(experiment)
    tables: dict[Path, str | HighwaysError] = {}
    for one in EXPERIMENTS:
        if one.name not in recorded or not profile_path(profile, one.name).exists():
            continue
        folder = results.of(one.name).tables
        try:
            if one.name in broken:
                raise NOT_INTACT
            records = one.of(profile).records()
            tables |= {folder / name: text for table in one.tables for name, text in table.texts(records).items()}
        except HighwaysError as error:
            tables |= {folder / name: error for table in one.tables for name in table_files(table.name)}
    lines += _differences(tables)
    judged: dict[Path, str | HighwaysError] = {}
    published = any(path.exists() for path in (results.claims, results.claims_json, results.page))
    if published and profile_path(profile, REPORT.name).exists():
        try:
            if broken:
                raise NOT_INTACT
            verdicts = judge_all(profile)
            judged = {results.claims: claims_text(verdicts.judgements), results.claims_json: export_text(verdicts)}
            judged |= {} if lines else pages(verdicts)  # they show all the rest
        except HighwaysError as error:
            judged = dict.fromkeys((results.claims, results.claims_json), error)
    return checked + len(tables) + len(judged), lines + _differences(judged)


def _differences(expected: Mapping[Path, str | HighwaysError]) -> list[str]:
    """Return a line for each file that is not what it should be; of one with an error that is not known."""
    lines = []
    for path, text in expected.items():
        where = paths.shown(path)
        if isinstance(text, HighwaysError):
            lines.append(f"{where}: cannot be checked: {text}")
        elif not path.exists():
            lines.append(f"{where}: missing; {REMAKE}")
        elif path.read_bytes() != text.encode():
            lines.append(f"{where}: not what the records give; {REMAKE} again")
    return lines
