"""Verdicts as `highways claims` shows them: the counts, then the claims by verdict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from highways.claims.verdicts import VERDICTS
from highways.cli import shown
from highways.cli.options import recorded_profiles

if TYPE_CHECKING:
    from highways.claims.judge import Judgement

STYLES = {"replicated": "green", "not replicated": "red", "inconclusive": "yellow", "not run": "dim"}


def show(judgements: Sequence[Judgement]) -> None:
    """Show judgements by verdict; of claims not run only the names."""
    for verdict in VERDICTS:
        rows = [row for row in judgements if row.verdict == verdict]
        if not rows:
            continue
        shown.line(f"\n{verdict} ({len(rows)})", STYLES.get(verdict, "yellow"))
        if verdict == "not run":
            shown.wrapped(", ".join(row.claim_id for row in rows), "  ")
            continue
        for row in rows:
            scope = f", {row.scope} scope" if row.scope else ""
            shown.line(f"  {row.claim_id}", "bold")
            shown.wrapped(f"{row.source}{scope}: {row.criterion}", "    ")
            shown.wrapped(f"measured {row.measured or 'nothing'}", "    ")


def show_history(profile: str | None) -> None:
    """Bring `references/history.csv` up to date from git, and show when each criterion was fixed.

    With each claim stands when that was before or after the runs of a profile, or of all that have verdicts.
    """
    import pandas as pd

    from highways import paths
    from highways.claims import history
    from highways.files import write_whole

    forms = history.forms_of_claims()
    if forms is None:
        note = "no full clone: what git knows cannot be read, this is references/history.csv as it is committed"
        rows = history.read_history()
    else:
        fixed, path, note = history.fixed_by_git(forms), history.history_file(), ""
        rows, text = {row.claim_id: row for row in fixed}, history.history_text(fixed)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            write_whole(path, text)
            note = f"{paths.shown(path)} is written; `highways claims` brings it into the verdicts"
    table = pd.DataFrame(rows.values(), columns=pd.Index(history.Fixed._fields)).drop(columns="rest_fixed_at")
    table["commit"] = table["commit"].str[:7]
    compared = [name for name in recorded_profiles(profile) if paths.Results(name).claims.exists()]
    for name in compared:
        judged = pd.read_csv(paths.Results(name).claims, keep_default_na=False)
        fixed_then = dict(zip(judged["claim_id"], judged["fixed"], strict=True))
        table[name] = [fixed_then.get(claim) for claim in table["claim_id"]]
    shown.table([*table], table.itertuples(index=False))
    for name in compared:
        shown.wrapped(f"{name}: {history.summary(table[name].dropna())}.")
    if note:
        shown.wrapped(note)
