"""A pipeline so small that it can be killed fifty times: data, training, records, MLflow, a table, a figure, claims.

It runs in processes that are forked from one that has imported everything, so that a start costs milliseconds.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from checkout import lay_out, shrink

DEPTH = {"depths": [2, 3], "trials": 2, "epochs": 3, "plain_width": 6, "highway_width": 5, "batch_size": 200}
TEXT = {"variants": ["highway"], "depths": [1], "hidden": 2, "embedding": 2, "epochs": 1, "batch_size": 500}


def project(root: Path) -> Path:
    """An empty project, the first two experiments of whose quick profile are tiny."""
    lay_out(root)
    shrink(root, "01_depth", workers=1, **DEPTH)
    shrink(root, "02_bilstm_depth", workers=1, **TEXT)
    return root


def settle(root: Path) -> None:
    """Prepare a process that works in a project."""
    os.environ |= {"HIGHWAYS_ROOT": str(root), "HIGHWAYS_OFFLINE": "1", "HIGHWAYS_PROGRESS": "none"}
    os.environ |= {"HIGHWAYS_CHECKPOINT_EVERY_S": "0", "OMP_NUM_THREADS": "1"}
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    log = (root / "said.txt").open("a", buffering=1)
    os.dup2(log.fileno(), 1)
    os.dup2(log.fileno(), 2)
    sys.stdout, sys.stderr = log, log


def watcher(workers: int) -> Callable[[Any], None]:
    """Return what writes down every epoch, and whether all its records stand; those of before, with several workers."""
    from highways import paths
    from highways.tracking.events import EpochEnded

    def standing() -> set[str]:
        return {path.stem for path in (paths.root() / "results").glob("*/*/runs/*.json")}

    before = standing()

    def watch(event: Any) -> None:
        if isinstance(event, EpochEnded):
            done = before if workers > 1 else standing()
            how = "again" if done.issuperset(event.keys) else "new"
            with (paths.root() / "epochs.txt").open("a") as file:
                file.write(f"{how} {event.epoch} {' '.join(event.keys)}\n")

    return watch


def pipeline(root: Path, workers: int = 1, text: bool = True) -> None:
    """Do everything that two stages and the report do."""
    settle(root)
    from highways.experiments import BILSTM_DEPTH, DEPTH
    from highways.report.pages import write_pages
    from highways.report.verdicts import judge_all, write_claims
    from highways.training import sweep

    watch = watcher(workers)
    for experiment in (DEPTH, BILSTM_DEPTH) if text else (DEPTH,):
        study = experiment.of("quick")
        where = {"experiment": experiment.name, "profile": "quick", "threads": 1, "workers": workers}
        sweep(study.settings.runs(), on_event=watch, **where)
        study.figure()
        study.table()
        study.publish()
    judged = judge_all("quick")
    write_claims(judged)
    write_pages(judged)


def records(root: Path, kinds: tuple[str, ...] = ("*/runs/*.json",)) -> dict[str, bytes]:
    """The records that stand, or other kinds of results, by path."""
    paths = [path for kind in kinds for path in sorted((root / "results").glob(f"*/{kind}"))]
    return {str(path.relative_to(root)): path.read_bytes() for path in paths}


def outcomes(root: Path) -> dict[str, Any]:
    """Records, tables, figures and claims, but for clocks and the checkout's commit."""
    found: dict[str, Any] = {}
    for name, text in records(root).items():
        content = json.loads(text)
        found[name] = {key: content[key] for key in ("run_key", "config", "status", "curves", "weights_sha256")}
    made = records(root, ("*/tables/*.*", "*/*.png", "claims.csv"))
    return found | {name: content for name, content in made.items() if "_cost." not in name}


def differing(expected: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """The names of what is missing or other than expected; contents are too long for messages."""
    return [name for name in expected if name not in found or found[name] != expected[name]]


PARTS = "**/.*.part"
"""Files that a killed process was writing; a sweep removes those of a day ago."""


def age_unfinished(root: Path) -> None:
    """Make unfinished files two days old."""
    for path in root.glob(PARTS):
        os.utime(path, times=(time.time() - 2 * 24 * 3600,) * 2)


def left_over(root: Path) -> list[Path]:
    """Unfinished files, locks, and resume points."""
    return [path for kind in (PARTS, "checkpoints/locks/*", "checkpoints/resume/*") for path in root.glob(kind)]
