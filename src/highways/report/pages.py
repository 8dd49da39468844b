"""Pages that a code host renders: one an experiment and profile, and one a profile."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from highways import paths
from highways.claims.judge import Judgement, headline
from highways.claims.verdicts import counted
from highways.config.profiles import profile_path
from highways.errors import HighwaysError
from highways.experiments import EXPERIMENTS
from highways.experiments.base import Experiment, Table
from highways.report.verdicts import Judged
from highways.show.tables import MACHINE
from highways.tracking.records import write_atomically

MOST_ROWS = 40
"""Of a table on a page; the file has all of them."""

TAG = re.compile(r"<(?=[A-Za-z/!?])")


def cell(value: object) -> str:
    """Return a cell as a page shows it: three digits, nothing where there is nothing; a text is no markup."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return TAG.sub("&lt;", str(value)).replace("|", "\\|").replace("\n", " ")
    whole = float(value).is_integer() and abs(value) < 1e15
    return f"{int(value):,}" if whole else f"{value:.3g}"


def grid(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a table in Markdown."""
    lines = [heads, ["---"] * len(heads), *([cell(value) for value in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def table_for_people(table: Table, path: Path) -> str:
    """Return a table as a page shows it: its chosen columns and rows, heads in words.

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
    columns = [
        name for name in (table.shown or whole.columns) if name in whole and chosen[name].notna().to_numpy().any()
    ]
    heads = [table.shown.get(name, name.replace("_", " ")) for name in columns]
    rows = [[row[name] for name in columns] for row in chosen.head(MOST_ROWS).to_dict("records")]
    more = f"\n{len(whole)} rows, all columns: [{path.name}](tables/{path.name}).\n"
    return f"{table.title}\n\n{grid(heads, rows)}{more}"


def verdict_rows(judgements: Sequence[Judgement]) -> str:
    """Return verdicts as a table: claim, source, criterion, what was measured."""
    heads = ["claim", "source", "criterion", "measured", "verdict", "scope"]
    rows = [
        [row.statement, row.source, row.criterion, row.measured, f"**{row.verdict}**", row.scope] for row in judgements
    ]
    return grid(heads, rows)


def cost(experiment: Experiment, profile: str) -> str:
    """Return what an experiment cost in a profile, and on what machine, in a sentence; none where it is not known."""
    parts = []
    for table in experiment.tables:
        path = paths.Results(profile).of(experiment.name).tables / f"{table.name}_cost.csv"
        if path.exists() and not (one := _read_cost(path)).empty:
            parts.append(one)
    if not parts:
        return ""
    whole = pd.concat(parts)
    columns = [name for name in MACHINE if name in whole.columns]
    spent = []
    for _, one in whole.groupby([name for name in columns if name in MACHINE[:2]], sort=False, dropna=False):
        seconds = float(one["process_seconds"].to_numpy().sum())
        time = f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:.0f} seconds"
        machine = ", ".join(f"{name} {known.iloc[0]}" for name in columns if len(known := one[name].dropna()))
        spent.append(f"{time} of processes' time ({machine})")
    return f"{', and '.join(spent)}."


def _read_cost(path: Path) -> pd.DataFrame:
    try:
        cost = pd.read_csv(path)
        cost["process_seconds"].astype(float)
        return cost
    except (ValueError, LookupError, TypeError, OSError):
        pass
    raise HighwaysError(f"{paths.shown(path)}: not a table of costs; `highways tables` makes it anew")


def experiment_page(experiment: Experiment, judged: Judged) -> str:
    """Return the page of one experiment in one profile, which has its tables."""
    profile, judgements = judged.profile, judged.of(experiment.name)
    results = paths.Results(profile).of(experiment.name)
    root = os.path.relpath(paths.root(), results.folder)
    theirs, ours = ([row for row in judgements if row.own == own] for own in (False, True))
    parts = [
        f"# {experiment.name}, {profile}: {experiment.title}\n",
        f"Notebook: [{experiment.name}.ipynb]({root}/notebooks/{experiment.name}.ipynb). "
        f"Parameters: [{profile}/{experiment.name}.yaml]({root}/profiles/{profile}/{experiment.name}.yaml). "
        f"Command: `{experiment.command(profile)}`.\n",
    ]
    parts += [
        f"![{experiment.title}]({name}.png)\n"
        for name in experiment.figures
        if (results.figures / f"{name}.png").exists()
    ]
    if theirs:
        parts.append(f"## What the sources claim\n\n{verdict_rows(theirs)}")
    if ours:
        parts.append(f"## Questions and calculations of our own\n\n{verdict_rows(ours)}")
    files = [(table, results.tables / f"{table.name}.csv") for table in experiment.tables]
    tables = [table_for_people(table, path) for table, path in files if path.exists()]
    parts += ["## Numbers\n", *tables] if tables else []
    parts += [
        f"## What was {how}\n\n{text}"
        for how, text in (("easy", experiment.easy), ("difficult", experiment.difficult))
        if text
    ]
    if experiment.notes:
        parts.append(f"## What the sources leave open, and what differs here\n\n{experiment.notes}")
    if spent := cost(experiment, profile):
        parts.append(f"## Cost\n\n{spent}\n")
    parts.append("Written by `make readme` from the records beside this page.\n")
    return "\n".join(parts)


def profile_page(judged: Judged) -> str:
    """Return the page of a profile: every experiment with its verdicts."""
    rows = []
    for experiment in EXPERIMENTS:
        if experiment.tables and paths.Results(judged.profile).of(experiment.name).folder.exists():
            link = f"[{experiment.name}]({experiment.name}/README.md)"
            rows.append([link, experiment.title, counts(judged.of(experiment.name))])
    table = grid(["experiment", "about", "the sources' claims"], rows)
    head = f"# Results, profile {judged.profile}\n\n{headline(judged.judgements)}."
    return f"{head}\n\n{table}\nAll claims: [claims.csv](claims.csv).\n"


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
    if made:
        made[paths.Results(profile).page] = profile_page(judged)
    return made


def write_pages(judged: Judged) -> list[Path]:
    """Write the pages of a profile and return their paths."""
    made = pages(judged)
    for path, text in made.items():
        write_atomically(path, text)
    return list(made)
