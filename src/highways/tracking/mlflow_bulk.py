"""Runs written to a local database in one transaction: through MLflow's calls each takes a tenth of a second.

The tables are those of MLflow 3.17.
"""

from __future__ import annotations

import contextlib
import sqlite3
import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput

Metric = tuple[str, float, int, int]
"""Name, value, time in milliseconds, step."""
RECORD = "record.json"
"""Artifact of a run: its record."""


@dataclass(frozen=True)
class Entry:
    """A run as MLflow will have it, times in milliseconds; while it trains it has no end, no metrics and no record.

    `run_id` is MLflow's, empty for a new run.
    """

    name: str
    tags: dict[str, str]
    params: dict[str, str]
    data: DatasetInput
    start: int
    end: int | None = None
    metrics: Sequence[Metric] = ()
    record: str = ""
    run_id: str = ""


def write(database: Path, experiment_id: str, artifacts: str, runs: Mapping[str, Entry]) -> None:
    """Write runs to an experiment, all or none; tags are added to those that are there, and metrics replaced.

    Args:
        database: MLflow's.
        experiment_id: MLflow's number of the experiment.
        artifacts: `file:` address of the experiment's artifacts.
        runs: By MLflow's id, 32 hexadecimal digits.
    """
    with contextlib.closing(sqlite3.connect(database, timeout=20)) as connection, connection:
        connection.execute("BEGIN IMMEDIATE")
        known = "SELECT name, digest, dataset_uuid FROM datasets WHERE experiment_id = ?"
        data_ids = {(name, digest): data_id for name, digest, data_id in connection.execute(known, [experiment_id])}
        tables: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for run_id, entry in runs.items():
            folder = f"{artifacts}/{run_id}/artifacts"
            if entry.record:
                file = Path(unquote(urlsplit(folder).path)) / RECORD
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(entry.record, encoding="utf-8")
            data = (entry.data.dataset.name, entry.data.dataset.digest)
            if data not in data_ids:
                data_ids[data] = uuid.uuid4().hex
                tables["datasets"].append(_data_row(entry, experiment_id, data_ids[data]))
            for table, rows in _rows(run_id, entry, experiment_id, folder, data_ids[data]).items():
                tables[table] += rows
        for table in ("metrics", "latest_metrics"):
            connection.executemany(f"DELETE FROM {table} WHERE run_uuid = ?", [[run_id] for run_id in runs])
        for table, rows in tables.items():
            for columns in rows[:1]:
                values = ", ".join(f":{column}" for column in columns)
                connection.executemany(f"INSERT OR REPLACE INTO {table} ({', '.join(columns)}) VALUES ({values})", rows)


def _data_row(entry: Entry, experiment_id: str, data_id: str) -> dict[str, Any]:
    data = entry.data.dataset
    row = {"dataset_uuid": data_id, "experiment_id": experiment_id, "name": data.name, "digest": data.digest}
    return row | {"dataset_source_type": data.source_type, "dataset_source": data.source}


def _rows(run_id: str, entry: Entry, experiment_id: str, folder: str, data_id: str) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of a run by table: the run, its tags, parameters and metrics, and the data set that it used."""
    run = {
        **{"run_uuid": run_id, "name": entry.name, "experiment_id": experiment_id, "artifact_uri": folder},
        **{"status": "RUNNING" if entry.end is None else "FINISHED", "lifecycle_stage": "active"},
        **{"start_time": entry.start, "end_time": entry.end, "source_type": "UNKNOWN", "user_id": "unknown"},
        **{"source_name": "", "source_version": "", "entry_point_name": ""},
    }
    tags = {"mlflow.runName": entry.name, **entry.tags}
    metrics = [
        {"run_uuid": run_id, "key": key, "value": value, "timestamp": time, "step": step, "is_nan": False}
        for key, value, time, step in dict.fromkeys(entry.metrics)
    ]
    used = {"input_uuid": run_id, "source_type": "DATASET", "source_id": data_id}
    return {
        "runs": [run],
        "tags": [{"run_uuid": run_id, "key": key, "value": value} for key, value in tags.items()],
        "params": [{"run_uuid": run_id, "key": key, "value": value} for key, value in entry.params.items()],
        "metrics": metrics,
        "latest_metrics": [*{row["key"]: row for row in sorted(metrics, key=lambda row: row["step"])}.values()],
        "inputs": [used | {"destination_type": "RUN", "destination_id": run_id, "step": 0}],
        "input_tags": [{"input_uuid": run_id, "name": tag.key, "value": tag.value} for tag in entry.data.tags],
    }
