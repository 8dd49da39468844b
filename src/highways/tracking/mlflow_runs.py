"""What MLflow shows about a run: name, tags, note, colour, data set, and metrics in groups.

`train/...`, `dev/...` and `test/...` are curves with one value per epoch; `summary/...` has one value per run;
`snapshots/...` has one value per snapshot; `measured/...` holds all other measurements.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import fsum
from typing import TYPE_CHECKING

from highways.colours import NETWORK, OTHERS
from highways.config import RunConfig
from highways.data import fingerprint
from highways.tracking.environment import git_commit
from highways.tracking.outcomes import Rank, place
from highways.tracking.records import RunRecord

if TYPE_CHECKING:
    from mlflow.entities import Dataset, Metric, Run

RECORD, SHA256 = "record.json", "record_sha256"
"""Artifact and tag of a finished run: its record and the record's checksum."""
NOTE = "mlflow.note.content"
AUXILIARY, BEST = "auxiliary", "best"
"""Tags: the run is auxiliary, so no outcome counts it; it is the best of its network, depth and data set."""
BEST_LOSS, ACCURACY = "summary/best_train_cross_entropy", "summary/test_accuracy"
DIVERGED, SECONDS = "summary/diverged", "summary/seconds"


@dataclass
class Entry:
    """A run to write to MLflow, times in milliseconds; a training run has no end, metrics or record yet."""

    name: str
    tags: dict[str, str]
    params: dict[str, str]
    data: Dataset
    start: int
    end: int | None = None
    metrics: Sequence[Metric] = ()
    record: str = ""
    run: Run | None = None
    """The run in MLflow, if it is there already."""


def entry_of(profile: str, experiment: str, config: RunConfig, key: str, record: RunRecord | None = None) -> Entry:
    """Return the entry of a run that begins or, given its record, of a finished one."""
    from mlflow.entities import Dataset

    network, data = config.network, config.data
    commit = "" if record is None else record.environment.get("git_commit", "unknown")
    tags = provenance(profile, experiment, commit) | {
        "kind": "run",
        "run_key": key,
        "network": network.shown_as,
        "depth": f"{network.depth:04d}",
        "seed": str(config.seed),
        "data": data.name,
        BEST: "false",
        "mlflow.runColor": NETWORK.get(network.kind) or OTHERS[1 + sum(network.kind.encode()) % (len(OTHERS) - 1)],
        NOTE: _note(config, profile, experiment, record),
    }
    params = {name: str(value) for name, value in config.flat().items() if value is not None}
    digest = fingerprint(data) if record is None else record.data_fingerprint
    source = json.dumps({"fingerprint": digest, "highways": data.model_dump(mode="json", exclude_none=True)})
    used = Dataset(name=data.name, digest=digest[:36], source_type="highways", source=source)  # MLflow accepts 36
    if record is None:
        return Entry(run_name(config, key), tags, params, used, int(time.time() * 1000))
    tags |= {SHA256: record.sha256, "status": record.status}
    return Entry(run_name(config, key), tags, params, used, *interval(record), _metrics(record), record.dumps())


def run_name(config: RunConfig, key: str) -> str:
    """Return a run's name: what differs between runs comes first; the last characters, from its key, make it unique."""
    network, optimiser = config.network, config.optimiser
    parts = [f"d{network.depth:03d}", network.shown_as, f"s{config.seed}", f"lr{optimiser.learning_rate:.2g}"]
    parts.append(f"e{config.budget.epochs}")
    if network.transform_bias is not None:
        parts.append(f"b{network.transform_bias:.2g}")
    return " ".join([*parts, *network.slug_parts(optimiser.kind), config.data.name, f"#{key[-12:][:4]}"])


def provenance(profile: str, experiment: str, commit: str = "") -> dict[str, str]:
    """Return the tags that say where a run comes from: commit, notebook, stage."""
    commit = commit or git_commit()
    return {
        "profile": profile,
        "git_commit": commit,
        "mlflow.source.git.commit": commit.removesuffix("-dirty"),
        "mlflow.source.name": f"notebooks/{experiment}.ipynb",
        "dvc_stage": os.environ.get("DVC_STAGE", f"{experiment}@{profile}"),
    }


def _note(config: RunConfig, profile: str, experiment: str, record: RunRecord | None) -> str:
    network, budget = config.network, config.budget
    lines = [
        f"A run of `{experiment}` ({profile}): **{network.shown_as} network, depth {network.depth}, on "
        f"{config.data.name}**, {budget.epochs} epochs of batches of {budget.batch_size}, seed {config.seed}."
    ]
    if record is not None and record.status == "diverged":
        lines.append(f"**It diverged** in epoch {record.diverged_epoch}: its loss stopped being finite.")
    if record is not None:
        lines.append(f"Record: `results/{profile}/{experiment}/runs/{record.run_key}.json`, the artifact `{RECORD}`.")
    return "\n\n".join(lines)


def interval(record: RunRecord) -> tuple[int, int]:
    """Return a run's start and end, in milliseconds: its record's end time, less the run's share of training time."""
    end = int(datetime.fromisoformat(record.finished_at).timestamp() * 1000)
    return end - max(1, round(1000 * record.timing["seconds"])), end


def _metrics(record: RunRecord) -> list[Metric]:
    """Return a run's curves, spread evenly over its duration, its summary at step 0, and its measurements."""
    from mlflow.entities import Metric

    start, end = interval(record)
    metrics = [
        Metric(name.replace("_", "/", 1), value, start + (end - start) * epoch // len(curve), epoch)
        for name, curve in record.curves.items()
        for epoch, value in enumerate(curve, start=1)
    ]
    summary = {
        DIVERGED: float(record.status == "diverged"),
        BEST_LOSS: record.best(),
        "summary/parameters": float(record.parameters),
        SECONDS: record.timing["seconds"],
    } | {f"summary/{part}_accuracy": record.last(f"{part}_accuracy") for part in ("train", "dev", "test")}
    metrics += [Metric(name, value, end, 0) for name, value in summary.items() if value is not None]
    for name, measured in record.measurements.items():
        snapshot = name.startswith("snapshot_")
        steps = record.measurements["snapshot_step"] if snapshot else range(len(measured))
        group = f"snapshots/{name.removeprefix('snapshot_')}" if snapshot else f"measured/{name}"
        metrics += [Metric(group, value, end, int(step)) for step, value in zip(steps, measured, strict=True)]
    return metrics


def best_of_cells(runs: Iterable[Run]) -> list[Run]:
    """Return the best finished run, auxiliary ones excluded, for every data set, network and depth, in this order."""

    def rank(run: Run) -> Rank:
        values, epochs = run.data.metrics, int(run.data.params["budget.epochs"])
        return place(bool(values[DIVERGED]), values.get(BEST_LOSS), run.data.tags["run_key"], epochs=epochs)

    counting = [run for run in runs if run.info.status == "FINISHED" and AUXILIARY not in run.data.tags]
    best = {
        (run.data.tags["data"], run.data.tags["network"], run.data.tags["depth"]): run
        for run in sorted(counting, key=rank, reverse=True)
    }
    return [best[cell] for cell in sorted(best)]


def of_sweep(runs: Iterable[Run], best: Sequence[Run]) -> list[Metric]:
    """Return a sweep's metrics: `summary/...` over finished runs, `by depth/...` of the best runs, depth as step."""
    from mlflow.entities import Metric

    finished, by_depth = [run for run in runs if run.info.status == "FINISHED"], []
    end = max((run.info.end_time or 0 for run in finished), default=0) + len(finished)  # MLflow shows the latest values
    summary = {name: fsum(run.data.metrics[name] for run in finished) for name in (DIVERGED, SECONDS)}
    summary["summary/runs"] = float(len(finished))
    for name, label, choice in ((BEST_LOSS, "train_cross_entropy", min), (ACCURACY, "test_accuracy", max)):
        having = [run for run in best if name in run.data.metrics]
        if having:
            summary[name] = choice(run.data.metrics[name] for run in having)
        for run in having:
            where = "by depth/" + label + " {network} {data}".format_map(run.data.tags)
            depth = int(run.data.tags["depth"])
            by_depth.append(Metric(where, run.data.metrics[name], end, depth))
    return [*by_depth, *(Metric(name, value, end, 0) for name, value in summary.items())]
