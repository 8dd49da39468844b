"""README's numbers and the pages: written from what is committed, so that they cannot go stale unnoticed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, replace
from pathlib import Path

import pandas as pd

from highways import paths
from highways.claims.history import summary
from highways.claims.judge import Judgement
from highways.claims.sources import DOCUMENTS, OWN, documents, spoken, unit_of
from highways.claims.values import Unit
from highways.claims.verdicts import SCOPES, VERDICTS
from highways.errors import HighwaysError
from highways.experiments import EXPERIMENTS
from highways.report.html import answer
from highways.report.pages import counts, pages
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


def _headlines(committed: Sequence[Judged]) -> str:
    """Return the number of each verdict by whose the claims are, each claim where it was judged best, as a table."""
    rows = best_of(committed)
    table = []
    for whose, wanted in WHOSE.items():
        own = [row.verdict for row in rows if documents(row.source)[0] in wanted]
        table.append([f"{whose}: {len(own)}", *(own.count(verdict) or "" for verdict in VERDICTS)])
    return render("table.md.j2", heads=["claims of", *VERDICTS], rows=table)


def best_of(committed: Sequence[Judged]) -> list[Judgement]:
    """Return one judgement of each claim: of the profile with the best scope, of several the last.

    Args:
        committed: The verdicts of the profiles, in the order of their budgets.
    """
    order: Sequence[str] = [*SCOPES, ""]  # what was not run comes last
    best: dict[str, Judgement] = {}
    for row in (row for judged in committed for row in judged.judgements):
        if order.index(row.scope) <= order.index(best.get(row.claim_id, row).scope):
            best[row.claim_id] = row
    return list(best.values())


def _experiments(committed: Sequence[Judged]) -> str:
    rows = []
    for experiment in EXPERIMENTS:
        if not experiment.tables:
            continue
        row: list[object] = [f"[`{experiment.name}`](notebooks/{experiment.name}.ipynb)", experiment.title]
        for judged in committed:
            page = paths.Results(judged.profile).of(experiment.name).page
            own = judged.of(experiment.name)
            run = own and page.exists() and any(one.verdict != "not run" for one in own)
            row.append(f"[{counts(own)}]({paths.shown(page)})" if run else "")
        rows.append(row)
    first, *others = [f"`{judged.profile}`" for judged in committed] or ["verdicts"]
    return render("table.md.j2", heads=["notebook", "about", f"the sources' claims, {first}", *others], rows=rows)


def _numbers(committed: Sequence[Judged]) -> str:
    """Return the few numbers that README begins with, of the last complete profile of the experiment that leads."""
    experiment = next(one for one in EXPERIMENTS if one.lead is not None)
    assert experiment.lead is not None
    complete = [listed for judged in committed if (listed := judged.listed[experiment.name]).complete and len(listed)]
    rows = list(experiment.lead.rows(complete[-1])) if complete else []
    return render("table.md.j2", heads=list(rows[0]) if rows else [], rows=[list(row.values()) for row in rows])


def _fixed(committed: Sequence[Judged]) -> str:
    """Return when the criteria were fixed, compared with the runs, a line a profile."""
    lines = [f"- `{judged.profile}`: {summary(row.fixed for row in judged.judgements)}.\n" for judged in committed]
    return "".join(lines)


def _summary(committed: Sequence[Judged]) -> str:
    """Return `docs/summary.md`."""
    measures = {one.name: one.named_measures for one in EXPERIMENTS}
    claims = {name: claim for one in committed for name, claim in one.claims.items()}
    units: dict[str, Unit] = {name: unit_of(claim, measures[claim.experiment]) for name, claim in claims.items()}
    rows = [replace(row, measured=spoken(row.measured, units[row.claim_id])) for row in best_of(committed)]
    papers = [row for row in rows if documents(row.source)[0] in WHOSE["the two papers"]]
    own = [row for row in rows if row.own]
    lead = next(one.lead for one in EXPERIMENTS if one.lead is not None)
    judged = {row.claim_id: row for row in rows}
    folders = [paths.Results(one.profile).folder for one in committed]
    runs = {path.stem: path for folder in folders for path in sorted(folder.glob("*/runs/*.json"))}
    seconds = [json.loads(path.read_bytes())["timing"]["seconds"] for path in runs.values()]
    return render(
        "summary.md.j2",
        papers=papers,
        others=len(rows) - len(papers) - len(own),
        own=len(own),
        runs=len(runs),
        hours=sum(seconds) / 3600,
        fixed=_fixed(committed),
        headlines=_headlines(committed),
        answers=[
            {"question": question, "text": answer(vars(judged[name]))}
            for question, name in lead.questions
            if name in judged
        ],
        failed=[row for row in papers if row.verdict == "not replicated"],
        waiting=sum(row.verdict == "not run" for row in papers),
    )


SECTIONS: dict[str, Callable[[Sequence[Judged]], str]] = {
    "numbers": _numbers,
    "headline": _headlines,
    "experiments": _experiments,
    "fixed": _fixed,
}
"""What stands between `<!-- begin NAME -->` and `<!-- end NAME -->` in README."""
OPTIONAL = {"fixed"}
"""Sections that README need not have."""


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
        if name in OPTIONAL and begin not in text:
            continue
        if text.count(begin) != 1 or text.count(end) != 1:
            raise HighwaysError(f"README.md: the markers of the section {name!r} are missing")
        content = f"{begin}{make(committed)}{end}"
        text = re.sub(f"{re.escape(begin)}.*?{re.escape(end)}", lambda _, new=content: new, text, flags=re.DOTALL)
    return text


BENCHMARKS = {
    "populations": "A step of dense networks as one population, beside a PyTorch loop and Lightning with a DataLoader.",
    "fused": "A step of a population on a GPU in a few kernels, beside operation by operation and a PyTorch loop.",
    "sentences": "An epoch of BiLSTMs in batches of one length, beside the source's way and beside padded batches.",
    "convolutions": "Training images a second, images on the device, beside the usual way.",
    "bfloat16": "Training in bfloat16 on a CPU, beside float32: speed, and accuracy after as many steps.",
    "lesions": "All lesions of a network together, beside one pass a lesion.",
    "parity": "The gradient of the network from scratch as one product, beside the source's loop over examples.",
    "engines": "Run epochs a second of the engine ray, beside local, two processes on one machine, their start apart.",
    "overhead": "Seconds of what the pipeline does where there is nothing to train.",
}
"""What each file under `benchmarks/` measures; one that has not been measured has no file."""
RATIO, LOW, HIGH = "times_", "_low", "_high"
"""How the column of a ratio begins, and how those of its quartiles end."""


def _benchmarks() -> str:
    folder = paths.root() / "benchmarks"
    measured = {name: pd.read_csv(path) for name in BENCHMARKS if (path := folder / f"{name}.csv").exists()}
    return render("benchmarks.md.j2", ratios=_ratios(measured), about=BENCHMARKS, measured=measured)


def _ratios(measured: dict[str, pd.DataFrame]) -> list[list[object]]:
    """Return one row for each ratio of each case: its case is what stands before what was measured."""
    listed: list[list[object]] = []
    for name, table in measured.items():
        ratios = [c for c in table.columns if c.startswith(RATIO) and not c.endswith((LOW, HIGH))]
        said = [c for c in table.columns[:4] if "second" not in c]
        for row in table.to_dict("records"):
            case = ", ".join(f"{column.replace('_', ' ')} {row[column]}" for column in said)
            for column in ratios:
                spread = [cell(row.get(column + end)) for end in (LOW, HIGH)]
                beside = column.removeprefix(RATIO).replace("_", " ")
                listed.append([name, case, beside, row[column], " to ".join(spread) if all(spread) else ""])
    return listed


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
