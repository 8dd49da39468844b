"""The HTML report of a profile: one page, made to be read, that needs nothing else.

It begins with the answer to the reader's question, then has all claims in a table, then a section per experiment. All
of it is computed from the records, the tables and the verdicts; every number, figure and verdict links to the file
that it comes from, relative to the report's place in the checkout.
"""

import base64
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

from highways import paths
from highways.claims.sources import DOCUMENTS
from highways.claims.verdicts import SCOPES, VERDICTS
from highways.experiments import EXPERIMENTS
from highways.experiments.base import Experiment, Lead
from highways.report.live import Records, curves
from highways.report.pages import view
from highways.report.render import render
from highways.report.verdicts import Judged
from highways.show.figures import Panel, svg
from highways.tracking.records import write_atomically

WHY = {
    "full": "with all that the claim requires",
    "pruned": "by a search whose best trials went to the end",
    "reduced": "after less training than the papers'",
    "stand-in": "on other data than the papers'",
}
"""What a verdict rests on, by its scope."""


def page(judged: Judged) -> str:
    """Return the report's content; the same from run to run."""
    results, behind = paths.Results(judged.profile), Records(judged.profile)
    sections = [section(experiment, judged, behind) for experiment in EXPERIMENTS]
    by_id = {row["claim_id"]: row for one in sections for row in (*one["run"], *one["waiting"])}
    rows = [by_id[row.claim_id] for row in judged.judgements]
    named = {name for row in rows for name in row["documents"]}
    lead, leading = leader()
    records = judged.listed[leading.name]

    def link(path: Path) -> str:
        """Return how the report links to a file or folder of the checkout; nothing where there is none."""
        return Path(os.path.relpath(path, results.folder)).as_posix() if path.exists() else ""

    return render(
        "report.html.j2",
        profile=judged.profile,
        results=results,
        answers=answers(lead, by_id),
        numbers=results.of(leading.name).tables / f"{leading.tables[0].name}.csv",
        panel=panel_view(lead.panel(records), leading.name, behind) | {"section": leading.name} if records else None,
        rows=rows,
        verdicts=VERDICTS,
        scopes=SCOPES,
        documents={name: DOCUMENTS.get(name, name) for name in [*DOCUMENTS, *sorted(named - DOCUMENTS.keys())]},
        named=named,
        sections=[one for one in sections if one["tables"]],
        live={"records": list(behind.places), "claims": behind.claims(judged)},
        link=link,
        root=os.path.relpath(paths.root(), results.folder),
    )


def leader() -> tuple[Lead, Experiment]:
    """Return what the report and README begin with, and the experiment that it comes from."""
    return next((one.lead, one) for one in EXPERIMENTS if one.lead is not None)


def answers(lead: Lead, rows: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str, str]]:
    """Return the first questions, each with its answer and the claim that gives it, from the verdicts by claim."""
    return [(question, answer(rows[name]), name) for question, name in lead.questions if name in rows]


def answer(row: Mapping[str, Any]) -> str:
    """Return a verdict in a sentence: the criterion, what was measured on which data, and what the verdict rests on."""
    if row["verdict"] == "not run":
        return "Not judged yet: runs that the claim needs are missing."
    criterion = f"{row['criterion'][:1].upper()}{row['criterion'][1:]}"
    why = f", {WHY[row['scope']]}" if row["scope"] in WHY else ""
    return f"{criterion}: {row['measured'] or 'nothing'} on {row['data']}. {row['verdict'].capitalize()}{why}."


def section(experiment: Experiment, judged: Judged, behind: Records) -> dict[str, Any]:
    """Return an experiment's part of the report: its view, and where everything in it comes from."""
    name, listed = experiment.name, judged.listed[experiment.name]
    folder, shown = paths.Results(judged.profile).of(name), view(experiment, judged)
    for row in (*shown["run"], *shown["waiting"]):
        places = [*([] if judged.claims[row["claim_id"]].of_study else [folder.runs]), folder.analyses, folder.tables]
        row |= {"experiment": name, "evidence": next((place for place in places if place.exists()), None)}
    records = [*listed, *listed.analyses, *listed.auxiliary]
    return shown | {
        "folder": folder,
        "places": {
            "notebook": paths.root() / "notebooks" / f"{name}.ipynb",
            "parameters": paths.root() / "profiles" / judged.profile / f"{name}.yaml",
            f"{len(list(folder.runs.glob('*.json'))):,} records of runs": folder.runs,
            f"{len(list(folder.analyses.glob('*.json'))):,} records of analyses": folder.analyses,
            "tables": folder.tables,
            "page": folder.page,
        },
        "figures": [
            ([panel_view(panel, name, behind) for panel in draw(listed).panels], folder.figures / f"{figure}.png")
            for figure, draw in experiment.figures.items()
            if shown["tables"]
        ],
        "texts": [(heading, paragraphs(text)) for heading, text in shown["notes"].items()],
        "commits": sorted({str(commit)[:7] for one in records if (commit := one.environment.get("git_commit"))}),
    }


def paragraphs(text: str) -> list[Markup]:
    """Return Markdown of paragraphs and `code` as HTML, escaped."""
    parts = [" ".join(part.split()) for part in text.split("\n\n") if part.strip()]
    return [Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(part)))) for part in parts]


def panel_view(panel: Panel, experiment: str, behind: Records) -> dict[str, Any]:
    """Return a panel with its title, its alternative text and its SVG: as an image, or with its curves to be read."""
    view: dict[str, Any] = {"title": panel.title, "alt": panel.alt}
    if (live := curves(panel, experiment, behind)) is not None:
        return view | live
    image = base64.b64encode(svg(panel).encode()).decode()
    return view | {"image": f"data:image/svg+xml;base64,{image}"}


def write_report(judged: Judged) -> Path:
    """Write `report.html` from the profile's records, tables and verdicts, and return its path."""
    path = paths.Results(judged.profile).report
    write_atomically(path, page(judged))
    return path
