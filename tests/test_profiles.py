"""Profiles: checked before anything runs, the exact list of a table's runs, and what is left of them."""

from pathlib import Path

import pytest
import yaml
from checkout import REPOSITORY, shrink
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook
from toolbox import SCHEMAS, refused

from highways.config.profiles import load_profile, profile_names, profile_path
from highways.experiments import BILSTM_DEPTH
from highways.experiments.depth import DepthProfile
from highways.report.forecast import forecast, seconds_per_unit, units
from highways.report.verdicts import judge_all, write_tables
from highways.training import sweep

PROFILES = ["laptop", "paper", "quick", "weekend"]


FILES = [(profile, name) for profile in PROFILES for name in SCHEMAS if profile_path(profile, name).exists()]


def test_experiments_with_committed_results_are_in_every_profile() -> None:
    assert profile_names() == PROFILES
    committed = {path.name for path in REPOSITORY.glob("results/laptop/[0-9]*")}
    assert len(committed) >= 10
    for profile in profile_names():
        files = {path.stem for path in profile_path(profile, "x").parent.glob("*.yaml")}
        assert committed <= files <= set(SCHEMAS)


@pytest.mark.parametrize(("profile", "name"), FILES)
def test_notebook_has_the_parameters_of_the_file_that_papermill_passes(name: str, profile: str) -> None:
    notebook = load_notebook_node(str(REPOSITORY / "notebooks" / f"{name}.ipynb"))
    filled = parameterize_notebook(notebook, yaml.safe_load(profile_path(profile, name).read_text()))
    namespace: dict = {}
    for cell in filled.cells:
        if {"parameters", "injected-parameters"} & set(cell.metadata.tags):
            exec(cell.source, namespace)
    assert SCHEMAS[name].from_namespace(namespace) == load_profile(profile, SCHEMAS[name])


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("drawn", {"10": "2"}, "key 'drawn.10': Input should be a valid integer, found '2'"),
        ("trials", True, "key 'trials': Input should be a valid integer, found True"),
        ("depths", {(1, 2): 3}, "keys must be str, int, float, bool or None, not tuple"),
    ],
)
def test_wrong_parameter_of_a_notebook_is_one_line(name: str, value: object, message: str) -> None:
    values = load_profile("weekend", DepthProfile).model_dump() | {name: value}
    with refused(f"parameters of 01_depth.ipynb: {message}"):
        DepthProfile.from_namespace(values)


def test_a_profile_of_ones_own_may_have_some_experiments_only(project: Path) -> None:
    shrink(project, "01_depth", profile="mine")
    (project / "profiles/mine").mkdir()
    (project / "profiles/quick/01_depth.yaml").rename(project / "profiles/mine/01_depth.yaml")
    assert write_tables("mine") == []
    verdicts = {row.verdict for row in judge_all("mine").judgements}
    assert verdicts <= {"not run", "replicated", "by construction"}, "but for what is counted"


def test_profiles_have_the_sources_networks() -> None:
    paper = load_profile("paper", DepthProfile)
    assert (paper.data, paper.trials, paper.epochs, paper.depths) == ("mnist", 40, 400, [10, 20, 50, 100])
    assert (paper.plain_width, paper.highway_width) == (71, 50)
    texts = load_profile("paper", BILSTM_DEPTH.schema).model_dump()
    assert {1, 12, 15, 20} <= set(texts["depths"])
    source = {"hidden": 300, "embedding": 300, "epochs": 10, "dropout": 0.6, "learning_rate": 1e-3, "clip_norm": 3.0}
    assert {name: texts[name] for name in source} == source


def test_trial_has_the_same_settings_for_both_kinds_and_all_depths_in_the_ranges_of_the_card() -> None:
    settings = load_profile("paper", DepthProfile)
    drawn: dict[int, set] = {}
    for run in settings.runs():
        drawn.setdefault(run.seed, set()).add((run.optimiser, run.network.activation))
    assert len(drawn) == 40
    assert all(len(settings) == 1 for settings in drawn.values())
    rates = sorted(settings.draw(trial)["learning_rate"] for trial in range(2000))
    assert 1e-5 <= rates[0] < 2e-5
    assert rates[1000] == pytest.approx(10**-2.5, rel=0.3), "log-uniform"
    assert 0.5 < rates[-1] <= 1
    card = (REPOSITORY / "notebooks" / "01_depth.ipynb").read_text()
    for text in ("log-uniform in [1e-5, 1]", "in [0.01, 0.5]", "in [0.001, 0.1]", "uniform in [-10, -1]"):
        assert text in card


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epoch": 3}, "unknown key 'epoch', did you mean 'epochs'? (allowed: "),
        ({"trials": "8"}, "key 'trials': Input should be a valid integer, found '8'"),
        ({"depths": [10, 20000]}, "key 'depths.1': Input should be less than or equal"),
        ({"depths": [10, 10]}, "key 'depths': 10 is given twice"),
        ({"device": "tpu"}, "key 'device': Input should be 'auto', 'cpu' or 'cuda'"),
        ({"profile": "laptop"}, "key 'profile' must be 'quick', found 'laptop'"),
    ],
)
def test_fault_is_one_line_that_names_file_and_key(project: Path, changes: dict, message: str) -> None:
    shrink(project, "01_depth", **changes)
    with refused(f"profiles/quick/01_depth.yaml: {message}"):
        load_profile("quick", DepthProfile)


def test_other_parameters_than_the_profiles_go_to_explore(capsys) -> None:
    values = load_profile("quick", DepthProfile).model_dump()
    assert DepthProfile.from_namespace(values | {"other": 1}).profile == "quick"
    assert DepthProfile.from_namespace(values | {"depths": [10, 30]}).profile == "explore"
    assert "results go to results/explore" in capsys.readouterr().out


def test_finished_runs_are_not_left_and_count_in_the_first_stage_that_lists_them(repository, monkeypatch) -> None:
    monkeypatch.setenv("HIGHWAYS_ROOT", str(repository))
    stages = {stage.name: stage for stage in forecast("laptop")}
    assert sum(stage.runs for stage in stages.values()) > 1000
    assert all(stage.left == stage.core_seconds == 0 for stage in stages.values())
    assert stages["04_gates"].runs == 6
    assert stages["05_lesion"].runs == 0, "its runs are those of 04_gates"


def test_recorded_seconds_are_scaled_by_layers_units_examples_and_epochs(project: Path, run_config) -> None:
    trained = sweep([run_config(seed=seed, epochs=3) for seed in range(4)], experiment="x", profile="x", mlflow=False)
    records = [record.model_copy(update={"timing": {"seconds": 1.5}}) for record in trained]
    rate = seconds_per_unit(records)["dense"] / records[0].environment["threads"]
    assert rate * units(run_config(epochs=3), 3) == pytest.approx(1.5)
    assert rate * units(run_config(), 12) == pytest.approx(6.0)
    deeper = run_config(depth=2 * run_config().network.depth)
    assert rate * units(deeper, 3) == pytest.approx(3.0)


def test_what_is_not_estimated_is_said(project: Path, says) -> None:
    out = " ".join(says("profile", "cost", "quick").split())
    assert "not estimated, as no CPU run of the family is recorded: dense" in out
    assert "what it runs follows from earlier records" in out
    out = " ".join(says("profile", "cost", "weekend").split())
    assert "have later rungs, not counted before the first is done" in out
