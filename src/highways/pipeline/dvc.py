"""`dvc.yaml`, generated from the experiments: `make pipeline` writes it, a test says that it is current."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, PackageLoader

from highways import paths
from highways.config.profiles import profile_names
from highways.experiments import EXPERIMENTS, REPORT
from highways.experiments.base import Experiment
from highways.tracking.records import write_atomically

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
    "experiments/small.py",
)
"""The generic rooms that every stage depends on, below `src/highways`. Claims are not among them: a reworded claim
runs the report again, and nothing else."""


def sources_of(experiment: Experiment) -> list[str]:
    """Return the files of an experiment's room: its module, and those beside it that begin with its name."""
    folder, name = paths.root() / "src/highways/experiments", experiment.schema.__module__.split(".")[2]
    files = [folder / f"{name}.py", *sorted(folder.glob(f"{name}_*.py"))]
    return [path.relative_to(paths.root()).as_posix() for path in files]


def _all_before(experiment: Experiment) -> list[Experiment]:
    """Return the experiments whose records an experiment uses, directly or not, the earliest first."""
    before = [one for one in EXPERIMENTS if one.name in experiment.after]
    return list({other.name: other for one in before for other in [*_all_before(one), one]}.values())


def _stage(experiment: Experiment) -> dict[str, object]:
    name, before = experiment.name, _all_before(experiment)
    deps = [f"notebooks/{name}.ipynb"]
    if experiment is REPORT:
        deps += ["profiles/${item}", "src/highways", "references"]
        deps += [f"results/${{item}}/{other.name}" for other in EXPERIMENTS if other.tables]
    else:
        deps += [path for other in (experiment, *before) for path in sources_of(other)]
        deps += [f"results/${{item}}/{other.name}/runs" for other in before]
        deps += [f"references/{file}" for file in experiment.references]
        deps += [f"src/highways/{room}" for room in ROOMS] + ["data/sources.yaml"]
    params = (
        [] if experiment is REPORT else [f"profiles/${{item}}/{other.name}.yaml" for other in (experiment, *before)]
    )
    return {"name": name, "title": experiment.title, "params": params, "deps": deps, "tables": experiment.tables}


def text() -> str:
    """Return the content of `dvc.yaml`."""
    template = Environment(
        loader=PackageLoader("highways.pipeline", ""), trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    ).get_template("dvc.yaml.j2")
    curves = [  # of what the report begins with; the other experiments show their figures
        (f"plot_{table.name}", table.plot, f"{experiment.name}/tables/{table.name}")
        for experiment in EXPERIMENTS
        for table in experiment.tables
        if experiment.lead and table.plot
    ]
    figures = [
        f"results/{profile}/{experiment.name}/{figure}.png"
        for profile in profile_names()
        for experiment in EXPERIMENTS
        for figure in experiment.figures
    ]
    stages = [_stage(experiment) for experiment in EXPERIMENTS]
    return template.render(stages=stages, curves=curves, figures=figures, profiles=profile_names())


def write() -> Path:
    """Write `dvc.yaml` and return its path."""
    path = paths.root() / "dvc.yaml"
    write_atomically(path, text())
    return path
