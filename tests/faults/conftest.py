"""The long tries of `make test-faults`: when they run, their seed, and the counts that they leave in the documentation.

Tests that are marked `faults` run only where the marker is asked for; the others of this folder are in `make test`.
"""

import os
import random
import time
from collections import Counter
from collections.abc import Callable

import pytest
from checkout import REPOSITORY

COUNTS = REPOSITORY / "docs" / "reliability.md"
SEED = int(os.environ.get("HIGHWAYS_FAULTS_SEED", time.time_ns() % 1_000_000))
"""Of all random choices; HIGHWAYS_FAULTS_SEED gives the same ones again."""
BEGIN, END = "<!-- begin counts -->\n", "<!-- end counts -->"
_counted: Counter[tuple[str, str]] = Counter()


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
def count() -> Callable[[str, str, int], None]:
    """Notes tries, by kind and in words; the last thing that a test does, so that one that fails counts for nothing."""

    def note(kind: str, what: str, tries: int) -> None:
        _counted[kind, what] += tries

    return note


def pytest_sessionfinish() -> None:
    """Write the counts of this session where HIGHWAYS_FAULTS_COUNTS is set, as by `make test-faults`."""
    if not _counted or "HIGHWAYS_FAULTS_COUNTS" not in os.environ:
        return
    head, rest = COUNTS.read_text(encoding="utf-8").split(BEGIN)
    lines = ["| kind | what was done | tries | seed |", "| --- | --- | ---: | ---: |"]
    lines += [f"| {kind} | {what} | {tries:,} | {SEED} |" for (kind, what), tries in sorted(_counted.items())]
    COUNTS.write_text(head + BEGIN + "\n".join(lines) + "\n" + END + rest.partition(END)[2], encoding="utf-8")
