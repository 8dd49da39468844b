"""A factorial over what two implementations differ in (the Keras/Lasagne question): parameters and runs."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from highways.config.analysis import AnalysisConfig
from highways.config.base import Distinct, Width
from highways.config.profiles import Profile
from highways.config.run import FeatureDataName, RunConfig
from highways.experiments.keras_lasagne.factors import cells, run_of
from highways.experiments.keras_lasagne.logistic import LogisticConfig


class KerasLasagneProfile(Profile):
    """Parameters of `07_keras_vs_lasagne`: a factorial over what two implementations differ in."""

    experiment: ClassVar[str] = "07_keras_vs_lasagne"

    data: Distinct[FeatureDataName]
    training_examples: int | None = Field(default=None, ge=1)
    """Of each data set, the first so many; all by default."""
    fraction: bool
    """Sixteen cells of the 128 of the levels as written, and two of other versions of Keras; otherwise all 193. See
    `highways.experiments.keras_lasagne.factors`."""
    seeds: int = Field(default=3, ge=2, le=10_000)
    """Of initial weights and dropout; each is a whole factorial of its own. The batches come in one order for all."""
    epochs: int = Field(default=10, ge=2, le=100_000)
    """Keras's; Lasagne's 1 is read off the same curves, since nothing in training depends on how long it will last."""
    width: Width = 32
    dropout: float = Field(default=0.04, ge=0, lt=1)

    def runs(self) -> list[RunConfig]:
        """Return every data set's cells, each with every seed."""
        return [
            run_of(cell, data, self.training_examples, self.epochs, self.width, self.dropout, seed)
            for data in self.data
            for cell in cells(self.fraction)
            for seed in range(self.seeds)
        ]

    def analyses(self) -> list[AnalysisConfig]:
        """Return a logistic regression on each data set."""
        levels = [LogisticConfig(data=data, training_examples=self.training_examples) for data in self.data]
        return [AnalysisConfig(measure=level) for level in levels]
