"""Reading the runs that a profile lists, from either of the two places that hold them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from highways import paths
from highways.config import Profile
from highways.errors import HighwaysError
from highways.tracking import mlflow_log
from highways.tracking.records import RecordStore, RunRecord, run_keys

Source = Literal["records", "mlflow"]


def _from_records(profile: str, experiment: str, keys: list[str]) -> list[RunRecord]:
    return RecordStore(paths.Results(profile).runs(experiment)).read_all(keys)


READERS: dict[str, Callable[[str, str, list[str]], list[RunRecord]]] = {
    "records": _from_records,
    "mlflow": mlflow_log.read_records,
}


def listed_records(settings: Profile, source: Source = "records") -> list[RunRecord]:
    """Return the records of exactly the runs that `settings` lists, as far as they are finished.

    Args:
        settings: Parameters of a notebook.
        source: Where to read: both give the same records.

    Raises:
        HighwaysError: A record is at fault, or MLflow cannot be read.
    """
    if source not in READERS:
        raise HighwaysError(f"no source {source!r} of records; there are: {', '.join(READERS)}")
    return READERS[source](settings.profile, settings.experiment, run_keys(settings.runs()))
