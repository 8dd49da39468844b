"""Reading records out of MLflow, and mending the database before they are brought back to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from highways.errors import HighwaysError
from highways.tracking import mlflow_store
from highways.tracking.analyses import AnalysisRecord
from highways.tracking.mlflow_address import is_own, shown_uri
from highways.tracking.mlflow_folder import checkout_id
from highways.tracking.mlflow_limit import Limit
from highways.tracking.mlflow_store import ANALYSES_FOLDER, RECORD_ARTIFACT, Store, reason, remedy
from highways.tracking.records import RunRecord

if TYPE_CHECKING:
    from mlflow.entities import Experiment

PATIENT_S = 60.0
"""Seconds for one answer, where nothing is trained meanwhile."""


def mend() -> list[str]:
    """Make the database anew where it is none, or of the checkout's earlier place; say so, in a line at most.

    Raises:
        HighwaysError: There can be none.
    """
    try:
        return mlflow_store.prepare(rebuilding=True)
    except Exception as error:
        message = f"MLflow at {shown_uri()} cannot be used ({reason(error)}); all records are whole, "
        message += f"`highways tracking rebuild` brings them to MLflow {remedy(error)}"
        raise HighwaysError(message) from None


@contextmanager
def _reading() -> Iterator[None]:
    """Turn whatever goes wrong with MLflow into one line."""
    try:
        yield
    except HighwaysError:
        raise
    except Exception as error:
        raise HighwaysError(f"MLflow at {shown_uri()} cannot be read: {reason(error)}") from None


def read_experiments() -> list[Experiment]:
    """Return the experiments that MLflow has.

    Raises:
        HighwaysError: MLflow cannot be reached.
    """
    with _reading():
        return list(mlflow_store.connect().search_experiments())


def read_marks(profile: str) -> dict[str, str]:
    """Return by experiment what `MlflowLog.mark` noted of a profile.

    Raises:
        HighwaysError: MLflow cannot be reached.
    """
    name = mlflow_store.own_tag(mlflow_store.MARK + profile, "" if is_own() else checkout_id())
    return {one.name: one.tags[name] for one in read_experiments() if name in one.tags}


def read_records(profile: str, experiment: str, run_keys: Sequence[str]) -> list[RunRecord]:
    """Return the records of those runs that MLflow has, in the given order, from their artifacts.

    Raises:
        HighwaysError: MLflow cannot be reached, or a record in it is at fault.
    """
    with _reading():
        store = Store(experiment, Limit(each_s=PATIENT_S), create=False)
        runs = store.readable({"profile": profile, "kind": "run"})
        by_key = {run.data.tags["run_key"]: run.info.run_id for run in runs if run.info.status == "FINISHED"}
        texts = {key: store.read(by_key[key], RECORD_ARTIFACT) for key in run_keys if key in by_key}
    return [RunRecord.loads(text, f"MLflow: {experiment} {key}") for key, text in texts.items()]


def read_analyses(profile: str, experiment: str, keys: Sequence[str]) -> list[AnalysisRecord]:
    """Return the records of those analyses that MLflow has, in the given order, from their artifacts.

    Raises:
        HighwaysError: MLflow cannot be reached, or a record in it is at fault.
    """
    with _reading():
        store = Store(experiment, Limit(each_s=PATIENT_S), create=False)
        there: dict[str, str] = {}
        for parent in store.readable({"profile": profile, "kind": "sweep"}):
            run_id = parent.info.run_id
            there |= {Path(path).stem: run_id for path in store.artifacts(run_id, ANALYSES_FOLDER)}
        texts = {key: store.read(there[key], f"{ANALYSES_FOLDER}/{key}.json") for key in keys if key in there}
    return [AnalysisRecord.loads(text, f"MLflow: {experiment} {key}") for key, text in texts.items()]
