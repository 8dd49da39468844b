"""Training events, which progress lines and MLflow listen to."""

from collections.abc import Callable
from dataclasses import dataclass

from highways.tracking.records import RunRecord


@dataclass(frozen=True)
class Started:
    """Training of a group of runs has begun or resumed."""

    keys: tuple[str, ...]


@dataclass(frozen=True)
class EpochEnded:
    """The runs of a group have finished an epoch, counted from 1, in `seconds` of training and evaluation."""

    keys: tuple[str, ...]
    epoch: int
    epochs: int
    metrics: tuple[dict[str, float] | None, ...]
    """One mapping per run; `None` for a run that has diverged."""
    seconds: float


@dataclass(frozen=True)
class Finished:
    """A run's record has been written."""

    record: RunRecord


Event = Started | EpochEnded | Finished
Listener = Callable[[Event], None]
