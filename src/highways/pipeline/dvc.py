"""`dvc.yaml`, generated from the experiments: `make pipeline` writes it, a test says that it is current."""

from pathlib import Path

from highways import paths
from highways.config.profiles import profile_names
from highways.experiments import EXPERIMENTS
from highways.experiments.base import Experiment
from highways.files import write_whole
from highways.report.render import render


def sources_of(experiment: Experiment) -> list[str]:
    """Return the files of an experiment's room: its module, and others that begin with its name."""
    folder, name = paths.root() / "src/highways/experiments", experiment.schema.__module__.split(".")[2]
    files = [folder / f"{name}.py", *sorted(folder.glob(f"{name}_*.py"))]
    return [path.relative_to(paths.root()).as_posix() for path in files]


def _all_before(experiment: Experiment) -> list[Experiment]:
    """Return the experiments whose records an experiment uses, directly or not, the earliest first."""
    before = [one for one in EXPERIMENTS if one.name in experiment.after]
    return list({other.name: other for one in before for other in [*_all_before(one), one]}.values())


def text() -> str:
    """Return the content of `dvc.yaml`."""
    before = {experiment.name: _all_before(experiment) for experiment in EXPERIMENTS}
    sources = {experiment.name: sources_of(experiment) for experiment in EXPERIMENTS}
    return render("dvc.yaml.j2", experiments=EXPERIMENTS, before=before, sources=sources, profiles=profile_names())


def write() -> Path:
    """Write `dvc.yaml` and return its path."""
    path = paths.root() / "dvc.yaml"
    write_whole(path, text())
    return path
