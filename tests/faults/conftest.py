"""The long tries of `make test-faults`: when they run, their seed, and the counts that they leave in the documentation.

Tests that are marked `faults` run only where the marker is asked for; the others of this folder are in `make test`.
"""

from __future__ import annotations

import os
import random
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from layout import REPOSITORY, lay_out

COUNTS = REPOSITORY / "docs" / "reliability.md"
SEED = int(os.environ.get("HIGHWAYS_FAULTS_SEED", time.time_ns() % 1_000_000))
"""Of all random choices; HIGHWAYS_FAULTS_SEED gives the same ones again."""
ROW = re.compile(r"\| (?P<kind>[^|]+) \| (?P<what>[^|]+) \| (?P<tries>[\d,]+) \| (?P<seed>\d+) \|")
BEGIN, END = "<!-- begin counts -->\n", "<!-- end counts -->"
_counted: dict[tuple[str, str], int] = {}


def pytest_report_header() -> str:
    return f"seed of the faults: HIGHWAYS_FAULTS_SEED={SEED}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "faults" not in config.option.markexpr:
        long = [item for item in items if item.get_closest_marker("faults")]
        items[:] = [item for item in items if item not in long]
        config.hook.pytest_deselected(items=long)


@pytest.fixture
def seeded(request: pytest.FixtureRequest) -> random.Random:
    """Random numbers of this test, from the seed of all."""
    return random.Random(f"{SEED} {request.node.name}")


@pytest.fixture
def count(request: pytest.FixtureRequest) -> Callable[[str, str, int], None]:
    """Notes tries, by kind and in words; those of a test that failed are forgotten."""
    kept: dict[tuple[str, str], int] = {}

    def note(kind: str, what: str, tries: int = 1) -> None:
        kept[kind, what] = kept.get((kind, what), 0) + tries

    yield note  # type: ignore[misc]
    failed = request.node.stash.get(_FAILED, False)
    for key, tries in kept.items():
        if not failed:
            _counted[key] = _counted.get(key, 0) + tries


_FAILED: pytest.StashKey[bool] = pytest.StashKey()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo):
    report = yield
    if report.failed:
        item.stash[_FAILED] = True
    return report


def pytest_sessionfinish() -> None:
    """Write the counts of this session over those of the same tries; all others stay.

    HIGHWAYS_FAULTS_COUNTS is `1` for that, and `add` where a kind is tried in pieces, one session each.
    """
    how = os.environ.get("HIGHWAYS_FAULTS_COUNTS")
    if not _counted or how not in ("1", "add"):
        return
    text = COUNTS.read_text(encoding="utf-8")
    head, rest = text.split(BEGIN)
    table, tail = rest.split(END)
    rows = {(row["kind"], row["what"]): (row["tries"], row["seed"]) for row in ROW.finditer(table)}
    for key, tries in _counted.items():
        before = int(rows[key][0].replace(",", "")) if how == "add" and key in rows else 0
        rows[key] = (f"{before + tries:,}", str(SEED))
    lines = ["| kind | what was done | tries | seed |", "| --- | --- | ---: | ---: |"]
    lines += [f"| {kind} | {what} | {tries} | {seed} |" for (kind, what), (tries, seed) in sorted(rows.items())]
    COUNTS.write_text(head + BEGIN + "\n".join(lines) + "\n" + END + tail, encoding="utf-8")


def new_project(folder: Path) -> Path:
    """An empty project: the checkout's settings and references, no results."""
    lay_out(folder)
    (folder / "mlruns").mkdir(exist_ok=True)
    return folder
