"""Profiles: what all of them have, and where their files are.

A profile file `profiles/<profile>/<notebook>.yaml` holds the parameters of one notebook; Papermill
passes it with `-f`. Its schema (`highways.experiments`) turns it into the exact list of runs: a
table holds these runs and no others.
"""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, TypeVar

import yaml
from pydantic import Field

from highways import paths
from highways.config.analysis import AnalysisConfig
from highways.config.base import Strict, validate
from highways.config.reading import quoted, read_text, read_yaml
from highways.config.run import RunConfig
from highways.errors import HighwaysError
from highways.files import write_whole

STAGE = "HIGHWAYS_STAGE"
"""Environment variable in the kernel of a stage: the profile whose parameters its notebook must run with."""
STAGE_CODE = "HIGHWAYS_STAGE_CODE"
"""Environment variable in the kernel of a stage: the package that the stage was started from."""
PACKAGE = str(Path(__file__).resolve().parents[1])
NAME = r"^[a-z][a-z0-9_-]{0,63}$"
"""Of a profile: it is a folder's name, and part of names in MLflow and DVC."""


class Profile(Strict):
    """What every profile file has."""

    experiment: ClassVar[str]
    """Name of the notebook, of its folder of records and of its MLflow experiment."""

    profile: str = Field(pattern=NAME)
    """Name of the profile: the folder under `profiles/` and under `results/`."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    engine: Literal["local", "ray"] = "local"
    """What trains: processes of this machine, or Ray, on this machine's cores or the cluster at `RAY_ADDRESS`."""
    workers: int = Field(default=1, ge=1, le=1_000)
    """Processes that train at the same time; a cluster trains as many as it has room for."""

    def runs(self) -> list[RunConfig]:
        """Return the runs that this profile lists, in a fixed order.

        Where they follow from results of an earlier stage that has not been run, this raises `NotYet`.
        """
        return []

    def analyses(self) -> list[AnalysisConfig]:
        """Return the analyses that this profile lists, in a fixed order; see `runs`."""
        return []

    def portions(self) -> Iterator[list[RunConfig]]:
        """Yield the runs in portions, to be trained one after another; all at once by default.

        What a later portion holds may follow from the records of the earlier ones.
        """
        yield self.runs()

    def auxiliary(self) -> list[RunConfig]:
        """Return the runs that are used only for selection or as a check; they never count as results."""
        return []

    @property
    def pruned(self) -> bool:
        """Tell whether the networks that count are the best of a search that trained them alone to the end."""
        return False

    def waiting(self) -> list[RunConfig]:
        """Return a run of every network whose list of runs is not whole yet: more follow once records stand."""
        return []

    @classmethod
    def from_namespace(cls, namespace: Mapping[str, Any]) -> Self:
        """Return the parameters that a notebook has set as variables, checked.

        Where they are not those of the profile's file (somebody tries something out), the profile
        becomes `explore`: the profile's own results stay as they are, and finished runs are shared.
        """
        values = {name: namespace[name] for name in cls.model_fields if name in namespace}
        settings = validate(cls, values, f"parameters of {cls.experiment}.ipynb")
        if stage := os.environ.get(STAGE):
            if (code := os.environ.get(STAGE_CODE)) != PACKAGE:
                raise HighwaysError(f"the kernel imports highways from {PACKAGE}, its stage from {code}")
            asked = load_profile(stage, cls)
            if others := {name: value for name, value in settings if value != getattr(asked, name)}:
                name, value = next(iter(others.items()))
                raise HighwaysError(
                    f"{cls.experiment}.ipynb does not run with the {', '.join(others)} of profiles/{stage}/"
                    f"{cls.experiment}.yaml ({name} is {value!r}, not {getattr(asked, name)!r}): only the cell tagged "
                    "'parameters' may set them"
                )
            return settings
        path = profile_path(settings.profile, cls.experiment)
        if not path.exists() or settings == load_profile(settings.profile, cls):
            return settings
        where = f"results go to results/{EXPLORE}/{cls.experiment}, those of the profile stay as they are"
        print(f"not the parameters of profiles/{settings.profile}/{path.name}: {where}")
        return settings.model_copy(update={"profile": EXPLORE})


EXPLORE = "explore"
"""Profile of what is tried out in a notebook with other parameters than a profile file's."""

P = TypeVar("P", bound=Profile)


def profile_path(profile: str, notebook: str) -> Path:
    """Return the path of a notebook's parameters in a profile."""
    return paths.root() / "profiles" / profile / f"{notebook}.yaml"


def profile_names() -> list[str]:
    """Return the profiles that there are: folders below `profiles/` with a name that a profile may have."""
    folder = paths.root() / "profiles"
    if not folder.is_dir():
        raise HighwaysError(f"{folder}: no such folder; run from a clone, or set HIGHWAYS_ROOT to one")
    return sorted(path.name for path in folder.iterdir() if re.fullmatch(NAME, path.name) and path.is_dir())


def load_profile(profile: str, schema: type[P]) -> P:
    """Read and check the parameters of one notebook."""
    check_profiles([profile])
    path = profile_path(profile, schema.experiment)
    where = paths.shown(path)
    settings = validate(schema, read_yaml(path), where)
    if settings.profile != profile:
        raise HighwaysError(f"{where}: key 'profile' must be {profile!r}, found {settings.profile!r}")
    return settings


def active_profiles() -> list[str]:
    """Return the profiles that `dvc repro` runs: `active` in `params.yaml`."""
    path = paths.root() / "params.yaml"
    if not path.exists():
        raise HighwaysError("params.yaml: there is none; `highways profile use quick` makes it")
    content = validate(_Parameters, read_yaml(path), "params.yaml")
    check_profiles(content.active)
    return content.active


def use_profiles(names: list[str]) -> None:
    """Make `names` the active profiles; the comment at the head of the file stays."""
    check_profiles(names)
    path = paths.root() / "params.yaml"
    text = (
        read_text(path) if path.exists() else "# The profiles that `dvc repro` runs; `highways profile use` sets it.\n"
    )
    head = re.match(r"(#.*\n)*", text)[0]  # type: ignore[index]
    write_whole(path, head + yaml.safe_dump({"active": names}, default_flow_style=None))


class _Parameters(Strict):
    active: list[str] = Field(min_length=1)


def check_profiles(names: list[str]) -> None:
    """Check that profiles exist and are given once."""
    there = profile_names()
    for name in names:
        if name not in there:
            raise HighwaysError(f"no profile {quoted(name)}; there are: {', '.join(there)}")
        if names.count(name) > 1:
            raise HighwaysError(f"profile {name!r} is given twice")
