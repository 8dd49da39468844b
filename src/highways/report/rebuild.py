"""Bringing everything that the results hold back to MLflow."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from highways import paths
from highways.config import PROFILE_SCHEMAS
from highways.errors import HighwaysError
from highways.report.tables import TABLES, table_files
from highways.tracking.analyses import read_analysis
from highways.tracking.mlflow_log import MlflowLog, tracking_uri
from highways.tracking.records import read_record

R = TypeVar("R")


def outputs(profile: str, experiment: str) -> list[Path]:
    """Return the tables and figures of a notebook, as far as they are there."""
    results = paths.Results(profile)
    names = [name for name, table in TABLES.items() if table.schema.experiment == experiment]
    files = [results.tables / file for name in names for file in table_files(name)]
    files += [results.figures / f"{name}.png" for name in names]
    if experiment == "99_report":
        files += [results.claims, results.report]
    return [file for file in files if file.exists()]


def _readable(folder: Path, read: Callable[[Path], R], faults: list[str]) -> list[R]:
    """Return the records of a folder that are intact; the others are named in `faults`."""
    records = []
    for path in sorted(folder.glob("*.json")):
        try:
            records.append(read(path))
        except HighwaysError as error:
            faults.append(str(error))
    return records


def rebuild(profile: str) -> Iterator[str]:
    """Bring a profile's records, tables and figures to MLflow, and say what was done, a line a notebook.

    A record that is at fault is left out and named in the error, when everything else has been brought over.

    Raises:
        HighwaysError: Records are at fault, or MLflow does not take them.
    """
    faults: list[str] = []
    folders = [*paths.Results(profile).folder.glob("runs/*/"), *paths.Results(profile).folder.glob("analyses/*/")]
    names = sorted({folder.name for folder in folders})
    names += [name for name in PROFILE_SCHEMAS if name not in names and outputs(profile, name)]
    for name in names:
        records = _readable(paths.Results(profile).runs(name), read_record, faults)
        analyses = _readable(paths.Results(profile).analyses(name), read_analysis, faults)
        log = MlflowLog(profile, name)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            log.begin(records)
            log.bring_analyses(analyses)
            log.attach(outputs(profile, name))
            log.end()
        if log.broken:
            raise HighwaysError(str(caught[-1].message))
        and_analyses = f" and {len(analyses)} analyses" if analyses else ""
        yield f"{name} ({profile}): {len(records)} runs{and_analyses} in {tracking_uri()}"
    if faults:
        others = f" (and {len(faults) - 1} more records at fault: `highways verify` names them)" if faults[1:] else ""
        raise HighwaysError(f"{faults[0]}{others}; all other records are in MLflow")
