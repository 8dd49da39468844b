"""Lesions of the networks of `04_gates` (P2 Fig. 4): parameters and analyses."""

from __future__ import annotations

from typing import ClassVar

from highways.config.analysis import AnalysisConfig, LesionsConfig
from highways.config.profiles import Profile, load_profile
from highways.config.run import RunConfig
from highways.experiments.gates import GatesProfile


class LesionProfile(Profile):
    """Parameters of `05_lesion`: P2 Fig. 4, on the networks of `04_gates`."""

    experiment: ClassVar[str] = "05_lesion"

    networks: str
    """Profile of the `04_gates` whose networks are lesioned."""

    def runs(self) -> list[RunConfig]:
        """Return the runs whose gates `04_gates` shows."""
        return load_profile(self.networks, GatesProfile).shown()

    def analyses(self) -> list[AnalysisConfig]:
        """Return the lesions of every run."""
        return [AnalysisConfig(run=run, measure=LesionsConfig()) for run in self.runs()]
