"""Analyses of trained networks, as values: what is measured, and of which run."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Literal

from pydantic import Field, Tag

from highways.config.base import Strict, tagged_union
from highways.config.run import RunConfig

VERSIONS: dict[str, int] = {"gates": 1, "lesions": 1, "signal": 1, "cost": 1}
"""Version of each kind of analysis. Raise one by hand when a change alters its results."""


class GatesConfig(Strict):
    """Transform gates of a highway network: biases, means over examples, one example (P1 Fig. 2, P2 Figs. 2, 3)."""

    kind: Literal["gates"] = "gates"
    examples: int = Field(default=10_000, ge=1)
    """The first of the training set, over which gates are averaged; all of it where it has fewer."""
    example: int = Field(default=0, ge=0)
    """Number of the training example whose gates and block outputs are kept."""


class LesionsConfig(Strict):
    """Every block's gate closed, one at a time, over the whole training set (P2 sec. 4.2, Fig. 4)."""

    kind: Literal["lesions"] = "lesions"


class SignalConfig(Strict):
    """Size of outputs and of gradients, layer by layer."""

    kind: Literal["signal"] = "signal"
    trained: bool
    """With the final weights, or with the initial ones."""
    examples: int = Field(default=1_000, ge=1)
    """The first of the training set."""


class CostConfig(Strict):
    """Time and memory of a training step of the run; nothing needs to be trained for it."""

    kind: Literal["cost"] = "cost"
    steps: int = Field(default=5, ge=1)
    """Timed, after one to warm up; their median counts."""


class AnalysisConfig(Strict):
    """One analysis of one run."""

    run: RunConfig
    measure: Annotated[
        Annotated[GatesConfig, Tag("gates")]
        | Annotated[LesionsConfig, Tag("lesions")]
        | Annotated[SignalConfig, Tag("signal")]
        | Annotated[CostConfig, Tag("cost")],
        tagged_union("kind", default="gates"),
    ]

    @property
    def needs_weights(self) -> bool:
        """Tell whether the run must have been trained; one that diverged has no weights to analyse."""
        untrained = isinstance(self.measure, SignalConfig) and not self.measure.trained
        return not untrained and not isinstance(self.measure, CostConfig)

    @property
    def label(self) -> str:
        """What tells the analyses of one run apart, for people."""
        if isinstance(self.measure, SignalConfig):
            return "signal_trained" if self.measure.trained else "signal_initial"
        return self.measure.kind

    @property
    def version(self) -> int:
        """Version of this kind of analysis."""
        return VERSIONS[self.measure.kind]

    def key(self, fingerprint: str) -> str:
        """Return the analysis's key: its kind, a hash, and the key of its run.

        Args:
            fingerprint: That of the run's data (`highways.data.fingerprint`).
        """
        content = json.dumps({"measure": self.measure.model_dump(), "version": self.version}, sort_keys=True)
        return f"{self.measure.kind}-{hashlib.sha256(content.encode()).hexdigest()[:6]}-{self.run.key(fingerprint)}"
