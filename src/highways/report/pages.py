"""Markdown pages for a code host: one per experiment and profile, all in the same order, and one per profile."""

import io
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from highways import paths
from highways.claims.history import summary
from highways.claims.judge import headline
from highways.claims.verdicts import counted
from highways.config.profiles import profile_path
from highways.experiments import EXPERIMENTS
from highways.experiments.base import SECTIONS, Experiment, Table, notes_of
from highways.files import write_all
from highways.report.render import render
from highways.report.verdicts import LEAD, Judged
from highways.show.tables import MACHINE, plain

MOST = 16
"""Largest number of rows that a page shows of a table."""


def table_view(table: Table, whole: pd.DataFrame) -> dict[str, Any]:
    """Return a table for a page: the rows and columns that the experiment chooses, and all rows."""
    chosen = table.rows(whole).head(MOST)
    some = [name for name in (table.shown or chosen) if name in chosen and chosen[name].notna().to_numpy().any()]
    every = [name for name in (table.shown or whole) if name in whole]
    return {
        "title": table.title,
        "name": table.name,
        "heads": [table.shown.get(name, name.replace("_", " ")) for name in some],
        "rows": [[row[name] for name in some] for row in chosen.to_dict("records")],
        "all_heads": [table.shown.get(name, name.replace("_", " ")) for name in every],
        "all_rows": [[row[name] for name in every] for row in whole.to_dict("records")],
    }


def cost(tables: Iterable[str]) -> str:
    """Describe an experiment's cost and machine in one sentence, from its cost tables (CSV); empty without any."""
    costs, spent = [pd.read_csv(io.StringIO(text)) for text in tables], []
    for _, one in pd.concat(costs).groupby(MACHINE[:2], sort=False, dropna=False) if costs else ():
        seconds = float(one["process_seconds"].to_numpy().sum())
        time = f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:.0f} seconds"
        machine = ", ".join(f"{name} {known.iloc[0]}" for name in MACHINE if len(known := one[name].dropna()))
        spent.append(f"{time} of process time ({plain(machine)})")
    return f"{', and '.join(spent)}." if spent else ""


def view(experiment: Experiment, judged: Judged) -> dict[str, Any]:
    """Collect what pages and the report show of an experiment: its question, claims, tables, notes and cost."""
    folder = paths.Results(judged.profile).of(experiment.name).tables
    texts = {path.stem: text for path, text in judged.tables.items() if path.parent == folder and path.suffix == ".csv"}
    notes, rows = notes_of(experiment.name), judged.of(experiment.name)
    return {
        "name": experiment.name,
        "title": experiment.title,
        "question": notes.pop(SECTIONS[0]),
        "notes": notes,
        "counts": counts(rows),
        "command": experiment.command(judged.profile),
        "run": [row for row in rows if row["verdict"] != "not run"],
        "waiting": [row for row in rows if row["verdict"] == "not run"],
        "tables": [
            table_view(table, pd.read_csv(io.StringIO(texts[table.name])))
            for table in experiment.tables
            if table.name in texts
        ],
        "cost": cost(text for name, text in texts.items() if name.endswith("_cost")),
    }


def answers(rows: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str, str]]:
    """Return the leading questions, each with its answer (the verdict as a sentence) and the id of its claim."""
    return [(question, render("answer.j2", row=rows[name]), name) for question, name in LEAD.questions if name in rows]


def experiment_page(experiment: Experiment, judged: Judged) -> str:
    """Return the page of one experiment in one profile, including its tables."""
    results, records = paths.Results(judged.profile).of(experiment.name), judged.listed[experiment.name]
    shown = view(experiment, judged)
    paragraphs = [] if records.empty else [*experiment.answer(records)]
    if len(paragraphs) > 1:  # one paragraph per data set: keep its first sentence
        paragraphs = [re.split(r"(?<=\.) ", paragraph, maxsplit=1)[0] for paragraph in paragraphs]
    for table in shown["tables"]:
        table["rows"] = [[plain(cell) if isinstance(cell, str) else cell for cell in row] for row in table["rows"]]
    return render(
        "experiment.md.j2",
        **shown,
        profile=judged.profile,
        root=os.path.relpath(paths.root(), results.folder),
        outcome="\n\n".join(paragraphs),
        figures=[name for name in experiment.figures if (results.figures / f"{name}.png").exists()],
        captions=experiment.captions,
        less=list(dict.fromkeys(part for row in shown["run"] for part in row["lacking"])),
        module=f"src/{experiment.schema.__module__.replace('.', '/')}.py",
    )


def profile_page(judged: Judged) -> str:
    """Return the page of a profile, which lists every experiment with its verdicts."""
    made = [one for one in EXPERIMENTS if one.tables and paths.Results(judged.profile).of(one.name).folder.exists()]
    rows = [(f"[{one.name}]({one.name}/README.md)", one.title, counts(judged.of(one.name))) for one in made]
    said = {"headline": headline(judged.judgements), "fixed": summary(row.fixed for row in judged.judgements)}
    return render("profile.md.j2", profile=judged.profile, rows=rows, **said)


def counts(rows: Iterable[Mapping[str, Any]]) -> str:
    """Count the verdicts on the sources' claims."""
    return counted(row["verdict"] for row in rows if not row["own"])


def pages(judged: Judged) -> dict[Path, str]:
    """Return the pages of a profile by their paths."""
    results, made = paths.Results(judged.profile), {}
    for experiment in EXPERIMENTS:
        folder = results.of(experiment.name)
        if folder.folder.exists() and experiment.tables and profile_path(judged.profile, experiment.name).exists():
            made[folder.page] = experiment_page(experiment, judged)
    return made | ({results.page: profile_page(judged)} if made else {})


def write_pages(judged: Judged) -> list[Path]:
    """Write the pages of a profile and return their paths."""
    return write_all(pages(judged))
