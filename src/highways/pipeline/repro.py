"""`highways repro`: `dvc repro`, with a line a stage, and at the end what came out and what can be done with it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO

from highways import paths
from highways.claims.verdicts import counted
from highways.config import active_profiles
from highways.errors import HighwaysError
from highways.pipeline.screen import NO_READER, RELAY, Screen
from highways.quantities import duration

COMMAND = [sys.executable, "-m", "dvc", "repro"]
SKIPPED = re.compile(r"Stage '(.*)' didn't change, skipping")
NEXT = "next: `make ui` shows every run in MLflow, `make lab` opens the notebooks: change a depth, Run All"


def repro(arguments: Sequence[str]) -> int:
    """Run `dvc repro` and return its exit status; what DVC itself says goes to a log.

    Args:
        arguments: Passed on, such as `01_depth@quick`.

    Raises:
        HighwaysError: `params.yaml` is at fault, or nobody reads what is said any more.
    """
    profiles = active_profiles()
    began, screen = time.monotonic(), Screen(sys.stdout)
    log = paths.root() / "results" / "repro.log"
    log.parent.mkdir(exist_ok=True)
    environment = os.environ | {RELAY: "1", "PYTHONUNBUFFERED": "1"}
    told = _Told(screen)
    try:
        with (
            interrupts_left_to_the_stage() as interrupts,
            log.open("w", encoding="utf-8", buffering=1) as file,
            subprocess.Popen(
                [*COMMAND, *arguments],
                cwd=paths.root(),
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            ) as process,
        ):
            interrupts.process = process
            if interrupts.count:  # before there was a process to hear it
                process.send_signal(signal.SIGINT)
            assert process.stdout is not None
            told.all(process.stdout, file)
            status = process.wait()
    except BrokenPipeError:
        raise HighwaysError(f"dvc repro: {NO_READER}") from None
    screen.clear()
    if interrupts.count:
        screen.line("interrupted; the same command goes on from the last checkpoint; no result was removed")
        return 128 + signal.SIGINT
    if status:
        for line in told.errors or told.dvc_errors or [f"dvc repro ended with status {status}"]:
            print(line, file=sys.stderr)
        print(f"stopped after {duration(time.monotonic() - began)}; the log is {paths.shown(log)}", file=sys.stderr)
        return status
    stages = "1 stage was" if told.skipped == 1 else f"{told.skipped} stages were"
    still = f", {stages} up to date" if told.skipped else ""
    screen.line(f"done in {duration(time.monotonic() - began)}{still}; the log is {paths.shown(log)}")
    for profile in profiles:
        for line in _outcome(profile):
            screen.line(line)
    screen.line(NEXT)
    return 0


def _outcome(profile: str) -> list[str]:
    """Return what a profile's results are, as far as they are there."""
    results = paths.Results(profile)
    lines = []
    if results.verdicts.exists():
        counts = _read_counts(results.verdicts)
        for whose, name in (("sources", "claims of the sources"), ("our_own", "questions of our own")):
            if found := counts.get(whose):
                lines.append(f"{profile}: {sum(found.values())} {name}: {counted(found)}")
    if results.report.exists():
        lines.append(f"{profile}: the report is {paths.shown(results.report)}")
    return lines


def _read_counts(path: Path) -> dict[str, dict[str, int]]:
    """Return the counts of verdicts, none where the file is damaged: they are made anew with the report."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    whole = isinstance(content, dict) and all(isinstance(counts, dict) for counts in content.values())
    return content if whole else {}


class _Told:
    """Sorts what DVC and the stages say.

    Args:
        screen: Shows what the stages say.
    """

    def __init__(self, screen: Screen):
        self._screen = screen
        self.skipped = 0
        self.errors: list[str] = []
        """Of stages."""
        self.dvc_errors: list[str] = []

    def all(self, lines: IO[str], log: IO[str]) -> None:
        """Take all lines, until there are no more."""
        for raw in lines:
            line = raw.rstrip("\n")
            if self._screen.relay(line):
                log.write(re.sub(r"^\x02\w+ ", "", raw))
                continue
            log.write(raw)
            if SKIPPED.match(line):
                self.skipped += 1
            elif line.startswith("error: "):
                self.errors.append(line)
            elif line.startswith("ERROR: "):
                self.dvc_errors.append(f"error: {line.removeprefix('ERROR: ')}")
            elif line.startswith(" ") and self.dvc_errors and line.strip():  # such as the processes that are in its way
                self.dvc_errors.append(line)


@dataclass
class Interrupts:
    """What the user's interrupts came to."""

    process: subprocess.Popen[str] | None = None
    """Killed by the second."""
    count: int = 0

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Take a signal."""
        if self.count and self.process:
            self.process.kill()
        self.count += 1


@contextmanager
def interrupts_left_to_the_stage() -> Iterator[Interrupts]:
    """Wait for the stage to stop where the user interrupts.

    From a terminal the interrupt reaches the stage by itself; DVC waits for it.
    """
    interrupts = Interrupts()
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # in a script's background, and so for what is started here
        yield interrupts
        return
    before = signal.signal(signal.SIGINT, interrupts)
    try:
        yield interrupts
    finally:
        signal.signal(signal.SIGINT, before)
