"""Costs that several experiments show."""

from __future__ import annotations

import pandas as pd

from highways.config import Profile
from highways.show.tables import MACHINE, machine
from highways.tracking import Listed, RunRecord


def studies_cost(records: Listed, settings: Profile) -> pd.DataFrame:
    """Return what each study cost."""
    rows = [
        {"study": analysis.kind, "process_seconds": analysis.timing["seconds"]} | machine(analysis.environment)
        for analysis in records.analyses
        if analysis.config.run is None
    ]
    return pd.DataFrame(rows, columns=["study", "process_seconds", *MACHINE])


def training_cost(run: RunRecord) -> dict[str, object]:
    """Return what training a run cost, and on what machine."""
    return {"process_seconds": run.timing["seconds"]} | machine(run.environment, run.engine["workers"])
