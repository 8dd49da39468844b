"""What a profile will cost, before it runs: reckoned from what the recorded runs took."""

from __future__ import annotations

import heapq
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from highways.config import AnalysisConfig, RunConfig
from highways.data import examples
from highways.report.standins import features, work
from highways.tracking import AnalysisRecord, RunRecord
from highways.tracking.environment import moved
from highways.training.groups import signature, trains_together

STEP_S = 1.6e-3
"""Core seconds of a step that do not grow with the group or the network: Lightning's calls, the batch. Measured by the
recorded groups of 6 and of 12 networks of one layer, which took 2.5 and 4.1 s an epoch of 600 steps."""
LEAST = 0.1
"""Of a group's time, what is its members' at least."""
OTHER_NAME, OTHER_KIND, OTHER_DATA, OTHER_PRECISION, OTHER_WORK = 0.5, 0.3, 0.4, 0.4, 0.3
"""How far a record is away that differs in that; in work, for every factor of e."""


@dataclass(frozen=True)
class Group:
    """A group of runs that was trained together, as its records tell.

    Attributes:
        config: Of one of its members.
        members: Runs that were trained together.
        live: Epochs of all members, each until it diverged.
        epochs: Of the member that trained longest.
        planned: Epochs of all members, had none diverged.
        core_seconds: Of the group: seconds times threads.
        threads: Of its process.
        workers: Processes that trained beside each other.
        keys: Runs of it whose records were found.
    """

    config: RunConfig
    members: int
    live: float
    epochs: int
    planned: int
    core_seconds: float
    threads: int
    workers: int
    keys: tuple[str, ...]

    @property
    def rate(self) -> float:
        """Core seconds of an epoch of one member that has not diverged."""
        return max(self.core_seconds - self.epochs * _steps_s(self.config), LEAST * self.core_seconds) / self.live

    @property
    def survival(self) -> float:
        """Fraction of the planned epochs that were trained."""
        return self.live / self.planned


def group_of(record: RunRecord) -> tuple[str, float, int]:
    """Return what records of one group share: shape, and the seconds of all, to the millisecond."""
    alone = "" if trains_together(record.config) else record.run_key
    return signature(record.config) + alone, record.timing["group_seconds"], record.engine["group"]


def on_one_cpu(record: RunRecord | AnalysisRecord) -> bool:
    """Tell whether the seconds of a record are a CPU's, and one's alone."""
    return record.environment.get("device") == "cpu" and not moved(
        record.environment, ("processor", "device", "threads", "platform")
    )


def recorded_groups(records: Iterable[RunRecord]) -> list[Group]:
    """Return the groups that records on CPUs were trained in, there alone; a run that is recorded twice counts once."""
    found: dict[tuple[str, float, int], dict[str, RunRecord]] = defaultdict(dict)
    for record in records:
        if on_one_cpu(record) and "group_seconds" in record.timing:
            found[group_of(record)][record.run_key] = record
    groups = []
    for (_, seconds, members), by_key in found.items():
        runs = list(by_key.values())
        epochs = [record.diverged_epoch or record.epochs for record in runs]
        share = members / len(runs)  # of some groups not all records are here
        groups.append(
            Group(
                config=runs[0].config,
                members=members,
                live=sum(epochs) * share,
                epochs=max(epochs),
                planned=round(sum(record.config.budget.epochs for record in runs) * share),
                core_seconds=seconds * runs[0].environment["threads"],
                threads=runs[0].environment["threads"],
                workers=runs[0].engine["workers"],
                keys=tuple(by_key),
            )
        )
    return groups


def fastest(groups: Iterable[Group]) -> list[Group]:
    """Return of every shape of networks, data and batches the group that took the least time."""
    found: dict[str, Group] = {}
    for group in groups:
        shape = _shape(group.config)
        if shape not in found or group.rate < found[shape].rate:
            found[shape] = group
    return list(found.values())


@dataclass(frozen=True)
class Estimate:
    """What something will cost.

    Attributes:
        core_seconds: Seconds times threads, on the machine of the records.
        exact: A record of the same network on the same data tells; else it is scaled from another.
    """

    core_seconds: float
    exact: bool


@dataclass(frozen=True)
class _Rate:
    rate: float
    survival: float
    exact: bool


class Ledger:
    """What the records say that things cost.

    Where the same thing was recorded more than once, the least counts: whatever else a machine does only adds.

    Args:
        runs: Records of runs, the same run more than once perhaps.
        analyses: Records of analyses.
        own: A run's own network may tell what it costs; else only other networks do.
    """

    def __init__(self, runs: Iterable[RunRecord], analyses: Iterable[AnalysisRecord] = (), own: bool = True):
        self.groups, self.analyses, self.own = recorded_groups(runs), list(analyses), own
        self._rates: dict[str, _Rate | None] = {}

    @cached_property
    def _by_shape(self) -> dict[str, list[Group]]:
        found: dict[str, list[Group]] = defaultdict(list)
        for group in self.groups:
            found[_shape(group.config)].append(group)
        return found

    @cached_property
    def _works(self) -> dict[str, float]:
        return {shape: epoch_work(groups[0].config) for shape, groups in self._by_shape.items()}

    def group(self, configs: Sequence[RunConfig]) -> Estimate | None:
        """Return what a group of runs will cost; `None` where no run of the family is recorded.

        Args:
            configs: The runs that train together, all of one shape.
        """
        rate = self._rate(configs[0])
        if rate is None:
            return None
        planned = sum(config.budget.epochs for config in configs)
        epochs = max(config.budget.epochs for config in configs)
        return Estimate(rate.rate * planned * rate.survival + epochs * _steps_s(configs[0]), rate.exact)

    def _rate(self, config: RunConfig) -> _Rate | None:
        shape = _shape(config)
        if shape not in self._rates:
            known = self._by_shape.get(shape, []) if self.own else []
            self._rates[shape] = self._known(known) if known else self._nearest(config, shape)
        return self._rates[shape]

    def _known(self, groups: Sequence[Group]) -> _Rate:
        survival = sum(group.live for group in groups) / sum(group.planned for group in groups)
        return _Rate(min(group.rate for group in groups), survival, exact=True)

    def _nearest(self, config: RunConfig, shape: str) -> _Rate | None:
        own = epoch_work(config)
        best: tuple[float, str, float] | None = None
        for other, groups in self._by_shape.items():
            there = groups[0].config
            if there.network.family != config.network.family or other == shape:
                continue
            theirs = self._works[other]
            distance = OTHER_WORK * abs(math.log(own / theirs))
            distance += OTHER_NAME * (there.network.shown_as != config.network.shown_as)
            distance += OTHER_KIND * (getattr(there.network, "kind", "") != getattr(config.network, "kind", ""))
            distance += OTHER_KIND * (_activation(there) != _activation(config))
            distance += OTHER_DATA * (there.data.name != config.data.name)
            distance += OTHER_PRECISION * (there.precision != config.precision)
            if best is None or (distance, other) < best[:2]:
                best = (distance, other, own / theirs)
        if best is None:
            return None
        known = self._known(self._by_shape[best[1]])
        return _Rate(known.rate * best[2], known.survival, exact=False)

    def analysis(self, config: AnalysisConfig, key: str) -> Estimate | None:
        """Return what an analysis will cost; `None` where none of its kind is recorded.

        Args:
            config: The analysis.
            key: Its key.
        """
        known = [one for one in self.analyses if one.kind == config.measure.kind]
        same = [one for one in known if one.key == key] if self.own else []
        if same:
            return Estimate(min(_core_seconds(one) for one in same), exact=True)
        others = [one for one in known if one.key != key]
        if not others:
            return None
        if config.run is None:
            studied = _study_work(config)
            return Estimate(min(_core_seconds(one) * studied / _study_work(one.config) for one in others), exact=False)
        own = work(config.run)
        scaled = [
            (abs(math.log(own / (theirs := work(one.run)))), one.key, _core_seconds(one) * own / theirs)
            for one in others
            if one.config.run is not None
        ]
        return Estimate(min(scaled)[2], exact=False) if scaled else None


def _activation(config: RunConfig) -> str:
    return str(getattr(config.network, "activation", ""))


def _study_work(config: AnalysisConfig) -> float:
    """Return a number that grows with what a study does: its steps, and the data where it reads any."""
    steps = float(getattr(config.measure, "steps", 1))
    return steps if config.data is None else steps * examples(config.data.name, "train") * features(config.data)


def _steps_s(config: RunConfig) -> float:
    """Return the core seconds of an epoch that are its steps' own, where several networks share them."""
    if not trains_together(config):
        return 0.0
    return STEP_S * math.ceil(training_examples(config) / config.budget.batch_size)


def _core_seconds(record: AnalysisRecord) -> float:
    return record.timing["seconds"] * record.environment["threads"]


def _shape(config: RunConfig) -> str:
    """Return what decides the time of an epoch: the network, the data, the batches, the optimiser."""
    same = config.model_copy(update={"budget": config.budget.model_copy(update={"epochs": 1})})
    return signature(same.model_copy(update={"order_seed": 0, "seed": 0}))


def epoch_work(config: RunConfig) -> float:
    """Return a number that grows in proportion to the arithmetic of an epoch, within a family of networks."""
    return work(config) * training_examples(config)


def training_examples(config: RunConfig) -> int:
    """Return how many examples a run is trained on."""
    pictures = config.data.pictures
    fewer = config.data.training_examples or (pictures.training_images if pictures is not None else None)
    return fewer or examples(config.data.name, "train")


def makespan(seconds: Iterable[float], slots: int) -> float:
    """Return the time that jobs take on so many processes, the longest first, as engines start them."""
    loads = [0.0] * max(slots, 1)
    for one in sorted(seconds, reverse=True):
        heapq.heappush(loads, heapq.heappop(loads) + one)
    return max(loads)


def corrected(seconds: float, family: str, speed: Mapping[str, float]) -> float:
    """Return seconds on this machine.

    Args:
        seconds: On the machine of the records.
        family: Of the network; empty for what has none.
        speed: By family, how many times the records' time this machine takes; of others the geometric mean.
    """
    if not speed:
        return seconds
    mean = math.exp(sum(map(math.log, speed.values())) / len(speed))
    return seconds * speed.get(family, mean)
