"""`highways new experiment`: what it writes lints, loads, draws and is judged."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import yaml
from toolbox import record_of

from highways.config import load_profile
from highways.tracking import Listed

MADE = ("src/highways/experiments/tried.py", "notebooks/97_tried.ipynb", "tests/test_tried.py")


@pytest.fixture
def source(project: Path, repository: Path) -> Path:
    """A project with the package that a new experiment joins."""
    (project / "tests").mkdir()
    shutil.copytree(repository / "src", project / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    shutil.copyfile(repository / "pyproject.toml", project / "pyproject.toml")
    return project


def test_new_experiment_lints_loads_and_is_judged(source: Path, monkeypatch, call, capsys) -> None:
    assert call("new", "experiment", "97_tried") == 0
    assert capsys.readouterr().out.splitlines()[:2] == list(MADE[:2])
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
    claim = yaml.safe_load((source / "references/claims.yaml").read_text())["tried-16-suffice"]
    assert experiment.named_measures.fault(claim["measure"]) is None

    cells = nbformat.read(source / MADE[1], as_version=4).cells
    values: dict = {}
    exec(next(cell.source for cell in cells if cell.metadata.get("tags") == ["parameters"]), {}, values)
    assert experiment.schema.model_validate(values) == settings


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("width", "error: 'width': an experiment is called by two digits and a word, such as 11_width\n"),
        ("05_width", "error: notebooks/05_lesion.ipynb: there is one already\n"),
    ],
)
def test_name_must_be_free_and_have_a_number(source: Path, call, capsys, name: str, message: str) -> None:
    assert call("new", "experiment", name) == 1
    assert capsys.readouterr().err == message
    assert not (source / MADE[0]).exists()
