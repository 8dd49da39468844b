"""Costs that several experiments show."""

from __future__ import annotations

from highways.show.tables import machine
from highways.tracking import RunRecord


def training_cost(run: RunRecord) -> dict[str, object]:
    """Return what training a run cost, and on what machine."""
    return {"process_seconds": run.timing["seconds"]} | machine(run.environment, run.engine["workers"])
