"""`dvc.yaml`, generated from the experiments: `make pipeline` writes it, a test says that it is current."""

from __future__ import annotations

from pathlib import Path

from highways import paths
from highways.experiments import EXPERIMENTS, REPORT
from highways.experiments.base import Experiment
from highways.tracking.records import write_atomically

HEAD = """\
# Generated from the experiments by `make pipeline`. One stage an experiment and active profile: 01_depth@quick, ...
# An experiment's folder is kept when its stage runs again (persist), so that only runs without a record are trained.
stages:
"""
ROOMS = (
    "config",
    "nn",
    "data",
    "tracking",
    "training",
    "inside",
    "show",
    "experiments/base.py",
    "experiments/rungs.py",
)
"""The generic rooms that every stage depends on, below `src/highways`. Claims are not among them: a reworded claim
runs the report again, and nothing else."""


def source_of(experiment: Experiment) -> str:
    """Return where an experiment's room lies: a module, or a folder where it is large."""
    module = experiment.schema.__module__.split(".")[2]
    folder = paths.root() / "src" / "highways" / "experiments" / module
    return f"src/highways/experiments/{module}" if folder.is_dir() else f"src/highways/experiments/{module}.py"


def _stage(experiment: Experiment) -> str:
    name = experiment.name
    known = {one.name: one for one in EXPERIMENTS}
    before = [known[other] for other in _all_before(experiment, known)]
    deps = [f"notebooks/{name}.ipynb", f"profiles/${{item}}/{name}.yaml", source_of(experiment)]
    deps += [dep for other in before for dep in (source_of(other), f"profiles/${{item}}/{other.name}.yaml")]
    deps += [f"results/${{item}}/{other.name}/runs" for other in before]
    deps += [f"references/{file}" for file in experiment.references]
    deps += [f"src/highways/{room}" for room in ROOMS] + ["data/sources.yaml"]
    return (
        f"  {name}:\n    foreach: ${{active}}\n    do:\n      desc: {experiment.title}\n      cmd:\n"
        f"        - highways profile check ${{item}} {name}\n"
        f"        - HIGHWAYS_PROGRESS=lines papermill notebooks/{name}.ipynb results/${{item}}/{name}/notebook.ipynb"
        f" -f profiles/${{item}}/{name}.yaml -k python3 --log-output --no-progress-bar\n"
        f"      deps: [{', '.join(_quoted(dep) for dep in deps)}]\n"
        f"      outs: [{{'results/${{item}}/{name}': {{cache: false, persist: true}}}}]\n"
    )


def _all_before(experiment: Experiment, known: dict[str, Experiment]) -> list[str]:
    found: list[str] = []
    for other in experiment.after:
        found += [*_all_before(known[other], known), other]
    return list(dict.fromkeys(found))


def _report() -> str:
    name = REPORT.name
    results = [f"results/${{item}}/{one.name}" for one in EXPERIMENTS if one.tables]
    deps = [f"notebooks/{name}.ipynb", "profiles/${item}", "src/highways", "references", *results]
    return (
        f"  {name}:\n    foreach: ${{active}}\n    do:\n      desc: {REPORT.title}\n      cmd:\n"
        f"        - highways profile check ${{item}} {name}\n"
        f"        - HIGHWAYS_PROGRESS=lines papermill notebooks/{name}.ipynb results/${{item}}/{name}/notebook.ipynb"
        f" -f profiles/${{item}}/{name}.yaml -k python3 --log-output --no-progress-bar\n"
        f"      deps: [{', '.join(_quoted(dep) for dep in deps)}]\n"
        "      outs:\n"
        "        - results/${item}/claims.csv: {cache: false}\n"
        "        - results/${item}/claims.json: {cache: false}\n"
        "        - results/${item}/report.html: {cache: false}\n"
        "      metrics: ['results/${item}/verdicts.json': {cache: false}]\n"
    )


def _quoted(text: str) -> str:
    return f"'{text}'" if "$" in text else text


def text() -> str:
    """Return the content of `dvc.yaml`."""
    return HEAD + "\n".join(_report() if experiment is REPORT else _stage(experiment) for experiment in EXPERIMENTS)


def path() -> Path:
    """Return the path of `dvc.yaml`."""
    return paths.root() / "dvc.yaml"


def write() -> Path:
    """Write `dvc.yaml` and return its path."""
    write_atomically(path(), text())
    return path()
