"""The HTML report of a profile: one page, made to be read, that needs nothing else.

It begins with the answer to the reader's question, then has all claims in a table, then a section per experiment. All
of it is computed from the records, the tables and the verdicts; every number, figure and verdict links to the file
that it comes from, relative to the report's place in the checkout.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup, escape
from matplotlib.figure import Figure

from highways import paths
from highways.claims.judge import Judgement
from highways.claims.sources import DOCUMENTS, documents
from highways.claims.verdicts import SCOPES, VERDICTS
from highways.experiments import EXPERIMENTS
from highways.experiments.base import SECTIONS, Experiment, Table, notes_of
from highways.report.pages import columns_of, cost_of, counts, head, lacking, made_tables, measured, rows_that_matter
from highways.report.render import cell, render
from highways.report.verdicts import Judged, judge_all
from highways.show.figures import Drawing, Panel, svg, svg_of
from highways.tracking.records import write_atomically

WHY = {
    "full": "with all that the claim requires",
    "pruned": "by a search whose best trials went to the end",
    "reduced": "after less training than the papers'",
    "stand-in": "on other data than the papers'",
}
"""What a verdict rests on, by its scope."""


class Report:
    """What the template shows of a profile, from its judged claims."""

    def __init__(self, judged: Judged):
        self.results = paths.Results(judged.profile)
        self.judged, self.listed = judged, judged.listed
        self.root = os.path.relpath(paths.root(), self.results.folder)
        self.rows = [self.row(judgement) for judgement in judged.judgements]
        self.sections = [self.section(one) for one in EXPERIMENTS if made_tables(one, judged)]

    def link(self, path: Path) -> str | None:
        """Return how the report links to a file or folder of the checkout, `None` where there is none."""
        return Path(os.path.relpath(path, self.results.folder)).as_posix() if path.exists() else None

    def row(self, judgement: Judgement) -> dict[str, Any]:
        """Return a verdict as a row of a table, with what it falls short of in words, and where its evidence is."""
        claim = self.judged.claims[judgement.claim_id]
        experiment = next(one for one in EXPERIMENTS if one.name == claim.experiment)
        results = self.results.of(claim.experiment)
        places = [*([] if claim.of_study else [results.runs]), results.analyses, results.tables]
        return vars(judgement) | {
            "documents": "|".join(documents(judgement.source)),
            "measured": measured(judgement, self.judged, experiment),
            "order": VERDICTS.index(judgement.verdict),
            "lacking": ", ".join(lacking(judgement, self.judged)),
            "experiment": claim.experiment,
            "evidence": next((link for place in places if (link := self.link(place))), None),
        }

    def section(self, experiment: Experiment) -> dict[str, Any]:
        """Return an experiment's part of the report."""
        folder, name, listed = self.results.of(experiment.name), experiment.name, self.listed[experiment.name]
        notes = notes_of(name)
        rows = [row for row in self.rows if row["experiment"] == name]
        records = [*listed, *listed.analyses, *listed.auxiliary]
        costs = [folder.tables / f"{table.name}_cost.csv" for table in experiment.tables]
        return {
            "name": name,
            "title": experiment.title,
            "question": notes.pop(SECTIONS[0]),
            "counts": counts(self.judged.of(name)),
            "links": self.links(experiment),
            "command": experiment.command(self.results.profile),
            "run": [row for row in rows if row["verdict"] != "not run"],
            "waiting": [row for row in rows if row["verdict"] == "not run"],
            "figures": [] if listed.empty else [self.figure(experiment, figure) for figure in experiment.figures],
            "tables": [self.table(*made, folder.tables) for made in made_tables(experiment, self.judged)],
            "texts": [(heading, paragraphs(text)) for heading, text in notes.items()],
            "cost": cost_of(experiment, self.judged),
            "costs": [(path.name, self.link(path)) for path in costs if path.exists()],
            "commits": sorted({str(commit)[:7] for one in records if (commit := one.environment.get("git_commit"))}),
        }

    def links(self, experiment: Experiment) -> list[tuple[str, str]]:
        """Return where all of an experiment comes from: what it is called, and its place."""
        folder, name = self.results.of(experiment.name), experiment.name
        places = {
            "notebook": paths.root() / "notebooks" / f"{name}.ipynb",
            "parameters": paths.root() / "profiles" / self.results.profile / f"{name}.yaml",
            f"{len(list(folder.runs.glob('*.json'))):,} records of runs": folder.runs,
            f"{len(list(folder.analyses.glob('*.json'))):,} records of analyses": folder.analyses,
            "tables": folder.tables,
            "page": folder.page,
        }
        return [(text, link) for text, place in places.items() if (link := self.link(place))]

    def figure(self, experiment: Experiment, name: str) -> dict[str, Any]:
        """Return a figure's panels as SVG, and its PNG."""
        png = self.results.of(experiment.name).figures / f"{name}.png"
        drawing = experiment.figures[name](self.listed[experiment.name])
        return {"panels": panels_of(drawing, experiment.title), "png": self.link(png)}

    def table(self, table: Table, whole: pd.DataFrame, folder: Path) -> dict[str, Any]:
        """Return a table: its rows that matter, and all of them."""
        path = folder / f"{table.name}.csv"
        chosen = rows_that_matter(table, whole)
        some, every = columns_of(table, chosen), [name for name in (table.shown or whole) if name in whole]
        return {
            "title": table.title,
            "name": path.name,
            "link": self.link(path),
            "heads": [head(table, name) for name in some],
            "rows": cells(chosen, some),
            "all_heads": [head(table, name) for name in every],
            "all_rows": cells(whole, every) if len(whole) > len(chosen) else [],
            "number": len(whole),
        }

    def answers(self) -> tuple[list[dict[str, Any]], dict[str, str] | None]:
        """Return what the report begins with: the answers to the question, and the figure that shows them."""
        experiment = next(one for one in EXPERIMENTS if one.lead is not None)
        assert experiment.lead is not None
        numbers = self.link(self.results.of(experiment.name).tables / f"{experiment.tables[0].name}.csv")
        rows = {row["claim_id"]: row for row in self.rows}
        answers = [
            {"question": question, "text": answer(rows[name]), "claims": [(name, "claim")], "numbers": numbers}
            for question, name in experiment.lead.questions
            if name in rows
        ]
        panel = None
        if records := self.listed[experiment.name]:
            panel = shown_panel(experiment.lead.panel(records)) | {"section": experiment.name}
        return [*answers, not_replicated(self.judged.judgements)], panel


def answer(row: dict[str, Any]) -> str:
    """Return a verdict in a sentence: the criterion, what was measured on which data, and what the verdict rests on."""
    if row["verdict"] == "not run":
        return "Not judged yet: runs that the claim needs are missing."
    criterion = f"{row['criterion'][:1].upper()}{row['criterion'][1:]}"
    why = f", {WHY[row['scope']]}" if row["scope"] in WHY else ""
    return f"{criterion}: {row['measured'] or 'nothing'} on {row['data']}. {row['verdict'].capitalize()}{why}."


def cells(frame: pd.DataFrame, columns: Sequence[str]) -> list[list[tuple[str, bool]]]:
    """Return rows of cells, each with its text and whether it is a number."""
    rows = [[row[name] for name in columns] for row in frame.to_dict("records")]
    return [[(value, False) if isinstance(value, str) else (cell(value), True) for value in row] for row in rows]


def paragraphs(text: str) -> list[Markup]:
    """Return Markdown of paragraphs and `code` as HTML, escaped."""
    parts = [" ".join(part.split()) for part in text.split("\n\n") if part.strip()]
    return [Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(part)))) for part in parts]


def panels_of(figure: Figure | Drawing, title: str) -> list[dict[str, str]]:
    """Return the panels of a figure as images; a figure that has none is one."""
    if isinstance(figure, Drawing):
        return [shown_panel(panel) for panel in figure.panels]
    return [{"title": title, "alt": f"Figure: {title}", "image": data_address(svg_of(figure))}]


def shown_panel(panel: Panel) -> dict[str, str]:
    """Return a panel with its title, its alternative text and its SVG."""
    return {"title": panel.title, "alt": panel.alt, "image": data_address(svg(panel))}


def data_address(image: str) -> str:
    """Return an SVG as an address that contains it."""
    return "data:image/svg+xml;base64," + base64.b64encode(image.encode()).decode()


def not_replicated(judgements: Sequence[Judgement]) -> dict[str, Any]:
    """Return which of the sources' claims did not replicate, as an answer."""
    theirs = [row for row in judgements if not row.own]
    failed = [row for row in theirs if row.verdict == "not replicated"]
    number_of = {verdict: sum(row.verdict == verdict for row in theirs) for verdict in VERDICTS}
    rest = ", ".join(f"{number} {verdict}" for verdict, number in number_of.items() if verdict != "not replicated")
    if not failed:
        text = f"None of the sources' {len(theirs)} claims, so far: {rest}."
    else:
        papers = sum(bool({"P1", "P2"} & set(documents(row.source))) for row in failed)
        text = f"{len(failed)} of the sources' {len(theirs)} claims, {papers or 'none'} of them the papers' ({rest}):"
    named = [(row.claim_id, row.statement.rstrip(".")) for row in failed]
    return {"question": "What did not replicate?", "text": text, "claims": named, "numbers": None}


def page(judged: Judged) -> str:
    """Return the report's content; the same from run to run."""
    report = Report(judged)
    named = {name for row in report.rows for name in row["documents"].split("|")}
    others = sorted(named - DOCUMENTS.keys())
    answers, panel = report.answers()
    return render(
        "report.html.j2",
        profile=judged.profile,
        answers=answers,
        panel=panel,
        rows=report.rows,
        verdicts=VERDICTS,
        scopes=SCOPES,
        documents={name: text for name, text in DOCUMENTS.items() if name in named} | {name: name for name in others},
        sections=report.sections,
        shown={section["name"] for section in report.sections},
        claims_csv=report.link(report.results.claims),
        claims_json=report.link(report.results.claims_json),
        root=report.root,
    )


def write_report(judged: Judged) -> Path:
    """Write `report.html` from the profile's records, tables and verdicts, and return its path."""
    path = paths.Results(judged.profile).report
    write_atomically(path, page(judged))
    return path


def report_profile(profile: str) -> Path:
    """Write the report of what a profile has so far, and return its path."""
    return write_report(judge_all(profile))
