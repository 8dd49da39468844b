"""Verdicts as `highways claims` shows them: the counts, then the claims by verdict."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from highways.claims.verdicts import VERDICTS
from highways.cli import shown
from highways.cli.options import experiment_given, recorded_profiles
from highways.errors import HighwaysError

if TYPE_CHECKING:
    from highways.claims.judge import Judgement
    from highways.report.verdicts import Judged

STYLES = {"replicated": "green", "not replicated": "red", "inconclusive": "yellow", "not run": "dim"}


def choose(judged: Judged, verdicts: Sequence[str], sources: Sequence[str], experiment: str | None) -> list[Judgement]:
    """Return the judgements with one of some verdicts, on claims of some sources and of an experiment; empty means all.

    Raises:
        HighwaysError: There is no such verdict or experiment, or no claim has such a source.
    """
    for verdict in verdicts:
        if verdict not in VERDICTS:
            raise HighwaysError(f"--verdict {verdict}: there are: {', '.join(VERDICTS)}")
    for source in sources:
        if not any(_is_of(row, [source]) for row in judged.judgements):
            known = sorted({row.source.partition(" sec.")[0].partition(" (")[0] for row in judged.judgements})
            raise HighwaysError(f"--source {source}: no source begins like this; there are: {', '.join(known)}")
    name = experiment_given(experiment)
    rows = judged.judgements if name is None else judged.of(name)
    return [row for row in rows if (not verdicts or row.verdict in verdicts) and _is_of(row, sources)]


def _is_of(row: Judgement, sources: Sequence[str]) -> bool:
    return not sources or row.source.lower().startswith(tuple(source.lower() for source in sources))


def show(judgements: Sequence[Judgement], in_full: Sequence[str] = ()) -> None:
    """Show judgements by verdict; of claims not run only the names, unless `in_full` holds that verdict."""
    for verdict in VERDICTS:
        rows = [row for row in judgements if row.verdict == verdict]
        if not rows:
            continue
        shown.line(f"\n{verdict} ({len(rows)})", STYLES.get(verdict, "yellow"))
        if verdict == "not run" and verdict not in in_full:
            shown.wrapped(", ".join(row.claim_id for row in rows), "  ")
            continue
        for row in rows:
            scope = f", {row.scope} scope" if row.scope else ""
            shown.line(f"  {row.claim_id}", "bold")
            shown.wrapped(f"{row.source}{scope}: {row.criterion}", "    ")
            shown.wrapped(f"measured {row.measured or 'nothing'}", "    ")


def show_history(profile: str | None, as_csv: bool) -> None:
    """Bring `references/history.csv` up to date from git, and show when each criterion was fixed.

    Args:
        profile: The one whose runs it is compared with; by default all that have verdicts.
        as_csv: Show it as CSV.
    """
    import pandas as pd

    from highways import paths
    from highways.claims import history
    from highways.tracking.records import write_atomically

    forms = history.forms_of_claims()
    if forms is None:
        notes = ["no full clone: what git knows cannot be read, this is references/history.csv as it is committed"]
        rows = history.read_history()
    else:
        found, notes = history.fixed_by_git(forms), []
        rows, text = {row.claim_id: row for row in found}, history.history_text(found)
        path = history.history_file()
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            write_atomically(path, text)
            notes = [f"{paths.shown(path)} is written; `highways claims` brings it into the verdicts"]
    files = {name: file for name in recorded_profiles(profile) if (file := paths.Results(name).claims).exists()}
    tables = {name: pd.read_csv(file, dtype=str, keep_default_na=False) for name, file in files.items()}
    compared = {
        name: dict(zip(of["claim_id"], of["fixed"], strict=True)) for name, of in tables.items() if "fixed" in of
    }
    table = [
        [row.claim_id, row.fixed_at, row.commit[:7], row.changed, str(row.earlier_forms)]
        + [texts.get(row.claim_id, "") for texts in compared.values()]
        for row in rows.values()
    ]
    heads = ["claim_id", "fixed_at", "commit", "changed", "earlier_forms", *compared]
    if as_csv:
        csv.writer(sys.stdout, lineterminator="\n").writerows([heads, *table])
        return
    shown.table(heads, table)
    for name, texts in compared.items():
        shown.wrapped(f"{name}: {history.summary(texts.values())}.")
    for note in notes:
        shown.wrapped(note)
