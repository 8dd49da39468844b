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


def shown(path: Path) -> str:
    """Return a path as a message names it: from the root, where it lies below."""
    return str(path.relative_to(root()) if path.is_relative_to(root()) else path)


@dataclass(frozen=True)
class ExperimentResults:
    """The results of one experiment in one profile.

    Args:
        folder: `results/<profile>/<experiment>`.
    """

    folder: Path

    @property
    def runs(self) -> Path:
        """Folder of the runs' records."""
        return self.folder / "runs"

    @property
    def analyses(self) -> Path:
        """Folder of the analyses' records."""
        return self.folder / "analyses"

    @property
    def tables(self) -> Path:
        """Folder of the tables."""
        return self.folder / "tables"

    @property
    def figures(self) -> Path:
        """Folder of the figures: the experiment's own."""
        return self.folder

    @property
    def page(self) -> Path:
        """The page: claim, figure, table, verdicts, cost."""
        return self.folder / "README.md"

    @property
    def notebook(self) -> Path:
        """The executed notebook."""
        return self.folder / "notebook.ipynb"

    @property
    def log(self) -> Path:
        """What the notebook and its kernel printed when it was last executed."""
        return self.folder / "notebook.log"


@dataclass(frozen=True)
class Results:
    """The results of one profile.

    Args:
        profile: Its name, such as `quick`.
    """

    profile: str

    @property
    def folder(self) -> Path:
        """The profile's folder."""
        return root() / "results" / self.profile

    @property
    def claims(self) -> Path:
        """The judged claims."""
        return self.folder / "claims.csv"

    @property
    def claims_json(self) -> Path:
        """The judged claims with their evidence, for machines."""
        return self.folder / "claims.json"

    @property
    def verdicts(self) -> Path:
        """The verdicts, counted, for `dvc metrics`."""
        return self.folder / "verdicts.json"

    @property
    def report(self) -> Path:
        """The report."""
        return self.folder / "report.html"

    @property
    def page(self) -> Path:
        """The page: every experiment with its verdicts."""
        return self.folder / "README.md"

    def of(self, experiment: str) -> ExperimentResults:
        """Return the results of an experiment."""
        return ExperimentResults(self.folder / experiment)

    def experiments(self) -> list[str]:
        """Return the experiments that have records here."""
        return sorted({path.parent.name for kind in ("runs", "analyses") for path in self.folder.glob(f"*/{kind}/")})


def profiles_with_results() -> list[str]:
    """Return the profiles that have records."""
    names = [path.name for path in sorted((root() / "results").glob("*/"))]
    return [name for name in names if Results(name).experiments()]
