"""What several commands share: options, what completes them, and the runs that a key names.

Nothing here waits for torch: what is looked up is the names of files.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from highways.errors import HighwaysError

DEVICES = ("auto", "cpu", "cuda")


def _beginning(names: Iterable[str], incomplete: str) -> list[str]:
    return sorted({name for name in names if name.startswith(incomplete)})


def complete_profiles(incomplete: str) -> list[str]:
    """Return the profiles that what was typed can become."""
    from highways.config.profiles import profile_names

    try:
        return _beginning(profile_names(), incomplete)
    except HighwaysError:
        return []


def complete_recorded(incomplete: str) -> list[str]:
    """Return the profiles that have records and that what was typed can become."""
    from highways import paths

    try:
        return _beginning(paths.profiles_with_results(), incomplete)
    except HighwaysError:
        return []


def complete_devices(incomplete: str) -> list[str]:
    """Return the kinds of devices that what was typed can become."""
    return _beginning(DEVICES, incomplete)


def complete_experiments(incomplete: str) -> list[str]:
    """Return the experiments that what was typed can become."""
    return _beginning(experiment_names(), incomplete)


def complete_runs(incomplete: str) -> list[str]:
    """Return the run keys that what was typed can become."""
    return _beginning(recorded_runs(), incomplete)


def complete_data(incomplete: str) -> list[str]:
    """Return the data sets that what was typed can become."""
    from highways import paths
    from highways.config import read_mapping

    try:
        return _beginning(read_mapping(paths.root() / "data" / "sources.yaml"), incomplete)
    except HighwaysError:
        return []


ProfileOption = Annotated[
    str | None,
    typer.Option(help="Name of the profile; by default those active in params.yaml.", autocompletion=complete_profiles),
]
AnyProfileOption = Annotated[
    str | None,
    typer.Option(help="Name of the profile; by default all that have records.", autocompletion=complete_recorded),
]
ExperimentOption = Annotated[
    str | None,
    typer.Option(
        help="Name of the experiment, or how it begins, such as 01; by default all.",
        autocompletion=complete_experiments,
    ),
]


def check_device(given: str) -> None:
    """Check the device that was asked for.

    Raises:
        HighwaysError: There is no such kind of device.
    """
    if given not in DEVICES:
        raise HighwaysError(f"--device must be auto, cpu or cuda, found {given!r}")


def profiles_given(given: str | None) -> list[str]:
    """Return the profile that was asked for, or those active in params.yaml."""
    from highways.config import active_profiles
    from highways.config.profiles import check_profiles

    if given is None:
        return active_profiles()
    check_profiles([given])
    return [given]


def recorded_profiles(given: str | None) -> list[str]:
    """Return the profile that was asked for, or all that have records, what is tried out and single runs among them.

    Raises:
        HighwaysError: There are no records of it.
    """
    from highways import paths
    from highways.config.reading import quoted

    there = paths.profiles_with_results()
    if given is None:
        return there
    if given not in there:
        raise HighwaysError(f"no records of a profile {quoted(given)}; there are: {', '.join(there) or 'none'}")
    return [given]


def experiment_names() -> list[str]:
    """Return the names of all experiments: of their notebooks."""
    from highways import paths

    return sorted(path.stem for path in (paths.root() / "notebooks").glob("*.ipynb"))


def experiment_given(given: str | None, more: Iterable[str] = ()) -> str | None:
    """Return the name of the experiment that was asked for by its name or by how it begins.

    Args:
        given: What was asked for; `None` where nothing was.
        more: Names beside those of the notebooks.

    Raises:
        HighwaysError: No name, or more than one, begins so.
    """
    from highways.config.reading import quoted

    if given is None:
        return None
    names = sorted({*experiment_names(), *more})
    found = [given] if given in names else _beginning(names, given)
    if len(found) != 1:
        reason = f"{', '.join(found)} begin so" if found else f"there are: {', '.join(names)}"
        raise HighwaysError(f"no experiment {quoted(given)}; {reason}")
    return found[0]


def recorded_runs() -> dict[str, Path]:
    """Return the record of every run there is, by key; of a run that several profiles have, the first."""
    from highways import paths

    found = sorted((paths.root() / "results").glob("*/*/runs/*.json"), reverse=True)
    return {path.stem: path for path in found}


def run_given(given: str) -> Path:
    """Return the record of the run that was asked for: by its key, how that begins, or how the hash in it begins.

    Raises:
        HighwaysError: No key, or more than one, begins so.
    """
    from highways.config.reading import quoted

    runs = recorded_runs()
    if given in runs:
        return runs[given]
    keys = _beginning(runs, given) if given else []
    if not keys and len(given) >= 4:
        keys = sorted(key for key in runs if key.rpartition("-")[2].startswith(given))
    if len(keys) == 1:
        return runs[keys[0]]
    if keys:
        some = ", ".join(keys[:3]) + (", ..." if len(keys) > 3 else "")
        raise HighwaysError(f"{quoted(given)}: {len(keys)} runs have keys that begin so ({some}); give more of one")
    near = difflib.get_close_matches(given[:120], sorted(runs), n=3, cutoff=0.0)
    hint = f"the nearest are: {', '.join(near)}" if near else "there are no records yet"
    raise HighwaysError(f"no file and no record of a run {quoted(given)}; {hint}")
