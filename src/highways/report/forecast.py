"""`highways profile cost`: the runs that a profile has left, and an estimate of their core hours."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from highways.config import RunConfig, profile_path
from highways.data import trained_on
from highways.errors import HighwaysError, NotYet
from highways.experiments import EXPERIMENTS
from highways.tracking import RecordStore, RunRecord, run_keys


@dataclass
class Forecast:
    """The runs that a stage has left, and their estimated cost."""

    name: str
    runs: int = 0
    """Number of runs that no earlier stage lists."""
    left: int = 0
    """Number of these runs without a record."""
    core_seconds: float = 0.0
    """Estimated core seconds of the runs that are left; analyses are not estimated."""
    remarks: list[str] = field(default_factory=list)
    """What the estimate leaves out, and why."""


def forecast(profile: str) -> list[Forecast]:
    """Forecast the cost of every stage of a profile."""
    experiments = [one for one in EXPERIMENTS if profile_path(profile, one.name).exists()]
    if not experiments:
        raise HighwaysError(f"profiles/{profile} has no notebook's parameters")
    recorded = RecordStore.everywhere()
    rates, listed, stages = seconds_per_unit(map(RunRecord.read, recorded.values())), set[str](), []
    for experiment in experiments:
        stages.append(stage := Forecast(experiment.name))
        settings = experiment.of(profile).settings
        try:
            runs = settings.runs()
        except NotYet as error:
            stage.remarks.append(f"what it runs follows from earlier records: {error}")
            continue
        own = {key: run for key, run in zip(run_keys(runs), runs, strict=True) if key not in listed}
        listed.update(own)
        left = [run for key, run in own.items() if key not in recorded]
        stage.runs, stage.left = len(own), len(left)
        stage.core_seconds = sum(rates.get(run.network.family, 0.0) * units(run, run.budget.epochs) for run in left)
        if waiting := settings.waiting():
            later = f"the searches of {len(waiting)} networks have later rungs, not counted before the first is done"
            stage.remarks.append(later)
        if unknown := ", ".join(sorted({run.network.family for run in left} - rates.keys())):
            stage.remarks.append(f"not estimated, as no CPU run of the family is recorded: {unknown}")
    return stages


def seconds_per_unit(records: Iterable[RunRecord]) -> dict[str, float]:
    """Return the core seconds per unit (see `units`) of runs recorded on CPUs, by family of networks."""
    seconds, done = defaultdict[str, float](float), defaultdict[str, float](float)
    for record in records:
        if record.environment.get("device") == "cpu":
            family = record.config.network.family
            seconds[family] += record.timing["seconds"] * record.environment.get("threads", 1)
            done[family] += units(record.config, record.diverged_epoch or record.epochs)
    return {family: seconds[family] / done[family] for family in seconds if done[family]}


def units(config: RunConfig, epochs: int) -> float:
    """Return a measure of a training run's arithmetic: `network.work` x examples x epochs."""
    return config.network.work * trained_on(config.data) * epochs
