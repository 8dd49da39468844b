"""`dvc.yaml`, generated from the experiments: `make pipeline` writes it, a test says that it is current."""

from __future__ import annotations

from pathlib import Path

from highways import paths
from highways.config.profiles import profile_names
from highways.experiments import EXPERIMENTS, REPORT
from highways.experiments.base import Experiment
from highways.tracking.records import write_atomically

HEAD = """\
# Generated from the experiments by `make pipeline`. One stage an experiment and active profile: 01_depth@quick, ...
# What a stage has made is kept until it is made anew (persist): only runs without a record are trained, and a stage
# that fails or is interrupted leaves tables, figures and verdicts as they were.
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
    "experiments/search.py",
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
    parameters = [f"profiles/${{item}}/{one.name}.yaml" for one in [experiment, *before]]
    deps = [f"notebooks/{name}.ipynb", source_of(experiment), *(source_of(other) for other in before)]
    deps += [f"results/${{item}}/{other.name}/runs" for other in before]
    deps += [f"references/{file}" for file in experiment.references]
    deps += [f"src/highways/{room}" for room in ROOMS] + ["data/sources.yaml"]
    return (
        f"{_head(experiment)}"
        f"      params: [{', '.join(f'{{{_quoted(path)}: null}}' for path in parameters)}]\n"
        f"      deps: [{', '.join(_quoted(dep) for dep in deps)}]\n"
        f"      outs: [{{'results/${{item}}/{name}': {{cache: false, persist: true}}}}]\n"
    )


def _head(experiment: Experiment) -> str:
    name = experiment.name
    return (
        f"  {name}:\n    foreach: ${{active}}\n    do:\n      desc: {experiment.title}\n"
        f"      cmd: highways notebook run ${{item}} {name}\n"
    )


def _all_before(experiment: Experiment, known: dict[str, Experiment]) -> list[str]:
    found: list[str] = []
    for other in experiment.after:
        found += [*_all_before(known[other], known), other]
    return list(dict.fromkeys(found))


def _report() -> str:
    name, kept = REPORT.name, "{cache: false, persist: true}"
    results = [f"results/${{item}}/{one.name}" for one in EXPERIMENTS if one.tables]
    deps = [f"notebooks/{name}.ipynb", "profiles/${item}", "src/highways", "references", *results]
    return (
        f"{_head(REPORT)}"
        f"      deps: [{', '.join(_quoted(dep) for dep in deps)}]\n"
        "      outs:\n"
        f"        - results/${{item}}/claims.csv: {kept}\n"
        f"        - results/${{item}}/claims.json: {kept}\n"
        f"        - results/${{item}}/report.html: {kept}\n"
        f"      metrics: ['results/${{item}}/verdicts.json': {kept}]\n"
    )


def _plots() -> str:
    """Return what `dvc plots` draws: the main table of every experiment, the profiles beside each other."""
    entries = []
    for experiment in EXPERIMENTS:
        for table in experiment.tables:
            if table.plot is not None:
                x, y = table.plot
                files = [f"results/{profile}/{experiment.name}/tables/{table.name}.csv" for profile in profile_names()]
                entries.append(
                    f"  - {experiment.name}:\n      template: scatter\n      x: {x}\n"
                    f"      y: {{{', '.join(f'{file}: {y}' for file in files)}}}\n"
                    f"      title: '{experiment.title}'\n"
                )
    return "plots:\n" + "".join(entries)


def _quoted(text: str) -> str:
    return f"'{text}'" if "$" in text else text


def text() -> str:
    """Return the content of `dvc.yaml`."""
    stages = [_report() if experiment is REPORT else _stage(experiment) for experiment in EXPERIMENTS]
    return HEAD + "\n".join([*stages, _plots()])


def path() -> Path:
    """Return the path of `dvc.yaml`."""
    return paths.root() / "dvc.yaml"


def write() -> Path:
    """Write `dvc.yaml` and return its path."""
    write_atomically(path(), text())
    return path()
