"""`highways profile cost`: what a profile has left to run, and about how many core hours that takes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from highways import paths
from highways.config import RunConfig
from highways.config.profiles import profile_path
from highways.data import examples
from highways.errors import HighwaysError, NotYet
from highways.experiments import EXPERIMENTS
from highways.experiments.base import Experiment
from highways.tracking import AnalysisStore, RecordStore, RunRecord, analysis_keys, run_keys


@dataclass(frozen=True)
class Forecast:
    """What a stage has left to run.

    Attributes:
        name: Name of the experiment.
        runs: Number of runs it lists, except those that an earlier stage lists.
        left: Number of those that have no record.
        analyses_left: Number of analyses that have no record; their time is not estimated.
        core_seconds: Estimated core seconds of the runs that are left.
        remarks: What the estimate leaves out, and why.
    """

    name: str
    runs: int
    left: int
    analyses_left: int
    core_seconds: float
    remarks: tuple[str, ...] = ()


NUMBERS = ("runs", "left", "analyses_left", "core_seconds")
"""Fields of a forecast that add up over stages."""


def forecast(profile: str) -> list[Forecast]:
    """Forecast every stage of a profile.

    Raises:
        HighwaysError: The profile or one of its files is at fault.
    """
    experiments = [one for one in EXPERIMENTS if profile_path(profile, one.name).exists()]
    if not experiments:
        raise HighwaysError(f"profiles/{profile} has no notebook's parameters")
    runs = {path.stem: path for path in sorted((paths.root() / "results").glob(f"*/*/{RecordStore.kind}/*.json"))}
    analyses = {path.stem for path in (paths.root() / "results").glob(f"*/*/{AnalysisStore.kind}/*.json")}
    records = [RunRecord.read(path) for path in runs.values()]
    diverged = {record.run_key for record in records if record.status != "finished"}
    rates, listed = seconds_per_unit(records), set[str]()
    return [_stage(one, profile, runs.keys() | analyses, diverged, rates, listed) for one in experiments]


def _stage(
    experiment: Experiment,
    profile: str,
    recorded: set[str],
    diverged: set[str],
    rates: Mapping[str, float],
    listed: set[str],
) -> Forecast:
    settings, remarks = experiment.of(profile).settings, []
    try:
        runs, analyses = settings.runs(), settings.analyses()
    except NotYet as error:
        runs, analyses = [], []
        remarks.append(f"what it runs follows from earlier records: {error}")
    analyses = [
        one
        for one in analyses
        if one.run is None or not one.measure.needs_weights or diverged.isdisjoint(run_keys([one.run]))
    ]
    own = {key: run for key, run in zip(run_keys(runs), runs, strict=True) if key not in listed}
    listed.update(own)
    left = [run for key, run in own.items() if key not in recorded]
    if waiting := settings.waiting():
        remarks.append(
            f"the searches of {len(waiting)} networks have later rungs, not counted before the first is done"
        )
    if unknown := {run.network.family for run in left} - rates.keys():
        remarks.append(f"not estimated, as no CPU run of the family is recorded: {', '.join(sorted(unknown))}")
    return Forecast(
        name=experiment.name,
        runs=len(own),
        left=len(left),
        analyses_left=len(set(analysis_keys(analyses)) - recorded),
        core_seconds=sum(rates.get(run.network.family, 0.0) * units(run, run.budget.epochs) for run in left),
        remarks=tuple(remarks),
    )


def seconds_per_unit(records: Iterable[RunRecord]) -> dict[str, float]:
    """Return, by family of networks, the core seconds that recorded runs took per unit of `units`, on CPUs."""
    seconds, done = defaultdict[str, float](float), defaultdict[str, float](float)
    for record in records:
        if record.environment.get("device") == "cpu":
            family = record.config.network.family
            seconds[family] += record.timing["seconds"] * record.environment.get("threads", 1)
            done[family] += units(record.config, record.diverged_epoch or record.epochs)
    return {family: seconds[family] / done[family] for family in seconds if done[family]}


def units(config: RunConfig, epochs: int) -> float:
    """Return a measure of a training's arithmetic: layers x units (`network.work`) x examples x epochs."""
    pictures = config.data.pictures
    fewer = config.data.training_examples or (pictures.training_images if pictures is not None else None)
    return config.network.work * (fewer or examples(config.data, "train")) * epochs
