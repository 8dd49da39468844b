"""`highways doctor`: whether everything needed is here, one line per check; it trains, fetches and writes nothing."""

import os
import platform
import re
import sys
from collections.abc import Callable

import typer

from highways import installed, paths
from highways.cli import shown
from highways.errors import HighwaysError

app = typer.Typer()


@app.command("doctor")
def doctor_command() -> None:
    """Check everything that highways needs and say what to do; exit with status 1 if something is broken."""
    wrong = 0
    for name, check in CHECKS.items():
        try:
            state, text, style = "ok", check(), ""
        except Exception as error:  # a broken package raises anything; the other checks follow
            state, text, style = "wrong", (str(error).splitlines() or [""])[0], "red"
            if not isinstance(error, HighwaysError):
                text = f"{type(error).__name__}: {text}; `make setup` installs what is missing"
            wrong += 1
        shown.line(f"{state:6}{name:10}{text}", style)
    if wrong:
        raise HighwaysError(f"{wrong} of {len(CHECKS)} checks failed, see above")
    shown.line("Everything needed is here.", "green")


def _python() -> str:
    environment = os.environ.get("CONDA_DEFAULT_ENV") or (sys.prefix if sys.prefix != sys.base_prefix else "")
    where = f"in {environment}" if environment else "in no environment of its own; `make setup` makes .venv"
    return f"{platform.python_version()} {where}"


def _torch() -> str:
    import torch

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "no CUDA device, runs train on the CPU"
    return f"{torch.__version__}, {device}"


def _packages() -> str:
    """Compare installed versions with the locks'."""
    locks = [paths.root() / name for name in ("requirements.lock", "requirements-torch.lock")]
    text = "\n".join(lock.read_text(encoding="utf-8") for lock in locks if lock.exists())
    locked = dict(re.findall(r"^([A-Za-z0-9_.-]+)==([^ ;\\\n]+)", text, re.MULTILINE))
    here = {name: installed(name) for name in locked}
    other = {name: version for name, version in here.items() if (version or "").split("+")[0] != locked[name]}
    if missing := [name for name, version in other.items() if version is None]:
        raise HighwaysError(f"missing: {', '.join(missing)}; `make setup` installs them")
    if other:
        named = ", ".join(f"{name} {version}" for name, version in other.items())
        return f"not the locked versions: {named}; results may differ, `make setup` installs the locked ones"
    return f"{len(locked)}, all as locked"


def _profiles() -> str:
    from highways.config import active_profiles
    from highways.experiments import EXPERIMENTS, settings_of

    for profile in active_profiles():
        for experiment in EXPERIMENTS:
            settings_of(profile, experiment.name)
    return f"active: {', '.join(active_profiles())}; every parameter file is valid"


def _data() -> str:
    from highways.data.sources import sources

    states = {name: set(source.states().values()) for name, source in sources().items()}
    if altered := [name for name, files in states.items() if "altered" in files]:
        raise HighwaysError(f"altered: {', '.join(altered)}; `highways data fetch {' '.join(altered)}` replaces them")
    missing = ", ".join(name for name, files in states.items() if not files <= {"ok"})
    how = "HIGHWAYS_OFFLINE=1 prevents fetching" if os.environ.get("HIGHWAYS_OFFLINE") == "1" else "fetched when needed"
    return f"not here: {missing} ({how}); the others are complete" if missing else "all data sets are complete"


def _mlflow() -> str:
    from highways.tracking.mlflow_store import where

    return f"{installed('mlflow') or 'not installed'}; runs are at {where().shown}"


CHECKS: dict[str, Callable[[], str]] = {
    "Python": _python,
    "torch": _torch,
    "packages": _packages,
    "profiles": _profiles,
    "data": _data,
    "MLflow": _mlflow,
}
