"""A pipeline so small that it can be killed fifty times: data, training, records, MLflow, a table, a figure, claims.

It runs in processes that are forked from one that has imported everything, so that a start costs milliseconds.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

DEPTH = {"depths": [2, 3], "trials": 2, "epochs": 3, "plain_width": 6, "highway_width": 5, "batch_size": 200}
TEXT = {"variants": ["highway"], "depths": [1], "hidden": 2, "embedding": 2, "epochs": 1, "batch_size": 500}


def shrink(root: Path) -> None:
    """Make the quick profile's first two experiments tiny."""
    for name, changes in (("01_depth", DEPTH), ("02_bilstm_depth", TEXT)):
        path = root / "profiles" / "quick" / f"{name}.yaml"
        path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"workers": 1} | changes))


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
    """Return what writes down every epoch, and whether all its records stand: before this process began, at least.

    Args:
        workers: Where there are several, their epochs are heard of later than their records are written.
    """
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


def records(root: Path) -> dict[str, bytes]:
    """The records that stand, by path."""
    return {
        str(path.relative_to(root)): path.read_bytes() for path in sorted((root / "results").glob("*/*/runs/*.json"))
    }


def outcomes(root: Path) -> dict[str, Any]:
    """The records but for clocks and the checkout's commit."""
    found = {}
    for name, text in records(root).items():
        content = json.loads(text)
        found[name] = {key: content[key] for key in ("run_key", "config", "status", "curves", "weights_sha256")}
    return found


def derived(root: Path) -> dict[str, bytes]:
    """Tables without clocks, figures, claims and pages, by path."""
    kinds = ("*/tables/*.csv", "*/tables/*.md", "*/*.png", "claims.csv")
    paths = [path for kind in kinds for path in (root / "results" / "quick").glob(kind)]
    return {str(path.relative_to(root)): path.read_bytes() for path in paths if not path.stem.endswith("_cost")}


def differing(expected: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """The names of what is missing or other than expected; contents are too long for messages."""
    return [name for name in expected if name not in found or found[name] != expected[name]]


def left_over(root: Path) -> list[str]:
    """Unfinished files, locks, and resume points."""
    found = [path for path in root.rglob("*") if path.suffix == ".part"]
    found += [*(root / "checkpoints" / "locks").glob("*"), *(root / "checkpoints" / "resume").glob("*")]
    return [str(path.relative_to(root)) for path in found]


def descendants(pid: int) -> set[int]:
    """Processes below one, as far as they live."""
    children: dict[int, list[int]] = {}
    for number in (int(name) for name in os.listdir("/proc") if name.isdigit()):
        try:
            fields = Path(f"/proc/{number}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if fields[0] != "Z":
            children.setdefault(int(fields[1]), []).append(number)
    found, left = set(), [pid]
    while left:
        new = set(children.get(left.pop(), [])) - found  # numbers may be given anew while we look
        found |= new
        left.extend(new)
    return found


def is_alive(pid: int) -> bool:
    """Tell whether a process is there, and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def copy_of(root: Path, folder: Path) -> Path:
    """A copy of a project."""
    shutil.copytree(root, folder, symlinks=True)
    return folder
