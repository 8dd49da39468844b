"""NumPy beside PyTorch with Keras's penalty (the NumPy/Keras question): parameters and the study."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from highways.config.analysis import AnalysisConfig
from highways.config.base import Count, Width
from highways.config.profiles import Profile
from highways.config.run import ImageDataName
from highways.experiments.l2_parity.study import ParityConfig


class ParityProfile(Profile):
    """Parameters of `09_l2_parity`: NumPy beside PyTorch with Keras's penalty (the NumPy/Keras question)."""

    experiment: ClassVar[str] = "09_l2_parity"

    data: ImageDataName
    examples: int | None = Field(default=None, ge=10)
    hidden: Width = 30
    steps: Count
    learning_rate: float = Field(gt=0)
    decay: float = Field(gt=0)
    """Lambda."""
    loop_examples: int = Field(default=500, ge=1, le=1_000_000)

    def analyses(self) -> list[AnalysisConfig]:
        """Return the one study."""
        names = ("data", "examples", "hidden", "steps", "learning_rate", "decay", "loop_examples")
        return [AnalysisConfig(measure=ParityConfig(**{name: getattr(self, name) for name in names}))]
