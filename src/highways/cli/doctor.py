"""`highways doctor`: what is there, what is missing, what to do. Quick: nothing is trained, fetched or written."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import typer

from highways.cli import shown
from highways.errors import HighwaysError
from highways.packages import installed

app = typer.Typer()

PATIENCE_S = 3
"""For each thing that may not answer: a server, git."""
LEAST_DISK_GIB, ENOUGH_DISK_GIB = 0.5, 5
"""Without the first nothing can be written; all data sets and their preparation, and what training keeps, need less
than the second."""
ENOUGH_MEMORY_GIB = 4
GIB = 2**30


@dataclass(frozen=True)
class Check:
    """What was found.

    Attributes:
        what: That was looked at.
        state: `wrong` where something that is needed is missing or broken; `note` where somebody may want to know.
        found: In a few words.
        cure: What to do, where there is something.
    """

    what: str
    state: Literal["ok", "note", "wrong"]
    found: str
    cure: str = ""


@app.command("doctor")
def doctor_command() -> None:
    """Look at all that highways needs: what is there, what to do; exit status 1 if something needed is broken."""
    wrong = 0
    for check in checks():
        wrong += check.state == "wrong"
        _show(check)
    if wrong:
        raise HighwaysError(f"{wrong} needed {'thing is' if wrong == 1 else 'things are'} missing or broken: see above")
    shown.line("All that is needed is here.", "good")


def _show(check: Check) -> None:
    style = {"ok": "", "note": "open", "wrong": "bad"}[check.state]
    shown.wrapped(check.found, f"{check.state:6}{check.what:10}", style, indent=" " * 16)
    if check.cure:
        shown.wrapped(f"-> {check.cure}", " " * 16, style)


def checks() -> Iterator[Check]:
    """Look at everything, one after another; what fails to be looked at is wrong, and the others follow."""
    looks: tuple[tuple[str, Callable[[], Iterator[Check]]], ...] = (
        ("Python", _python),
        ("packages", _packages),
        ("torch", _torch),
        ("machine", _machine),
        ("git", _git),
        ("profiles", _profiles),
        ("data", _data),
        ("mirror", _mirror),
        ("records", _records),
        ("MLflow", _mlflow),
        ("DVC", _dvc),
        ("Ray", _ray),
    )
    for what, look in looks:
        try:
            yield from look()
        except HighwaysError as error:
            yield Check(what, "wrong", str(error))
        except Exception as error:  # a broken package raises anything: the doctor names it and goes on
            reason = (str(error).splitlines() or [""])[0]
            yield Check(what, "wrong", f"{type(error).__name__}: {reason}", "`make setup` installs what is missing")


def _python() -> Iterator[Check]:
    where = os.environ.get("CONDA_DEFAULT_ENV") or (Path(sys.prefix).name if sys.prefix != sys.base_prefix else "")
    found = f"{platform.python_version()}{f' in {where}' if where else ''}, {platform.system()} {platform.machine()}"
    if not where:
        yield Check("Python", "note", f"{found}, in no environment of its own", "`make setup` makes .venv")
    else:
        yield Check("Python", "ok", found)


def _packages() -> Iterator[Check]:
    """Compare what is installed with what the lock says; without a lock there is nothing to compare."""
    from highways import paths

    try:
        text = (paths.root() / "requirements.lock").read_text(encoding="utf-8")
    except OSError:
        return
    locked = dict(re.findall(r"^([A-Za-z0-9_.-]+)==([^ ;\\\n]+)", text, re.MULTILINE))
    found = {name: installed(name) for name in locked}
    missing = [name for name in _direct() if name in locked and found[name] is None]
    others = [f"{name} {found[name]}" for name in locked if found[name] not in (None, locked[name])]
    absent = [name for name in locked if found[name] is None and name not in missing]
    if missing:
        yield Check("packages", "wrong", f"missing: {', '.join(missing)}", "`make setup` installs them")
    elif others or absent:
        parts = [f"{len(others)} of other versions ({_some(others)})"] if others else []
        parts += [f"{len(absent)} not installed ({_some(absent)})"] if absent else []
        cure = "results may differ in the last digits; `make setup` installs the lock's"
        yield Check("packages", "note", f"not as in requirements.lock: {', '.join(parts)}", cure)
    else:
        yield Check("packages", "ok", f"{len(locked)}, as in requirements.lock")


def _direct() -> list[str]:
    """Return the packages that highways itself asks for, extras left out."""
    with suppress(importlib.metadata.PackageNotFoundError):
        asked = importlib.metadata.requires("highways") or []
        return [re.split(r"[<>=!~\[; ]", name, maxsplit=1)[0].lower() for name in asked if "extra ==" not in name]
    return []


def _some(names: list[str], most: int = 3) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")


def _torch() -> Iterator[Check]:
    import torch

    built = f"for CUDA {torch.version.cuda}" if torch.version.cuda else "for the CPU"
    expected = _direct_version("torch")
    right = expected is None or torch.__version__.partition("+")[0] == expected
    cure = "" if right else f"torch {expected} is the one that results were made with: `make setup`"
    yield Check("torch", "ok" if right else "note", f"{torch.__version__}, built {built}", cure)
    if torch.cuda.is_available():
        index = torch.cuda.current_device()
        memory = torch.cuda.get_device_properties(index).total_memory / GIB
        others = f", {torch.cuda.device_count()} in all" if torch.cuda.device_count() > 1 else ""
        yield Check("device", "ok", f"{torch.cuda.get_device_name(index)}, {memory:.0f} GiB{others}")
    elif torch.version.cuda and Path("/dev/nvidia0").exists():
        yield Check("device", "note", "a GPU that torch cannot use: training runs on the CPU", "`nvidia-smi` says more")
    else:
        yield Check("device", "ok", "the CPU; there is no CUDA device")
    from highways.training.device import cores

    limited = os.environ.get("OMP_NUM_THREADS")
    more = f"; OMP_NUM_THREADS={limited}, which training does not heed: a process uses all" if limited else ""
    yield Check("threads", "ok", f"{cores()} cores may be used{more}")


def _direct_version(package: str) -> str | None:
    """Return the exact version that highways asks for, `None` where it asks for no exact one."""
    with suppress(importlib.metadata.PackageNotFoundError):
        for asked in importlib.metadata.requires("highways") or []:
            if (exact := re.match(rf"{package}==([^ ;]+)", asked)) is not None:
                return exact[1]
    return None


def _machine() -> Iterator[Check]:
    from highways import paths

    root = paths.root()
    free = shutil.disk_usage(root).free / GIB
    found = f"{free:.1f} GiB free at {root}"
    unwritable = [name for name in ("results", "checkpoints", "mlruns", "data") if not _writable(root / name)]
    if unwritable:
        yield Check("disk", "wrong", f"{', '.join(unwritable)}: cannot be written", "see their owner and rights")
    elif free < LEAST_DISK_GIB:
        yield Check("disk", "wrong", found, "make room: nothing can be kept")
    elif free < ENOUGH_DISK_GIB:
        yield Check("disk", "note", found, f"the larger profiles may need up to {ENOUGH_DISK_GIB} GiB")
    else:
        yield Check("disk", "ok", found)
    total, available = _memory()
    if total:
        found, scarce = f"{available:.1f} of {total:.1f} GiB available", available < ENOUGH_MEMORY_GIB
        cure = "of `workers` take one: each process may need 2 GiB" if scarce else ""
        yield Check("memory", "note" if scarce else "ok", found, cure)


def _writable(folder: Path) -> bool:
    """Tell whether files can be made in a folder, or the folder, where it is not there yet."""
    return os.access(folder if folder.exists() else folder.parent, os.W_OK)


def _memory() -> tuple[float, float]:
    """Return this machine's or container's memory and what of it is available, in GiB; zeros where nothing tells."""
    with suppress(OSError, ValueError, KeyError):
        text = Path("/proc/meminfo").read_text()
        size = {name: int(value) * 1024 for name, value in re.findall(r"^(\w+): +(\d+) kB", text, re.MULTILINE)}
        total, available = size["MemTotal"], size["MemAvailable"]
        with suppress(OSError, ValueError):  # a container's limit
            limit = int(Path("/sys/fs/cgroup/memory.max").read_text())
            used = int(Path("/sys/fs/cgroup/memory.current").read_text())
            total, available = min(total, limit), min(available, limit - used)
        return total / GIB, max(available, 0) / GIB
    return 0.0, 0.0


def _git() -> Iterator[Check]:
    from highways import paths

    def git(*arguments: str) -> str:
        command = ["git", *arguments]
        done = subprocess.run(command, cwd=paths.root(), capture_output=True, text=True, timeout=PATIENCE_S, check=True)
        return done.stdout.strip()

    if shutil.which("git") is None:
        yield Check("git", "wrong", "not installed", "DVC and the records' commit need it")
        return
    try:
        commit = git("log", "-1", "--format=%h of %cs")
        changed = len(git("status", "--porcelain").splitlines())
    except (OSError, subprocess.SubprocessError):
        yield Check("git", "note", "this is no checkout", "records will say that their commit is unknown; clone it")
        return
    more = f", {changed} files differ from it: records will say so" if changed else ""
    yield Check("git", "ok", f"commit {commit}{more}")


def _profiles() -> Iterator[Check]:
    from highways.config import active_profiles
    from highways.config.profiles import profile_names, profile_path
    from highways.experiments import EXPERIMENTS

    names = active_profiles()
    for name in names:
        for experiment in EXPERIMENTS:
            if profile_path(name, experiment.name).exists():
                experiment.of(name)  # reads and checks its parameters
    others = [name for name in profile_names() if name not in names]
    yield Check("profiles", "ok", f"active: {', '.join(names)}; others: {', '.join(others) or 'none'}")


def _data() -> Iterator[Check]:
    from highways.data.sources import sources, state

    complete, incomplete, altered = [], [], []
    for name, source in sources().items():
        states = set(state(name).values())
        place = altered if "altered" in states else complete if source.generated or states == {"ok"} else incomplete
        place.append(name)
    offline = os.environ.get("HIGHWAYS_OFFLINE") == "1"
    if altered:
        cure = f"`highways data fetch {' '.join(altered)}` replaces what is altered"
        yield Check("data", "wrong", f"altered: {', '.join(altered)}", cure)
    yield Check("data", "ok", f"complete: {', '.join(complete) or 'none'}")
    if incomplete:
        how = "from HIGHWAYS_DATA_MIRROR alone, HIGHWAYS_OFFLINE=1 is set" if offline else "when training needs them"
        yield Check("data", "ok", f"not here, fetched {how}: {', '.join(incomplete)}")


def _mirror() -> Iterator[Check]:
    from highways.data.sources import sources

    given = os.environ.get("HIGHWAYS_DATA_MIRROR")
    if not given:
        yield Check("mirror", "ok", "HIGHWAYS_DATA_MIRROR is not set: data come from their publishers")
        return
    mirror = Path(given)
    if not mirror.is_dir():
        yield Check("mirror", "wrong", f"HIGHWAYS_DATA_MIRROR={given} is no folder", "set it to one, or unset it")
        return
    whole = []
    for name, source in sources().items():
        files = [] if source.package else [mirror / file.path for file in source.files]
        archive = source.archive is not None and (mirror / source.archive.name).is_file()
        if archive or (files and all(file.is_file() for file in files)):
            whole.append(name)
    yield Check("mirror", "ok" if whole else "note", f"{given} has {', '.join(whole) or 'none of the data sets'}")


def _records() -> Iterator[Check]:
    from highways import paths

    folder = paths.root() / "results"
    counts = {name: len(list((folder / name).glob("*/*/*.json"))) for name in paths.profiles_with_results()}
    found = ", ".join(f"{name} {count}" for name, count in counts.items())
    yield Check("records", "ok", f"{found or 'none yet'}{'; `highways verify` checks them' if found else ''}")


def _mlflow() -> Iterator[Check]:
    from highways.tracking import mlflow_address as address

    if (version := installed("mlflow")) is None:
        yield Check("MLflow", "wrong", "not installed", "`make setup` installs it")
        return
    uri = address.shown_uri()
    if (path := address.database()) is not None:
        yield _database(version, path)
    elif address.is_served() and address.tracking_uri().startswith("http"):
        yield _server(version, uri, address.tracking_uri())
    else:
        yield Check("MLflow", "ok", f"{version}; kept at {uri}, which was not asked")


def _database(version: str, path: Path) -> Check:
    from highways.tracking.mlflow_folder import Schema, Unusable, fault, is_moved

    cure = "`highways tracking rebuild` brings all records to it"
    if not path.exists():
        return Check("MLflow", "ok", f"{version}; {path.name} is not made yet, the first run or `make ui` makes it")
    if not path.is_file():
        return Check("MLflow", "wrong", f"{path} is no file", "move it away; " + cure)

    def never(place: Path) -> None:
        raise AssertionError("the doctor makes no database")

    try:
        # Which tables a version has only MLflow knows, and to import it takes seconds.
        found = fault(path, Schema(frozenset(), "", never), own=False)
    except Unusable as error:
        return Check("MLflow", "wrong", str(error), "see its owner and rights")
    if found is not None:
        return Check("MLflow", "wrong", f"{path} {found}", cure)
    if is_moved(path):
        return Check("MLflow", "note", f"{path} was made in another folder: the checkout was moved", cure)
    return Check("MLflow", "ok", f"{version}; {path}, {path.stat().st_size / 2**20:.0f} MiB")


def _server(version: str, shown_address: str, uri: str) -> Check:
    from highways.tracking.mlflow_address import redacted

    cure = "training goes on without it, and `highways tracking rebuild` brings the runs later; or unset it"
    try:
        parts = urlsplit(uri)
        bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()  # whoever is there answers /health
        with urllib.request.urlopen(f"{bare.rstrip('/')}/health", timeout=PATIENCE_S) as answer:
            answer.read(100)
    except urllib.error.HTTPError as error:
        if error.code in (401, 403):
            return Check("MLflow", "ok", f"{version}; {shown_address} answers, and asks who is there ({error.code})")
        return Check("MLflow", "wrong", f"MLFLOW_TRACKING_URI={shown_address} answers {error.code}", cure)
    except (OSError, ValueError) as error:
        reason = redacted(str(getattr(error, "reason", None) or error))
        return Check("MLflow", "wrong", f"MLFLOW_TRACKING_URI={shown_address} does not answer: {reason}", cure)
    return Check("MLflow", "ok", f"{version}; {shown_address} answers")


def _dvc() -> Iterator[Check]:
    from highways import paths

    root = paths.root()
    if (version := installed("dvc")) is None:
        yield Check("DVC", "wrong", "not installed", "`make setup` installs it")
        return
    if shutil.which("dvc") is None:
        yield Check("DVC", "wrong", f"{version}, but not on PATH", "activate the environment: . .venv/bin/activate")
        return
    if (running := _running(root / ".dvc" / "tmp" / "rwlock")) is not None:
        yield Check("DVC", "note", f"the pipeline is running (process {running})", "a second one waits for it or stops")
    lock = root / "dvc.lock"
    if not lock.exists():
        yield Check("DVC", "note", f"{version}; dvc.lock is not there", "`make repro` runs every stage, and writes it")
        return
    stages = _stages(lock)
    if stages is None:
        yield Check("DVC", "wrong", "dvc.lock cannot be read", "`git checkout dvc.lock` brings the committed one back")
    else:
        yield Check("DVC", "ok", f"{version}; dvc.lock has {stages} stages, `dvc status` says which would run")


def _running(rwlock: Path) -> int | None:
    """Return the number of a process that runs the pipeline here, of any user; `None` where none does."""
    import psutil

    with suppress(OSError, ValueError, AttributeError, TypeError):
        for uses in json.loads(rwlock.read_text()).values():
            writer = uses.get("write") or {}
            for use in [writer, *uses.get("read", [])]:
                if isinstance(pid := use.get("pid"), int) and psutil.pid_exists(pid):
                    return pid
    return None


def _stages(lock: Path) -> int | None:
    import yaml

    try:
        content: Any = yaml.load(lock.read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        return len(content["stages"])
    except (OSError, ValueError, TypeError, KeyError, yaml.YAMLError):
        return None


def _ray() -> Iterator[Check]:
    version = installed("ray")
    yield Check("Ray", "ok", version or "not installed; it is for clusters only: `pip install -e '.[ray]'`")
