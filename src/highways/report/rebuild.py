"""Bringing everything that the results hold back to MLflow."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

from highways import paths
from highways.errors import HighwaysError
from highways.experiments import EXPERIMENTS, REPORT
from highways.show.tables import table_files
from highways.tracking import AnalysisStore, RecordStore
from highways.tracking.mlflow_log import MlflowLog, mend, shown_uri
from highways.tracking.records import R, Store


def outputs(profile: str, name: str) -> list[Path]:
    """Return the tables and figures of an experiment, as far as they are there."""
    results = paths.Results(profile)
    folder = results.of(name)
    files = []
    for experiment in EXPERIMENTS:
        if experiment.name == name:
            files += [folder.tables / file for table in experiment.tables for file in table_files(table.name)]
            files += [folder.figures / f"{figure}.png" for figure in experiment.figures]
    if name == REPORT.name:
        files += [results.claims, results.report]
    return [file for file in files if file.exists()]


def _readable(store: Store[R], faults: list[str]) -> list[R]:
    """Return the records of a folder that are intact; the others are named in `faults`."""
    records = []
    for path in store:
        try:
            records.append(store.record.read(path))
        except HighwaysError as error:
            faults.append(str(error))
    return records


def rebuild(profile: str) -> Iterator[str]:
    """Bring a profile's records, tables and figures to MLflow, and say what was done, a line an experiment.

    A database that MLflow cannot use, or that was made before the checkout was moved, is put aside first, and
    made anew.

    A record that is at fault is left out and named in the error, when everything else has been brought over.

    Raises:
        HighwaysError: Records are at fault, or MLflow does not take them.
    """
    faults: list[str] = []
    names = paths.Results(profile).experiments()
    names += [one.name for one in EXPERIMENTS if one.name not in names and outputs(profile, one.name)]
    if names:
        yield from mend()
    for name in names:
        folder = paths.Results(profile).of(name)
        records = _readable(RecordStore(folder.runs), faults)
        analyses = _readable(AnalysisStore(folder.analyses), faults)
        log = MlflowLog(profile, name, rebuilding=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # MLflow's own
            log.begin(records)
            log.bring_analyses(analyses)
            log.attach(outputs(profile, name))
            log.end()
        if log.broken:
            raise HighwaysError(log.fault)
        and_analyses = f" and {len(analyses)} analyses" if analyses else ""
        yield f"{name} ({profile}): {len(records)} runs{and_analyses} in {shown_uri()}"
    if faults:
        others = f" (and {len(faults) - 1} more records at fault: `highways verify` names them)" if faults[1:] else ""
        raise HighwaysError(f"{faults[0]}{others}; all other records are in MLflow")
