"""Options that several commands share, and what they name, looked up by file names: nothing here imports torch."""

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

import typer

from highways import paths
from highways.config import active_profiles, check_profiles, quoted
from highways.errors import HighwaysError

ProfileOption = Annotated[str | None, typer.Option(help="Profile; by default the active ones of params.yaml.")]
AnyProfileOption = Annotated[str | None, typer.Option(help="Profile; by default all that have records.")]
ExperimentOption = Annotated[
    str | None, typer.Option(help="Experiment, or the beginning of its name, such as 01; by default all.")
]
DeviceOption = Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where to train.")]
SourceOption = Annotated[Literal["records", "mlflow"], typer.Option("--from", help="Where to read the runs.")]


def profiles_given(given: str | None) -> list[str]:
    """Return the requested profile, or the active ones of params.yaml."""
    if given is None:
        return active_profiles()
    check_profiles([given])
    return [given]


def recorded_profiles(given: str | None) -> list[str]:
    """Return the requested profile, or all that have records, `explore` and `adhoc` included."""
    folders = sorted((paths.root() / "results").glob("*/"))
    recorded = [folder.name for folder in folders if paths.Results(folder.name).experiments()]
    if given is not None and given not in recorded:
        raise HighwaysError(f"no records of a profile {quoted(given)}; there are: {', '.join(recorded) or 'none'}")
    return recorded if given is None else [given]


def experiment_given(given: str | None, more: Iterable[str] = ()) -> str | None:
    """Return the full name of the requested experiment, one of the notebooks' or of `more`; `None` of none."""
    if given is None:
        return None
    names = sorted({*(path.stem for path in (paths.root() / "notebooks").glob("*.ipynb")), *more})
    matches = [given] if given in names else [name for name in names if name.startswith(given)]
    if len(matches) != 1:
        reason = f"it could be {' or '.join(matches)}" if matches else f"there are: {', '.join(names)}"
        raise HighwaysError(f"no experiment {quoted(given)}; {reason}")
    return matches[0]


def run_given(given: str) -> Path:
    """Return the record of the requested run: by its key, the beginning of the key, or that of the hash at its end."""
    records = sorted((paths.root() / "results").glob("*/*/runs/*.json"), reverse=True)
    runs = {path.stem: path for path in records}  # of a run in several profiles the first
    begins = [key for key in runs if given and key.startswith(given)]
    hashed = [key for key in runs if len(given) >= 4 and key.rpartition("-")[2].startswith(given)]
    keys = [given] if given in runs else sorted(begins or hashed)
    if len(keys) == 1:
        return runs[keys[0]]
    if keys:
        some = ", ".join(keys[:3]) + (", ..." if len(keys) > 3 else "")
        raise HighwaysError(f"{quoted(given)} matches {len(keys)} runs ({some}); give more of the key")
    nearest = difflib.get_close_matches(given[:120], sorted(runs), n=3, cutoff=0.0)
    hint = f"the nearest are: {', '.join(nearest)}" if nearest else "there are no records yet"
    raise HighwaysError(f"no file and no record of a run {quoted(given)}; {hint}")
