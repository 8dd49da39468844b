"""What is left of a profile, stage by stage, and what it will cost on this machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from highways import paths
from highways.config import AnalysisConfig, Profile, RunConfig
from highways.config.profiles import profile_path
from highways.data.sources import sources
from highways.errors import HighwaysError, NotYet
from highways.experiments import EXPERIMENTS, Experiment
from highways.quantities import duration, gigabytes
from highways.report.costs import Ledger, corrected, makespan, on_one_cpu, recorded_groups, training_examples
from highways.report.standins import FLOAT, data_bytes, group_bytes, parameters
from highways.tracking import AnalysisRecord, AnalysisStore, RecordStore, RunRecord, analysis_keys, run_keys
from highways.training import device
from highways.training.groups import groups
from highways.training.memory import PROCESS_BYTES

START_S = 14.0
"""Core seconds of a notebook whose runs all stand: start, imports, tables, figures, MLflow."""
RECORD_BYTES = 4_000
"""Of a run's record, and as much in MLflow's database."""


@dataclass(frozen=True)
class Asked:
    """What is asked of an outlook.

    Attributes:
        workers: Processes of a machine; `None` for what each stage's file says.
        nodes: Machines like this one, each with as many processes.
        every: Count what is finished, too.
        speed: By family of networks, how many times the records' time this machine takes.
    """

    workers: int | None = None
    nodes: int = 1
    every: bool = False
    speed: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class StageCost:
    """What a stage will cost.

    Attributes:
        name: Of the experiment.
        runs: Runs that it lists, but for those that an earlier stage trains.
        left: Of these, those that have no record.
        analyses_left: Analyses that have no record.
        core_seconds: Of what is counted: seconds times threads.
        seconds: By the clock, notebook and all.
        recorded: Core seconds of what is recorded of the stage.
        memory: Bytes of the process that trains the largest group.
        disk: Bytes of records and weights, and of the largest resume point.
        reckoned: Runs and analyses whose like is in no record, scaled from others.
        remarks: What cannot be known, and why.
    """

    name: str
    runs: int = 0
    left: int = 0
    analyses_left: int = 0
    core_seconds: float = 0.0
    seconds: float = 0.0
    recorded: float = 0.0
    memory: float = 0.0
    disk: float = 0.0
    reckoned: int = 0
    remarks: tuple[str, ...] = ()


class Archive:
    """All records of the project: what tells the costs, and what is finished."""

    def __init__(self) -> None:
        folder = paths.root() / "results"
        self.runs = [RunRecord.read(path) for path in sorted(folder.glob(f"*/*/{RecordStore.kind}/*.json"))]
        self.analyses = [AnalysisRecord.read(path) for path in sorted(folder.glob(f"*/*/{AnalysisStore.kind}/*.json"))]
        self.run_by_key = {record.run_key: record for record in self.runs}
        self.analysis_by_key = {record.key: record for record in self.analyses}
        self.ledger = Ledger(self.runs, self.analyses)


def outlook(profile: str, asked: Asked, archive: Archive) -> list[StageCost]:
    """Return what every stage of a profile will cost, in their order.

    A run that several stages list is counted in the first of them.

    Args:
        profile: Name of the profile.
        asked: What is counted, and on what machine.
        archive: The records.

    Raises:
        HighwaysError: The profile or a file of it is at fault.
    """
    seen: set[str] = set()
    stages = []
    for experiment in EXPERIMENTS:
        if profile_path(profile, experiment.name).exists():
            stages.append(_stage(experiment, experiment.of(profile).settings, asked, archive, seen))
    if not stages:
        raise HighwaysError(f"profiles/{profile} has no notebook's parameters")
    return stages


def _stage(experiment: Experiment, settings: Profile, asked: Asked, archive: Archive, seen: set[str]) -> StageCost:
    remarks: list[str] = []
    try:
        runs, analyses = settings.runs(), settings.analyses()
    except NotYet as error:
        runs, analyses = [], []
        remarks.append(f"what it analyses is not known yet, and not counted: {error}")
    foreseen = settings.foreseen()
    if foreseen:
        remarks.append(f"{len(foreseen)} of its runs follow from records: others like them are counted")
    listed = {key: run for key, run in zip(run_keys(runs), runs, strict=True) if key not in seen}
    seen.update(listed)
    left = {key: run for key, run in listed.items() if key not in archive.run_by_key}
    if experiment.tables and not (runs or analyses or remarks):
        remarks.append("not known yet: what it lists follows from an earlier notebook")
    possible = dict(zip(analysis_keys(analyses), analyses, strict=True))
    made = {key: one for key, one in possible.items() if _is_possible(one, archive)}
    to_make = {key: one for key, one in made.items() if key not in archive.analysis_by_key}

    jobs = _jobs(list(listed.values()), foreseen, set() if asked.every else set(listed) - set(left))
    stage = StageCost(
        name=experiment.name,
        runs=len(listed) + len(foreseen),
        left=len(left) + len(foreseen),
        analyses_left=len(to_make),
        recorded=_recorded(listed, made, archive),
        remarks=tuple(remarks),
    )
    return _with_costs(stage, jobs, made if asked.every else to_make, settings, asked, archive)


def _is_possible(analysis: AnalysisConfig, archive: Archive) -> bool:
    """Tell whether an analysis can be made; of a run that diverged there are no weights."""
    if not analysis.measure.needs_weights or analysis.run is None:
        return True
    trained = archive.run_by_key.get(run_keys([analysis.run])[0])
    return trained is None or trained.status == "finished"


def _jobs(listed: Sequence[RunConfig], foreseen: Sequence[RunConfig], finished: set[str]) -> list[list[RunConfig]]:
    """Return the groups that will be trained; of the foreseen ones those that train together by their shape."""
    found = []
    keys = run_keys(listed)
    for group in groups(listed, keys):
        if left := [listed[index] for index in group if keys[index] not in finished]:
            found.append(left)
    numbers = [str(number) for number in range(len(foreseen))]  # several stand-ins may be one run
    return found + [[foreseen[index] for index in group] for group in groups(foreseen, numbers)]


def _recorded(listed: Mapping[str, RunConfig], analyses: Mapping[str, AnalysisConfig], archive: Archive) -> float:
    """Return the core seconds of what is recorded of a stage; a GPU's are none of a core's."""
    records = [archive.run_by_key[key] for key in listed if key in archive.run_by_key]
    made = [archive.analysis_by_key[key] for key in analyses if key in archive.analysis_by_key]
    cpu = [record for record in [*records, *made] if on_one_cpu(record)]
    return sum(record.timing["seconds"] * record.environment.get("threads", 1) for record in cpu)


def _with_costs(
    stage: StageCost,
    jobs: Sequence[Sequence[RunConfig]],
    analyses: Mapping[str, AnalysisConfig],
    settings: Profile,
    asked: Asked,
    archive: Archive,
) -> StageCost:
    """Return a stage with what its groups and analyses will cost."""
    cores = device.cores()
    workers = min(asked.workers or settings.workers, cores)
    threads = max(1, cores // workers)
    unknown: set[str] = set()
    seconds, reckoned = [], 0
    for job in jobs:
        family = job[0].network.family
        if (cost := archive.ledger.group(job)) is None:
            unknown.add(f"no network of the family {family} is in any record: {len(job)} runs are not counted")
        else:
            seconds.append(corrected(cost.core_seconds, family, asked.speed))
            reckoned += 0 if cost.exact else len(job)
    studies = 0.0
    for key, analysis in analyses.items():
        if (cost := archive.ledger.analysis(analysis, key)) is None:
            unknown.add(f"no analysis of the kind {analysis.measure.kind!r} is in any record: not counted")
        else:
            studies += corrected(cost.core_seconds, analysis.run.network.family if analysis.run else "", asked.speed)
            reckoned += not cost.exact
    clock = makespan([one / threads for one in seconds], workers * asked.nodes)
    start = corrected(START_S, "", asked.speed)
    return replace(
        stage,
        core_seconds=sum(seconds) + studies,
        seconds=clock + studies / cores + start,
        memory=max(map(_memory, _largest(jobs)), default=PROCESS_BYTES),
        disk=_disk(jobs, len(analyses)),
        reckoned=reckoned,
        remarks=stage.remarks + tuple(sorted(unknown)),
    )


def _largest(jobs: Sequence[Sequence[RunConfig]]) -> list[Sequence[RunConfig]]:
    """Return the jobs that may need most memory: of each family and data set the one with most weights and members."""
    found: dict[tuple[str, str], Sequence[RunConfig]] = {}
    for job in sorted(jobs, key=lambda job: len(job) * parameters(job[0]) * job[0].budget.batch_size):
        found[job[0].network.family, job[0].data.name] = job
    return list(found.values())


def _memory(job: Sequence[RunConfig]) -> float:
    data, config = sources()[job[0].data.name], job[0]
    testing = sum(count for part, count in data.examples.items() if part != "train")
    return PROCESS_BYTES + data_bytes(config.data, training_examples(config), testing) + group_bytes(config, len(job))


def _disk(jobs: Sequence[Sequence[RunConfig]], analyses: int) -> float:
    weights = [FLOAT * parameters(job[0]) * len(job) for job in jobs]
    records = 2 * RECORD_BYTES * (sum(len(job) for job in jobs) + analyses)
    return sum(weights) + records + 3 * max(weights, default=0.0)


def reckoned_from_others(records: Sequence[RunRecord]) -> tuple[float, float] | None:
    """Return the core seconds that recorded runs should have cost, each network reckoned from the other networks.

    Args:
        records: Of one experiment and profile; nothing else is read.

    Returns:
        What is reckoned, and what the same runs did cost; `None` where no network has another to be reckoned from.
    """
    ledger, reckoned, fact = Ledger(records, own=False), 0.0, 0.0
    for group in recorded_groups(records):
        if (cost := ledger.group([group.config] * group.members)) is not None:
            reckoned, fact = reckoned + cost.core_seconds, fact + group.core_seconds
    return (reckoned, fact) if fact else None


HEADS = ("stage", "runs left", "analyses left", "core time", "by the clock", "memory", "disk")


def table_of(stages: Sequence[StageCost], asked: Asked) -> tuple[list[str], list[list[str]]]:
    """Return the heads and rows of an outlook, a total at its end.

    Args:
        stages: The stages.
        asked: What was asked.
    """
    rows = [_row(stage, asked) for stage in stages]
    total = StageCost(
        name="all",
        runs=sum(stage.runs for stage in stages),
        left=sum(stage.left for stage in stages),
        analyses_left=sum(stage.analyses_left for stage in stages),
        core_seconds=sum(stage.core_seconds for stage in stages),
        seconds=sum(stage.seconds for stage in stages),
        recorded=sum(stage.recorded for stage in stages),
        memory=max(stage.memory for stage in stages),
        disk=sum(stage.disk for stage in stages),
        reckoned=sum(stage.reckoned for stage in stages),
    )
    rows.append(_row(total, asked))
    return ([*HEADS, "recorded core time"] if asked.every else list[str](HEADS)), rows


def _row(stage: StageCost, asked: Asked) -> list[str]:
    row = [
        stage.name,
        f"{stage.left} of {stage.runs}",
        str(stage.analyses_left),
        duration(stage.core_seconds) + ("*" if stage.reckoned else ""),
        duration(stage.seconds),
        gigabytes(stage.memory),
        gigabytes(stage.disk),
    ]
    return [*row, duration(stage.recorded)] if asked.every else row
