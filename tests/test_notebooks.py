"""Notebooks and pipeline, executed on a profile shrunk further."""

import csv
import json
import os
import re
import shutil
from pathlib import Path

import checkout
import nbformat
import pytest
import yaml
from checkout import REPOSITORY, execute, git, shrink
from dvc.cli import main as dvc_main
from toolbox import OF_MLFLOW, SCHEMAS, run_cells

from highways.config import load_profile
from highways.experiments import EXPERIMENTS, REPORT
from highways.pipeline.generated import dvc_text, sources_of
from highways.report.verdicts import TABLES, all_claims


def cells_of(notebook: str) -> tuple[list[str], dict]:
    """The texts of a notebook's cells, and the values in its parameters cell."""
    cells, values = nbformat.read(REPOSITORY / "notebooks" / f"{notebook}.ipynb", as_version=4).cells, {}
    (cell,) = [cell for cell in cells if "parameters" in cell.metadata.get("tags", [])]
    exec(cell.source, {}, values)
    thick = [one for one in cells if one.cell_type == "code" and one != cell and len(one.source.splitlines()) > 18]
    assert thick == [], "notebooks are thin"
    return [cell.source for cell in cells], values


@pytest.mark.parametrize("notebook", sorted(SCHEMAS))
def test_notebook_has_its_card_explains_the_quick_profiles_parameters_and_shows_its_layer(notebook: str) -> None:
    texts, values = cells_of(notebook)
    assert texts[0].startswith("# ")
    assert f"dvc repro {notebook}@quick" in texts[0]
    quick = load_profile("quick", SCHEMAS[notebook])
    assert set(values) == set(quick.model_dump()), "all of them are there to be changed"
    assert SCHEMAS[notebook].model_validate(values) == quick
    if notebook == REPORT.name:
        return

    def first(*marks: str) -> int:
        return next(number for number, text in enumerate(texts) if any(mark in text for mark in marks))

    order = [first("## Parameters"), first(".open(globals())"), first("import torch"), first(".train()", ".analyse()")]
    assert order == sorted(order)
    for name in values:
        assert re.search(rf"`{name}`|{name},|, {name}", texts[order[0]]), name
    assert "study.conclusion()" in texts


def test_stages_are_the_notebooks_and_depend_on_their_own_room_and_those_before_it() -> None:
    text = (REPOSITORY / "dvc.yaml").read_text()
    assert text == dvc_text(), "run `make pipeline`"
    assert max(len(part.splitlines()) for part in text.partition("\nplots:\n")[0].split("\n\n")) <= 16
    stages = yaml.safe_load(text)["stages"]
    assert set(stages) == set(SCHEMAS) == {path.stem for path in (REPOSITORY / "notebooks").glob("*.ipynb")}
    outputs: list[str] = []
    for experiment in EXPERIMENTS:
        name, stage = experiment.name, stages[experiment.name]["do"]
        assert stages[name]["foreach"] == "${active}"
        assert stage["cmd"] == 'highways notebook run "$DVC_STAGE"'
        for entry in stage["outs"] + stage.get("metrics", []):
            ((path, options),) = entry.items()
            assert options == {"cache": False, "persist": True}, "DVC removes other outputs before the stage runs"
            outputs.append(path)
        deps = stage["deps"]
        assert not any("claims.yaml" in dependency for dependency in deps), "a reworded claim"
        if experiment is REPORT:
            continue
        assert {f"profiles/${{item}}/{name}.yaml": None} in stage["params"]
        assert not {"references", "src/highways/claims"} & set(deps)
        before = [one for one in EXPERIMENTS if f"results/${{item}}/{one.name}/runs" in deps]
        assert {one.name for one in before} >= set(experiment.after)
        own = {path for one in [experiment, *before] for path in sources_of(one)}
        rooms = {dep for dep in deps if dep.startswith("src/highways/experiments/")}
        assert rooms == own | {f"src/highways/experiments/{name}.py" for name in ("base", "search", "small")}
    assert len(set(outputs)) == len(outputs)
    assert {f"results/${{item}}/{experiment.name}" for experiment, _ in TABLES.values()} <= set(outputs)


def test_plots_are_the_figures_and_a_curve_of_a_table() -> None:
    entries = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["plots"]
    plots = {name: plot for entry in entries for name, plot in entry.items()}
    figures = {path.relative_to(REPOSITORY) for path in (REPOSITORY / "results").glob("*/*/*.png")}
    assert {str(path) for path in figures if path.parts[1] != "explore"} <= plots.keys()
    (curve,) = [plot for name, plot in plots.items() if not name.endswith(".png")]
    assert '"type": "log"' in (REPOSITORY / ".dvc" / "plots" / f"{curve['template']}.json").read_text()
    for file, column in curve["y"].items():
        if (REPOSITORY / file).exists():
            head = (REPOSITORY / file).read_text().partition("\n")[0].split(",")
            assert {column, curve["x"], "network"} <= set(head)
    assert all(name[0].isalpha() for name in plots), "DVC makes elements' names of them"


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh checkout whose quick profile is tiny, with what `dvc repro` has made of it."""
    folder = checkout.make(tmp_path_factory.mktemp("clone") / "highways")
    execute(folder, "dvc", "repro")
    return folder


@pytest.fixture
def clone(reproduced: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The checkout, where this process is at work, too."""
    monkeypatch.setenv("HIGHWAYS_ROOT", str(reproduced))
    monkeypatch.setenv("HIGHWAYS_OFFLINE", "1")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(reproduced)
    return reproduced


def records(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in (folder / "results/quick/01_depth/runs").glob("*.json")}


@pytest.mark.pipeline
@OF_MLFLOW
def test_pipeline_from_fresh_clone_to_report_and_back(clone: Path, call) -> None:
    results = clone / "results" / "quick"
    trained = records(clone)
    assert len(trained) == 8
    for table in TABLES:
        folder = results / TABLES[table][0].name
        for name in (f"{table}.csv", f"{table}_cost.csv"):
            assert (folder / "tables" / name).exists()
        assert (folder / f"{table}.png").exists() or table == "initialisation_studies"
        assert (folder / "README.md").exists()
    assert (results / "claims.csv").exists()
    assert 'id="claim-depth-plain-degrades"' in (results / "report.html").read_text()
    executed = nbformat.read(results / "01_depth" / "notebook.ipynb", as_version=4)
    (injected,) = [cell.source for cell in executed.cells if "injected-parameters" in cell.metadata.get("tags", [])]
    assert "trials = 2" in injected, "it shows its parameters"

    # nothing to do
    began = sum(os.times()[2:4])
    again = execute(clone, "dvc", "repro")
    assert "up to date" in again.stdout
    assert sum(os.times()[2:4]) - began < 20, "seconds of the processor; 10 s on an idle machine"
    assert git(clone, "status", "--porcelain", "--untracked-files=no") in (b"", b" M dvc.lock\n")

    # tables come out of both stores, to the byte
    files = ("01_depth/tables/depth.csv", "02_bilstm_depth/tables/bilstm_depth.csv", "04_gates/tables/gates.csv")
    tables = {Path(file).name: (results / file).read_bytes() for file in files}
    for source in ("records", "mlflow"):
        assert call("tables", "--from", source, "--output", f"out/{source}") == 0
        assert {name: (clone / "out" / source / name).read_bytes() for name in tables} == tables
    assert call("verify") == 0

    # another depth tried out in the notebook: only its runs are trained, the profile's results stay
    parameters = yaml.safe_load((clone / "profiles/quick/01_depth.yaml").read_text())
    run_cells("01_depth", parameters | {"depths": [2, 4, 10]})
    explored = clone / "results" / "explore" / "01_depth"
    assert len(list((explored / "runs").glob("*.json"))) == 12
    for name in trained:
        assert (explored / "runs" / name).read_bytes() == (results / "01_depth" / "runs" / name).read_bytes()
    assert (explored / "tables" / "depth.csv").read_text().count("\n") == 7
    assert (results / "01_depth" / "tables" / "depth.csv").read_bytes() == tables["depth.csv"]
    assert records(clone) == trained

    # MLflow is rebuilt from nothing
    shutil.rmtree(clone / "mlruns")
    assert "01_depth (quick): 8 runs" in execute(clone, "highways", "tracking", "rebuild").stdout
    execute(clone, "highways", "tables", "--from", "mlflow", "--output", "out/rebuilt")
    assert {name: (clone / "out" / "rebuilt" / name).read_bytes() for name in tables} == tables

    # one more depth, tried as an experiment of DVC's: only its runs are trained
    deeper = "profiles/quick/01_depth.yaml:depths"
    execute(clone, "dvc", "exp", "run", "--name", "deeper", "-S", f"{deeper}=[2,3,10]", "01_depth@quick")
    now = records(clone)
    assert len(now) == 12
    assert {name: time for name, time in now.items() if name in trained} == trained
    listed = execute(clone, "dvc", "exp", "show", "--csv").stdout.splitlines()
    (row,) = [row for row in csv.DictReader(listed) if row["Experiment"] == "deeper"]
    assert row[deeper] == "[2, 3, 10]"


@pytest.mark.pipeline
def test_a_stage_that_fails_leaves_what_was_there(clone: Path) -> None:
    kinds = (".csv", ".png", ".html", ".md")
    kept = [path for path in (clone / "results/quick").rglob("*") if path.suffix in kinds or path.stem == "verdicts"]
    before = {path: path.read_bytes() for path in kept}
    notebooks = {name: clone / "notebooks" / f"{name}.ipynb" for name in ("01_depth", "99_report")}
    texts = {path: path.read_text() for path in notebooks.values()}
    for path, text in texts.items():
        book = json.loads(text)
        book["cells"][-1]["source"] = ["raise ValueError('a fault in the last cell')"]
        path.write_text(json.dumps(book))
    try:
        options = ("--single-item", "--ignore-errors", *(f"{name}@quick" for name in notebooks))
        done = execute(clone, "dvc", "repro", *options)
    finally:
        for path, text in texts.items():
            path.write_text(text)
    for name in notebooks:
        log = f"results/quick/{name}/notebook.log"
        line = f"error: {name}@quick: ValueError: a fault in the last cell (the log is {log})"
        assert line in done.stderr.splitlines()
        assert "a fault in the last cell" in (clone / log).read_text()
    assert "Traceback" not in done.stdout + done.stderr
    assert {path: path.read_bytes() for path in before if path.exists()} == before


@pytest.mark.pipeline
@pytest.mark.filterwarnings("ignore")  # DVC's
def test_dvc_shows_verdicts_plots_and_parameters(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def dvc(*arguments: str) -> str:
        assert dvc_main([*arguments]) == 0
        return capsys.readouterr().out

    shown = dvc("metrics", "show", "--md")
    assert "results/quick/verdicts.json" in shown
    assert "sources.inconclusive" in shown
    assert "dvc_plots/index.html" in dvc("plots", "show")
    page = (clone / "dvc_plots" / "index.html").read_text()
    assert 'id = "plot_depth"' in page
    assert 'id="results_quick_04_gates_gates_png"' in page
    shrink(clone, "10_foundations", steps=3)
    changed = dvc("params", "diff", "--md")
    shrink(clone, "10_foundations", steps=2)
    assert re.search(r"profiles/quick/10_foundations.yaml \| steps +\| 2 +\| 3", changed), changed


@pytest.mark.pipeline
@OF_MLFLOW
def test_notebook_runs_from_its_own_folder_as_jupyterlab_does(clone: Path, monkeypatch, capsys) -> None:
    monkeypatch.delenv("HIGHWAYS_ROOT")
    monkeypatch.chdir(clone / "notebooks")
    run_cells("99_report", {})
    theirs = [claim for claim in all_claims().values() if not claim.source.startswith("our ")]
    assert f"{len(theirs)} claims of the sources: " in capsys.readouterr().out
    assert not (clone / "notebooks" / "results").exists()


SMALL = {"depths": [1, 2], "seeds": 1, "epochs": 1, "hidden": 8, "embedding": 8, "batch_size": 200, "beside": None}
GATES = {"own_search": {"trials": 2, "epochs": 1, "keep": 1}, "transform_bias": {"digits": -2.0}, "depth": 10}


@pytest.mark.pipeline
@pytest.mark.parametrize(
    ("notebook", "changes", "runs"),
    [
        ("01_depth", {"data": "digits", "trials": 1, "epochs": 1}, 8),
        ("02_bilstm_depth", SMALL | {"data": ["synthetic-tweets"]}, 7),
        ("03_conv", {"trainings": [{"network": "highway-mnist-16", "data": "digits", "epochs": 1, "runs": 1}]}, 1),
        ("04_gates", GATES | {"data": ["digits"], "epochs": 2}, 3),
    ],
)
@OF_MLFLOW
def test_paper_profile_runs_for_an_epoch_or_two(study: Path, tracked_project: Path, notebook, changes, runs) -> None:
    """The same networks, on data that are at hand."""
    path = study / "profiles" / "paper-test" / f"{notebook}.yaml"
    parameters = yaml.safe_load((study / "profiles" / "paper" / path.name).read_text())
    parameters |= changes | {"profile": "paper-test"}
    path.parent.mkdir()
    path.write_text(yaml.safe_dump(parameters))
    run_cells(notebook, parameters)
    assert len(list((study / f"results/paper-test/{notebook}/runs").glob("*.json"))) == runs
