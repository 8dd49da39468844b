"""Networks of 200 to 1,001 layers (P1 sec. 1 and 3.1, P2 sec. 2.2)."""

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Annotated, ClassVar, Self

from matplotlib.axes import Axes
from pydantic import AfterValidator, Field, model_validator

from highways.claims.values import Interval, guessing, in_units
from highways.config import AnalysisConfig, BudgetConfig, ImageDataName, Profile, RunConfig, load_profile
from highways.config.base import BatchSize, Count, Depth, Distinct, Epochs, Width, no_repetition
from highways.experiments.base import Experiment, Table
from highways.experiments.depth import SEARCHED, DepthProfile, Kind, like
from highways.inside.cost import CostConfig, exponent
from highways.inside.layers import of_kind
from highways.inside.signal import SignalConfig
from highways.show.figures import DASHES, LOOKS, Drawing, Panel, line, line_panel, plain_ticks, shade, whole_ticks
from highways.show.layers import signal_panel
from highways.show.tables import Row, costs, machine
from highways.tracking import AnalysisRecord, Listed, RunRecord, kind_and_depth

Blocks = Annotated[int, Field(ge=2, le=10_000)]
"""Depth of a network with blocks."""


class VeryDeepProfile(Profile):
    """Parameters of `06_very_deep`: networks of 200 to more than 1,000 layers (P1 sec. 1 and 3.1, P2 sec. 2.2)."""

    experiment: ClassVar[str] = "06_very_deep"

    data: Distinct[ImageDataName]
    depths: dict[ImageDataName, Distinct[Blocks]]
    networks: Distinct[Kind] = Field(default=["plain", "highway"])
    epochs: Epochs | dict[ImageDataName, Epochs]
    batch_size: BatchSize
    plain_width: Width = 71
    highway_width: Width = 50
    signal_examples: Count = 1_000
    """Number of training examples on which gradients are measured."""
    cost_depths: Annotated[list[Blocks], AfterValidator(no_repetition)]
    """Depths at which a training step's time and memory are measured, on the first data set."""
    cost_steps: Count = 5
    search: str
    """Profile of the `01_depth` whose best trials of `search_depth` layers give the other settings."""
    search_depth: Depth = 100
    highway_ranks: dict[ImageDataName, Distinct[Annotated[int, Field(ge=1)]]] = Field(default_factory=dict)
    """Which trials of highway networks are trained, by data set; by default 1, the best one, which may diverge at
    another depth or on other data. At each depth, the first that does not diverge is judged."""

    @model_validator(mode="after")
    def _depths_for_each(self) -> Self:
        for field, given in (("depths", self.depths), ("epochs", self.epochs)):
            if isinstance(given, dict) and (missing := [name for name in self.data if name not in given]):
                raise ValueError(f"{field} has none for {', '.join(missing)}")
        return self

    def runs(self) -> list[RunConfig]:
        trial = lru_cache(load_profile(self.search, DepthProfile).ranked)
        return [
            self._run(name, kind, depth, trial(kind, self.search_depth, rank))
            for name in self.data
            for kind in self.networks
            for depth in self.depths[name]
            for rank in (self.highway_ranks.get(name, [1]) if kind == "highway" else [1])
        ]

    def analyses(self) -> list[AnalysisConfig]:
        """Return the signal before and after training of every run, then the cost of a step, by depth.

        The cost of the deepest network is also measured with activation checkpointing, for about as many blocks at a
        time as the square root of its depth.
        """
        signals = [
            AnalysisConfig(run=run, measure=SignalConfig(trained=trained, examples=self.signal_examples))
            for run in self.runs()
            for trained in (False, True)
        ]
        costs, search = [], load_profile(self.search, DepthProfile)
        for kind in self.networks if self.cost_depths else ():
            trial, deepest = search.ranked(kind, self.search_depth), max(self.cost_depths)
            runs = [self._run(self.data[0], kind, depth, trial) for depth in self.cost_depths]
            runs.append(self._run(self.data[0], kind, deepest, trial, checkpoint_every=round(deepest**0.5)))
            costs += [AnalysisConfig(run=run, measure=CostConfig(steps=self.cost_steps)) for run in runs]
        return signals + costs

    def _run(self, data: ImageDataName, kind: Kind, depth: int, trial: RunConfig, **more: int) -> RunConfig:
        epochs = self.epochs if isinstance(self.epochs, int) else self.epochs[data]
        width = self.highway_width if kind == "highway" else self.plain_width
        budget = BudgetConfig(epochs=epochs, batch_size=self.batch_size)
        return like(trial, data, budget, depth=depth, width=width, **more)


def very_deep_rows(records: Listed) -> Iterator[Row]:
    """Yield a row for each data set, kind of network and depth.

    Cross-entropies are those of the training set, after the first epoch and the lowest; accuracies are of the last
    epoch. The sources give no numbers for these networks.
    """
    for run in records:
        settings = run.config.optimiser.model_dump() | run.config.network.model_dump()
        curve = run.curves.get("train_cross_entropy", [])
        yield {
            "network": settings["kind"],
            "depth": settings["depth"],
            "data": run.config.data.name,
            "parameters": run.parameters,
            "status": run.status,
            "epochs": run.config.budget.epochs,
            "guessing_cross_entropy": guessing(run),
            "first_train_cross_entropy": curve[0] if curve else None,
            "best_train_cross_entropy": run.best(),
            **{name: run.last(name) for name in ("train_accuracy", "test_accuracy")},
            **{name: settings.get(name) for name in SEARCHED},
            "run_key": run.run_key,
        }


def step(cost: AnalysisRecord) -> Row:
    """Return the time and memory of a training step; `checkpoint_every` is empty without activation checkpointing."""
    if cost.kind != "cost":
        return {}
    seconds, held = (cost.row(name)[0] for name in ("seconds_per_step", "bytes"))
    every = getattr(cost.run.network, "checkpoint_every", None)
    return {"checkpoint_every": every, "seconds_per_step": seconds, "mebibytes_per_step": held / 2**20}


def very_deep_figure(records: Listed) -> Drawing:
    """Draw training and gradients of the very deep networks by data set, then the cost of a step, if measured."""
    panels = []
    for name in records.data:
        runs = records.on(name)
        panels += [_training_panel(runs, name), signal_panel(of_kind(runs, "signal"), name)]
    costs = [one for one in of_kind(records, "cost") if step(one)["checkpoint_every"] is None]
    if costs := sorted(costs, key=lambda cost: cost.run.network.depth):
        panels.append(_cost_panel(costs, "seconds_per_step", "what a training step takes", "milliseconds", 1e3))
        panels.append(_cost_panel(costs, "bytes", "what a training step holds", "mebibytes", 2**-20))
    return Drawing(panels, columns=2)


def _training_panel(records: Listed, name: str) -> Panel:
    """Return the training curves; labels include units and rate if several runs have the same network."""
    depths, places = sorted({record.config.network.depth for record in records}), dict[tuple[str, int], int]()
    several = len({kind_and_depth(record) for record in records}) < len(records)
    lines = []
    for record in records:
        network, rate = record.config.network, getattr(record.config.optimiser, "learning_rate", 0)
        label = f"{network.kind}, {network.depth:,} layers"
        label += f", {getattr(network, 'activation', '')}, rate {rate:.2g}" if several else ""
        label += ", diverged" if record.status == "diverged" else ""
        place = places[kind_and_depth(record)] = places.get(kind_and_depth(record), -1) + 1
        look = {"ls": DASHES[place % len(DASHES)], "color": shade(network.kind, network.depth, depths), "lw": 2}
        curve = record.curves.get("train_cross_entropy", [])
        lines.append(line(label, curve, marker=LOOKS[network.kind]["marker"], **look))

    def ticks(axes: Axes) -> None:
        if axes.get_yscale() == "log":
            plain_ticks(axes.yaxis, subs=(1, 1.5, 2, 3, 5))
        whole_ticks(axes)

    y, columns = "training cross-entropy, nats", 1 if several else 2
    return line_panel(f"{name}: training", lines, "epoch", y, ticks, columns=columns)


def _cost_panel(costs: list[AnalysisRecord], name: str, title: str, unit: str, times: float) -> Panel:
    """Return time or memory of a step by depth, with the exponent from 100 layers on, for one machine."""
    lines = []
    for kind, look in LOOKS.items():
        if not (measured := [cost for cost in costs if cost.run.network.kind == kind]):
            continue
        points = {cost.run.network.depth: cost.row(name)[0] * times for cost in measured}
        deep = [one.run.network.depth for one in measured if machine(one) == machine(measured[-1])]
        deep = [depth for depth in deep if depth >= 100]
        power = exponent(deep, [points[depth] for depth in deep])
        lines.append(line(f"{kind}: depth to the power {power:.2f}", points, **look))

    def ticks(axes: Axes) -> None:
        axes.set_xscale("log")
        plain_ticks(axes.yaxis)
        plain_ticks(axes.xaxis)

    return line_panel(title, lines, "layers", unit, ticks)


@in_units("share")
def share_of_guessing(records: Listed, network: str, depth: int) -> float | None:
    """Return the best training cross-entropy of a run over that of guessing; a run that diverged counts as guessing."""
    run = _judged(records).get((network, depth))
    return None if run is None else _best_or_guessing(run) / guessing(run)


@in_units("ratio")
def depth_ratio(records: Listed, of: tuple[str, int], to: tuple[str, int]) -> float | Interval | None:
    """Return the ratio of the best training cross-entropies of two single runs of the same settings.

    It is infinite if the `of` run has not learned, that is, diverged or is within 5 % of guessing. If the first
    settings that did not diverge at both depths differ, nothing is known: the interval is from 0 to infinity.
    """
    above, below = map(_judged(records).get, (of, to))
    if above is None or below is None:
        return None
    if above.status == "finished" and above.config.optimiser != below.config.optimiser:
        return Interval(0.0, math.inf)
    if _best_or_guessing(above) > 0.95 * guessing(above):
        return math.inf
    return _best_or_guessing(above) / _best_or_guessing(below)


def _judged(records: Sequence[RunRecord]) -> dict[tuple[str, int], RunRecord]:
    """Return, for every kind of network and depth, the first run that did not diverge, or the first if all did."""
    ranked = sorted(records, key=lambda run: run.status != "finished")
    return {kind_and_depth(run): run for run in reversed(ranked)}


def _best_or_guessing(run: RunRecord) -> float:
    best = run.best()
    return guessing(run) if run.status == "diverged" or best is None else best


def answer(records: Listed) -> Iterator[str]:
    """Compare each network's best training cross-entropy with guessing."""
    parts = []
    for run in records:
        lost, (kind, depth) = run.status == "diverged" or run.best() is None, kind_and_depth(run)
        outcome = "diverged" if lost else f"{run.best():.3g} (guessing {guessing(run):.3g})"
        parts.append(f"{kind}, {depth:,} layers on {run.config.data.name}: {outcome}")
    if parts:
        yield f"Best training cross-entropy: {'; '.join(parts)}."


VERY_DEEP = Experiment(
    title="Networks of 200 to 1,001 layers",
    schema=VeryDeepProfile,
    tables=(
        Table(
            "very_deep",
            very_deep_rows,
            "Networks of hundreds of layers and a thousand (P1 sec. 1 and 3.1, P2 sec. 2.2)",
            shown={
                "network": "network",
                "depth": "layers",
                "data": "data",
                "epochs": "epochs",
                "learning_rate": "rate",
                "activation": "units",
                "status": "status",
                "first_train_cross_entropy": "training cross-entropy, nats, first epoch",
                "best_train_cross_entropy": "best, nats",
                "guessing_cross_entropy": "guessing, nats",
                "test_accuracy": "test accuracy",
            },
            rows=lambda frame: frame.sort_values("depth", ascending=False, kind="stable"),
            cost=lambda records: costs(records, step),
        ),
    ),
    figures={"very_deep": very_deep_figure},
    after=("01_depth",),
    answer=answer,
)
