"""Are the results what they were when they were made?"""

from __future__ import annotations

import contextlib
from pathlib import Path

from highways import paths
from highways.claims.judge import claims_text, judge_all
from highways.config import load_profile
from highways.config.profiles import profile_path
from highways.errors import HighwaysError
from highways.report.tables import TABLES, table_files, table_texts
from highways.tracking import AnalysisStore, RecordStore


def faults(profile: str) -> tuple[int, list[str]]:
    """Check every record of a profile, of runs and of analyses, and its tables and claims against them.

    Returns:
        How many files were checked, and one line for each that is not intact.
    """
    results = paths.Results(profile)
    checked, found = 0, []
    for store in (RecordStore, AnalysisStore):
        for path in sorted((results.folder / store.kind).glob("*/*.json")):
            checked += 1
            try:
                store.record.read(path)
            except HighwaysError as error:
                found.append(str(error))
    made: dict[Path, str | None] = {}
    """What the derived files should be; `None` where damaged records do not let us tell."""
    for name, table in TABLES.items():
        listed = profile_path(profile, table.schema.experiment).exists()
        folders = (results.runs(table.schema.experiment), results.analyses(table.schema.experiment))
        if not listed or not any(path for folder in folders for path in folder.glob("*.json")):
            continue
        texts: dict[str, str | None] = dict.fromkeys(table_files(name))
        with contextlib.suppress(HighwaysError):
            texts |= table_texts(name, load_profile(profile, table.schema))
        made |= {results.tables / file: text for file, text in texts.items()}
    if results.claims.exists() and profile_path(profile, "99_report").exists():
        made[results.claims] = None
        with contextlib.suppress(HighwaysError):
            made[results.claims] = claims_text(judge_all(profile))
    for path, text in made.items():
        checked += 1
        name = path.relative_to(paths.root())
        if not path.exists():
            found.append(f"{name}: missing; `highways tables` makes it")
        elif text is None:
            found.append(f"{name}: cannot be checked, its records are not intact")
        elif path.read_bytes() != text.encode():
            found.append(f"{name}: not what the records give; `highways tables` and `highways claims` make it anew")
    return checked, found
