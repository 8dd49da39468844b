"""Pages that a code host renders: one per experiment and profile, and one per profile."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from highways import paths
from highways.claims.history import summary
from highways.claims.judge import Judgement, headline
from highways.claims.sources import spoken, unit_of
from highways.claims.verdicts import counted
from highways.config.profiles import profile_path
from highways.errors import HighwaysError
from highways.experiments import EXPERIMENTS
from highways.experiments.base import Experiment, Table, notes_of
from highways.report.render import render
from highways.report.verdicts import Judged
from highways.show.tables import MACHINE, plain
from highways.tracking.records import write_atomically


def table_for_people(table: Table, path: Path) -> dict[str, Any]:
    """Return a table as a page shows it: the rows and columns that the experiment chooses, heads in words.

    Args:
        table: The table.
        path: Its CSV.

    Raises:
        HighwaysError: The file is damaged, or is another table.
    """
    try:
        whole = pd.read_csv(path)
        if table.shown and not any(name in whole for name in table.shown):
            raise ValueError("none of its columns")
        chosen = table.rows(whole)
    except (ValueError, LookupError, TypeError, AttributeError, OSError):
        shown = paths.shown(path)
        raise HighwaysError(f"{shown}: not the table {table.name}; `highways tables` makes it anew") from None
    columns = columns_of(table, chosen)
    return {
        "title": table.title,
        "file": path.name,
        "heads": [head(table, name) for name in columns],
        "rows": [
            [plain(cell) if isinstance(cell := row[name], str) else cell for name in columns]
            for row in chosen.to_dict("records")
        ],
        "number": len(whole),
    }


def columns_of(table: Table, rows: pd.DataFrame) -> list[str]:
    """Return the columns that the experiment chooses, all by default, except those with nothing in them."""
    return [name for name in (table.shown or rows) if name in rows and rows[name].notna().to_numpy().any()]


def head(table: Table, column: str) -> str:
    """Return a column's head, in words."""
    return table.shown.get(column, column.replace("_", " "))


def cost(experiment: Experiment, profile: str) -> str:
    """Return what an experiment cost in a profile, and on what machine, in a sentence; none where it is not known."""
    tables = paths.Results(profile).of(experiment.name).tables
    files = [path for table in experiment.tables if (path := tables / f"{table.name}_cost.csv").exists()]
    if not (parts := [part for path in files if not (part := _read_cost(path)).empty]):
        return ""
    whole = pd.concat(parts)
    columns = [name for name in MACHINE if name in whole.columns]
    spent = []
    for _, one in whole.groupby([name for name in columns if name in MACHINE[:2]], sort=False, dropna=False):
        seconds = float(one["process_seconds"].to_numpy().sum())
        time = f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:.0f} seconds"
        machine = ", ".join(f"{name} {known.iloc[0]}" for name in columns if len(known := one[name].dropna()))
        spent.append(f"{time} of processes' time ({plain(machine)})")
    return f"{', and '.join(spent)}."


def _read_cost(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path).astype({"process_seconds": float})
    except (ValueError, LookupError, TypeError, OSError):
        raise HighwaysError(f"{paths.shown(path)}: not a table of costs; `highways tables` makes it anew") from None


def experiment_page(experiment: Experiment, judged: Judged) -> str:
    """Return the page of one experiment in one profile, which has its tables."""
    results = paths.Results(judged.profile).of(experiment.name)
    files = [(table, results.tables / f"{table.name}.csv") for table in experiment.tables]
    claims = []
    for head, own in (("What the sources claim", False), ("Questions and calculations of our own", True)):
        rows = [row for row in judged.of(experiment.name) if row.own == own]
        waiting = [(row.statement, row.source, row.criterion) for row in rows if row.verdict == "not run"]
        claims.append((head, [_verdict(row, judged, experiment) for row in rows if row.verdict != "not run"], waiting))
    return render(
        "experiment.md.j2",
        experiment=experiment,
        profile=judged.profile,
        root=os.path.relpath(paths.root(), results.folder),
        figures=[name for name in experiment.figures if (results.figures / f"{name}.png").exists()],
        claims=claims,
        tables=[table_for_people(table, path) for table, path in files if path.exists()],
        texts=notes_of(experiment.name),
        cost=cost(experiment, judged.profile),
    )


def _verdict(row: Judgement, judged: Judged, experiment: Experiment) -> Sequence[str]:
    measured = spoken(row.measured, unit_of(judged.claims[row.claim_id], experiment.named_measures))
    return row.statement, row.source, row.criterion, measured, f"**{row.verdict}**", row.scope


def profile_page(judged: Judged) -> str:
    """Return the page of a profile: every experiment with its verdicts."""
    made = [one for one in EXPERIMENTS if one.tables and paths.Results(judged.profile).of(one.name).folder.exists()]
    rows = [(f"[{one.name}]({one.name}/README.md)", one.title, counts(judged.of(one.name))) for one in made]
    said = {"headline": headline(judged.judgements), "fixed": summary(row.fixed for row in judged.judgements)}
    return render("profile.md.j2", profile=judged.profile, rows=rows, **said)


def counts(judgements: Sequence[Judgement]) -> str:
    """Return the verdicts on the sources' claims, counted."""
    return counted(row.verdict for row in judgements if not row.own)


def pages(judged: Judged) -> dict[Path, str]:
    """Return the pages of a profile by their paths."""
    profile, made = judged.profile, {}
    for experiment in EXPERIMENTS:
        results = paths.Results(profile).of(experiment.name)
        if results.folder.exists() and experiment.tables and profile_path(profile, experiment.name).exists():
            made[results.page] = experiment_page(experiment, judged)
    return made | ({paths.Results(profile).page: profile_page(judged)} if made else {})


def write_pages(judged: Judged) -> list[Path]:
    """Write the pages of a profile and return their paths."""
    made = pages(judged)
    for path, text in made.items():
        write_atomically(path, text)
    return list(made)
