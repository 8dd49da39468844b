"""The HTML report of a profile: one self-contained page.

It begins with the answer to the reader's question, followed by a table of all claims and a section per experiment. All
of it is computed from the records, tables and verdicts; every number, figure and verdict links to its source file,
relative to the report's place in the checkout. The script `templates/report.js.j2` makes curves interactive: it shows
the values at a point, the record behind them, and what a claim rests on.
"""

import base64
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup, escape

from highways import paths
from highways.claims.sources import DOCUMENTS
from highways.claims.values import runs_behind
from highways.claims.verdicts import SCOPES, VERDICTS
from highways.experiments import BY_NAME, EXPERIMENTS
from highways.experiments.base import Experiment
from highways.files import write_all
from highways.report.pages import answers, view
from highways.report.render import render
from highways.report.verdicts import LEAD, LEADING, Judged
from highways.show.figures import Panel, svg


class Records:
    """The distinct records behind the curves of a page."""

    def __init__(self) -> None:
        self.places: dict[str, int] = {}
        self.panels = 0

    def place(self, experiment: str, key: str) -> int:
        """Return a run's index in the page's list of records, adding the run if it is new."""
        return self.places.setdefault(f"{experiment}/runs/{key}.json", len(self.places))

    def claims(self, judged: Judged) -> Mapping[str, list[int]]:
        """Return, for each claim with a measured value, the indices of this page's records that it rests on."""
        known = {Path(text).stem: place for text, place in self.places.items()}
        behind = {}
        for row in filter(lambda row: row.measured, judged.judgements):
            claim = judged.claims[row.claim_id]
            records = claim.required.of_data_sets(judged.listed[claim.experiment])
            keys = runs_behind(BY_NAME[claim.experiment].named_measures, claim.measure, records)
            if places := {known[key] for key in keys if key in known}:
                behind[row.claim_id] = sorted(places)
        return behind


def panel_view(panel: Panel, experiment: str, records: Records) -> dict[str, Any]:
    """Return a panel's title, alternative text and SVG: with interactive `curves` if it has runs, else as an image.

    A curve has a `name` and `points`: coordinates in the SVG, both values as text, and indices of records.
    """
    text, places = svg(panel)
    shown = {"title": panel.title, "alt": panel.alt}
    if not any(line.runs for line in panel.lines):
        return shown | {"image": f"data:image/svg+xml;base64,{base64.b64encode(text.encode()).decode()}"}
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
    ids = re.sub(r'(\bid="|url\(#|href="#)', rf"\1p{number}-", text)  # ids must be unique on the page
    return shown | {"svg": ids, "across": panel.across, "curves": found}


def page(judged: Judged) -> str:
    """Return the report's content, which is reproducible."""
    results, behind, rows = paths.Results(judged.profile), Records(), judged.rows
    sections = [section(experiment, judged, behind) for experiment in EXPERIMENTS]
    named = {name for row in rows.values() for name in row["documents"]}
    records = judged.listed[LEADING.name]

    def link(path: Path) -> str:
        """Return the report's link to a file or folder of the checkout; empty if it does not exist."""
        return Path(os.path.relpath(path, results.folder)).as_posix() if path.exists() else ""

    return render(
        "report.html.j2",
        profile=judged.profile,
        results=results,
        answers=answers(rows),
        numbers=results.of(LEADING.name).tables / f"{LEADING.tables[0].name}.csv",
        panel=panel_view(LEAD.panel(records), LEADING.name, behind) | {"section": LEADING.name} if records else None,
        rows=list(rows.values()),
        verdicts=VERDICTS,
        scopes=SCOPES,
        documents={name: DOCUMENTS.get(name, name) for name in [*DOCUMENTS, *sorted(named)] if name in named},
        sections=[one for one in sections if one["tables"]],
        live={"records": list(behind.places), "claims": behind.claims(judged)},
        link=link,
        root=os.path.relpath(paths.root(), results.folder),
        checkout=paths.root(),
    )


def section(experiment: Experiment, judged: Judged, behind: Records) -> dict[str, Any]:
    """Return an experiment's section of the report: its view, and the origin of everything in it."""
    name, listed = experiment.name, judged.listed[experiment.name]
    folder, shown = paths.Results(judged.profile).of(name), view(experiment, judged)
    records = [*listed, *listed.analyses, *listed.auxiliary]
    return shown | {
        "folder": folder,
        "figures": [
            ([panel_view(panel, name, behind) for panel in draw(listed).panels], folder.figures / f"{figure}.png")
            for figure, draw in experiment.figures.items()
            if shown["tables"]
        ],
        "texts": [(heading, paragraphs(text)) for heading, text in shown["notes"].items()],
        "commits": sorted({str(commit)[:7] for one in records if (commit := one.environment.get("git_commit"))}),
    }


def paragraphs(text: str) -> list[Markup]:
    """Convert Markdown with paragraphs and `code` to escaped HTML."""
    parts = [" ".join(part.split()) for part in text.split("\n\n") if part.strip()]
    return [Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(part)))) for part in parts]


def write_report(judged: Judged) -> Path:
    """Write `report.html` from the profile's records, tables and verdicts, and return its path."""
    return write_all({paths.Results(judged.profile).report: page(judged)})[0]
