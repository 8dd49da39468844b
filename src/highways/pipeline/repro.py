"""`highways repro`: run the active profiles' stages with DVC, with one line per stage and a summary of results."""

import json
import logging
import os
import sqlite3
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from highways import paths
from highways.claims.verdicts import counted
from highways.config import active_profiles, profile_path
from highways.errors import HighwaysError
from highways.experiments import BY_NAME, REPORT
from highways.quantities import duration


def repro(stages: Sequence[str] = (), train: bool = True) -> None:
    """Run stages of the active profiles; a failed stage does not stop the others.

    Args:
        stages: Such as `01_depth@quick`; stages they depend on run as well. Default: all with parameter files.
        train: Let DVC run the stages that are not up to date. Otherwise draw every stage from existing records, which
            trains nothing, needs no data and does not change `dvc.lock`.
    """
    profiles, began = active_profiles(), time.monotonic()
    there = {name: [one for one in BY_NAME if profile_path(name, one).exists()] for name in profiles}
    partial = [name for name, notebooks in there.items() if len(notebooks) < len(BY_NAME)]
    for name in partial:
        if not there[name]:
            raise HighwaysError(f"profiles/{name}: no notebook's parameters are in it")
        report = f"`highways report --profile {name}` reports on what there is"
        print(f"{name}: parameter files of {len(there[name])} of {len(BY_NAME)} notebooks; {report}", flush=True)
    every = [f"{notebook}@{name}" for name, notebooks in there.items() for notebook in notebooks]
    chosen = list(stages) or every
    drawn = [stage for stage in chosen if not train or stage in [f"{REPORT.name}@{name}" for name in partial]]
    by_dvc = [stage for stage in chosen if stage not in drawn]  # DVC needs results of every notebook for a report
    failed, current = _run(by_dvc if stages or partial else ()) if by_dvc else ([], 0)
    failed += _draw(drawn, every)
    still = f", {current} {'stage was' if current == 1 else 'stages were'} up to date" if current else ""
    print(f"done in {duration(time.monotonic() - began)}{still}")
    for profile in profiles:
        _summarise(profile)
    if failed:
        raise HighwaysError(f"{len(failed)} of the stages failed: {', '.join(failed)}")
    print("next: `make ui` shows every run in MLflow, `make lab` opens the notebooks: change a depth, Run All")


def _run(stages: Sequence[str]) -> tuple[list[str], int]:
    """Run `dvc repro --ignore-errors`; return the stages that failed, and how many were up to date."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"  # for stage commands
    logging.getLogger("dvc").setLevel(logging.CRITICAL)  # every stage prints its own messages
    failed, current = [], 0

    def reproduce(stage: Any, **options: Any) -> Any:
        nonlocal current
        try:
            if (made := stage.reproduce(**options)) is None:
                current += 1
            else:
                stage.dump(update_pipeline=False)
        except Exception as error:
            if str(error).endswith("exited with 130"):  # interrupted, as the stage said; DVC would go on
                raise SystemExit(130) from None
            if not str(error).endswith("exited with 1"):
                print(f"{stage.addressing}: {error}", flush=True)
            failed.append(stage.addressing)
            raise
        return made

    try:
        with Repo(str(paths.root())) as repo:
            repo.reproduce(targets=list(stages) or None, on_error="ignore", repro_fn=reproduce)  # type: ignore[call-arg]
    except (DvcException, OSError, sqlite3.Error) as error:  # a full or read-only disk causes any of the three
        raise HighwaysError(f"dvc: {error}") from None
    return failed, current


def _draw(stages: Sequence[str], names: Sequence[str]) -> list[str]:
    """Execute the notebooks of some of the stages `names` without training; return the stages that failed."""
    from highways.pipeline.stage import run_stage

    if unknown := [stage for stage in stages if stage not in names]:
        raise HighwaysError(f"no stage {unknown[0]!r}; there are: {', '.join(names)}")
    failed = []
    for stage in stages:
        notebook, _, profile = stage.partition("@")
        try:
            run_stage(profile, notebook, train=False)
        except HighwaysError as error:
            print(f"error: {error}", flush=True)
            failed.append(stage)
    return failed


def _summarise(profile: str) -> None:
    """Print the counts of a profile's verdicts, and the path of its report, if they exist."""
    results = paths.Results(profile)
    try:
        counts = json.loads(results.verdicts.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # the report stage writes it again
        counts = {}
    for whose, name in (("sources", "claims of the sources"), ("our_own", "questions of our own")):
        if verdicts := counts.get(whose):
            print(f"{profile}: {sum(verdicts.values())} {name}: {counted(verdicts)}")
    if results.report.exists():
        print(f"{profile}: the report is {paths.shown(results.report)}")
