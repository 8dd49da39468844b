"""Profiles: their common settings, and where their files are.

A profile file `profiles/<profile>/<notebook>.yaml` holds the parameters of one notebook; Papermill passes it with
`-f`. Its schema (`highways.experiments`) turns it into the exact list of runs that the tables contain.
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
"""Environment variable in a stage's kernel: the profile whose parameters the notebook must run with."""
STAGE_CODE = "HIGHWAYS_STAGE_CODE"
"""Environment variable in a stage's kernel: the package that the stage was started from."""
PACKAGE = str(Path(__file__).resolve().parents[1])
NAME = r"^[a-z][a-z0-9_-]{0,63}$"
"""Pattern of a profile's name, which is a folder's name and part of names in MLflow and DVC."""


class Profile(Strict):
    """Settings that every profile file has."""

    experiment: ClassVar[str]
    """Name of the notebook, of its folder of records and of its MLflow experiment."""

    profile: str = Field(pattern=NAME)
    """Name of the profile: the folder under `profiles/` and under `results/`."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    engine: Literal["local", "ray"] = "local"
    """What trains: local processes, or Ray, on this machine's cores or on the cluster at `RAY_ADDRESS`."""
    workers: int = Field(default=1, ge=1, le=1_000)
    """Processes that train at the same time; a cluster runs as many as it has room for."""

    def runs(self) -> list[RunConfig]:
        """Return the runs that this profile lists, in a fixed order.

        Raises `NotYet` if they depend on results of an earlier stage that has not been run.
        """
        return []

    def analyses(self) -> list[AnalysisConfig]:
        """Return the analyses that this profile lists, in a fixed order; see `runs`."""
        return []

    def portions(self) -> Iterator[list[RunConfig]]:
        """Yield the runs in portions, to be trained one after another; by default a single portion.

        A later portion may depend on the records of earlier ones.
        """
        yield self.runs()

    def auxiliary(self) -> list[RunConfig]:
        """Return the runs that serve only for selection or as a check; they never count as results."""
        return []

    @property
    def pruned(self) -> bool:
        """Tell whether the networks that count are the best of a search that trained only them to the end."""
        return False

    def waiting(self) -> list[RunConfig]:
        """Return one run of every network whose further runs depend on records that do not exist yet."""
        return []

    @classmethod
    def from_namespace(cls, namespace: Mapping[str, Any]) -> Self:
        """Read and check the parameters that a notebook has set as variables.

        If they differ from the profile's file (the user tries something out), the profile becomes `explore`: the
        profile's own results stay unchanged, and finished runs are shared.
        """
        values = {name: namespace[name] for name in cls.model_fields if name in namespace}
        settings = validate(cls, values, f"parameters of {cls.experiment}.ipynb")
        if stage := os.environ.get(STAGE):
            if (code := os.environ.get(STAGE_CODE)) != PACKAGE:
                raise HighwaysError(f"the kernel imports highways from {PACKAGE}, its stage from {code}")
            asked = load_profile(stage, cls)
            if others := {name: value for name, value in settings if value != getattr(asked, name)}:
                name, value = next(iter(others.items()))
                where = f"profiles/{stage}/{cls.experiment}.yaml ({name} is {value!r}, not {getattr(asked, name)!r})"
                what = f"{cls.experiment}.ipynb does not run with the {', '.join(others)} of {where}"
                raise HighwaysError(f"{what}: only the cell tagged 'parameters' may set them")
            return settings
        path = profile_path(settings.profile, cls.experiment)
        if not path.exists() or settings == load_profile(settings.profile, cls):
            return settings
        where = f"results go to results/{EXPLORE}/{cls.experiment}, those of the profile stay as they are"
        print(f"not the parameters of profiles/{settings.profile}/{path.name}: {where}")
        return settings.model_copy(update={"profile": EXPLORE})


EXPLORE = "explore"
"""Profile of notebook runs whose parameters differ from the profile's file."""

P = TypeVar("P", bound=Profile)


def profile_path(profile: str, notebook: str) -> Path:
    """Return the path of a notebook's parameter file in a profile."""
    return paths.root() / "profiles" / profile / f"{notebook}.yaml"


def profile_names() -> list[str]:
    """Return the names of existing profiles: folders below `profiles/` with a valid name."""
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
    """Make `names` the active profiles; keep the comment at the head of the file."""
    check_profiles(names)
    path = paths.root() / "params.yaml"
    comment = "# The profiles that `dvc repro` runs; `highways profile use` sets it.\n"
    head = re.match(r"(#.*\n)*", read_text(path) if path.exists() else comment)[0]  # type: ignore[index]
    write_whole(path, head + yaml.safe_dump({"active": names}, default_flow_style=None))


class _Parameters(Strict):
    active: list[str] = Field(min_length=1)


def check_profiles(names: list[str]) -> None:
    """Check that profiles exist and that none is given twice."""
    there = profile_names()
    for name in names:
        if name not in there:
            raise HighwaysError(f"no profile {quoted(name)}; there are: {', '.join(there)}")
        if names.count(name) > 1:
            raise HighwaysError(f"profile {name!r} is given twice")
