"""Pages that a code host renders: one per experiment and profile, in one order, and one per profile."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from highways import paths
from highways.claims.history import summary
from highways.claims.judge import Judgement, headline, shortfalls
from highways.claims.sources import spoken, unit_of
from highways.claims.verdicts import counted
from highways.config.profiles import profile_path
from highways.experiments import EXPERIMENTS
from highways.experiments.base import Experiment, Table, notes_of
from highways.report.render import render
from highways.report.verdicts import Judged
from highways.show.tables import MACHINE, plain
from highways.tracking.records import write_atomically

MOST = 16
"""Rows of a table that a page shows."""
SIGNS = {"replicated": "\N{CHECK MARK}", "not replicated": "\N{BALLOT X}", "consistent": "~", "inconclusive": "?"}
"""Of verdicts; the others have a dash."""
WHOSE = {False: "What the sources claim", True: "Questions and calculations of our own"}
COUNTED = {"training_examples": "training examples"} | {
    name: name for name in ("epochs", "trials", "survivors", "seeds")
}
"""What a claim requires a number of, in words."""


def rows_that_matter(table: Table, whole: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a table that the experiment chooses, a dozen or so."""
    return (table.main or table.rows)(whole).head(MOST)


def columns_of(table: Table, rows: pd.DataFrame) -> list[str]:
    """Return the columns that the experiment chooses, all by default, except those with nothing in them."""
    return [name for name in (table.shown or rows) if name in rows and rows[name].notna().to_numpy().any()]


def head(table: Table, column: str) -> str:
    """Return a column's head, in words."""
    return table.shown.get(column, column.replace("_", " "))


def made_tables(experiment: Experiment, judged: Judged) -> list[tuple[Table, pd.DataFrame]]:
    """Return an experiment's tables that have been made, each as the records give it."""
    folder = paths.Results(judged.profile).of(experiment.name).tables
    texts = [(table, judged.tables.get(folder / f"{table.name}.csv")) for table in experiment.tables]
    return [(table, pd.read_csv(io.StringIO(text))) for table, text in texts if text is not None]


def _table(table: Table, whole: pd.DataFrame) -> dict[str, Any]:
    """Return a table as a page shows it: the rows and columns that matter, heads in words."""
    chosen = rows_that_matter(table, whole)
    columns = columns_of(table, chosen)
    return {
        "title": table.title,
        "name": table.name,
        "heads": [head(table, name) for name in columns],
        "rows": [
            [plain(cell) if isinstance(cell := row[name], str) else cell for name in columns]
            for row in chosen.to_dict("records")
        ],
        "number": len(whole),
    }


def cost(tables: Iterable[str]) -> str:
    """Return what an experiment cost, and on what machine, in a sentence; none where it is not known.

    Args:
        tables: Its tables of costs, as CSV.
    """
    whole = pd.concat([pd.DataFrame(), *(pd.read_csv(io.StringIO(text)) for text in tables)])
    if whole.empty:
        return ""
    columns = [name for name in MACHINE if name in whole.columns]
    spent = []
    for _, one in whole.groupby([name for name in columns if name in MACHINE[:2]], sort=False, dropna=False):
        seconds = float(one["process_seconds"].to_numpy().sum())
        time = f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:.0f} seconds"
        machine = ", ".join(f"{name} {known.iloc[0]}" for name in columns if len(known := one[name].dropna()))
        spent.append(f"{time} of processes' time ({plain(machine)})")
    return f"{', and '.join(spent)}."


def cost_of(experiment: Experiment, judged: Judged) -> str:
    """Return what an experiment cost in a profile; see `cost`."""
    folder = paths.Results(judged.profile).of(experiment.name).tables
    files = [folder / f"{table.name}_cost.csv" for table in experiment.tables]
    return cost(judged.tables[path] for path in files if path in judged.tables)


def measured(row: Judgement, judged: Judged, experiment: Experiment) -> str:
    """Return what a judgement measured, with its unit; a share of 1 that the criterion asks for is a yes."""
    claim = judged.claims[row.claim_id]
    if row.measured == "1" and claim.holds.equals == 1:
        return "yes"
    return spoken(row.measured, unit_of(claim, experiment.named_measures))


def lacking(row: Judgement, judged: Judged) -> list[str]:
    """Return in what the runs that a verdict rests on fall short of what the claim requires, in words."""
    claim, parts = judged.claims[row.claim_id], []
    if row.verdict != "not run" and row.scope not in ("", "full"):
        for name, (asked, had) in shortfalls(claim, judged.listed[claim.experiment]).items():
            short = f"{name}: {had}" if name == "depths" else f"{name}: {had} for {asked}"
            parts.append(f"{had} of {asked} {COUNTED[name]}" if name in COUNTED else short)
    return parts


def _outcome(experiment: Experiment, judged: Judged) -> str:
    """Return what came out, from the records; where each data set has its paragraph, the first sentence of each."""
    records = judged.listed[experiment.name]
    text = experiment.answer(records) if experiment.answer is not None and not records.empty else ""
    parts = text.split("\n\n")
    return text if len(parts) == 1 else "\n\n".join(re.split(r"(?<=\.) ", part, maxsplit=1)[0] for part in parts)


def experiment_page(experiment: Experiment, judged: Judged) -> str:
    """Return the page of one experiment in one profile, which has its tables."""
    results, rows = paths.Results(judged.profile).of(experiment.name), judged.of(experiment.name)
    run = [row for row in rows if row.verdict != "not run"]
    records = judged.listed[experiment.name]
    question, *others, differs = notes_of(experiment.name).items()
    verdicts = [(row.own, _verdict(row, judged, experiment)) for row in run]
    return render(
        "experiment.md.j2",
        experiment=experiment,
        profile=judged.profile,
        root=os.path.relpath(paths.root(), results.folder),
        question=question[1],
        outcome=_outcome(experiment, judged),
        counts=counts(rows),
        figures=[name for name in experiment.figures if (results.figures / f"{name}.png").exists()],
        caption=experiment.caption(records) if experiment.caption is not None and not records.empty else "",
        claims={text: [cells for own, cells in verdicts if own == whose] for whose, text in WHOSE.items()},
        tables=[_table(*made) for made in made_tables(experiment, judged)],
        cost=cost_of(experiment, judged),
        differs=differs[1],
        less=list(dict.fromkeys(part for row in run for part in lacking(row, judged))),
        module=f"src/{experiment.schema.__module__.replace('.', '/')}.py",
        inconclusive=sum(row.verdict == "inconclusive" for row in run),
        waiting=[(row.statement, row.criterion, row.source) for row in rows if row.verdict == "not run"],
        others=[(heading, text) for heading, text in others if text],
    )


def _verdict(row: Judgement, judged: Judged, experiment: Experiment) -> Sequence[str]:
    verdict = f"**{row.verdict}**" + (f" ({row.scope})" if row.scope else "")
    ours = measured(row, judged, experiment)
    return SIGNS.get(row.verdict, "\N{EN DASH}"), row.statement, ours, verdict, row.criterion, row.source


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
