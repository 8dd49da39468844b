"""Metrics as MLflow has them: in groups, so that its charts stand in sections and the first are lines.

`train/...`, `dev/...`, `test/...` are the curves, a value an epoch; `summary/...` is one value a run; `snapshots/...`
has a value a snapshot, `layers/...` a value a layer, `measured/...` what else a run measured.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from highways.tracking.analyses import AnalysisRecord
from highways.tracking.outcomes import Rank, place
from highways.tracking.records import RunRecord

if TYPE_CHECKING:
    from mlflow.entities import Run

Metric = tuple[str, float, int, int]
"""Name, value, time in milliseconds, step."""
CURVE = "train/cross_entropy"
"""The curve that every run has: by it the epochs are counted that MLflow has."""
BEST_LOSS = "summary/best_train_cross_entropy"
TEST_ACCURACY = "summary/test_accuracy"
DIVERGED = "summary/diverged"
SECONDS = "summary/seconds"
_PARTS = ("train", "dev", "test")


def metric_name(curve: str) -> str:
    """Return how MLflow names a curve: `train/accuracy` for `train_accuracy`."""
    part, _, rest = curve.partition("_")
    return f"{part}/{rest}" if part in _PARTS and rest else f"measured/{curve}"


def milliseconds(timestamp: str) -> int:
    """Return a record's time as MLflow counts it."""
    return int(datetime.fromisoformat(timestamp).timestamp() * 1000)


def interval(record: RunRecord) -> tuple[int, int]:
    """Return when a run began and ended, in milliseconds: it ended with its record and took its own seconds."""
    end = milliseconds(record.finished_at)
    return end - max(1, round(1000 * record.timing["seconds"])), end


@dataclass(frozen=True)
class Outcome:
    """What came of a run, as far as its sweep is summed up.

    Attributes:
        key: Of the run.
        network: Its name.
        depth: Number of layers.
        data: Name of the data set.
        diverged: Its loss ceased to be finite.
        epochs: Planned length.
        loss: Lowest training cross-entropy, `None` where there is none.
        accuracy: Test accuracy at the end, `None` where there is none.
        seconds: That it took.
        auxiliary: No outcome counts it.
    """

    key: str
    network: str
    depth: int
    data: str
    diverged: bool
    epochs: int
    loss: float | None
    accuracy: float | None
    seconds: float
    auxiliary: bool = False

    @property
    def cell(self) -> tuple[str, str, int]:
        """What the trials of a search have in common."""
        return self.data, self.network, self.depth

    @property
    def rank(self) -> Rank:
        """What runs are sorted by."""
        return place(self.diverged, self.loss, self.key, epochs=self.epochs)

    @classmethod
    def of_record(cls, record: RunRecord) -> Outcome:
        """Return what a record says."""
        network, accuracy = record.config.network, record.last("test_accuracy")
        place = (record.run_key, network.shown_as, network.depth, record.config.data.name)
        length = (record.status == "diverged", record.config.budget.epochs)
        return cls(*place, *length, record.best(), accuracy, record.timing["seconds"])

    @classmethod
    def of_run(cls, run: Run) -> Outcome | None:
        """Return what MLflow says of a run; `None` where it is not finished, or written by an earlier version."""
        tags, values = run.data.tags, run.data.metrics
        if run.info.status != "FINISHED" or SECONDS not in values:
            return None
        place = (tags["run_key"], tags["network"], int(tags["depth"]), tags["data"])
        length = (bool(values.get(DIVERGED)), int(run.data.params.get("budget.epochs", 0)))
        return cls(*place, *length, values.get(BEST_LOSS), values.get(TEST_ACCURACY), values[SECONDS])


def best_of_cells(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """Return the best run of every network, depth and data set, in this order, auxiliary runs left out."""
    best: dict[tuple[str, str, int], Outcome] = {}
    for outcome in sorted(outcomes, key=lambda outcome: outcome.rank):
        if not outcome.auxiliary:
            best.setdefault(outcome.cell, outcome)
    return [best[cell] for cell in sorted(best)]


def epochs(record: RunRecord, after: int = 0) -> list[Metric]:
    """Return a run's curves, their epochs spread over the time that it took.

    Args:
        record: Of the run.
        after: The last epoch that MLflow has already.
    """
    start, end = interval(record)
    return [
        (metric_name(name), value, start + (end - start) * epoch // len(curve), epoch)
        for name, curve in record.curves.items()
        for epoch, value in enumerate(curve, start=1)
        if epoch > after
    ]


def outcome(record: RunRecord) -> list[Metric]:
    """Return what came of a run, one value each, and what else was measured of it."""
    _, end = interval(record)
    values = {
        DIVERGED: float(record.status == "diverged"),
        BEST_LOSS: record.best(),
        "summary/parameters": float(record.parameters),
        SECONDS: record.timing["seconds"],
    }
    for part in _PARTS:
        values[f"summary/{part}_accuracy"] = record.last(f"{part}_accuracy")
    metrics = [(name, value, end, record.epochs) for name, value in values.items() if value is not None]
    for name, measured in record.measurements.items():
        snapshot = name.startswith("snapshot_")
        steps = record.measurements["snapshot_step"] if snapshot else range(len(measured))
        group = f"snapshots/{name.removeprefix('snapshot_')}" if snapshot else f"measured/{name}"
        metrics += [(group, value, end, int(step)) for step, value in zip(steps, measured, strict=True)]
    return metrics


def layers(record: AnalysisRecord) -> list[Metric]:
    """Return what an analysis has one number a layer of, the layer in place of the epoch."""
    end = milliseconds(record.finished_at)
    first = 0 if record.kind == "lesions" else 1  # a lesion record begins with the whole network
    return [
        (f"layers/{record.config.measure.label}_{name}", float(value), end, layer)
        for name, values in record.values.items()
        for layer, value in enumerate(values, start=first)
        if isinstance(value, int | float)
    ]


def summary(outcomes: Sequence[Outcome], end: int) -> tuple[list[Metric], str]:
    """Return a sweep's metrics, and a digest by which it is seen whether MLflow has them.

    Beside sums over all runs there is, for every network and data set, the best run's outcome by depth: the depth
    stands in place of the epoch.

    Args:
        outcomes: Of its runs.
        end: When the last of them ended, in milliseconds.
    """
    best_ones = best_of_cells(outcomes)
    losses = [one.loss for one in best_ones if one.loss is not None]
    accuracies = [one.accuracy for one in outcomes if one.accuracy is not None and not one.auxiliary]
    values = {
        "summary/runs": float(len(outcomes)),
        DIVERGED: float(sum(one.diverged for one in outcomes)),
        SECONDS: round(math.fsum(one.seconds for one in outcomes), 3),
        BEST_LOSS: min(losses, default=None),
        TEST_ACCURACY: max(accuracies, default=None),
    }
    metrics = [(name, value, end, 0) for name, value in values.items() if value is not None]
    for best in best_ones:
        by_depth = {"train_cross_entropy": best.loss, "test_accuracy": best.accuracy}
        name = f"{best.network} {best.data}"
        metrics += [
            (f"by depth/{what} {name}", value, end, best.depth) for what, value in by_depth.items() if value is not None
        ]
    content = [(name, value, step) for name, value, _, step in metrics]
    return metrics, hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]
