"""Reading the runs and analyses that a profile lists, from either of the two places that hold them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

from highways import paths
from highways.config import Profile
from highways.errors import HighwaysError, NotYet
from highways.tracking import mlflow_log
from highways.tracking.analyses import AnalysisRecord, AnalysisStore, analysis_keys
from highways.tracking.records import RecordStore, RunRecord, run_keys

Source = Literal["records", "mlflow"]


class Listed(list[RunRecord]):
    """Records of the runs that a profile lists, as far as they are finished.

    Args:
        runs: The records.
        analyses: Those of the profile's analyses, as far as they have been made.
        complete: All that is listed is there: every run, and every analysis that its runs allow.
    """

    def __init__(self, runs: Iterable[RunRecord] = (), analyses: Iterable[AnalysisRecord] = (), complete: bool = True):
        super().__init__(runs)
        self.analyses = list(analyses)
        self.complete = complete

    @property
    def data(self) -> list[str]:
        """Names of the data sets of runs and analyses, each once."""
        names = [*(run.config.data.name for run in self), *(analysis.data for analysis in self.analyses)]
        return list(dict.fromkeys(name for name in names if name))

    def on(self, data: str | None) -> Listed:
        """Return those on one data set, and the studies that make their own examples."""
        return Listed(
            (run for run in self if run.config.data.name == data),
            (analysis for analysis in self.analyses if analysis.data in ("", data)),
            self.complete,
        )


def _from_records(profile: str, experiment: str, keys: list[str]) -> list[RunRecord]:
    return RecordStore(paths.Results(profile).runs(experiment)).read_all(keys)


def _analyses_from_records(profile: str, experiment: str, keys: list[str]) -> list[AnalysisRecord]:
    return AnalysisStore(paths.Results(profile).analyses(experiment)).read_all(keys)


READERS: dict[str, Callable[[str, str, list[str]], list[RunRecord]]] = {
    "records": _from_records,
    "mlflow": mlflow_log.read_records,
}
ANALYSIS_READERS: dict[str, Callable[[str, str, list[str]], list[AnalysisRecord]]] = {
    "records": _analyses_from_records,
    "mlflow": mlflow_log.read_analyses,
}


def listed_records(settings: Profile, source: Source = "records") -> Listed:
    """Return the records of exactly the runs and analyses that `settings` lists, as far as they are finished.

    Where the runs follow from results of an earlier stage that are not there yet, there are none.

    Args:
        settings: Parameters of a notebook.
        source: Where to read: both give the same records.

    Raises:
        HighwaysError: A record is at fault, or MLflow cannot be read.
    """
    if source not in READERS:
        raise HighwaysError(f"no source {source!r} of records; there are: {', '.join(READERS)}")
    place = (settings.profile, settings.experiment)
    try:
        keys, analyses = list(dict.fromkeys(run_keys(settings.runs()))), settings.analyses()
    except NotYet:
        return Listed(complete=False)
    runs = READERS[source](*place, keys)
    found = ANALYSIS_READERS[source](*place, analysis_keys(analyses)) if analyses else []
    diverged = [run.config for run in runs if run.status == "diverged"]
    possible = [analysis for analysis in analyses if not (analysis.needs_weights and analysis.run in diverged)]
    made = {analysis.key for analysis in found}
    return Listed(runs, found, len(runs) == len(keys) and made >= set(analysis_keys(possible)))
