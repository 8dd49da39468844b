"""How `highways claims` shows verdicts: the counts, then the claims by verdict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from highways.claims.verdicts import VERDICTS
from highways.cli import shown
from highways.cli.options import experiment_given
from highways.errors import HighwaysError

if TYPE_CHECKING:
    from highways.claims.judge import Judgement
    from highways.report.verdicts import Judged

STYLES = {"replicated": "good", "not replicated": "bad", "inconclusive": "open", "not run": "quiet"}


def chosen(judged: Judged, verdicts: Sequence[str], sources: Sequence[str], experiment: str | None) -> list[Judgement]:
    """Return the verdicts that are asked for; what is empty or `None` asks for all.

    Args:
        judged: All of a profile.
        verdicts: Some of `VERDICTS`.
        sources: How the claims' sources begin, such as P1, or `our`; case does not matter.
        experiment: Name of an experiment, or how it begins.

    Raises:
        HighwaysError: There is no such verdict, source or experiment.
    """
    for verdict in verdicts:
        if verdict not in VERDICTS:
            raise HighwaysError(f"--verdict {verdict!r}: there are: {', '.join(VERDICTS)}")
    beginnings = tuple(source.lower() for source in sources)
    for source, beginning in zip(sources, beginnings, strict=True):
        if not any(row.source.lower().startswith(beginning) for row in judged.judgements):
            known = sorted({row.source.partition(" sec.")[0].partition(" (")[0] for row in judged.judgements})
            raise HighwaysError(f"--source {source!r}: no claim's source begins so; there are: {', '.join(known)}")
    name = experiment_given(experiment)
    return [
        row
        for row in (judged.judgements if name is None else judged.of(name))
        if (not verdicts or row.verdict in verdicts) and (not beginnings or row.source.lower().startswith(beginnings))
    ]


def show(judgements: Sequence[Judgement], all_of: Sequence[str] = ()) -> None:
    """Show verdicts by group; of claims that were not run only the names.

    Args:
        judgements: The verdicts.
        all_of: Groups that were asked for by name: their claims are shown whole, whatever they are.
    """
    for verdict in VERDICTS:
        rows = [row for row in judgements if row.verdict == verdict]
        if not rows:
            continue
        shown.line()
        shown.line(f"{verdict} ({len(rows)})", STYLES.get(verdict, "open"))
        if verdict == "not run" and verdict not in all_of:
            shown.wrapped(", ".join(row.claim_id for row in rows), "  ")
            continue
        for row in rows:
            scope = f", {row.scope} scope" if row.scope else ""
            shown.line(f"  {row.claim_id}", "head")
            shown.wrapped(f"{row.source}{scope}: {row.criterion}", "    ")
            shown.wrapped(f"measured {row.measured or 'nothing'}", "    ")
