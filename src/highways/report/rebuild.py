"""Bringing everything that the results hold back to MLflow."""

import contextlib
import hashlib
import time
import warnings
from collections.abc import Iterator

from highways import paths
from highways.errors import HighwaysError
from highways.experiments import BY_NAME, REPORT, settings_of
from highways.tracking import AnalysisStore, RecordStore
from highways.tracking.mlflow_log import MlflowRuns
from highways.tracking.mlflow_store import asking, where
from highways.tracking.outcomes import auxiliary_keys


def rebuild(profile: str, only_missing: bool = False) -> Iterator[str]:
    """Bring a profile's records, tables and figures to MLflow, and yield one line per experiment.

    A damaged record is left out and named in the error, when everything else has been brought over. `only_missing`
    leaves experiments alone whose files have not changed since they were brought over, whatever MLflow has lost since.
    """
    faults: list[str] = []
    with warnings.catch_warnings(), asking("does not take the runs"):
        warnings.simplefilter("ignore")  # MLflow's own
        for name in dict.fromkeys([*paths.Results(profile).experiments(), *BY_NAME]):
            yield from _bring(profile, name, only_missing, faults)
    if faults:
        others = f" (and {len(faults) - 1} more damaged records: `highways verify` names them)" if faults[1:] else ""
        raise HighwaysError(f"{faults[0]}{others}; all other records are in MLflow")


def _bring(profile: str, name: str, only_missing: bool, faults: list[str]) -> Iterator[str]:
    """Bring an experiment to MLflow; see `rebuild`. What is wrong with records is added to `faults`."""
    results = paths.Results(profile)
    folder, known, said = results.of(name), len(faults), time.monotonic()
    outputs = [*sorted(folder.tables.glob("*")), *sorted(folder.figures.glob("*.png"))]
    outputs += [file for file in (results.claims, results.report) if name == REPORT.name and file.exists()]
    files = [*RecordStore(folder.runs), *AnalysisStore(folder.analyses), *outputs]
    if not files:
        return
    lines = [f"{file.name} {hashlib.sha256(file.read_bytes()).hexdigest()}\n" for file in files]
    runs, digest = MlflowRuns(profile, name), hashlib.sha256("".join(lines).encode()).hexdigest()
    mark = ".".join(["highways.rebuilt", profile, *runs.own.values()])
    if only_missing and runs.home.tags.get(mark) == digest:
        return
    with contextlib.suppress(HighwaysError):  # a damaged record is among the faults
        runs.auxiliary = auxiliary_keys(settings_of(profile, name))
    records = list(RecordStore(folder.runs).readable(faults.append))
    analyses = list(AnalysisStore(folder.analyses).readable(faults.append))
    for number in runs.bring(records):
        if time.monotonic() - said > 3:
            yield f"{name} ({profile}): {number} of {len(records)} runs so far"
            said = time.monotonic()
    runs.bring_analyses(analyses)
    title = BY_NAME[name].title if name in BY_NAME else ""
    runs.close(title=title, files=outputs)
    if len(faults) == known:
        runs.client.set_experiment_tag(runs.home.experiment_id, mark, digest)
    and_analyses = f" and {len(analyses)} analyses" if analyses else ""
    yield f"{name} ({profile}): {len(records)} runs{and_analyses} in {where().shown}"
