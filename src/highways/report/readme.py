"""README's numbers and the pages: written from what is committed, so that they cannot go stale unnoticed."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import pandas as pd

from highways import paths
from highways.claims.history import summary
from highways.claims.judge import Judgement
from highways.claims.sources import DOCUMENTS, OWN, documents
from highways.claims.verdicts import SCOPES, VERDICTS
from highways.errors import HighwaysError
from highways.experiments import EXPERIMENTS
from highways.report.html import answers, leader
from highways.report.pages import counts, measured, pages
from highways.report.render import cell, render
from highways.report.verdicts import Judged, all_claims, read_listed
from highways.tracking.records import write_atomically

COMMITTED = ("laptop", "weekend", "paper")
"""Profiles whose results are in git."""

WHOSE = {
    "the two papers": {"P1", "P2"},
    "the Highway BiLSTM article": {"Highway BiLSTM article"},
    "the four web documents": set(DOCUMENTS) - {"P1", "P2", "Highway BiLSTM article", OWN},
    "our own questions and calculations": {OWN},
}
"""Claims by the first document that they name."""


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
        cure = f"`highways claims --profile {profile}` makes it anew"
        raise HighwaysError(f"{paths.shown(path)}: not the verdicts on claims; {cure}")
    known = all_claims()  # `highways verify` names a file that has others
    rows = [Judgement(**row) for row in table.to_dict("records") if row["claim_id"] in known]
    return Judged(profile, known, read_listed(profile), rows)


def best_of(committed: Sequence[Judged]) -> list[tuple[Judgement, Judged]]:
    """Return one judgement of each claim: of the profile with the best scope, of several the last.

    Args:
        committed: The verdicts of the profiles, in the order of their budgets.
    """
    order: Sequence[str] = [*SCOPES, ""]  # what was not run comes last
    best: dict[str, tuple[Judgement, Judged]] = {}
    for judged in committed:
        for row in judged.judgements:
            if row.claim_id not in best or order.index(row.scope) <= order.index(best[row.claim_id][0].scope):
                best[row.claim_id] = row, judged
    return list(best.values())


def _headlines(committed: Sequence[Judged]) -> str:
    """Return the number of each verdict by whose the claims are, each claim where it was judged best, as a table."""
    table = []
    for whose, wanted in WHOSE.items():
        own = [row.verdict for row, _ in best_of(committed) if documents(row.source)[0] in wanted]
        table.append([f"{whose}: {len(own)}", *(own.count(verdict) or "" for verdict in VERDICTS)])
    return render("table.md.j2", heads=["claims of", *VERDICTS], rows=table)


def _experiments(committed: Sequence[Judged]) -> str:
    rows = []
    for experiment in (one for one in EXPERIMENTS if one.tables):
        row = [f"[`{experiment.name}`](notebooks/{experiment.name}.ipynb)", experiment.title]
        for judged in committed:
            page, own = paths.Results(judged.profile).of(experiment.name).page, judged.of(experiment.name)
            run = page.exists() and any(one.verdict != "not run" for one in own)
            row.append(f"[{counts(own)}]({paths.shown(page)})" if run else "")
        rows.append(row)
    first, *others = [f"`{judged.profile}`" for judged in committed] or ["verdicts"]
    return render("table.md.j2", heads=["notebook", "about", f"the sources' claims, {first}", *others], rows=rows)


def _numbers(committed: Sequence[Judged]) -> str:
    """Return the few numbers that README begins with, of the last complete profile of the experiment that leads."""
    lead, leading = leader()
    complete = [listed for judged in committed if (listed := judged.listed[leading.name]).complete and len(listed)]
    rows = list(lead.rows(complete[-1])) if complete else []
    return render("table.md.j2", heads=list(rows[0]) if rows else [], rows=[list(row.values()) for row in rows])


def _summary(committed: Sequence[Judged]) -> str:
    """Return `docs/summary.md`."""
    best = best_of(committed)
    rows = {row.claim_id: vars(row) | {"own": row.own, "measured": measured(row, judged)} for row, judged in best}
    papers = [row for row in rows.values() if documents(row["source"])[0] in WHOSE["the two papers"]]
    folders = [paths.Results(one.profile).folder for one in committed]
    runs = {path.stem: path for folder in folders for path in sorted(folder.glob("*/runs/*.json"))}
    return render(
        "summary.md.j2",
        papers=papers,
        rows=list(rows.values()),
        runs=len(runs),
        hours=sum(json.loads(path.read_bytes())["timing"]["seconds"] for path in runs.values()) / 3600,
        fixed={one.profile: summary(row.fixed for row in one.judgements) for one in committed},
        headlines=_headlines(committed),
        answers=answers(leader()[0], rows),
    )


SECTIONS = {"numbers": _numbers, "headline": _headlines, "experiments": _experiments}
"""What stands between `<!-- begin NAME -->` and `<!-- end NAME -->` in README."""


def filled(committed: Sequence[Judged]) -> str:
    """Return README with its numbers brought up to date.

    Args:
        committed: The verdicts of the committed profiles.

    Raises:
        HighwaysError: A marker is missing.
    """
    text = (paths.root() / "README.md").read_text(encoding="utf-8")
    for name, make in SECTIONS.items():
        begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
        if text.count(begin) != 1 or text.count(end) != 1:
            raise HighwaysError(f"README.md: the markers of the section {name!r} are missing")
        (before, _, rest), content = text.partition(begin), make(committed)
        text = f"{before}{begin}{content}{end}{rest.partition(end)[2]}"
    return text


RATIO, LOW, HIGH = "times_", "_low", "_high"
"""How the column of a ratio begins, and how those of its quartiles end."""


def _benchmarks() -> str:
    """Return `benchmarks/README.md`: its template says what each file measures, and names no other."""
    tables = {path.stem: pd.read_csv(path) for path in sorted((paths.root() / "benchmarks").glob("*.csv"))}
    return render("benchmarks.md.j2", tables=tables, ratios={name: _ratios(table) for name, table in tables.items()})


def _ratios(table: pd.DataFrame) -> list[list[Any]]:
    """Return a row for each ratio of each case: its case is what stands before what was measured."""
    ratios = [name for name in table if str(name).startswith(RATIO) and not str(name).endswith((LOW, HIGH))]
    case = [name for name in table.columns[:4] if "second" not in name]
    rows = []
    for row in table.to_dict("records"):
        said = ", ".join(f"{column.replace('_', ' ')} {row[column]}" for column in case)
        for column in map(str, ratios):
            spread = [cell(row.get(column + end)) for end in (LOW, HIGH)]
            beside = column.removeprefix(RATIO).replace("_", " ")
            rows.append([said, beside, row[column], " to ".join(spread) if all(spread) else ""])
    return rows


def current() -> Iterator[tuple[Path, str]]:
    """Yield the pages that the committed results give, with their paths; README last, as it links to the others."""
    committed = [judged for profile in COMMITTED if (judged := _judged(profile)) is not None]
    yield paths.root() / "benchmarks" / "README.md", _benchmarks()
    for judged in committed:
        yield from pages(judged).items()
    yield paths.root() / "docs" / "summary.md", _summary(committed)
    yield paths.root() / "README.md", filled(committed)


def stale() -> list[str]:
    """Return the pages, README among them, that are not what the committed results give."""
    return [paths.shown(path) for path, text in current() if not path.exists() or path.read_text("utf-8") != text]


def update() -> None:
    """Write the pages of the committed profiles and README's numbers."""
    for path, text in current():
        write_atomically(path, text)
