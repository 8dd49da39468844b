"""Analyses as values: what is measured, on which run; and studies, which have no run."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import BeforeValidator, SerializeAsAny

from highways.config.base import Strict
from highways.config.data import DataConfig
from highways.config.run import RunConfig

if TYPE_CHECKING:
    import torch
    from torch import nn

KINDS: dict[str, type[Measure]] = {}
"""All kinds of analysis, by name. A class that derives from `Measure` is registered here."""


class Measure(Strict):
    """The settings of one kind of analysis, and how to perform it.

    A new kind derives from this class and defines a field `kind`, whose default is its name, and `perform`.
    """

    kind: str
    version: ClassVar[int] = 1
    """Raise it by hand when a change alters the results of this kind."""
    clocked: ClassVar[bool] = False
    """Whether the analysis measures time: a record of another profile may come from another machine."""

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        """Register the kind."""
        if name := cls.model_fields["kind"].default:
            KINDS[name] = cls

    @property
    def needs_weights(self) -> bool:
        """Whether the run must have been trained."""
        return getattr(self, "trained", False)

    @property
    def control(self) -> bool:
        """Whether an untrained network is measured, for comparison with the trained one."""
        return False

    @property
    def data_set(self) -> DataConfig | None:
        """The data of a study; `None` if it generates its own examples."""
        return None

    @property
    def label(self) -> str:
        """Readable label that distinguishes the analyses of one run."""
        return f"{self.kind}_untrained" if self.control else self.kind

    def perform(self, run: RunConfig | None, network: nn.Module | None, where: torch.device) -> dict[str, Any]:
        """Return the results by name, as nested lists of numbers; of the run's trained network if `needs_weights`.

        A study has no run.
        """
        raise NotImplementedError


class OfNetwork(Measure):
    """A measure of a trained network; its control is the same network before training."""

    kind: str = ""
    trained: bool = True
    """Use the final weights, or else the initial ones."""

    @property
    def control(self) -> bool:
        return not self.trained


def _of_its_kind(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    kind = value.get("kind", "gates")
    if kind not in KINDS:
        raise ValueError(f"no kind {kind!r} of analysis; there are: {', '.join(sorted(KINDS))}")
    return KINDS[kind].model_validate(value)


class AnalysisConfig(Strict):
    """One analysis of one run, or a study, which needs no run."""

    run: RunConfig | None = None
    measure: Annotated[SerializeAsAny[Measure], BeforeValidator(_of_its_kind)]

    @property
    def data(self) -> DataConfig | None:
        """The data set; `None` if a study generates its own examples."""
        return self.measure.data_set if self.run is None else self.run.data

    @property
    def numerics(self) -> int | None:
        """Numerics version of the run's network."""
        return None if self.run is None else self.run.network.numerics

    def key(self, fingerprint: str) -> str:
        """Return the analysis's key: its kind, a hash, and the key of its run.

        As in a run's key, fields with their default value are left out. `fingerprint` is that of the data; empty if
        there are none.
        """
        measure = {"kind": self.measure.kind} | self.measure.model_dump(exclude_defaults=True)
        content: dict[str, Any] = {"measure": measure, "version": self.measure.version}
        if self.run is None and fingerprint:
            content["data"] = fingerprint
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
        if self.run is None:
            return f"{self.measure.kind}-{digest[:12]}"
        return f"{self.measure.kind}-{digest[:6]}-{self.run.key(fingerprint)}"
