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
    """Write runs, by MLflow's ids, to an experiment whose artifacts are at a `file:` address, all or none.

    Tags are added to those that are there, and metrics replaced.
    """
    tables: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for run_id, entry in runs.items():
        folder, run = f"{artifacts}/{run_id}/artifacts", {"run_uuid": run_id}
        if entry.record:
            file = Path(unquote(urlsplit(folder).path)) / RECORD
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(entry.record, encoding="utf-8")
        status = "RUNNING" if entry.end is None else "FINISHED"
        times = {"status": status, "start_time": entry.start, "end_time": entry.end, "lifecycle_stage": "active"}
        place = {"name": entry.name, "experiment_id": experiment_id, "artifact_uri": folder, "user_id": "unknown"}
        source = {"source_type": "UNKNOWN", "source_name": "", "source_version": "", "entry_point_name": ""}
        tables["runs"].append(run | times | place | source)
        data, tags = entry.data.dataset, {"mlflow.runName": entry.name, **entry.tags}
        data_id = uuid.uuid5(uuid.NAMESPACE_URL, f"{experiment_id}/{data.name}/{data.digest}").hex
        named = {"dataset_uuid": data_id, "experiment_id": experiment_id, "name": data.name, "digest": data.digest}
        tables["datasets"].append(named | {"dataset_source_type": data.source_type, "dataset_source": data.source})
        used = {"input_uuid": run_id, "source_type": "DATASET", "source_id": data_id, "step": 0}
        tables["inputs"].append(used | {"destination_type": "RUN", "destination_id": run_id})
        tables["input_tags"] += [{"input_uuid": run_id, "name": tag.key, "value": tag.value} for tag in entry.data.tags]
        tables["tags"] += [run | {"key": key, "value": value} for key, value in tags.items()]
        tables["params"] += [run | {"key": key, "value": value} for key, value in entry.params.items()]
        metrics = [
            run | {"key": key, "value": value, "timestamp": time, "step": step, "is_nan": False}
            for key, value, time, step in dict.fromkeys(entry.metrics)
        ]
        tables["metrics"] += metrics
        tables["latest_metrics"] += {row["key"]: row for row in sorted(metrics, key=lambda row: row["step"])}.values()
    with contextlib.closing(sqlite3.connect(database, timeout=20)) as connection, connection:
        connection.execute("BEGIN IMMEDIATE")
        for table in ("metrics", "latest_metrics"):
            connection.executemany(f"DELETE FROM {table} WHERE run_uuid = ?", [[run_id] for run_id in runs])
        for table, rows in tables.items():
            for columns in rows[:1]:
                values = ", ".join(f":{column}" for column in columns)
                connection.executemany(f"INSERT OR REPLACE INTO {table} ({', '.join(columns)}) VALUES ({values})", rows)
