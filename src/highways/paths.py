"""Paths: the project's root, and the folders and files of results."""

import os
from functools import lru_cache
from pathlib import Path

from highways.errors import HighwaysError


@lru_cache(maxsize=8)
def _find_root(start: Path) -> Path:
    for folder in (start, *start.parents, Path(__file__).resolve().parents[2]):
        if all((folder / marker).exists() for marker in ("dvc.yaml", "profiles", "references")):
            return folder
    raise HighwaysError(f"no highways project at or above {start}; run from a clone, or set HIGHWAYS_ROOT to one")


def root() -> Path:
    """Return the project's root: `HIGHWAYS_ROOT`, else the checkout of the current folder, else the package's."""
    if asked := os.environ.get("HIGHWAYS_ROOT"):
        return Path(asked).resolve()
    return _find_root(Path.cwd().resolve())


def given(path: str) -> Path:
    """Return a path that the user gave: absolute, from a home (`~`), or from the root."""
    return root() / os.path.expanduser(path)


def shown(path: Path) -> str:
    """Format a path for messages: relative to the root, if it lies below it."""
    return str(path.relative_to(root()) if path.is_relative_to(root()) else path)


class ExperimentResults:
    """The results of one experiment in one profile: `folder` holds figures and the folders of records and tables."""

    def __init__(self, folder: Path):
        self.folder = self.figures = folder
        self.runs, self.analyses, self.tables = (folder / kind for kind in ("runs", "analyses", "tables"))
        self.page = folder / "README.md"
        self.notebook, self.log = folder / "notebook.ipynb", folder / "notebook.log"
        """The executed notebook, and the output of the notebook and its kernel."""


class Results:
    """The results of one profile."""

    def __init__(self, profile: str):
        self.profile = profile
        self.folder = folder = root() / "results" / profile
        self.claims, self.claims_json = folder / "claims.csv", folder / "claims.json"
        """The judged claims, as a table for people; with their evidence, for programs."""
        self.verdicts = folder / "verdicts.json"
        """Counts of verdicts, for `dvc metrics`."""
        self.report, self.page = folder / "report.html", folder / "README.md"

    def of(self, experiment: str) -> ExperimentResults:
        """Return the results of an experiment."""
        return ExperimentResults(self.folder / experiment)

    def experiments(self) -> list[str]:
        """Return the experiments that have records in this profile."""
        return sorted({path.parent.name for kind in ("runs", "analyses") for path in self.folder.glob(f"*/{kind}/")})
