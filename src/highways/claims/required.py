"""What a full judgement of a claim requires, and where the evidence falls short of it."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Self, get_args

from pydantic import Field, field_validator, model_validator

from highways.claims.verdicts import Scope
from highways.config import STAND_INS, Strict
from highways.config.run import NetworkConfig, RunConfig
from highways.data import trained_on
from highways.tracking import AnalysisRecord, Cell, Listed, RunRecord, cells

Gap = tuple[str, str]
"""What is required, and what exists."""
Name = Annotated[str, Field(min_length=1)]
AtLeast = Annotated[int, Field(ge=1)]
NETWORK_SETTINGS = {name for one in get_args(get_args(NetworkConfig)[0]) for name in get_args(one)[0].model_fields}
"""Names of the settings that at least one kind of network has; `Required.cells` can use them."""


class Required(Strict):
    """Requirements of a full judgement; a requirement that is not given does not apply."""

    data: Name | Annotated[list[Name], Field(min_length=1)] | None = None
    """A data set, or several that are measured together."""
    epochs: AtLeast | None = None
    """Epochs of the longest training of each kind of network at each depth."""
    schedule_epochs: AtLeast | None = None
    """Only runs that stop early in a schedule of this length count; without this, no such run counts."""
    trials: AtLeast | None = None
    """Runs of each kind of network at each depth; for a search with rungs, the trials it began with."""
    survivors: AtLeast | None = None
    """For the scope *pruned*: minimum number of trials that a search with rungs trained to the end."""
    seeds: AtLeast | None = None
    """Different seeds of each kind of network at each depth."""
    steps: AtLeast | None = None
    draws: AtLeast | None = None
    training_examples: AtLeast | None = None
    """Size of the smallest training set."""
    trained_to: Annotated[float, Field(gt=0)] | None = None
    """Training cross-entropy, nats, that every network that did not diverge must have fallen below."""
    depths: Annotated[list[AtLeast], Field(min_length=1)] | None = None
    """Every kind of network needs runs at these depths; runs at other depths do not count."""
    widths: Annotated[dict[str, AtLeast], Field(min_length=1)] | None = None
    """Width by kind of network; other kinds do not count."""
    cells: dict[Name, Annotated[list[Any], Field(min_length=1)]] = Field(default_factory=dict)
    """Values of other network settings, `{width: [16, 64]}`: every kind of network needs runs at each; other values do
    not count. The counts above then apply to each value separately."""
    networks: Annotated[list[Name], Field(min_length=1)] | None = None
    """Names of the convolutional networks that count."""

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
        """The required data sets, as a list."""
        return [self.data] if isinstance(self.data, str) else self.data or []

    @property
    def settings(self) -> dict[str, list[Any]]:
        """Values of each network setting at which runs are required."""
        return ({"depth": self.depths} if self.depths else {}) | self.cells

    def text(self) -> str:
        """Return the requirements on one line."""
        values = self.model_dump(exclude_none=True)
        values |= values.pop("cells")
        for name, value in values.items():
            if isinstance(value, dict):
                value = [f"{kind} {number}" for kind, number in value.items()]
            values[name] = " ".join(map(str, value)) if isinstance(value, list) else value
        return ", ".join(f"{name}: {value}" for name, value in values.items()) or "any run"

    def concerns(self, run: RunConfig) -> bool:
        """Tell whether a run's outcome can count."""
        network = run.network
        return (
            run.budget.schedule_epochs == self.schedule_epochs
            and (self.widths is None or network.kind in self.widths)
            and (self.networks is None or getattr(network, "name", None) in self.networks)
            and all(getattr(network, name, None) in values for name, values in self.settings.items())
        )

    def cell_of(self, run: RunConfig) -> tuple[Any, ...]:
        """Return the cell of a run: kind, depth and the settings in `cells`, `None` for one that its network lacks."""
        return run.network.kind, run.network.depth, *(getattr(run.network, name, None) for name in self.cells)

    def of_data_sets(self, records: Listed) -> Listed:
        """Return the records on the required data sets or their stand-ins, otherwise those on a single data set."""
        there = list(dict.fromkeys([*records.data, *(run.data.name for run in records.missing)]))
        wanted = self.data_sets or there[:1]
        chosen = [next((one for one in (name, STAND_INS.get(name)) if one in there), None) for name in wanted]
        return records.on(*([chosen[0] or next(iter(there), None)] if None in chosen else chosen))


def _survivors(cell: Cell) -> int | None:
    """Return how many trials finished the last rung of a search; `None` if there are no rungs."""
    return sum(run.status == "finished" for run in cell.rungs[-1]) if len(cell.rungs) > 1 else None


COUNTS: dict[str, Callable[[Cell], int | None]] = {
    "epochs": lambda cell: cell.lengths[-1],
    "trials": lambda cell: len(cell.rungs[0]),
    "survivors": _survivors,
    "seeds": lambda cell: len({run.config.seed for run in cell.runs}),
    "training_examples": lambda cell: min(trained_on(run.config.data) for run in cell.runs),
}
"""Functions that count what a cell has; `None` if the count does not apply."""
OF_STUDIES = ("epochs", "trials", "seeds", "steps", "draws")
"""Requirements that apply to a study, named like its settings."""


@dataclass(frozen=True)
class Evidence:
    """The records that a verdict rests on, and the requirements on them."""

    required: Required
    records: Listed
    """Records on the required data sets, or their stand-ins; only the study, if there is one."""
    study: AnalysisRecord | None = None
    """The study that the claim is about, once it exists."""

    @cached_property
    def runs(self) -> list[RunRecord]:
        """The runs that the claim concerns."""
        return [record for record in self.records if self.required.concerns(record.config)]

    @cached_property
    def cells(self) -> dict[tuple[Any, ...], Cell]:
        """The runs, grouped by `Required.cell_of`."""
        return cells(self.runs, lambda run: self.required.cell_of(run.config))

    @property
    def complete(self) -> bool:
        """Whether every required run has a record.

        In a search with rungs, runs missing from the last rung do not count once the required number of survivors has
        finished it: the search trains the best trials of the previous rung first.
        """
        enough, epochs = self.required.survivors or math.inf, self.required.epochs or 0
        for missing in filter(self.required.concerns, self.records.missing):
            cell, length = self.cells.get(self.required.cell_of(missing)), missing.budget.epochs
            if cell is None or length != cell.lengths[-1] or length < epochs or (_survivors(cell) or 0) < enough:
                return False
        return self.records.known

    @property
    def scope(self) -> Scope:
        """How far the requirements are met."""
        if "data" in self.gaps:
            return "stand-in"
        if self.gaps or not (self.runs or self.study):
            return "reduced"
        return "pruned" if self.records.pruned or self._some_went_on else "full"

    @property
    def _some_went_on(self) -> bool:
        """Whether only some trials of a search had the required epochs."""
        lengths, epochs = [cell.lengths for cell in self.cells.values()], self.required.epochs
        return any(len(rungs) > 1 for rungs in lengths) and (epochs is None or min(lengths)[0] < epochs)

    @cached_property
    def gaps(self) -> dict[str, Gap]:
        """The unmet requirements, by name: what is required, and what exists."""
        gaps: dict[str, Gap] = {}
        required, study = self.required, self.study
        if required.data is not None and set(self.records.data) != set(required.data_sets):
            gaps["data"] = (" ".join(required.data_sets), " ".join(self.records.data) or "none")
        for name in COUNTS if study is None else OF_STUDIES:
            if (asked := getattr(required, name)) is None:
                continue
            if study is None:
                numbers = [COUNTS[name](cell) for cell in self.cells.values()] or [0]
            else:
                numbers = [getattr(study.config.measure, name, 0)]
            least = min((number for number in numbers if number is not None), default=asked)
            if least < asked:
                gaps[name] = (f"{asked:,}", f"{least:,}")
        if study is None:
            gaps |= self._gaps_of_networks()
        if not gaps and required.survivors is None and not self.records.pruned and self._some_went_on:
            asked_of_all = "the same" if required.epochs is None else f"{required.epochs:,}"
            gaps["epochs"] = (f"{asked_of_all} of every trial", "fewer of those that did not go on")
        return gaps

    def _gaps_of_networks(self) -> dict[str, Gap]:
        gaps: dict[str, Gap] = {}
        trained_to, required_widths = self.required.trained_to, set((self.required.widths or {}).items())
        networks = [run.config.network for run in self.runs]
        losses = [run.best() for run in self.runs if run.status == "finished"]
        worst = max((math.inf if loss is None else loss for loss in losses), default=math.inf)
        if trained_to is not None and worst >= trained_to:
            gaps["trained_to"] = (f"below {trained_to:g} nats", f"{worst:.3g}")
        kinds = sorted({network.kind for network in networks} | dict(required_widths).keys()) or [""]
        for name, values in self.required.settings.items():
            there = {(network.kind, getattr(network, name, None)) for network in networks}
            missing = []
            for value in values:
                without = [kind for kind in kinds if (kind, value) not in there]
                missing += [str(value)] if without == kinds else [f"{kind} {value}" for kind in without]
            if missing:
                gaps["depths" if name == "depth" else name] = (" ".join(map(str, values)), f"not {', '.join(missing)}")
        widths = {(network.kind, network.width) for network in networks}
        if required_widths and not widths <= required_widths:
            gaps["widths"] = (_widths(required_widths), _widths(widths))
        return gaps


def _widths(widths: set[tuple[str, int]]) -> str:
    """Format widths by kind of network on one line; one number if they are equal."""
    rows = sorted(widths)
    same = len({width for _, width in rows}) == 1
    return str(rows[0][1]) if same else " ".join(f"{kind} {width}" for kind, width in rows)
