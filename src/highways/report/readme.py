"""README's numbers and the pages: written from what is committed, so that they cannot go stale unnoticed."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import pandas as pd

from highways import paths
from highways.claims.history import summary
from highways.claims.judge import Judgement
from highways.claims.sources import DOCUMENTS, OWN
from highways.claims.verdicts import SCOPES, VERDICTS
from highways.errors import HighwaysError
from highways.experiments import EXPERIMENTS
from highways.files import write_whole
from highways.report.pages import answers, counts, pages
from highways.report.render import render
from highways.report.verdicts import LEAD, LEADING, Judged, all_claims, read_listed

COMMITTED = ("laptop", "weekend", "paper")
"""Profiles whose results are in git."""
PAPERS = "the two papers"
WHOSE = {
    PAPERS: {"P1", "P2"},
    "the Highway BiLSTM article": {"Highway BiLSTM article"},
    "the four web documents": set(DOCUMENTS) - {"P1", "P2", "Highway BiLSTM article", OWN},
    "our own questions and calculations": {OWN},
}
"""Claims by the first document that they name."""
SECTIONS = ("numbers", "headline", "experiments")
"""Sections of README; their template is `readme.md.j2`."""


def _judged(profile: str) -> Judged | None:
    """Return the committed verdicts of a profile, `None` where there are none."""
    path = paths.Results(profile).claims
    if not path.exists():
        return None
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (ValueError, OSError):
        table = pd.DataFrame()
    if list(table.columns) != [field.name for field in fields(Judgement)]:
        cure = f"`highways claims --profile {profile}` makes it again"
        raise HighwaysError(f"{paths.shown(path)}: not the verdicts on claims; {cure}")
    known = all_claims()  # `highways verify` names a file that has others
    rows = [Judgement(**row) for row in table.to_dict("records") if row["claim_id"] in known]
    return Judged(profile, known, read_listed(profile), rows)


def best_of(committed: Sequence[Judged]) -> dict[str, Judged]:
    """Return by claim the profile whose judgement has the best scope, of several the last; they come by budget."""
    order: Sequence[str] = [*SCOPES, ""]  # what was not run comes last
    best: dict[str, tuple[int, Judged]] = {}
    for judged in committed:
        for row in judged.judgements:
            rank = order.index(row.scope)
            if row.claim_id not in best or rank <= best[row.claim_id][0]:
                best[row.claim_id] = rank, judged
    return {name: judged for name, (_, judged) in best.items()}


def _summary(committed: Sequence[Judged], rows: Mapping[str, Mapping[str, Any]], headline: str) -> str:
    """Return `docs/summary.md`."""
    folders = [paths.Results(one.profile).folder for one in committed]
    runs = {path.stem: path for folder in folders for path in sorted(folder.glob("*/runs/*.json"))}
    return render(
        "summary.md.j2",
        papers=[row for row in rows.values() if row["documents"][0] in WHOSE[PAPERS]],
        rows=rows,
        runs=len(runs),
        hours=sum(json.loads(path.read_bytes())["timing"]["seconds"] for path in runs.values()) / 3600,
        fixed={one.profile: summary(row.fixed for row in one.judgements) for one in committed},
        headlines=headline,
        answers=answers(rows),
    )


def filled(sections: Mapping[str, str]) -> str:
    """Return README with its sections, each between `<!-- begin NAME -->` and `<!-- end NAME -->`, as given."""
    text = (paths.root() / "README.md").read_text(encoding="utf-8")
    for name, content in sections.items():
        begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
        text, count = re.subn(f"(?s){begin}.*?{end}", lambda _, new=f"{begin}{content}{end}": new, text)
        if count != 1:
            raise HighwaysError(f"README.md: the markers of the section {name!r} are missing")
    return text


def current() -> Iterator[tuple[Path, str]]:
    """Yield the pages that the committed results give, with their paths; README last, as it links to the others."""
    committed = [judged for profile in COMMITTED if (judged := _judged(profile)) is not None]
    rows = {name: judged.rows[name] for name, judged in best_of(committed).items()}
    complete = [listed for judged in committed if (listed := judged.listed[LEADING.name]) and not listed.shortfall]
    facts = {"committed": committed, "rows": rows, "numbers": [*LEAD.rows(complete[-1])] if complete else []}
    facts |= {"verdicts": VERDICTS, "whose": WHOSE, "experiments": [one for one in EXPERIMENTS if one.tables]}
    facts |= {"results": paths.Results, "shown": paths.shown, "counts": counts}
    sections = {name: render("readme.md.j2", section=name, **facts) for name in SECTIONS}
    tables = {path.stem: pd.read_csv(path) for path in sorted((paths.root() / "benchmarks").glob("*.csv"))}
    yield paths.root() / "benchmarks" / "README.md", render("benchmarks.md.j2", tables=tables)
    for judged in committed:
        yield from pages(judged).items()
    yield paths.root() / "docs" / "summary.md", _summary(committed, rows, sections["headline"])
    yield paths.root() / "README.md", filled(sections)


def stale() -> list[str]:
    """Return the pages, README among them, that are not what the committed results give."""
    return [paths.shown(path) for path, text in current() if not path.exists() or path.read_text("utf-8") != text]


def update() -> None:
    """Write the pages of the committed profiles and README's numbers."""
    for path, text in current():
        write_whole(path, text)
