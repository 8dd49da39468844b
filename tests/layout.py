"""A project for a test: what a checkout has before anything has been run."""

from __future__ import annotations

import shutil
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]


def lay_out(folder: Path) -> Path:
    """Copy the checkout's settings and references into a folder, and return it."""
    for name in ("examples", "profiles", "references", "notebooks"):
        shutil.copytree(REPOSITORY / name, folder / name)
    (folder / "data").mkdir(exist_ok=True)
    for name in ("dvc.yaml", "data/sources.yaml"):
        shutil.copyfile(REPOSITORY / name, folder / name)
    (folder / "params.yaml").write_text("active: [quick]\n")  # whatever is active in the checkout
    return folder
