"""Where things lie: the project root and the folders that the contract names."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from highways.errors import HighwaysError

MARKERS = ("dvc.yaml", "profiles", "references")


@lru_cache(maxsize=8)
def _find_root(start: Path) -> Path:
    package_checkout = Path(__file__).resolve().parents[2]
    for folder in (start, *start.parents, package_checkout):
        if all((folder / marker).exists() for marker in MARKERS):
            return folder
    raise HighwaysError(
        f"no highways project at or above {start}: a folder with {', '.join(MARKERS)} is needed "
        "(run from a clone, or set HIGHWAYS_ROOT)"
    )


def root() -> Path:
    """Return the project's root: `HIGHWAYS_ROOT`, else the checkout around the current folder, else the package's."""
    if given := os.environ.get("HIGHWAYS_ROOT"):
        return Path(given).resolve()
    return _find_root(Path.cwd().resolve())


def checkpoints() -> Path:
    """Return the folder of weights and resume state (not in git, no DVC output)."""
    return root() / "checkpoints"


def references() -> Path:
    """Return the folder of the papers' values and the claims."""
    return root() / "references"


@dataclass(frozen=True)
class Results:
    """The result folders of one profile.

    Args:
        profile: Its name, such as `quick`.
    """

    profile: str

    @property
    def folder(self) -> Path:
        """The profile's folder."""
        return root() / "results" / self.profile

    @property
    def tables(self) -> Path:
        """Folder of the tables."""
        return self.folder / "tables"

    @property
    def figures(self) -> Path:
        """Folder of the figures."""
        return self.folder / "figures"

    @property
    def claims(self) -> Path:
        """The judged claims."""
        return self.folder / "claims.csv"

    @property
    def report(self) -> Path:
        """The report."""
        return self.folder / "report.html"

    def runs(self, experiment: str) -> Path:
        """Return the folder of an experiment's records."""
        return self.folder / "runs" / experiment

    def analyses(self, experiment: str) -> Path:
        """Return the folder of an experiment's analyses."""
        return self.folder / "analyses" / experiment
