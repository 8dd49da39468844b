"""Are the results what they were when they were made?"""

from __future__ import annotations

from highways import paths
from highways.claims.judge import claims_text, judge_all
from highways.config import load_profile
from highways.config.profiles import profile_path
from highways.errors import HighwaysError
from highways.report.tables import TABLES, table_texts
from highways.tracking.records import read_record


def faults(profile: str) -> tuple[int, list[str]]:
    """Check every record of a profile, and its tables and claims against the records.

    Returns:
        How many files were checked, and one line for each that is not intact.
    """
    results = paths.Results(profile)
    checked, found = 0, []
    for path in sorted((results.folder / "runs").glob("*/*.json")):
        checked += 1
        try:
            read_record(path)
        except HighwaysError as error:
            found.append(str(error))
    if found or not (paths.root() / "profiles" / profile).exists():
        return checked, found  # what is made of damaged records cannot be checked
    for name, table in TABLES.items():
        if not profile_path(profile, table.schema.experiment).exists():
            continue
        texts = table_texts(name, load_profile(profile, table.schema))
        for file, text in texts.items():
            path = results.tables / file
            if path.exists():
                checked += 1
                if path.read_text(encoding="utf-8") != text:
                    found.append(f"{path.relative_to(paths.root())}: not what the records give; run `highways tables`")
    if results.claims.exists():
        checked += 1
        if results.claims.read_text(encoding="utf-8") != claims_text(judge_all(profile)):
            found.append(
                f"{results.claims.relative_to(paths.root())}: not what the records give; run `highways claims`"
            )
    return checked, found
