"""docs/extend.md, executed in a copy; what `highways new experiment` writes lints, draws and is judged."""

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import checkout
import nbformat
import numpy as np
import pytest
from toolbox import record_of, write_idx

from highways.claims.judge import read_claims
from highways.config import load_profile
from highways.tracking import Listed

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


@pytest.mark.pipeline
def test_the_page_does_what_it_says(repository: Path, tmp_path: Path) -> None:
    project = checkout.make(tmp_path / "highways")
    sums = squares(tmp_path / "mirror" / "squares")

    def call(*command: str) -> None:
        checkout.execute(project, *command, HIGHWAYS_DATA_MIRROR=str(tmp_path / "mirror"))

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
        else:
            for line in content.splitlines():
                call(*line.split())
    folder = project / "results" / "quick" / "11_width"
    assert {path.name for path in folder.iterdir()} >= {"README.md", "width.png", "tables", "runs", "notebook.ipynb"}
    assert len(list((folder / "runs").glob("*.json"))) == 2
    results = (folder / "README.md").read_text()
    assert "Sixteen units suffice." in results
    assert "The least width that learns anything" in results
    squared = (project / "profiles/quick/11_width.yaml").read_text().replace("data: digits", "data: squares")
    (project / "profiles/quick/11_width.yaml").write_text(squared)
    call("dvc", "repro", "11_width@quick")
    assert len(list((folder / "runs").glob("*squares*.json"))) == 2
    for name in ("rmsprop", "flowers.csv", "synthetic-tweets"):
        assert list((project / "results" / "adhoc" / "adhoc" / "runs").glob(f"*{name}*.json"))


MADE = ("src/highways/experiments/tried.py", "notebooks/97_tried.ipynb", "tests/test_tried.py")


@pytest.fixture
def source(project: Path, repository: Path) -> Path:
    """A project with the package that a new experiment joins."""
    (project / "tests").mkdir()
    shutil.copytree(repository / "src", project / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    shutil.copyfile(repository / "pyproject.toml", project / "pyproject.toml")
    return project


def test_new_experiment_lints_loads_and_is_judged(source: Path, monkeypatch, says) -> None:
    assert says("new", "experiment", "97_tried").splitlines()[:2] == list(MADE[:2])
    for command in (["format", "--check"], ["check"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--no-cache", "src", *MADE]
        subprocess.run(ruff, cwd=source, check=True, capture_output=True)
    environment = os.environ | {"PYTHONPATH": str(source / "src")}
    pytest_here = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", MADE[2]]
    done = subprocess.run(pytest_here, cwd=source, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    register = (source / "src/highways/experiments/__init__.py").read_text()
    assert "    TRIED,\n    REPORT,\n)" in register

    spec = importlib.util.spec_from_file_location("highways.experiments.tried", source / MADE[0])
    monkeypatch.setitem(sys.modules, spec.name, made := importlib.util.module_from_spec(spec))
    spec.loader.exec_module(made)
    experiment = made.TRIED
    settings = load_profile("quick", experiment.schema)
    records = Listed(
        record_of(run, {"train_cross_entropy": [2.0, loss]})
        for run, loss in zip(settings.runs(), (1.5, 1.0), strict=True)
    )
    assert [tuple(row.values())[::2] for row in experiment.rows(records)] == [(4, 1.5), (16, 1.0)]
    assert experiment.figures["tried"](records).panels[0].lines
    assert set(read_claims({experiment.name: experiment.named_measures})) == {"tried-16-suffice"}

    cells = nbformat.read(source / MADE[1], as_version=4).cells
    values: dict = {}
    exec(next(cell.source for cell in cells if cell.metadata.get("tags") == ["parameters"]), {}, values)
    assert experiment.schema.model_validate(values) == settings


def test_name_must_be_free_and_have_a_number(source: Path, fails) -> None:
    for name, message in (
        ("width", "'width': an experiment is called by two digits and a word, such as 11_width"),
        ("11_lambda", "'11_lambda': an experiment is called by two digits and a word, such as 11_width"),
        ("05_width", "notebooks/05_lesion.ipynb: there is one already"),
    ):
        assert fails("new", "experiment", name) == message
        assert not (source / MADE[0]).exists()
