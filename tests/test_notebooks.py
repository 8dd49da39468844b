"""Notebooks and pipeline, executed on a profile shrunk further."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import time
from collections import Counter
from pathlib import Path

import checkout
import nbformat
import pytest
import yaml
from checkout import execute, shrink
from toolbox import OF_MLFLOW, SCHEMAS, run_cells

from highways.config import load_profile
from highways.experiments import EXPERIMENTS, REPORT
from highways.pipeline import dvc
from highways.report.tables import TABLES
from highways.report.verdicts import all_claims


def parameters(path: Path) -> dict:
    """The values in a notebook's parameters cell."""
    for cell in nbformat.read(path, as_version=4).cells:
        if "parameters" in cell.metadata.get("tags", []):
            values: dict = {}
            exec(cell.source, {}, values)
            return values
    raise AssertionError(f"{path}: no cell tagged parameters")


@pytest.mark.parametrize("notebook", sorted(SCHEMAS))
def test_parameters_cell_is_the_quick_profile(repository: Path, notebook: str) -> None:
    values = parameters(repository / "notebooks" / f"{notebook}.ipynb")
    quick = load_profile("quick", SCHEMAS[notebook])
    assert set(values) == set(quick.model_dump()), "all of them are there to be changed"
    assert SCHEMAS[notebook].model_validate(values) == quick


@pytest.mark.parametrize("notebook", sorted(SCHEMAS))
def test_profile_files_say_all_in_which_they_differ_from_the_cell(repository: Path, notebook: str) -> None:
    """Papermill passes what a file holds; what it does not hold stays as the parameters cell has it."""
    cell = parameters(repository / "notebooks" / f"{notebook}.ipynb")
    for path in sorted((repository / "profiles").glob(f"*/{notebook}.yaml")):
        passed = SCHEMAS[notebook].model_validate(cell | yaml.safe_load(path.read_text()))
        assert passed == load_profile(path.parent.name, SCHEMAS[notebook]), path


@pytest.mark.parametrize("notebook", sorted(SCHEMAS))
def test_notebook_opens_with_its_card(repository: Path, notebook: str) -> None:
    card = nbformat.read(repository / "notebooks" / f"{notebook}.ipynb", as_version=4).cells[0]
    assert card.cell_type == "markdown"
    assert card.source.startswith("# ")
    assert f"dvc repro {notebook}@quick" in card.source


def test_stages_are_the_notebooks(repository: Path) -> None:
    stages = yaml.safe_load((repository / "dvc.yaml").read_text())["stages"]
    assert set(stages) == set(SCHEMAS) == {path.stem for path in (repository / "notebooks").glob("*.ipynb")}
    outputs: list[str] = []
    for name, stage in stages.items():
        assert stage["foreach"] == "${active}"
        assert stage["do"]["cmd"] == 'highways notebook run "$DVC_STAGE"'
        assert name == REPORT.name or {f"profiles/${{item}}/{name}.yaml": None} in stage["do"]["params"]
        for entry in stage["do"]["outs"] + stage["do"].get("metrics", []):
            ((path, options),) = entry.items()
            assert options == {"cache": False, "persist": True}, "DVC removes other outputs before the stage runs"
            outputs.append(path)
        assert not any("claims.yaml" in dependency for dependency in stage["do"]["deps"]), "a reworded claim"
        assert name == REPORT.name or "references" not in stage["do"]["deps"]
    assert len(set(outputs)) == len(outputs)
    assert {f"results/${{item}}/{experiment.name}" for experiment, _ in TABLES.values()} <= set(outputs)


def test_a_stage_depends_on_its_own_room_and_those_before_it(repository: Path) -> None:
    stages = yaml.safe_load((repository / "dvc.yaml").read_text())["stages"]
    for experiment in EXPERIMENTS:
        if experiment is REPORT:
            continue
        deps = stages[experiment.name]["do"]["deps"]
        rooms = {dep for dep in deps if dep.startswith("src/highways/experiments/")}
        before = [one for one in EXPERIMENTS if f"results/${{item}}/{one.name}/runs" in deps]
        own = {path for one in [experiment, *before] for path in dvc.sources_of(one)}
        assert rooms == own | {f"src/highways/experiments/{name}.py" for name in ("base", "search", "small")}
        assert {one.name for one in before} >= set(experiment.after)
        assert "src/highways/claims" not in deps


def test_dvc_yaml_is_generated_and_short(repository: Path) -> None:
    text = (repository / "dvc.yaml").read_text()
    assert text == dvc.text(), "run `make pipeline`"
    stages, _, _ = text.partition("\nplots:\n")
    assert max(len(part.splitlines()) for part in stages.split("\n\n")) <= 16


def test_plots_are_the_figures_and_a_curve_of_a_table(repository: Path) -> None:
    names = {
        name: plot
        for entry in yaml.safe_load((repository / "dvc.yaml").read_text())["plots"]
        for name, plot in entry.items()
    }
    figures = {str(path.relative_to(repository)) for path in (repository / "results").glob("*/*/*.png")}
    assert figures <= names.keys()
    (curve,) = [plot for name, plot in names.items() if not name.endswith(".png")]
    template = (repository / ".dvc" / "plots" / f"{curve['template']}.json").read_text()
    for file, column in curve["y"].items():
        if (repository / file).exists():
            head = (repository / file).read_text().partition("\n")[0].split(",")
            assert {column, curve["x"], "network"} <= set(head)
    assert '"type": "log"' in template
    assert all(name[0].isalpha() for name in names), "DVC makes elements' names of them"


@pytest.mark.parametrize("notebook", sorted(set(SCHEMAS) - {REPORT.name}))
def test_notebook_explains_its_parameters_and_shows_its_layer(repository: Path, notebook: str) -> None:
    cells = nbformat.read(repository / "notebooks" / f"{notebook}.ipynb", as_version=4).cells
    texts = [cell.source for cell in cells]
    (before,) = [i for i, text in enumerate(texts) if text.startswith("## Parameters")]
    for name in parameters(repository / "notebooks" / f"{notebook}.ipynb"):
        assert f"`{name}`" in texts[before] or f"{name}," in texts[before] or f", {name}" in texts[before], name
    opened = next(i for i, text in enumerate(texts) if ".open(globals())" in text)
    lesson = next(i for i, text in enumerate(texts) if "import torch" in text)
    study = next(i for i, text in enumerate(texts) if "study.train()" in text or "study.analyse()" in text)
    assert before < opened < lesson < study
    assert "study.conclusion()" in texts
    code = [cell for cell in cells if cell.cell_type == "code" and "parameters" not in cell.metadata.get("tags", [])]
    assert max(len(cell.source.splitlines()) for cell in code) <= 18, "thin"


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout of the working tree, with its own history, whose quick profile is tiny."""
    return checkout.make(tmp_path_factory.mktemp("clone") / "highways")


def records(folder: Path) -> dict[str, int]:
    """Modification times of the records."""
    return {path.name: path.stat().st_mtime_ns for path in (folder / "results/quick/01_depth/runs").glob("*.json")}


@pytest.mark.pipeline
def test_pipeline_from_fresh_clone_to_report_and_back(clone: Path) -> None:
    first = execute(clone, "dvc", "repro")
    assert first.returncode == 0, first.stdout + first.stderr
    results = clone / "results" / "quick"
    trained = records(clone)
    assert len(trained) == 8
    for table in TABLES:
        folder = results / TABLES[table][0].name
        for name in (f"{table}.csv", f"{table}.md", f"{table}_cost.csv"):
            assert (folder / "tables" / name).exists()
        assert (folder / f"{table}.png").exists() or table == "initialisation_studies"
        assert (folder / "README.md").exists()
    assert (results / "claims.csv").exists()
    page = (results / "report.html").read_text()
    assert 'id="claim-depth-plain-degrades"' in page

    # the executed notebook shows its parameters
    executed = nbformat.read(results / "01_depth" / "notebook.ipynb", as_version=4)
    injected = [cell.source for cell in executed.cells if "injected-parameters" in cell.metadata.get("tags", [])]
    assert len(injected) == 1
    assert "trials = 2" in injected[0]

    # nothing to do
    began = time.monotonic()
    again = execute(clone, "dvc", "repro")
    assert again.returncode == 0
    assert "up to date" in again.stdout
    assert time.monotonic() - began < 20, "10 s on an idle machine"
    assert not [line for line in status(clone) if not line.startswith(("??", " M dvc.lock"))]

    # tables come out of both stores, to the byte
    table = (results / "01_depth" / "tables" / "depth.csv").read_bytes()
    accuracies = (results / "02_bilstm_depth" / "tables" / "bilstm_depth.csv").read_bytes()
    layers = (results / "04_gates" / "tables" / "gates.csv").read_bytes()
    for source in ("records", "mlflow"):
        made = execute(clone, "highways", "tables", "--from", source, "--output", f"out/{source}")
        assert made.returncode == 0, made.stderr
        assert (clone / "out" / source / "depth.csv").read_bytes() == table
        assert (clone / "out" / source / "bilstm_depth.csv").read_bytes() == accuracies
        assert (clone / "out" / source / "gates.csv").read_bytes() == layers
    assert execute(clone, "highways", "verify").returncode == 0

    # MLflow is rebuilt from nothing
    shutil.rmtree(clone / "mlruns")
    rebuilt = execute(clone, "highways", "tracking", "rebuild")
    assert rebuilt.returncode == 0, rebuilt.stderr
    assert "01_depth (quick): 8 runs" in rebuilt.stdout
    made = execute(clone, "highways", "tables", "--from", "mlflow", "--output", "out/rebuilt")
    assert made.returncode == 0, made.stderr
    assert (clone / "out" / "rebuilt" / "depth.csv").read_bytes() == table
    assert (clone / "out" / "rebuilt" / "gates.csv").read_bytes() == layers

    # another depth tried out in the notebook: only its runs are trained, the profile's results stay
    command = ["papermill", "notebooks/01_depth.ipynb", "out/tried.ipynb", "-k", "python3", "--no-progress-bar"]
    tried = execute(clone, *command, "-f", "profiles/quick/01_depth.yaml", "-y", "depths: [2, 4, 10]")
    assert tried.returncode == 0, tried.stdout + tried.stderr
    explored = clone / "results" / "explore"
    assert len(list((explored / "01_depth" / "runs").glob("*.json"))) == 12
    for name in trained:
        ours = (explored / "01_depth" / "runs" / name).read_bytes()
        assert ours == (results / "01_depth" / "runs" / name).read_bytes()
    assert (explored / "01_depth" / "tables" / "depth.csv").read_text().count("\n") == 7
    assert (results / "01_depth" / "tables" / "depth.csv").read_bytes() == table
    assert records(clone) == trained

    # one more depth in the profile: only its runs are trained
    shrink(clone, "01_depth", depths=[2, 3, 10])
    more = execute(clone, "dvc", "repro", "01_depth@quick")
    assert more.returncode == 0, more.stdout + more.stderr
    now = records(clone)
    assert len(now) == 12
    assert {name: time_ for name, time_ in now.items() if name in trained} == trained


@pytest.mark.pipeline
def test_a_stage_that_fails_leaves_what_was_there(clone: Path) -> None:
    results = clone / "results" / "quick"
    if not (results / "report.html").exists():
        assert execute(clone, "dvc", "repro").returncode == 0
    before = {path: path.read_bytes() for path in results.rglob("*") if path.suffix in (".csv", ".png", ".html", ".md")}
    before |= {path: path.read_bytes() for path in results.glob("verdicts.json")}
    for notebook in ("01_depth", "99_report"):
        path = clone / "notebooks" / f"{notebook}.ipynb"
        text = path.read_text()
        cells = json.loads(text)
        cells["cells"][-1]["source"] = ["raise ValueError('a fault in the last cell')"]
        path.write_text(json.dumps(cells))
        try:
            done = execute(clone, "dvc", "repro", "--single-item", f"{notebook}@quick")
        finally:
            path.write_text(text)
        assert done.returncode != 0
        log = f"results/quick/{notebook}/notebook.log"
        fault = f"error: {notebook}@quick: ValueError: a fault in the last cell (the log is {log})"
        assert fault in done.stderr.splitlines()
        assert "Traceback" not in done.stdout + done.stderr
        assert "a fault in the last cell" in (clone / log).read_text()
    assert {path: path.read_bytes() for path in before if path.exists()} == before


@pytest.mark.pipeline
def test_dvc_shows_verdicts_plots_and_parameters(clone: Path) -> None:
    if not (clone / "results/quick/report.html").exists():
        assert execute(clone, "dvc", "repro").returncode == 0
    shown = execute(clone, "dvc", "metrics", "show", "--md")
    assert "results/quick/verdicts.json" in shown.stdout
    assert "sources.inconclusive" in shown.stdout
    drawn = execute(clone, "dvc", "plots", "show")
    assert "dvc_plots/index.html" in drawn.stdout
    page = (clone / "dvc_plots" / "index.html").read_text()
    assert 'id = "plot_depth"' in page
    assert 'id="results_quick_04_gates_gates_png"' in page
    shrink(clone, "10_foundations", steps=3)
    changed = execute(clone, "dvc", "params", "diff", "--md")
    shrink(clone, "10_foundations", steps=2)
    assert re.search(r"profiles/quick/10_foundations.yaml \| steps +\| 2 +\| 3", changed.stdout), changed.stdout


@pytest.mark.pipeline
def test_dvc_keeps_what_is_tried_as_an_experiment(tmp_path: Path) -> None:
    clone = checkout.make(tmp_path / "highways")
    profile = clone / "profiles" / "quick" / "01_depth.yaml"
    assert execute(clone, "dvc", "repro", "01_depth@quick").returncode == 0
    before, stood = profile.read_text(), records(clone)
    epochs = yaml.safe_load(before)["epochs"] + 1
    change = f"{profile.relative_to(clone)}:epochs={epochs}"
    tried = execute(clone, "dvc", "exp", "run", "--name", "longer", "-S", change, "01_depth@quick")
    assert tried.returncode == 0, tried.stdout + tried.stderr
    assert yaml.safe_load(profile.read_text())["epochs"] == epochs
    now = records(clone)
    assert {name: time_ for name, time_ in now.items() if name in stood} == stood, "nothing is trained again"
    lengths = Counter(
        json.loads((clone / "results/quick/01_depth/runs" / name).read_text())["config"]["budget"]["epochs"]
        for name in now.keys() - stood.keys()
    )
    trials = yaml.safe_load(before)["trials"] * len(yaml.safe_load(before)["depths"]) * 2
    assert lengths == {epochs: trials}
    shown = execute(clone, "dvc", "exp", "show", "--csv")
    assert shown.returncode == 0, shown.stderr
    (row,) = [row for row in csv.DictReader(shown.stdout.splitlines()) if row["Experiment"] == "longer"]
    assert row["profiles/quick/01_depth.yaml:epochs"] == str(epochs)


def status(folder: Path) -> list[str]:
    done = subprocess.run(["git", "status", "--porcelain"], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


@pytest.mark.pipeline
def test_unknown_key_stops_the_pipeline_before_anything_runs(clone: Path) -> None:
    path = clone / "profiles" / "quick" / "01_depth.yaml"
    before = path.read_text()
    path.write_text(before + "colour: red\n")
    try:
        done = execute(clone, "dvc", "repro", "01_depth@quick")
    finally:
        path.write_text(before)
    assert done.returncode != 0
    assert "error: profiles/quick/01_depth.yaml: unknown key 'colour' (allowed: " in done.stderr
    assert "01_depth@quick:" not in done.stdout + done.stderr


SEARCHED = {"data": ["digits"], "epochs": 1, "search": "quick"}
DEEP = {"depths": {"digits": [900]}, "cost_depths": [5], "cost_steps": 2, "signal_examples": 20, "search_depth": 10}
SMALL = {"depths": [1, 2], "seeds": 1, "epochs": 1, "hidden": 8, "embedding": 8, "batch_size": 200, "beside": None}


@pytest.mark.pipeline
@pytest.mark.parametrize(
    ("notebook", "changes", "runs"),
    [
        ("01_depth", {"data": "digits", "trials": 1, "epochs": 1}, 8),
        ("02_bilstm_depth", SMALL | {"data": ["synthetic-tweets"]}, 7),
        ("03_conv", {"trainings": [{"network": "highway-mnist-16", "data": "digits", "epochs": 1, "runs": 1}]}, 1),
        ("04_gates", SEARCHED | {"transform_bias": {"digits": -2.0}, "depth": 10, "ranks": {}}, 1),
        ("06_very_deep", SEARCHED | DEEP, 2),
    ],
)
@OF_MLFLOW
def test_paper_profile_runs_for_one_epoch(study: Path, tracked_project: Path, notebook, changes, runs) -> None:
    """The same networks, on data that are at hand."""
    path = study / "profiles" / "paper-test" / f"{notebook}.yaml"
    parameters = yaml.safe_load((study / "profiles" / "paper" / path.name).read_text())
    parameters |= changes | {"profile": "paper-test"}
    path.parent.mkdir()
    path.write_text(yaml.safe_dump(parameters))
    run_cells(notebook, parameters)
    assert len(list((study / f"results/paper-test/{notebook}/runs").glob("*.json"))) == runs


@pytest.mark.pipeline
def test_notebook_runs_from_its_own_folder_as_jupyterlab_does(clone: Path) -> None:
    done = execute(
        clone / "notebooks",
        *(
            "jupyter",
            "nbconvert",
            "--to",
            "notebook",
            "--execute",
            "99_report.ipynb",
            "--output-dir",
            str(clone / "out"),
        ),
        PYTHONPATH=str(clone / "src"),
    )
    assert done.returncode == 0, done.stderr
    executed = json.loads((clone / "out" / "99_report.ipynb").read_text())
    text = json.dumps(executed)
    theirs = [claim for claim in all_claims().values() if not claim.source.startswith("our ")]
    assert f"{len(theirs)} claims of the sources: " in text
