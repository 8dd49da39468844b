"""`make same`: are the committed results what the notebooks and the command line make of the committed records?

In a clone of its own, offline and without data, it executes every notebook as README says, makes everything that git
has, and compares. What is not committed of the sources takes part; results count as they were committed.
"""

import io
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib.image
import numpy as np
from checkout import REPOSITORY, git, surroundings

TRAINED, DRAWN = ("laptop", "weekend"), ("paper",)
"""Profiles whose notebooks run as README says, and those with runs still to come, whose notebooks only draw."""
COMPARED = ("results", "README.md", "benchmarks/README.md", "docs/summary.md", "dvc.yaml", "references")
KEYS = """
from pathlib import Path
import highways.experiments  # registers the kinds of analyses
from highways.tracking.records import AnalysisRecord, analysis_keys
from highways.tracking.records import RunRecord, run_keys
for kind, record, keys in ("runs", RunRecord, lambda one: run_keys([one.config])), (
    "analyses", AnalysisRecord, lambda one: analysis_keys([one.config])):
    for path in sorted(Path("results").glob(f"*/*/{kind}/*.json")):
        assert keys(record.read(path)) == [path.stem], f"{path}: its key is another"
"""


def clone(folder: Path) -> Path:
    """Clone the checkout, take over what is not committed but for results, and return the folder."""
    git(REPOSITORY, "clone", "--quiet", "--shared", str(REPOSITORY), str(folder))
    for name in git(REPOSITORY, "ls-files", "-z", "-m", "-o", "-d", "--exclude-standard").decode().split("\0")[:-1]:
        if not name.startswith("results/"):
            (folder / name).unlink(missing_ok=True)
            if (REPOSITORY / name).exists():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(REPOSITORY / name, folder / name)
    return folder


def highways(folder: Path, *arguments: str) -> None:
    """Run the command line, or Python code after `-c`, in the clone."""
    environment = surroundings(folder)
    environment.pop("HIGHWAYS_DATA_MIRROR", None)
    command = [sys.executable, *(arguments if arguments[0] == "-c" else ("-m", "highways.cli", *arguments))]
    subprocess.run(command, cwd=folder, env=environment, check=True)


def differing(folder: Path) -> list[str]:
    """Return the compared files that are not as committed; a PNG is another where a pixel is."""

    def same_pixels(name: str) -> bool:
        committed = matplotlib.image.imread(io.BytesIO(git(folder, "show", f"HEAD:{name}")))
        return np.array_equal(committed, matplotlib.image.imread(folder / name))

    lines = git(folder, "status", "--porcelain", "-z", "--no-renames", "--", *COMPARED).decode().split("\0")[:-1]
    return [line[3:] for line in lines if not (line[:2] == " M" and line.endswith(".png") and same_pixels(line[3:]))]


def make(folder: Path, profiles: list[str]) -> list[str]:
    """Make everything that git has of some profiles in a clone, and return the files that differ."""
    highways(folder, "-c", KEYS)
    for profile in profiles:
        highways(folder, "profile", "use", profile)
        highways(folder, "repro", *(["--no-train"] if profile in DRAWN else []))
    highways(folder, "readme")
    highways(folder, "pipeline")
    return differing(folder)


def main() -> int:
    """Compare, say how many files differ, and name them."""
    with tempfile.TemporaryDirectory(prefix="highways-same-") as name:
        folder = clone(Path(name) / "highways")
        try:
            files = make(folder, sys.argv[1:] or [*TRAINED, *DRAWN])
        except subprocess.CalledProcessError as error:
            print(f"error: {error.cmd[-3:]} ended with status {error.returncode}", file=sys.stderr)
            return 1
        count = len(git(folder, "ls-files", "--", *COMPARED).splitlines())
    print(*files, f"{len(files)} of {count} files differ from what is committed", sep="\n")
    return bool(files)


if __name__ == "__main__":
    sys.exit(main())
