"""What a full judgement of a claim needs, a class a kind: each says what it asks for, and in what it is not met."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, ClassVar, Generic, TypeVar

from pydantic import ConfigDict, Field, RootModel

from highways.claims.verdicts import Scope
from highways.config import RunConfig, Strict
from highways.config.run import STAND_INS
from highways.data import examples
from highways.tracking import AnalysisRecord, Listed, RunRecord

Value = TypeVar("Value")
Lack = tuple[str, str]
"""What is required, and what there is."""


def cell_of(run: RunConfig) -> tuple[str, int]:
    """Return a run's kind of network and its depth."""
    return run.network.kind, run.network.depth


@dataclass(frozen=True)
class Ground:
    """What a verdict rests on."""

    data: Sequence[str]
    """Names of data sets."""
    runs: Sequence[RunRecord]
    """Those that the claim concerns."""
    study: AnalysisRecord | None = None
    """The study that the claim is about; then runs do not count."""
    kinds_asked: frozenset[str] = frozenset()
    """Kinds of networks that there must be."""
    pruned: bool = False
    """The runs are the best of a search that trained them alone to the end."""

    @property
    def lost(self) -> bool:
        """All its runs diverged."""
        return self.study is None and {run.status for run in self.runs} == {"diverged"}

    @cached_property
    def cells(self) -> dict[tuple[str, int], list[RunRecord]]:
        """The runs by kind of network and depth."""
        found: dict[tuple[str, int], list[RunRecord]] = {}
        for run in self.runs:
            found.setdefault(cell_of(run.config), []).append(run)
        return found


class Requirement(RootModel[Value], Generic[Value]):
    """One thing that is needed, as `references/claims.yaml` has it under the name of its kind."""

    model_config = ConfigDict(frozen=True, strict=True)
    name: ClassVar[str]

    def text(self) -> str:
        """Return it as a part of a line."""
        return f"{self.name}: {self.root}"

    def concerns(self, run: RunConfig) -> bool:
        """Tell whether a run's outcome can matter."""
        return True

    @abstractmethod
    def lack(self, ground: Ground) -> Lack | None:
        """Return in what it is not met, `None` where it is."""

    def met(self, ground: Ground) -> bool:
        """Tell whether it is met."""
        return self.lack(ground) is None


Name = Annotated[str, Field(min_length=1)]


class Data(Requirement[Name | Annotated[list[Name], Field(min_length=1)]]):
    """A data set, or several, on all of which is measured."""

    name = "data"

    @property
    def names(self) -> list[str]:
        """The data sets, in a list."""
        return [self.root] if isinstance(self.root, str) else self.root

    def text(self) -> str:
        """Return it as a part of a line."""
        return f"data: {' '.join(self.names)}"

    def lack(self, ground: Ground) -> Lack | None:
        """Return the data sets there are, where they are others."""
        return None if set(ground.data) == set(self.names) else (" ".join(self.names), " ".join(ground.data) or "none")


class Number(Requirement[Annotated[int, Field(ge=1)]]):
    """At least so many: of a study, or in every kind of network at each depth."""

    of_studies: ClassVar[bool] = True
    """A study can have it; what only runs have is met by a study."""

    def count(self, cell: Sequence[RunRecord]) -> int | None:
        """Return how many there are in one kind of network at one depth; `None` where that cannot be asked."""
        return None

    def lack(self, ground: Ground) -> Lack | None:
        """Return how many there are, where they are too few."""
        if ground.study is not None:
            had = [getattr(ground.study.config.measure, self.name, 0)] if self.of_studies else []
        else:
            had = [count for cell in list(ground.cells.values()) or [[]] if (count := self.count(cell)) is not None]
        return (f"{self.root:,}", f"{least:,}") if (least := min(had, default=self.root)) < self.root else None


class Epochs(Number):
    """At least so many epochs, of the longest training of each kind of network at each depth."""

    name = "epochs"

    def count(self, cell: Sequence[RunRecord]) -> int:
        """Return the epochs of the longest."""
        return max((run.config.budget.epochs for run in cell), default=0)


class Trials(Number):
    """Runs of each kind of network at each depth; of a search with rungs those that it began with."""

    name = "trials"

    def count(self, cell: Sequence[RunRecord]) -> int:
        """Return how many are as short as the shortest."""
        epochs = [run.config.budget.epochs for run in cell]
        return epochs.count(min(epochs, default=0))


class Survivors(Number):
    """Of a search with rungs: for the scope *pruned* so many of the trials must have been trained to the end."""

    name = "survivors"
    of_studies = False

    def count(self, cell: Sequence[RunRecord]) -> int | None:
        """Return how many did not diverge before it."""
        lengths = {run.config.budget.epochs for run in cell}
        ended = [run for run in cell if run.status == "finished" and run.config.budget.epochs == max(lengths)]
        return len(ended) if len(lengths) > 1 else None


class Seeds(Number):
    """Different seeds of each kind of network at each depth."""

    name = "seeds"

    def count(self, cell: Sequence[RunRecord]) -> int:
        """Return how many there are."""
        return len({run.config.seed for run in cell})


class Steps(Number):
    """At least so many steps of a study."""

    name = "steps"


class Draws(Number):
    """At least so many draws of a study."""

    name = "draws"


class TrainingExamples(Number):
    """What the smallest training set has at least."""

    name = "training_examples"
    of_studies = False

    def count(self, cell: Sequence[RunRecord]) -> int:
        """Return the smallest training set's number of examples."""
        data = [run.config.data for run in cell]
        return min((one.training_examples or examples(one.name, "train") for one in data), default=0)


class OfRuns(Requirement[Value]):
    """A choice among runs, which studies do not have."""

    def lack(self, ground: Ground) -> Lack | None:
        """Return what there is instead, or too little of."""
        return None if ground.study is not None else self.lack_of_runs(ground)

    def lack_of_runs(self, ground: Ground) -> Lack | None:
        """Return what there is instead, or too little of."""
        return None


class Depths(OfRuns[Annotated[list[int], Field(min_length=1)]]):
    """Runs of every kind of network at these depths; what is missing at others does not matter."""

    name = "depths"

    def text(self) -> str:
        """Return it as a part of a line."""
        return f"depths: {' '.join(map(str, self.root))}"

    def concerns(self, run: RunConfig) -> bool:
        """Tell whether a run's outcome can matter."""
        return run.network.depth in self.root

    def lack_of_runs(self, ground: Ground) -> Lack | None:
        """Return the depths at which a kind of network has no run."""
        kinds = sorted({kind for kind, _ in ground.cells} | ground.kinds_asked) or [""]
        missing = []
        for depth in self.root:
            without = [kind for kind in kinds if (kind, depth) not in ground.cells]
            missing += [str(depth)] if without == kinds else [f"{kind} {depth}" for kind in without]
        return (" ".join(map(str, self.root)), f"not {', '.join(missing)}") if missing else None


class Widths(OfRuns[Annotated[dict[str, int], Field(min_length=1)]]):
    """A width for each kind of network; the other kinds do not matter."""

    name = "widths"

    def text(self) -> str:
        """Return it as a part of a line."""
        return f"widths: {' '.join(f'{kind} {width}' for kind, width in self.root.items())}"

    def concerns(self, run: RunConfig) -> bool:
        """Tell whether a run's outcome can matter."""
        return run.network.kind in self.root

    def lack_of_runs(self, ground: Ground) -> Lack | None:
        """Return the widths there are, where they are others."""
        widths = {(run.config.network.kind, run.config.network.width) for run in ground.runs}
        return None if widths <= set(self.root.items()) else (_widths(self.root.items()), _widths(widths))


class Networks(OfRuns[Annotated[list[Name], Field(min_length=1)]]):
    """Convolutional networks by name; the others do not matter."""

    name = "networks"

    def text(self) -> str:
        """Return it as a part of a line."""
        return f"networks: {' '.join(self.root)}"

    def concerns(self, run: RunConfig) -> bool:
        """Tell whether a run's outcome can matter."""
        return getattr(run.network, "name", None) in self.root


def _widths(widths: Iterable[tuple[str, int]]) -> str:
    """Return widths by kind of network on one line; one number where they are the same."""
    rows = sorted(widths)
    numbers = {width for _, width in rows}
    return str(*numbers) if len(numbers) == 1 else " ".join(f"{kind} {width}" for kind, width in rows)


class Required(Strict):
    """What a full judgement needs; what is not given does not matter."""

    data: Data | None = None
    epochs: Epochs | None = None
    trials: Trials | None = None
    survivors: Survivors | None = None
    seeds: Seeds | None = None
    steps: Steps | None = None
    draws: Draws | None = None
    training_examples: TrainingExamples | None = None
    depths: Depths | None = None
    widths: Widths | None = None
    networks: Networks | None = None

    @property
    def parts(self) -> list[Requirement[Any]]:
        """What is given."""
        return [part for name in type(self).model_fields if (part := getattr(self, name)) is not None]

    def text(self) -> str:
        """Return it on one line."""
        return ", ".join(part.text() for part in self.parts) or "any run"

    def concerns(self, run: RunConfig) -> bool:
        """Tell whether a run's outcome can matter."""
        return all(part.concerns(run) for part in self.parts)

    def of_data_sets(self, records: Listed) -> Listed:
        """Return what is on the data sets or, where there is none, on a stand-in or the first data set there is."""
        there = list(dict.fromkeys([*records.data, *(run.data.name for run in records.missing)]))
        wanted = self.data.names if self.data else there[:1]
        chosen = [next((one for one in (name, STAND_INS.get(name)) if one in there), None) for name in wanted]
        if None in chosen:
            chosen = [chosen[0] or next(iter(there), None)]
        return records.on(*chosen)

    def awaits(self, records: Listed) -> bool:
        """Tell whether runs are missing that are needed.

        Of a search with rungs those of the last one do not matter once as many as must survive have been trained to
        its end: the search takes the best of the rung before first.
        """
        return any(not self._decided_without(run, records) for run in filter(self.concerns, records.missing))

    def _decided_without(self, missing: RunConfig, records: Listed) -> bool:
        """Tell whether a run is of the last rung of a search of which enough trials have reached the end."""
        cell = [one for one in records if cell_of(one.config) == cell_of(missing) and self.concerns(one.config)]
        lengths = {one.config.budget.epochs for one in cell}
        longest = self.epochs.root if self.epochs else 0
        in_last_rung = len(lengths) > 1 and max(lengths) == missing.budget.epochs >= longest
        enough = self.survivors is not None and (self.survivors.count(cell) or 0) >= self.survivors.root
        return in_last_rung and enough

    def ground(self, records: Listed, study: AnalysisRecord | None = None) -> Ground:
        """Return what a verdict rests on.

        Args:
            records: On the data sets that were asked for, or their stand-ins.
            study: A study in the place of runs.
        """
        runs = [record for record in records if self.concerns(record.config)]
        kinds = frozenset(self.widths.root if self.widths else ())
        return Ground(records.data if study is None else [study.data], runs, study, kinds, records.pruned)

    def scope(self, ground: Ground) -> Scope:
        """Return how much of it is met."""
        if self.data is not None and not self.data.met(ground):
            return "stand-in"
        if not all(part.met(ground) for part in self.parts) or (ground.study is None and not ground.runs):
            return "reduced"
        if ground.pruned and ground.study is None:
            return "pruned"
        lengths = [{run.config.budget.epochs for run in cell} for cell in ground.cells.values()]
        if ground.study is not None or all(len(cell) == 1 for cell in lengths) or self._had_by_all(ground):
            return "full"
        return "pruned" if self.survivors is not None else "reduced"

    def _had_by_all(self, ground: Ground) -> bool:
        """Tell whether every trial of a search with rungs had the epochs, not those alone that went on."""
        return self.epochs is not None and min(run.config.budget.epochs for run in ground.runs) >= self.epochs.root

    def lacks(self, ground: Ground) -> dict[str, Lack]:
        """Return in what it is not met: by name what is required and what there is."""
        found = {part.name: lack for part in self.parts if (lack := part.lack(ground)) is not None}
        if not found and self.epochs is not None and self.scope(ground) == "reduced" and ground.runs:
            found["epochs"] = (f"{self.epochs.root:,} of every trial", "fewer of those that did not go on")
        return found
