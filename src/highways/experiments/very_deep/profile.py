"""Networks of 200 to more than 1,000 layers (P1 sec. 1 and 3.1, P2 sec. 2.2): parameters, runs and analyses."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from highways.config.analysis import AnalysisConfig
from highways.config.base import BatchSize, Count, Depth, Distinct, Epochs, Seed, Width
from highways.config.profiles import Profile
from highways.config.run import BudgetConfig, DataConfig, DenseConfig, ImageDataName, RunConfig
from highways.experiments.depth import trial_of_search
from highways.inside.cost import CostConfig
from highways.inside.signal import SignalConfig

Kind = Literal["plain", "highway"]
Blocks = Annotated[int, Field(ge=2, le=10_000)]
"""Depth of a network that has blocks."""


class VeryDeepProfile(Profile):
    """Parameters of `06_very_deep`: networks of 200 to more than 1,000 layers (P1 sec. 1 and 3.1, P2 sec. 2.2).

    All settings but depth and epochs are those of the best plain and the best highway network of
    `search_depth` layers of `01_depth`. At another depth or on other data than it was found with a network may
    diverge: then the next one of `highway_ranks` counts.
    """

    experiment: ClassVar[str] = "06_very_deep"

    data: Distinct[ImageDataName]
    depths: dict[ImageDataName, Distinct[Blocks]]
    """By data set."""
    networks: Distinct[Kind] = Field(default=["plain", "highway"])
    epochs: Epochs | dict[ImageDataName, Epochs]
    """One number, or one a data set."""
    batch_size: BatchSize
    plain_width: Width = 71
    highway_width: Width = 50
    checkpoint_every: int | None = Field(default=None, ge=1)
    seed: Seed = 0
    signal_examples: Count = 1_000
    """Training examples on which gradients are measured."""
    cost_depths: list[Blocks]
    """Depths at which a training step's time and memory are measured, on the first data set."""
    cost_steps: Count = 5
    search: str
    """Profile of the search whose best trials give the other settings."""
    search_depth: Depth = 100
    highway_ranks: dict[ImageDataName, Distinct[Annotated[int, Field(ge=1)]]] = Field(default_factory=dict)
    """Which trials of highway networks, by data set; 1, the best one, by default. All are trained; of each depth the
    first that does not diverge is judged."""

    @model_validator(mode="after")
    def _depths_for_each(self) -> Self:
        if missing := [name for name in self.data if not self.depths.get(name)]:
            raise ValueError(f"depths has none for {', '.join(missing)}")
        if isinstance(self.epochs, dict) and (missing := [name for name in self.data if name not in self.epochs]):
            raise ValueError(f"epochs has none for {', '.join(missing)}")
        return self

    def runs(self) -> list[RunConfig]:
        """Return for every data set both kinds, every depth and rank, in this order."""
        return [
            self._run(name, kind, depth, self.checkpoint_every, self._trial(kind, rank))
            for name in self.data
            for kind in self.networks
            for depth in self.depths[name]
            for rank in (self.highway_ranks.get(name) if kind == "highway" else None) or [1]
        ]

    def _trial(self, kind: Kind, rank: int) -> RunConfig:
        return trial_of_search(self.search, kind, self.search_depth, rank)

    def analyses(self) -> list[AnalysisConfig]:
        """Return the signal before and after training of every run, then the cost of a step, by depth.

        The cost of the deepest network is measured with activation checkpointing, too: of as many
        blocks at a time as the root of their number.
        """
        signals = [
            AnalysisConfig(run=run, measure=SignalConfig(trained=trained, examples=self.signal_examples))
            for run in self.runs()
            for trained in (False, True)
        ]
        measured = [(depth, None) for depth in self.cost_depths]
        if self.cost_depths:
            measured.append((max(self.cost_depths), round(max(self.cost_depths) ** 0.5)))
        costs = [
            AnalysisConfig(
                run=self._run(self.data[0], kind, depth, every, self._trial(kind, 1)),
                measure=CostConfig(steps=self.cost_steps),
            )
            for kind in self.networks
            for depth, every in measured
        ]
        return signals + costs

    def _run(self, data: ImageDataName, kind: Kind, depth: int, every: int | None, trial: RunConfig) -> RunConfig:
        epochs = self.epochs if isinstance(self.epochs, int) else self.epochs[data]
        assert isinstance(trial.network, DenseConfig)
        return RunConfig(
            data=DataConfig(name=data),
            network=DenseConfig(
                kind=kind,
                depth=depth,
                width=self.highway_width if kind == "highway" else self.plain_width,
                activation=trial.network.activation,
                transform_bias=trial.network.transform_bias,
                checkpoint_every=every,
            ),
            optimiser=trial.optimiser,
            budget=BudgetConfig(epochs=epochs, batch_size=self.batch_size),
            seed=self.seed,
            order_seed=self.seed,
        )
