"""JupyterLab as `make lab` opens it: the checkout is its root, and a notebook is saved without its outputs.

Outputs in a file would mark it as changed for git, and its stage for DVC. On the screen they stay; what a notebook
computes is in `results/`.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def strip(model: dict[str, Any], path: str = "", **_: object) -> None:
    """Take outputs and what a kernel leaves behind out of a notebook of this folder before it is written.

    Args:
        model: What is saved; changed in place.
        path: Where, from the root.
    """
    notebook = model.get("content")
    if model.get("type") != "notebook" or not notebook or PurePosixPath(path).parent.name != "notebooks":
        return
    notebook["metadata"] = METADATA
    for cell in notebook["cells"]:
        cell["metadata"] = {name: value for name, value in cell["metadata"].items() if name == "tags" and value}
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None


if "get_config" in globals():  # read by the server
    c = get_config()  # type: ignore[name-defined]  # noqa: F821
    c.ServerApp.root_dir = str(ROOT)
    c.LabApp.default_url = "/lab/tree/notebooks/01_depth.ipynb"
    c.FileContentsManager.pre_save_hook = strip
