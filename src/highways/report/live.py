"""Curves that answer to a pointer: what stands at each point, which record it is of, and what a claim rests on.

The report's script (`templates/report.js.j2`) reads it. Records are named once for the page, by their place in a list.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from highways import paths
from highways.claims.values import runs_behind
from highways.experiments import BY_NAME
from highways.report.verdicts import Judged
from highways.show.figures import Panel, svg


class Records:
    """The records that curves of a page are made of, each once."""

    def __init__(self, profile: str):
        self.profile = profile
        self.places: dict[str, int] = {}
        self.panels = 0

    def place(self, experiment: str, key: str) -> int:
        """Return a run's place in the page's list of records, a new one where it has none."""
        path = paths.Results(self.profile).of(experiment).runs / f"{key}.json"
        text = path.relative_to(paths.Results(self.profile).folder).as_posix()
        return self.places.setdefault(text, len(self.places))

    def claims(self, judged: Judged) -> Mapping[str, list[int]]:
        """Return, for each claim that was judged, the places of the records on this page that it rests on."""
        known = {Path(text).stem: place for text, place in self.places.items()}
        behind = {}
        for row in filter(lambda row: row.measured, judged.judgements):
            claim = judged.claims[row.claim_id]
            records = claim.required.of_data_sets(judged.listed[claim.experiment])
            keys = runs_behind(BY_NAME[claim.experiment].named_measures, claim.measure, records)
            if places := {known[key] for key in keys if key in known}:
                behind[row.claim_id] = sorted(places)
        return behind


def curves(panel: Panel, experiment: str, records: Records) -> dict[str, Any] | None:
    """Return a panel's `svg`, what it has `across`, and its `curves`; `None` of one without runs behind it.

    A curve has its `name` and its `points`: coordinates in the SVG, both values as text, and the places of records.
    """
    if not any(line.runs for line in panel.lines):
        return None
    text, places = svg(panel)
    found, number = [], records.panels
    records.panels += 1
    for line, there in zip(panel.lines, places, strict=True):
        runs = [[records.place(experiment, key) for key in keys] for keys in line.runs]
        each = runs if len(runs) == len(line.x) else [*runs, []][:1] * len(line.x)
        points = [
            [round(float(across), 1), round(float(down), 1), f"{x:g}", f"{y:.3g}", behind]
            for (across, down), x, y, behind in zip(there, line.x, line.y, each, strict=True)
            if np.isfinite(across + down)
        ]
        if line.label and points:
            found.append({"name": line.label, "points": points})
    ids = re.sub(r'(\bid="|url\(#|href="#)', rf"\1p{number}-", text)  # of one page there is one of each
    return {"svg": ids, "across": panel.across, "curves": found}
