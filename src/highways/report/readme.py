"""README's numbers and the pages, written from committed results, so that they cannot go stale unnoticed."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from highways import paths
from highways.claims.history import summary
from highways.claims.sources import DOCUMENTS, OWN
from highways.claims.verdicts import SCOPES, VERDICTS
from highways.errors import HighwaysError
from highways.experiments import EXPERIMENTS
from highways.report.pages import answers, counts, pages
from highways.report.render import render
from highways.report.verdicts import LEAD, LEADING, judge_all
from highways.tracking import RecordStore

COMMITTED = ("laptop", "weekend", "paper")
"""Profiles whose results are in git."""
PAPERS = "the two papers"
WHOSE = {
    PAPERS: {"P1", "P2"},
    "the Highway BiLSTM article": {"Highway BiLSTM article"},
    "the four web documents": set(DOCUMENTS) - {"P1", "P2", "Highway BiLSTM article", OWN},
    "our own questions and calculations": {OWN},
}
"""Groups of claims by the first document that each names."""


def best_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return each claim's row with the best scope, the last if several tie; `rows` are ordered by budget."""
    order: Sequence[str] = [*SCOPES, ""]  # claims that were not run come last
    best = {row["claim_id"]: row for row in sorted(rows, key=lambda row: order.index(row["scope"]), reverse=True)}
    return {row["claim_id"]: best[row["claim_id"]] for row in rows}


def filled(sections: Mapping[str, str]) -> str:
    """Return README with the given content between each section's `<!-- begin NAME -->` and `<!-- end NAME -->`."""
    text = (paths.root() / "README.md").read_text(encoding="utf-8")
    for name, content in sections.items():
        begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
        text, count = re.subn(f"(?s){begin}.*?{end}", lambda _, new=f"{begin}{content}{end}": new, text)
        if count != 1:
            raise HighwaysError(f"README.md: the markers of the section {name!r} are missing")
    return text


def current() -> Iterator[tuple[Path, str]]:
    """Yield paths and content of the pages of the committed results; README last, because it links to the others."""
    committed = [judge_all(profile) for profile in COMMITTED if paths.Results(profile).claims.exists()]
    rows = best_of([row for judged in committed for row in judged.rows.values()])
    complete = [listed for judged in committed if (listed := judged.listed[LEADING.name]) and not listed.shortfall]
    facts = {"committed": committed, "rows": rows, "numbers": [*LEAD.rows(complete[-1])] if complete else []}
    facts |= {"verdicts": VERDICTS, "whose": WHOSE, "experiments": [one for one in EXPERIMENTS if one.tables]}
    facts |= {"results": paths.Results, "shown": paths.shown, "counts": counts}
    sections = {name: render("readme.md.j2", section=name, **facts) for name in ("numbers", "headline", "experiments")}
    tables = {path.stem: pd.read_csv(path) for path in sorted((paths.root() / "benchmarks").glob("*.csv"))}
    yield paths.root() / "benchmarks" / "README.md", render("benchmarks.md.j2", tables=tables)
    for judged in committed:
        yield from pages(judged).items()
    runs = RecordStore.everywhere(judged.profile for judged in committed).values()
    papers = [row for row in rows.values() if row["documents"][0] in WHOSE[PAPERS]]
    hours = sum(json.loads(path.read_bytes())["timing"]["seconds"] for path in runs) / 3600
    fixed = {judged.profile: summary(row.fixed for row in judged.judgements) for judged in committed}
    facts |= {"papers": papers, "runs": len(runs), "hours": hours, "fixed": fixed, "answers": answers(rows)}
    yield paths.root() / "docs" / "summary.md", render("summary.md.j2", headlines=sections["headline"], **facts)
    yield paths.root() / "README.md", filled(sections)


def stale() -> list[str]:
    """Return the pages, including README, that differ from what the committed results give."""
    return [paths.shown(path) for path, text in current() if not path.exists() or path.read_text("utf-8") != text]
