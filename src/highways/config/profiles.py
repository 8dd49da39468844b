"""Profiles: what all of them have, and where their files are.

A profile file `profiles/<profile>/<notebook>.yaml` holds the parameters of one notebook; Papermill
passes it with `-f`. Its schema (`highways.experiments`) turns it into the exact list of runs: a
table holds these runs and no others.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, TypeVar

from pydantic import ConfigDict, Field

from highways import paths
from highways.config.analysis import AnalysisConfig
from highways.config.base import Strict, read_yaml, validate
from highways.config.run import RunConfig
from highways.errors import HighwaysError


class Profile(Strict):
    """What every profile file has. Types are strict: "1" or true is no number of epochs."""

    model_config = ConfigDict(strict=True)

    experiment: ClassVar[str]
    """Name of the notebook, of its folder of records and of its MLflow experiment."""

    profile: str = Field(pattern=r"^[a-z][a-z0-9_-]*$")
    """Name of the profile: the folder under `profiles/` and under `results/`."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    workers: int = Field(default=1, ge=1)
    """Processes that train at the same time."""

    def runs(self) -> list[RunConfig]:
        """Return the runs that this profile lists, in a fixed order.

        Raises:
            NotYet: They follow from results of an earlier stage, which has not been run.
        """
        return []

    def analyses(self) -> list[AnalysisConfig]:
        """Return the analyses that this profile lists, in a fixed order.

        Raises:
            NotYet: See `runs`.
        """
        return []

    def portions(self) -> Iterator[list[RunConfig]]:
        """Yield the runs in portions, to be trained one after another; all at once by default.

        What a later portion holds may follow from the records of the earlier ones.

        Raises:
            NotYet: See `runs`.
        """
        yield self.runs()

    def auxiliary(self) -> list[RunConfig]:
        """Return those of the runs that serve a choice or a check: no outcome counts them."""
        return []

    def waiting(self) -> list[RunConfig]:
        """Return a run of every network whose list of runs is not whole yet: more follow once records stand."""
        return []

    def foreseen(self) -> list[RunConfig]:
        """Return a stand-in for every run that follows once records stand: as long, and of the same shape.

        They tell what the runs will cost, and are never trained. Where it cannot be told there are none.
        """
        return []

    @classmethod
    def from_namespace(cls, namespace: Mapping[str, Any]) -> Self:
        """Return the parameters that a notebook has set as variables, checked.

        Where they are not those of the profile's file (somebody tries something out), the profile
        becomes `explore`: the profile's own results stay as they are, and finished runs are shared.

        Args:
            namespace: The notebook's `globals()`.

        Raises:
            HighwaysError: A parameter is missing or at fault.
        """
        values = {name: namespace[name] for name in cls.model_fields if name in namespace}
        settings = validate(cls, values, f"parameters of {cls.experiment}.ipynb")
        path = profile_path(settings.profile, cls.experiment)
        if not path.exists() or settings == load_profile(settings.profile, cls):
            return settings
        print(f"not the parameters of profiles/{settings.profile}/{path.name}: results go to results/{EXPLORE}")
        return settings.model_copy(update={"profile": EXPLORE})


def no_repetition(values: list[Any]) -> list[Any]:
    """Return a list as it is, for a validator.

    Raises:
        ValueError: Something is in it twice.
    """
    for value in values:
        if values.count(value) > 1:
            raise ValueError(f"{value} is given twice")
    return values


EXPLORE = "explore"
"""Profile of what is tried out in a notebook with other parameters than a profile file's."""

P = TypeVar("P", bound=Profile)


def profile_path(profile: str, notebook: str) -> Path:
    """Return the path of a notebook's parameters in a profile."""
    return paths.root() / "profiles" / profile / f"{notebook}.yaml"


def profile_names() -> list[str]:
    """Return the profiles that there are."""
    return sorted(folder.name for folder in (paths.root() / "profiles").iterdir() if folder.is_dir())


def load_profile(profile: str, schema: type[P]) -> P:
    """Read and check the parameters of one notebook.

    Raises:
        HighwaysError: No such profile, or a key or value at fault; one line that names it.
    """
    if profile not in profile_names():
        raise HighwaysError(f"no profile {profile!r}; there are: {', '.join(profile_names())}")
    path = profile_path(profile, schema.experiment)
    where = str(path.relative_to(paths.root()))
    settings = validate(schema, read_yaml(path), where)
    if settings.profile != profile:
        raise HighwaysError(f"{where}: key 'profile' must be {profile!r}, found {settings.profile!r}")
    return settings


def active_profiles() -> list[str]:
    """Return the profiles that `dvc repro` runs: `active` in `params.yaml`.

    Raises:
        HighwaysError: The file or a name in it is at fault.
    """
    content = validate(_Parameters, read_yaml(paths.root() / "params.yaml"), "params.yaml")
    _check_names(content.active)
    return content.active


def use_profiles(names: list[str]) -> None:
    """Make `names` the active profiles; the file is written only if that changes something.

    Raises:
        HighwaysError: There is no such profile.
    """
    _check_names(names)
    path = paths.root() / "params.yaml"
    text = path.read_text(encoding="utf-8")
    head = list(itertools.takewhile(lambda line: line.startswith("#"), text.splitlines()))
    new = "\n".join([*head, f"active: [{', '.join(names)}]"]) + "\n"
    if new != text:
        path.write_text(new, encoding="utf-8")


class _Parameters(Strict):
    active: list[str] = Field(min_length=1)


def _check_names(names: list[str]) -> None:
    for name in names:
        if name not in profile_names():
            raise HighwaysError(f"no profile {name!r}; there are: {', '.join(profile_names())}")
