"""Bringing everything that the results hold back to MLflow."""

from __future__ import annotations

import contextlib
import hashlib
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from highways import paths
from highways.errors import HighwaysError
from highways.experiments import EXPERIMENTS, REPORT, settings_of
from highways.show.tables import table_files
from highways.tracking import AnalysisStore, RecordStore
from highways.tracking.mlflow_log import LAYOUT, MlflowLog, mend, read_marks, shown_uri
from highways.tracking.outcomes import auxiliary_keys

PORTION = 20
"""Runs between two looks at the clock."""
SAY_S = 3.0
"""Seconds between two lines of progress."""


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


def _mark(profile: str, name: str) -> str:
    """Return a digest of all that an experiment's folder has for MLflow, and of how it is written there."""
    folder = paths.Results(profile).of(name)
    digest = hashlib.sha256(LAYOUT.encode())
    for file in [*RecordStore(folder.runs), *AnalysisStore(folder.analyses), *outputs(profile, name)]:
        digest.update(f"{file.name} {hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def rebuild(profile: str, only_missing: bool = False) -> Iterator[str]:
    """Bring a profile's records, tables and figures to MLflow, and say what was done, a line an experiment.

    A database that MLflow cannot use, or that was made before the checkout was moved, is put aside first, and
    made anew.

    A record that is at fault is left out and named in the error, when everything else has been brought over.

    Args:
        profile: Its name.
        only_missing: Leave experiments alone that were brought over before and have not changed since; what was
            deleted in MLflow meanwhile is not noticed.

    Raises:
        HighwaysError: Records are at fault, or MLflow does not take them.
    """
    faults: list[str] = []
    names = paths.Results(profile).experiments()
    names += [one.name for one in EXPERIMENTS if one.name not in names and outputs(profile, one.name)]
    if names:
        yield from mend()
    there = read_marks(profile) if only_missing else {}
    for name in names:
        mark = _mark(profile, name)
        if there.get(name) != mark:
            yield from _bring(profile, name, mark, faults)
    if faults:
        others = f" (and {len(faults) - 1} more records at fault: `highways verify` names them)" if faults[1:] else ""
        raise HighwaysError(f"{faults[0]}{others}; all other records are in MLflow")


def _bring(profile: str, name: str, mark: str, faults: list[str]) -> Iterator[str]:
    """Bring an experiment to MLflow; see `rebuild`.

    Args:
        profile: The profile.
        name: The experiment.
        mark: By which it is known, later, that all of it is there.
        faults: What was wrong with records is added.
    """
    folder, known = paths.Results(profile).of(name), len(faults)
    auxiliary: set[str] = set()
    records = list(RecordStore(folder.runs).readable(faults.append))
    analyses = list(AnalysisStore(folder.analyses).readable(faults.append))
    with contextlib.suppress(HighwaysError):  # a damaged record is among the faults
        auxiliary = auxiliary_keys(settings_of(profile, name))
    log, said = MlflowLog(profile, name, rebuilding=True, auxiliary=auxiliary), time.monotonic()
    steps: list[Callable[[], None]] = [lambda: log.begin(span=records)]
    steps += [partial(log.bring, records[start : start + PORTION]) for start in range(0, len(records), PORTION)]
    title = next((one.title for one in EXPERIMENTS if one.name == name), "")
    steps += [lambda: log.bring_analyses(analyses), lambda: log.attach(outputs(profile, name), title)]
    for number, step in enumerate(steps):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # MLflow's own
            step()
        if log.broken:
            raise HighwaysError(log.fault)
        if time.monotonic() - said > SAY_S and 0 < number * PORTION < len(records):
            yield f"{name} ({profile}): {number * PORTION} of {len(records)} runs so far"
            said = time.monotonic()
    if len(faults) == known:
        log.mark(mark)
    runs = "1 run" if len(records) == 1 else f"{len(records)} runs"
    made = f" and {'1 analysis' if len(analyses) == 1 else f'{len(analyses)} analyses'}" if analyses else ""
    yield f"{name} ({profile}): {runs}{made} in {shown_uri()}"
