"""Initial weights, by depth, and small questions about them: parameters, runs, analyses."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from highways.config.analysis import AnalysisConfig
from highways.config.base import BatchSize, Count, Depth, Distinct, Epochs, Trials, Width
from highways.config.profiles import Profile
from highways.config.run import (
    BudgetConfig,
    DataConfig,
    DenseConfig,
    ImageDataName,
    Initialisation,
    RunConfig,
    SGDConfig,
)
from highways.experiments.initialisation.stuck import StuckConfig
from highways.experiments.initialisation.studies import SaturationConfig, SmallNetConfig, VarianceConfig
from highways.inside.signal import SignalConfig


class InitialisationProfile(Profile):
    """Parameters of `08_initialisation`: initial weights, by depth, and four studies of them."""

    experiment: ClassVar[str] = "08_initialisation"

    data: ImageDataName
    initialisations: Distinct[Initialisation]
    depths: Distinct[Depth]
    width: Width = 50
    activation: Literal["relu", "tanh"] = "relu"
    transform_bias: float = -2.0
    learning_rates: Distinct[Annotated[float, Field(gt=0)]]
    """Each network is trained at each of these; the best run's training cross-entropy counts."""
    momentum: float = Field(default=0.9, ge=0, lt=1)
    epochs: Epochs
    batch_size: BatchSize
    seeds: Trials = 1
    signal_examples: Count = 1_000
    draws: int = Field(default=20_000, ge=2, le=1_000_000_000)
    """Of the weights of one unit, for the variance of its input."""
    stuck_steps: Count = 500
    """Of the network that learned nothing; 500 are the source's. The healthy one has four times as many."""
    small_net_steps: Count = 1_000
    """Of the 7-4-2-1 network."""
    saturation_steps: Count = 6_000
    """Of the network of one hidden layer of sigmoids; at most an epoch's."""

    def runs(self) -> list[RunConfig]:
        """Return both kinds, every depth, initialisation, rate and seed, in this order."""
        return [
            self._run(kind, depth, initialisation, rate, seed)
            for kind in ("plain", "highway")
            for depth in self.depths
            for initialisation in self.initialisations
            for rate in self.learning_rates
            for seed in range(self.seeds)
        ]

    def analyses(self) -> list[AnalysisConfig]:
        """Return the signal before training of every network that has blocks, then the four studies."""
        untrained = [
            run
            for run in self.runs()
            if (run.optimiser.learning_rate, run.seed) == (self.learning_rates[0], 0) and run.network.depth > 1
        ]
        measure = SignalConfig(trained=False, examples=self.signal_examples)
        studies = (
            VarianceConfig(draws=self.draws),
            StuckConfig(steps=self.stuck_steps, healthy_steps=4 * self.stuck_steps),
            SmallNetConfig(steps=self.small_net_steps),
            SaturationConfig(data=self.data, steps=self.saturation_steps),
        )
        return [AnalysisConfig(run=run, measure=measure) for run in untrained] + [
            AnalysisConfig(measure=study) for study in studies
        ]

    def _run(
        self,
        kind: Literal["plain", "highway"],
        depth: int,
        initialisation: Initialisation,
        rate: float,
        seed: int,
    ) -> RunConfig:
        return RunConfig(
            data=DataConfig(name=self.data),
            network=DenseConfig(
                kind=kind,
                depth=depth,
                width=self.width,
                activation=self.activation,
                transform_bias=self.transform_bias if kind == "highway" else None,
                initialisation=initialisation,
            ),
            optimiser=SGDConfig(learning_rate=rate, momentum=self.momentum),
            budget=BudgetConfig(epochs=self.epochs, batch_size=self.batch_size),
            seed=seed,  # one order for all, so that all train together
        )
