"""Bringing everything that the results hold back to MLflow."""

import contextlib
import hashlib
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

from highways import paths
from highways.errors import HighwaysError
from highways.experiments import EXPERIMENTS, REPORT, settings_of
from highways.tracking import AnalysisStore, RecordStore
from highways.tracking.mlflow_address import shown_uri
from highways.tracking.mlflow_log import MlflowRuns
from highways.tracking.mlflow_runs import interval
from highways.tracking.mlflow_store import Store, asking
from highways.tracking.outcomes import auxiliary_keys

SAY_S = 3.0
"""Seconds between two lines of progress."""


def rebuild(profile: str, only_missing: bool = False) -> Iterator[str]:
    """Bring a profile's records, tables and figures to MLflow, and yield one line per experiment.

    A damaged record is left out and named in the error, when everything else has been brought over. `only_missing`
    leaves experiments alone whose files have not changed since they were brought over, whatever MLflow has lost since.
    """
    faults: list[str] = []
    with warnings.catch_warnings(), asking("does not take the runs"):
        warnings.simplefilter("ignore")  # MLflow's own
        for name in dict.fromkeys([*paths.Results(profile).experiments(), *(one.name for one in EXPERIMENTS)]):
            yield from _bring(profile, name, only_missing, faults)
    if faults:
        others = f" (and {len(faults) - 1} more damaged records: `highways verify` names them)" if faults[1:] else ""
        raise HighwaysError(f"{faults[0]}{others}; all other records are in MLflow")


def _bring(profile: str, name: str, only_missing: bool, faults: list[str]) -> Iterator[str]:
    """Bring an experiment to MLflow; see `rebuild`. What is wrong with records is added to `faults`."""
    folder, outputs, said = paths.Results(profile).of(name), _outputs(profile, name), time.monotonic()
    files = [*RecordStore(folder.runs), *AnalysisStore(folder.analyses), *outputs]
    if not files:
        return
    digest, known = hashlib.sha256(), len(faults)
    for file in files:
        digest.update(f"{file.name} {hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    store = Store(profile, name)
    mark = {".".join(["highways.rebuilt", profile, *store.own.values()]): digest.hexdigest()}
    if only_missing and mark.items() <= store.tags.items():
        return
    records = list(RecordStore(folder.runs).readable(faults.append))
    analyses = list(AnalysisStore(folder.analyses).readable(faults.append))
    title, auxiliary = next((one.title for one in EXPERIMENTS if one.name == name), ""), set()
    with contextlib.suppress(HighwaysError):  # a damaged record is among the faults
        auxiliary = auxiliary_keys(settings_of(profile, name))
    start = min((interval(record)[0] for record in records), default=None)
    runs = MlflowRuns(profile, name, auxiliary, start_ms=start)
    for number in runs.bring(records):
        if time.monotonic() - said > SAY_S:
            yield f"{name} ({profile}): {number} of {len(records)} runs so far"
            said = time.monotonic()
    runs.bring_analyses(analyses)
    runs.attach(outputs)
    runs.close(title=title)
    if len(faults) == known:
        store.tag_experiment(mark)
    and_analyses = f" and {len(analyses)} analyses" if analyses else ""
    yield f"{name} ({profile}): {len(records)} runs{and_analyses} in {shown_uri()}"


def _outputs(profile: str, name: str) -> list[Path]:
    """Return the tables, figures and reports of an experiment that are there."""
    results = paths.Results(profile)
    folder = results.of(name)
    files = [*sorted(folder.tables.glob("*")), *sorted(folder.figures.glob("*.png"))]
    return files + [file for file in (results.claims, results.report) if name == REPORT.name and file.exists()]
