"""docs/extend.md, executed in a copy of the project."""

import hashlib
import re
from pathlib import Path

import checkout
import nbformat
import numpy as np
import pytest
from toolbox import write_idx

BLOCK = re.compile(r"^```(\w+) (\w+)(?:=(\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def squares(folder: Path) -> dict[str, str]:
    """Write a tiny data set; return the sha256 of its files by what the page calls them."""
    folder.mkdir(parents=True)
    sums = {}
    for part, name, count in (("train", "TRAIN", 40), ("t10k", "TEST", 10)):
        images = np.random.default_rng(0).integers(0, 255, (count, 28, 28))
        for kind, values in (("IMAGES", images), ("LABELS", np.arange(count) % 10)):
            path = folder / f"{part}-{kind.lower()}-idx{values.ndim}-ubyte.gz"
            sums[f"{name}_{kind}"] = hashlib.sha256(write_idx(path, values)).hexdigest()
    return sums


def notebook(text: str) -> nbformat.NotebookNode:
    """A notebook from its text: `# %%` opens a cell."""
    made = nbformat.v4.new_notebook()
    made.metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    for part in re.split(r"^# %%", text, flags=re.MULTILINE)[1:]:
        head, _, source = part.partition("\n")
        if "[markdown]" in head:
            made.cells.append(nbformat.v4.new_markdown_cell(re.sub(r"^# ?", "", source.strip(), flags=re.MULTILINE)))
        else:
            cell = nbformat.v4.new_code_cell(source.strip())
            cell.metadata["tags"] = re.findall(r'"(\w+)"', head)
            made.cells.append(cell)
    return made


@pytest.mark.pipeline
def test_the_page_does_what_it_says(repository: Path, tmp_path: Path) -> None:
    project = checkout.make(tmp_path / "highways")
    sums = squares(tmp_path / "mirror" / "squares")

    def call(*command: str) -> None:
        done = checkout.execute(project, *command, HIGHWAYS_DATA_MIRROR=str(tmp_path / "mirror"))
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"

    page = (repository / "docs" / "extend.md").read_text()
    blocks = BLOCK.findall(page)
    assert len(blocks) >= 12
    for _, action, name, content in blocks:
        path = project / name
        for word, value in sums.items():
            content = content.replace(word, value)
        if action == "file":
            path.write_text(content)
        elif action == "append":
            path.write_text(path.read_text() + content)
        elif action == "replace":
            old, new = content.split("===\n")
            assert path.read_text().count(old) == 1, f"{name}: {old}"
            path.write_text(path.read_text().replace(old, new))
        elif action == "notebook":
            nbformat.write(notebook(content), path)
        else:
            for line in content.splitlines():
                call(*line.split())
    folder = project / "results" / "quick" / "11_width"
    assert {path.name for path in folder.iterdir()} >= {"README.md", "width.png", "tables", "runs", "notebook.ipynb"}
    assert len(list((folder / "runs").glob("*.json"))) == 2
    assert "Sixteen units suffice." in (folder / "README.md").read_text()
    squared = (project / "profiles/quick/11_width.yaml").read_text().replace("data: digits", "data: squares")
    (project / "profiles/quick/11_width.yaml").write_text(squared)
    call("dvc", "repro", "11_width@quick")
    assert len(list((folder / "runs").glob("*squares*.json"))) == 2
    for name in ("rmsprop", "flowers.csv", "synthetic-tweets"):
        assert list((project / "results" / "adhoc" / "adhoc" / "runs").glob(f"*{name}*.json"))
