"""Small questions of the initialisation questions (b, d, e, f): parameters and studies."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from highways.config.analysis import AnalysisConfig
from highways.config.base import Count
from highways.config.profiles import Profile
from highways.config.run import ImageDataName
from highways.experiments.foundations.recurrence import RecurrenceConfig
from highways.experiments.foundations.small import DropoutConfig, PerceptronConfig
from highways.experiments.foundations.two_heads import TwoHeadsConfig


class FoundationsProfile(Profile):
    """Parameters of `10_foundations`: four small questions of the initialisation questions (b, d, e, f)."""

    experiment: ClassVar[str] = "10_foundations"

    data: ImageDataName
    """Of the two heads."""
    labelled: int = Field(default=100, ge=10, le=1_000_000)
    seeds: int = Field(default=5, ge=2, le=10_000)
    """Of the recurrence and of the two heads."""
    steps: Count
    """Of the two heads."""
    recurrence_steps: Count
    dropout_draws: int = Field(default=1_000, ge=2, le=1_000_000_000)
    dropout_inputs: Count = 1_000_000
    """As many weights."""

    def analyses(self) -> list[AnalysisConfig]:
        """Return the four studies."""
        studies = (
            PerceptronConfig(),
            DropoutConfig(draws=self.dropout_draws, inputs=self.dropout_inputs),
            RecurrenceConfig(steps=self.recurrence_steps, seeds=self.seeds),
            TwoHeadsConfig(data=self.data, labelled=self.labelled, seeds=self.seeds, steps=self.steps),
        )
        return [AnalysisConfig(measure=study) for study in studies]
