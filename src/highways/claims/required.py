"""What a full judgement of a claim needs, and in what it is not met."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Self, get_args

from pydantic import ConfigDict, Field, field_validator, model_validator

from highways.claims.verdicts import Scope
from highways.config import RunConfig, Strict
from highways.config.data import STAND_INS
from highways.config.run import NetworkConfig
from highways.data import examples
from highways.tracking import AnalysisRecord, Listed, RunRecord

Cell = Sequence[RunRecord]
"""The runs of one kind of network at one depth, and of one value of each setting in `Required.cells`."""
Gap = tuple[str, str]
"""What is required, and what there is."""
Name = Annotated[str, Field(min_length=1)]
AtLeast = Annotated[int, Field(ge=1)]
NETWORK_SETTINGS = {
    name for tagged in get_args(get_args(NetworkConfig)[0]) for name in get_args(tagged)[0].model_fields
}
"""Of any network, `Required.cells` can name them."""


def cell_of(run: RunConfig, settings: Iterable[str] = ()) -> tuple[Any, ...]:
    """Return a run's kind of network, its depth, and further settings of the network, `None` where it has not."""
    return run.network.kind, run.network.depth, *(getattr(run.network, name, None) for name in settings)


def _lengths(cell: Cell) -> list[int]:
    return [run.config.budget.epochs for run in cell]


def _survivors(cell: Cell) -> int | None:
    """Return how many trials of a search with rungs ended its last one; `None` where there are no rungs."""
    lengths = _lengths(cell)
    ended = [run for run in cell if run.status == "finished" and run.config.budget.epochs == max(lengths)]
    return len(ended) if len(set(lengths)) > 1 else None


def _training_examples(cell: Cell) -> int:
    data = [run.config.data for run in cell]
    return min((one.training_examples or examples(one, "train") for one in data), default=0)


COUNTS: dict[str, Callable[[Cell], int | None]] = {
    "epochs": lambda cell: max(_lengths(cell), default=0),
    "trials": lambda cell: _lengths(cell).count(min(_lengths(cell), default=0)),
    "survivors": _survivors,
    "seeds": lambda cell: len({run.config.seed for run in cell}),
    "training_examples": _training_examples,
}
"""How many a cell has; `None` where that cannot be asked."""
OF_STUDIES = ("epochs", "trials", "seeds", "steps", "draws")
"""What a study is asked for: its settings of these names."""


@dataclass(frozen=True)
class Evidence:
    """What a verdict rests on."""

    records: Listed
    """On the required data sets, or their stand-ins."""
    runs: Sequence[RunRecord]
    """Those that the claim concerns."""
    settings: Sequence[str] = ()
    """Settings that distinguish cells, besides kind of network and depth."""
    study: AnalysisRecord | None = None
    """The study that the claim is about; then runs do not count."""

    @property
    def data(self) -> Sequence[str]:
        """The data sets."""
        return self.records.data if self.study is None else [self.study.data]

    @property
    def lost(self) -> bool:
        """Whether all its runs diverged."""
        return self.study is None and {run.status for run in self.runs} == {"diverged"}

    @cached_property
    def cells(self) -> dict[tuple[Any, ...], list[RunRecord]]:
        """The runs by kind of network, depth and the further settings."""
        cells: dict[tuple[Any, ...], list[RunRecord]] = {}
        for run in self.runs:
            cells.setdefault(cell_of(run.config, self.settings), []).append(run)
        return cells


class Required(Strict):
    """What a full judgement needs; what is not given does not matter."""

    model_config = ConfigDict(strict=True)

    data: Name | Annotated[list[Name], Field(min_length=1)] | None = None
    """A data set, or several; then the measurement is over all of them."""
    epochs: AtLeast | None = None
    """Of the longest training of each kind of network at each depth."""
    schedule_epochs: AtLeast | None = None
    """Runs that are the beginning of a schedule of this length; of no other claim they matter."""
    trials: AtLeast | None = None
    """Runs of each kind of network at each depth; of a search with rungs those that it began with."""
    survivors: AtLeast | None = None
    """For the scope *pruned*: minimum number of trials of a search with rungs that were trained to the end."""
    seeds: AtLeast | None = None
    """Different seeds of each kind of network at each depth."""
    steps: AtLeast | None = None
    draws: AtLeast | None = None
    training_examples: AtLeast | None = None
    """Of the smallest training set."""
    trained_to: Annotated[float, Field(gt=0)] | None = None
    """Training cross-entropy, nats, below which every network that did not diverge must have come."""
    depths: Annotated[list[AtLeast], Field(min_length=1)] | None = None
    """Runs of every kind of network at these; what is missing at others does not matter."""
    widths: Annotated[dict[str, AtLeast], Field(min_length=1)] | None = None
    """By kind of network; the other kinds do not matter."""
    cells: dict[Name, Annotated[list[Any], Field(min_length=1)]] = Field(default_factory=dict)
    """Values of other settings of the network, `{width: [16, 64]}`: runs of every kind of network at each; other values
    do not matter. What is counted above is then counted at each of them, too."""
    networks: Annotated[list[Name], Field(min_length=1)] | None = None
    """Convolutional networks by name; the others do not matter."""

    @model_validator(mode="after")
    def _training_is_of_networks(self) -> Self:
        if self.trained_to is not None and not (self.depths or self.widths or self.networks):
            raise ValueError("trained_to needs depths, widths or networks: it says which must have been trained so far")
        return self

    @field_validator("cells")
    @classmethod
    def _of_a_network(cls, cells: dict[str, Any]) -> dict[str, Any]:
        if unknown := cells.keys() - NETWORK_SETTINGS:
            raise ValueError(f"no network has {', '.join(unknown)}; there are: {', '.join(sorted(NETWORK_SETTINGS))}")
        return cells

    @property
    def data_sets(self) -> list[str]:
        """The data sets, in a list."""
        return [self.data] if isinstance(self.data, str) else self.data or []

    def text(self) -> str:
        """Return it on one line."""
        parts = []
        for name, value in [(name, value) for name, value in self if name != "cells"] + [*self.cells.items()]:
            words = [f"{key} {value[key]}" for key in value] if isinstance(value, dict) else value
            words = " ".join(map(str, words)) if isinstance(words, list) else words
            parts += [] if value is None else [f"{name}: {words}"]
        return ", ".join(parts) or "any run"

    def concerns(self, run: RunConfig) -> bool:
        """Tell whether a run's outcome can matter."""
        return (
            run.budget.schedule_epochs == self.schedule_epochs
            and (self.depths is None or run.network.depth in self.depths)
            and (self.widths is None or run.network.kind in self.widths)
            and (self.networks is None or getattr(run.network, "name", None) in self.networks)
            and all(getattr(run.network, name, None) in values for name, values in self.cells.items())
        )

    def of_data_sets(self, records: Listed) -> Listed:
        """Return the records on the required data sets; without any, those on a stand-in or the first data set."""
        there = list(dict.fromkeys([*records.data, *(run.data.name for run in records.missing)]))
        wanted = self.data_sets or there[:1]
        chosen = [next((one for one in (name, STAND_INS.get(name)) if one in there), None) for name in wanted]
        return records.on(*([chosen[0] or next(iter(there), None)] if None in chosen else chosen))

    def awaits(self, records: Listed) -> bool:
        """Tell whether runs are missing that are needed.

        Of a search with rungs those of the last one do not matter once as many as must survive have been trained to
        its end: the search takes the best of the rung before first.
        """
        cells = self.evidence(records).cells
        for missing in filter(self.concerns, records.missing):
            cell = cells.get(cell_of(missing, self.cells), [])
            lengths = set(_lengths(cell))
            in_last_rung = len(lengths) > 1 and max(lengths) == missing.budget.epochs >= (self.epochs or 0)
            if not in_last_rung or self.survivors is None or (_survivors(cell) or 0) < self.survivors:
                return True
        return False

    def evidence(self, records: Listed, study: str | None = None) -> Evidence:
        """Return the evidence for a verdict: records on the required data sets or their stand-ins, or a kind of study.

        A study counts once it has been made.
        """
        records = self.of_data_sets(records)
        runs = [record for record in records if self.concerns(record.config)]
        return Evidence(
            records, runs, [*self.cells], next((one for one in records.analyses if one.kind == study), None)
        )

    def scope(self, evidence: Evidence) -> Scope:
        """Return how much of it is met."""
        gaps = self.gaps(evidence)
        if "data" in gaps:
            return "stand-in"
        if gaps or (evidence.study is None and not evidence.runs):
            return "reduced"
        return "pruned" if evidence.study is None and self._is_pruned(evidence) else "full"

    def _is_pruned(self, evidence: Evidence) -> bool:
        """Tell whether only some trials of a search had the required epochs."""
        lengths = [set(_lengths(cell)) for cell in evidence.cells.values()]
        some_went_on = any(len(different) > 1 for different in lengths)
        return evidence.records.pruned or (
            some_went_on and (self.epochs is None or min(map(min, lengths)) < self.epochs)
        )

    def gaps(self, evidence: Evidence) -> dict[str, Gap]:
        """Return in what it is not met: by name what is required and what there is."""
        gaps: dict[str, Gap] = {}
        if self.data is not None and set(evidence.data) != set(self.data_sets):
            gaps["data"] = (" ".join(self.data_sets), " ".join(evidence.data) or "none")
        if evidence.study is not None:
            counts = {name: [getattr(evidence.study.config.measure, name, 0)] for name in OF_STUDIES}
        else:
            cells = list(evidence.cells.values()) or [[]]
            counts = {name: [count(cell) for cell in cells] for name, count in COUNTS.items()}
        for name, found in counts.items():
            asked: int | None = getattr(self, name)
            least = min((number for number in found if number is not None), default=None)
            if asked is not None and least is not None and least < asked:
                gaps[name] = (f"{asked:,}", f"{least:,}")
        if evidence.study is not None:
            return gaps
        gaps |= self._gaps_of_networks(evidence)
        if not gaps and self.survivors is None and not evidence.records.pruned and self._is_pruned(evidence):
            asked_of_all = "the same" if self.epochs is None else f"{self.epochs:,}"
            gaps["epochs"] = (f"{asked_of_all} of every trial", "fewer of those that did not go on")
        return gaps

    def _gaps_of_networks(self, evidence: Evidence) -> dict[str, Gap]:
        gaps: dict[str, Gap] = {}
        networks = [run.config.network for run in evidence.runs]
        losses = [run.best() or math.inf for run in evidence.runs if run.status == "finished"]
        if self.trained_to is not None and (worst := max(losses, default=math.inf)) >= self.trained_to:
            gaps["trained_to"] = (f"below {self.trained_to:g} nats", f"{worst:.3g}")
        kinds = sorted({network.kind for network in networks} | set(self.widths or ())) or [""]
        for name, values in {"depths": self.depths or [], **self.cells}.items():
            setting = "depth" if name == "depths" else name
            there = {(network.kind, getattr(network, setting, None)) for network in networks}
            missing = []
            for value in values:
                without = [kind for kind in kinds if (kind, value) not in there]
                missing += [str(value)] if without == kinds else [f"{kind} {value}" for kind in without]
            if missing:
                gaps[name] = (" ".join(map(str, values)), f"not {', '.join(missing)}")
        widths = {(network.kind, network.width) for network in networks}
        if self.widths is not None and not widths <= set(self.widths.items()):
            gaps["widths"] = (_widths(set(self.widths.items())), _widths(widths))
        return gaps


def _widths(widths: set[tuple[str, int]]) -> str:
    """Return widths by kind of network on one line; one number where they are the same."""
    rows = sorted(widths)
    same = len({width for _, width in rows}) == 1
    return str(rows[0][1]) if same else " ".join(f"{kind} {width}" for kind, width in rows)
