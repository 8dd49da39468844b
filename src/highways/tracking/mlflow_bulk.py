"""Runs written to a local database in one transaction: through MLflow's calls each takes a tenth of a second."""

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

    `run_id` is MLflow's, empty of a new run.
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
    """Write runs to an experiment, all or none; of those that are there tags are added and metrics replaced.

    Args:
        database: Of MLflow 3.17, whose tables these are.
        experiment_id: MLflow's number of the experiment.
        artifacts: `file:` address of the experiment's artifacts.
        runs: By MLflow's id, 32 hexadecimal digits.
    """
    with contextlib.closing(sqlite3.connect(database, timeout=20)) as connection, connection:
        connection.execute("BEGIN IMMEDIATE")
        found = connection.execute(
            "SELECT name, digest, dataset_uuid FROM datasets WHERE experiment_id = ?", [experiment_id]
        )
        data_ids = {(name, digest): data_id for name, digest, data_id in found}
        rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for run_id, entry in runs.items():
            folder = f"{artifacts}/{run_id}/artifacts"
            if entry.record:
                file = Path(unquote(urlsplit(folder).path)) / RECORD
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(entry.record, encoding="utf-8")
            _add_run(rows, run_id, entry, experiment_id, folder)
            _add_data(rows, run_id, entry.data, experiment_id, data_ids)
        for table in ("metrics", "latest_metrics"):
            connection.executemany(f"DELETE FROM {table} WHERE run_uuid = ?", [[run_id] for run_id in runs])
        for table, lines in rows.items():
            for columns in lines[:1]:
                values = ", ".join(f":{column}" for column in columns)
                connection.executemany(
                    f"INSERT OR REPLACE INTO {table} ({', '.join(columns)}) VALUES ({values})", lines
                )


def _add_run(rows: dict[str, list[dict[str, Any]]], run_id: str, entry: Entry, experiment_id: str, folder: str) -> None:
    """Add the rows of a run, its tags, parameters and metrics."""
    rows["runs"].append(
        {"run_uuid": run_id, "name": entry.name, "experiment_id": experiment_id, "artifact_uri": folder}
        | {"status": "RUNNING" if entry.end is None else "FINISHED", "lifecycle_stage": "active"}
        | {"start_time": entry.start, "end_time": entry.end, "source_type": "UNKNOWN", "user_id": "unknown"}
        | {"source_name": "", "source_version": "", "entry_point_name": ""}
    )
    tags = {"mlflow.runName": entry.name, **entry.tags}
    rows["tags"] += [{"run_uuid": run_id, "key": key, "value": value} for key, value in tags.items()]
    rows["params"] += [{"run_uuid": run_id, "key": key, "value": value} for key, value in entry.params.items()]
    metrics = [
        {"run_uuid": run_id, "key": key, "value": value, "timestamp": time, "step": step, "is_nan": False}
        for key, value, time, step in dict.fromkeys(entry.metrics)
    ]
    rows["metrics"] += metrics
    rows["latest_metrics"] += {row["key"]: row for row in sorted(metrics, key=lambda row: row["step"])}.values()


def _add_data(
    rows: dict[str, list[dict[str, Any]]],
    run_id: str,
    used: DatasetInput,
    experiment_id: str,
    data_ids: dict[tuple[str, str], str],
) -> None:
    """Add the rows that say which data set a run used; `data_ids` are those of the experiment's, by name and digest."""
    data = used.dataset
    if (data.name, data.digest) not in data_ids:
        data_ids[data.name, data.digest] = uuid.uuid4().hex
        rows["datasets"].append(
            {"dataset_uuid": data_ids[data.name, data.digest], "experiment_id": experiment_id}
            | {"name": data.name, "digest": data.digest}
            | {"dataset_source_type": data.source_type, "dataset_source": data.source}
        )
    rows["inputs"].append(
        {"input_uuid": run_id, "source_type": "DATASET", "source_id": data_ids[data.name, data.digest]}
        | {"destination_type": "RUN", "destination_id": run_id, "step": 0}
    )
    rows["input_tags"] += [{"input_uuid": run_id, "name": tag.key, "value": tag.value} for tag in used.tags]
