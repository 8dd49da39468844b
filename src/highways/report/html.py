"""The HTML report of a profile: one page, made to be read, that needs nothing else.

It begins with the answer to the reader's question, then has all claims in a table, then an experiment a section. All
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

import jinja2
import pandas as pd
from markupsafe import Markup, escape
from matplotlib.figure import Figure

from highways import paths
from highways.claims.judge import Claim, Judgement, shortfalls
from highways.claims.sources import DOCUMENTS, documents, number, spoken, unit_of
from highways.claims.verdicts import SCOPES, VERDICTS
from highways.experiments import EXPERIMENTS
from highways.experiments.base import Experiment, Table
from highways.report.pages import cost, counts
from highways.report.verdicts import Judged
from highways.show.figures import Drawing, svg, svg_of
from highways.tracking import Listed
from highways.tracking.records import write_atomically

MOST = 12
"""Rows of a table that the report shows before it is asked for all."""

SHORT = {"training_examples": "training examples"} | {name: name for name in ("epochs", "trials", "survivors", "seeds")}


class Report:
    """What the template shows.

    Args:
        judged: The profile's claims.
    """

    def __init__(self, judged: Judged):
        self.results = paths.Results(judged.profile)
        self.judged, self.claims, self.listed = judged, judged.claims, judged.listed
        self.experiments = {one.name: one for one in EXPERIMENTS}
        self.root = os.path.relpath(paths.root(), self.results.folder)

    def there(self, path: Path) -> str | None:
        """Return how the report links to a file or folder of the checkout, `None` where there is none."""
        return Path(os.path.relpath(path, self.results.folder)).as_posix() if path.exists() else None

    def row(self, judgement: Judgement) -> dict[str, Any]:
        """Return a verdict as a row of a table."""
        claim = self.claims[judgement.claim_id]
        experiment = self.experiments[claim.experiment]
        unit = unit_of(claim, experiment.named_measures)
        evidence = self.results.of(claim.experiment)
        places = [evidence.runs, evidence.analyses] if not claim.of_study else []
        return {
            "id": judgement.claim_id,
            "statement": judgement.statement,
            "source": judgement.source,
            "documents": "|".join(documents(judgement.source)),
            "criterion": judgement.criterion,
            "measured": spoken(judgement.measured, unit),
            "verdict": judgement.verdict,
            "order": VERDICTS.index(judgement.verdict),
            "scope": judgement.scope,
            "lacking": self.lacking(claim, judgement),
            "experiment": claim.experiment,
            "evidence": next(
                (link for place in [*places, evidence.analyses, evidence.tables] if (link := self.there(place))), None
            ),
        }

    def lacking(self, claim: Claim, judgement: Judgement) -> str:
        """Return in words what a verdict below full scope falls short of."""
        if judgement.verdict == "not run" or judgement.scope in ("", "full"):
            return ""
        parts = []
        for name, (asked, had) in shortfalls(claim, self.listed[claim.experiment]).items():
            if name in SHORT:
                parts.append(f"{had} of {asked} {SHORT[name]}")
            else:
                parts.append(f"{name}: {had} for {asked}" if name != "depths" else f"depths: {had}")
        return ", ".join(parts)

    def sections(self) -> list[dict[str, Any]]:
        """Return the experiments that have a table."""
        return [
            self.section(one)
            for one in EXPERIMENTS
            if any((self.results.of(one.name).tables / f"{table.name}.csv").exists() for table in one.tables)
        ]

    def section(self, experiment: Experiment) -> dict[str, Any]:
        """Return an experiment's part of the report."""
        folder, name = self.results.of(experiment.name), experiment.name
        own = self.judged.of(name)
        rows = [self.row(row) for row in own]
        return {
            "name": name,
            "title": experiment.title,
            "counts": counts(own),
            "links": self.links(experiment),
            "command": experiment.command(self.results.profile),
            "run": [row for row in rows if row["verdict"] != "not run"],
            "waiting": [row for row in rows if row["verdict"] == "not run"],
            "figures": [made for figure in experiment.figures if (made := self.figure(experiment, figure))],
            "tables": [made for table in experiment.tables if (made := self.table(table, folder.tables))],
            "easy": paragraphs(experiment.easy),
            "difficult": paragraphs(experiment.difficult),
            "notes": paragraphs(experiment.notes),
            "cost": cost(experiment, self.results.profile),
            "costs": [
                (path.name, self.there(path))
                for table in experiment.tables
                if (path := folder.tables / f"{table.name}_cost.csv").exists()
            ],
            "commits": self.commits(self.listed[name]),
        }

    def links(self, experiment: Experiment) -> list[tuple[str, str]]:
        """Return where all of an experiment comes from: what it is called, and its place."""
        folder, name = self.results.of(experiment.name), experiment.name
        number_of = {place: len(list(place.glob("*.json"))) for place in (folder.runs, folder.analyses)}
        places = [
            ("notebook", paths.root() / "notebooks" / f"{name}.ipynb"),
            ("parameters", paths.root() / "profiles" / self.results.profile / f"{name}.yaml"),
            (f"{number_of[folder.runs]:,} records of runs", folder.runs),
            (f"{number_of[folder.analyses]:,} records of analyses", folder.analyses),
            ("tables", folder.tables),
            ("page", folder.page),
        ]
        return [(text, link) for text, place in places if (link := self.there(place))]

    def commits(self, records: Listed) -> list[str]:
        """Return the commits that an experiment's records were made at, short."""
        made = [*records, *records.analyses, *records.auxiliary]
        return sorted({str(one.environment["git_commit"])[:7] for one in made if one.environment.get("git_commit")})

    def figure(self, experiment: Experiment, name: str) -> dict[str, Any] | None:
        """Return a figure's panels as SVG; `None` where there are no records to draw."""
        records = self.listed[experiment.name]
        if records.empty:
            return None
        drawn = experiment.figures[name](records)
        return {
            "panels": panels_of(drawn, experiment.title),
            "png": self.there(self.results.of(experiment.name).figures / f"{name}.png"),
        }

    def table(self, table: Table, folder: Path) -> dict[str, Any] | None:
        """Return a table: its rows that matter, and all of them."""
        path = folder / f"{table.name}.csv"
        if not path.exists():
            return None
        whole = pd.read_csv(path)
        chosen = (table.main or table.rows)(whole).head(MOST)
        columns = [name for name in (table.shown or whole.columns) if name in whole]
        some = [name for name in columns if chosen[name].notna().to_numpy().any()]
        return {
            "title": table.title,
            "name": path.name,
            "link": self.there(path),
            "heads": [head(table, name) for name in some],
            "rows": cells(chosen, some),
            "all_heads": [head(table, name) for name in columns],
            "all_rows": cells(whole, columns) if len(whole) > len(chosen) else [],
            "number": len(whole),
        }


def head(table: Table, column: str) -> str:
    """Return a column's head, in words."""
    return table.shown.get(column, column.replace("_", " "))


def cells(frame: pd.DataFrame, columns: Sequence[str]) -> list[list[tuple[str, bool]]]:
    """Return rows of cells, each with its text and whether it is a number."""
    return [[cell(row[name]) for name in columns] for row in frame.to_dict("records")]


def cell(value: object) -> tuple[str, bool]:
    """Return a cell's text, with three significant digits, and whether it is a number."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return ("" if value != value else number(float(value))), True
    return str(value), False


def paragraphs(text: str) -> list[Markup]:
    """Return Markdown of paragraphs and `code` as HTML, escaped."""
    parts = [" ".join(part.split()) for part in text.split("\n\n") if part.strip()]
    return [Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(part)))) for part in parts]


def panels_of(figure: Figure | Drawing, title: str) -> list[dict[str, str]]:
    """Return the panels of a figure as images; a figure that has none is one."""
    if isinstance(figure, Drawing):
        return [{"title": one.title, "alt": one.alt, "image": address(svg(one))} for one in figure.panels]
    return [{"title": title, "alt": f"Figure: {title}", "image": address(svg_of(figure))}]


def address(image: str) -> str:
    """Return an SVG as an address that contains it."""
    return "data:image/svg+xml;base64," + base64.b64encode(image.encode()).decode()


def answers(report: Report) -> tuple[list[dict[str, Any]], dict[str, str] | None]:
    """Return what the report begins with: the answers to the question, and the figure that shows them."""
    experiment = next((one for one in EXPERIMENTS if one.lead is not None), None)
    found: list[dict[str, Any]] = []
    panel = None
    if experiment is not None and experiment.lead is not None:
        numbers = report.there(report.results.of(experiment.name).tables / f"{experiment.tables[0].name}.csv")
        rows = {row.claim_id: row for row in report.judged.judgements}
        found = [
            {"question": question, "text": _answer(report, rows[name]), "claims": [(name, "claim")], "numbers": numbers}
            for question, name in experiment.lead.questions
            if name in rows
        ]
        if records := report.listed[experiment.name]:
            shown = experiment.lead.panel(records)
            panel = {"title": shown.title, "alt": shown.alt, "image": address(svg(shown)), "section": experiment.name}
    return [*found, _not_replicated(report.judged.judgements)], panel


def _answer(report: Report, row: Judgement) -> str:
    """Return a verdict in a sentence: the criterion, what was measured on which data, and what the verdict rests on."""
    if row.verdict == "not run":
        return "Not judged yet: runs that the claim needs are missing."
    unit = unit_of(
        report.claims[row.claim_id], report.experiments[report.claims[row.claim_id].experiment].named_measures
    )
    why = {
        "full": "with all that the claim requires",
        "pruned": "by a search whose best trials went to the end",
        "reduced": "after less training than the papers'",
        "stand-in": "on other data than the papers'",
    }[row.scope]
    criterion = f"{row.criterion[:1].upper()}{row.criterion[1:]}"
    return f"{criterion}: {spoken(row.measured, unit) or 'nothing'} on {row.data}. {row.verdict.capitalize()}, {why}."


def _not_replicated(judgements: Sequence[Judgement]) -> dict[str, Any]:
    theirs = [row for row in judgements if not row.own]
    failed = [row for row in theirs if row.verdict == "not replicated"]
    number_of = {verdict: sum(row.verdict == verdict for row in theirs) for verdict in VERDICTS}
    rest = ", ".join(f"{number_of[verdict]} {verdict}" for verdict in VERDICTS if verdict != "not replicated")
    if not failed:
        text = f"None of the sources' {len(theirs)} claims, so far: {rest}."
    else:
        from_papers = sum(bool({"P1", "P2"} & set(documents(row.source))) for row in failed)
        whose = f"{from_papers or 'none'} of them the papers'"
        text = f"{len(failed)} of the sources' {len(theirs)} claims, {whose} ({rest}):"
    named = [(row.claim_id, row.statement.rstrip(".")) for row in failed]
    return {"question": "What did not replicate?", "text": text, "claims": named, "numbers": None}


def page(judged: Judged) -> str:
    """Return the report's content; the same from run to run."""
    report = Report(judged)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("highways.report", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    rows = [report.row(judgement) for judgement in judged.judgements]
    known = dict.fromkeys(name for row in rows for name in row["documents"].split("|"))
    first, panel = answers(report)
    return environment.get_template("report.html.j2").render(
        profile=judged.profile,
        answers=first,
        panel=panel,
        rows=rows,
        verdicts=VERDICTS,
        scopes=SCOPES,
        documents={name: DOCUMENTS.get(name, name) for name in [*DOCUMENTS, *known] if name in known},
        sections=(sections := report.sections()),
        shown={section["name"] for section in sections},
        claims_csv=report.there(report.results.claims),
        claims_json=report.there(report.results.claims_json),
        root=report.root,
    )


def write_report(judged: Judged) -> Path:
    """Write `report.html` from the profile's records, tables and verdicts, and return its path."""
    path = paths.Results(judged.profile).report
    write_atomically(path, page(judged))
    return path
