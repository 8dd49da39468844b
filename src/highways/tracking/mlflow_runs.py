"""What MLflow shows of a run: its name, tags, note, colour, data set, and its metrics in groups.

`train/...`, `dev/...`, `test/...` are curves, one value per epoch; `summary/...` is one value per run;
`snapshots/...` has one value per snapshot, `layers/...` one per layer; `measured/...` holds the other measurements.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from math import fsum
from typing import TYPE_CHECKING

from highways.colours import NETWORK, OTHERS
from highways.config import RunConfig
from highways.tracking.analyses import AnalysisRecord
from highways.tracking.environment import git_commit
from highways.tracking.mlflow_bulk import Metric
from highways.tracking.mlflow_store import is_finished
from highways.tracking.outcomes import Rank, place
from highways.tracking.records import RunRecord

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput, Run

NOTE = "mlflow.note.content"
AUXILIARY, BEST = "auxiliary", "best"
"""Tags: of a run that no outcome counts; whether a run is the best of its network, depth and data set."""
BEST_LOSS, ACCURACY = "summary/best_train_cross_entropy", "summary/test_accuracy"
DIVERGED, SECONDS = "summary/diverged", "summary/seconds"
_PARTS = ("train", "dev", "test")


def metric_name(curve: str) -> str:
    """Return MLflow's name of a curve: `train/accuracy` for `train_accuracy`."""
    part, _, rest = curve.partition("_")
    return f"{part}/{rest}" if part in _PARTS and rest else f"measured/{curve}"


def interval(record: RunRecord | AnalysisRecord) -> tuple[int, int]:
    """Return when a run began and ended, in milliseconds: it ended with its record and took its own seconds."""
    end = int(datetime.fromisoformat(record.finished_at).timestamp() * 1000)
    return end - max(1, round(1000 * record.timing["seconds"])), end


def metrics_of(record: RunRecord) -> list[Metric]:
    """Return a run's curves, spread evenly over the time that it took, its summary at step 0, and its measurements."""
    start, end = interval(record)
    metrics = [
        (metric_name(name), value, start + (end - start) * epoch // len(curve), epoch)
        for name, curve in record.curves.items()
        for epoch, value in enumerate(curve, start=1)
    ]
    summary = {
        DIVERGED: float(record.status == "diverged"),
        BEST_LOSS: record.best(),
        "summary/parameters": float(record.parameters),
        SECONDS: record.timing["seconds"],
    } | {f"summary/{part}_accuracy": record.last(f"{part}_accuracy") for part in _PARTS}
    metrics += [(name, value, end, 0) for name, value in summary.items() if value is not None]
    for name, measured in record.measurements.items():
        snapshot = name.startswith("snapshot_")
        steps = record.measurements["snapshot_step"] if snapshot else range(len(measured))
        group = f"snapshots/{name.removeprefix('snapshot_')}" if snapshot else f"measured/{name}"
        metrics += [(group, value, end, int(step)) for step, value in zip(steps, measured, strict=True)]
    return metrics


def layers(record: AnalysisRecord) -> list[Metric]:
    """Return an analysis's values per layer, the layer in place of the epoch."""
    end, first = interval(record)[1], 0 if record.kind == "lesions" else 1  # 0 is the whole network
    return [
        (f"layers/{record.config.measure.label}_{name}", float(value), end, layer)
        for name, values in record.values.items()
        for layer, value in enumerate(values, start=first)
        if isinstance(value, int | float)
    ]


def run_name(config: RunConfig, key: str) -> str:
    """Return a run's name: differences come first, and the end of its key makes it unique."""
    network, optimiser = config.network, config.optimiser
    parts = [f"d{network.depth:03d}", network.shown_as, f"s{config.seed}", f"lr{optimiser.learning_rate:.2g}"]
    parts.append(f"e{config.budget.epochs}")
    if network.transform_bias is not None:
        parts.append(f"b{network.transform_bias:.2g}")
    return " ".join([*parts, *network.slug_parts(optimiser.kind), config.data.name, f"#{key[-12:][:4]}"])


def provenance(experiment: str, profile: str, commit: str = "") -> dict[str, str]:
    """Return the tags that say where a run comes from: commit, notebook, stage."""
    commit = commit or git_commit()
    return {
        "profile": profile,
        "git_commit": commit,
        "mlflow.source.git.commit": commit.removesuffix("-dirty"),
        "mlflow.source.name": f"notebooks/{experiment}.ipynb",
        "dvc_stage": os.environ.get("DVC_STAGE", f"{experiment}@{profile}"),
    }


def run_tags(config: RunConfig, key: str) -> dict[str, str]:
    """Return the tags by which a run is found, grouped and coloured."""
    network = config.network
    return {
        "kind": "run",
        "run_key": key,
        "network": network.shown_as,
        "depth": f"{network.depth:04d}",
        "seed": str(config.seed),
        "data": config.data.name,
        BEST: "false",
        "mlflow.runColor": NETWORK.get(network.kind) or OTHERS[1 + sum(network.kind.encode()) % (len(OTHERS) - 1)],
    }


def data_input(config: RunConfig, fingerprint: str) -> DatasetInput:
    """Return a run's data set, its fingerprint as the digest, cut to MLflow's 36 characters."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    source = {"highways": config.data.model_dump(mode="json", exclude_none=True), "fingerprint": fingerprint}
    text = json.dumps(source, sort_keys=True)
    data = Dataset(name=config.data.name, digest=fingerprint[:36], source_type="highways", source=text)
    return DatasetInput(data, [InputTag("mlflow.data.context", "training and test")])


def run_note(config: RunConfig, experiment: str, profile: str, record: RunRecord | None = None) -> str:
    """Return the note of a run; `record` is missing while it trains."""
    network, budget = config.network, config.budget
    lines = [
        f"A run of `{experiment}` ({profile}): **{network.shown_as} network, depth {network.depth}, on "
        f"{config.data.name}**, {budget.epochs} epochs of batches of {budget.batch_size}, seed {config.seed}."
    ]
    if record is not None:
        if record.status == "diverged":
            lines.append(f"**It diverged** in epoch {record.diverged_epoch}: its loss stopped being finite.")
        together = int(record.engine.get("group", 1))
        shared = f", its share of the {record.timing['group_seconds']:.0f} s of {together} runs trained together"
        lines += [
            f"It took {record.timing['seconds']:.4g} s{shared if together > 1 else ''}; that is the duration shown.",
            f"Record: `results/{profile}/{experiment}/runs/{record.run_key}.json`, the artifact `record.json`.",
        ]
    return "\n\n".join(lines)


def best_of_cells(runs: Iterable[Run], auxiliary: Collection[str] = ()) -> list[Run]:
    """Return the best of the finished runs for every data set, network and depth, in this order.

    Runs that no outcome counts are never the best: those with a key in `auxiliary`, or tagged so.
    """

    def rank(run: Run) -> Rank:
        values, epochs = run.data.metrics, int(run.data.params["budget.epochs"])
        return place(bool(values[DIVERGED]), values.get(BEST_LOSS), run.data.tags["run_key"], epochs=epochs)

    best: dict[tuple[str, ...], Run] = {}
    for run in sorted(filter(is_finished, runs), key=rank):
        tags = run.data.tags
        if AUXILIARY not in tags and tags["run_key"] not in auxiliary:
            best.setdefault((tags["data"], tags["network"], tags["depth"]), run)
    return [best[key] for key in sorted(best)]


def of_sweep(runs: Iterable[Run], best: Sequence[Run]) -> list[Metric]:
    """Return a sweep's metrics: `summary/...` over all finished runs; `by depth/...`, the best, the depth as step."""
    finished = [run for run in runs if is_finished(run)]
    end = max((run.info.end_time or 0 for run in finished), default=0)
    metrics = [("summary/runs", float(len(finished)), end, 0)]
    metrics += [(name, fsum(run.data.metrics[name] for run in finished), end, 0) for name in (DIVERGED, SECONDS)]
    for name, chosen in ((BEST_LOSS, min), (ACCURACY, max)):
        if values := [run.data.metrics[name] for run in best if name in run.data.metrics]:
            metrics.append((name, chosen(values), end, 0))
    for run in best:
        values, where = run.data.metrics, "{network} {data}".format_map(run.data.tags)
        depth, end = int(run.data.tags["depth"]), run.info.end_time or 0
        for name, key in (("train_cross_entropy", BEST_LOSS), ("test_accuracy", ACCURACY)):
            if key in values:
                metrics.append((f"by depth/{name} {where}", values[key], end, depth))
    return metrics
