"""Searches with rungs: many trials for few epochs, the best of them for more (successive halving, run to run).

What a rung holds follows from the records of the one before it, by `highways.tracking.outcomes.rank` and
nothing else, so that it is as reproducible as a fixed list.

Source: Jamieson and Talwalkar 2016, "Non-stochastic best arm identification and hyperparameter optimization";
here a survivor is trained from the start, for the schedules of the rate do not depend on the budget.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import ConfigDict

from highways.config import RunConfig, Strict
from highways.config.base import Epochs, Trials
from highways.tracking.outcomes import rank, recorded


class Rung(Strict):
    """A later rung of a search: how many trials of each network reach it, and how long they are trained there."""

    model_config = ConfigDict(strict=True)

    epochs: Epochs
    keep: Trials


def checked(rungs: Sequence[Rung], trials: int, epochs: int) -> None:
    """Check that rungs become narrower and longer.

    Args:
        rungs: The later rungs.
        trials: Of the first one.
        epochs: Of the first one.

    Raises:
        ValueError: One keeps more trials than there are, or is no longer than the one before.
    """
    for rung in rungs:
        if rung.keep > trials:
            raise ValueError(f"a rung of {rung.epochs} epochs keeps {rung.keep} trials, there are {trials} before it")
        if rung.epochs <= epochs:
            raise ValueError(
                f"a rung of {rung.epochs} epochs follows one of {epochs}: epochs must grow from rung to rung"
            )
        trials, epochs = rung.keep, rung.epochs


def longer(config: RunConfig, epochs: int) -> RunConfig:
    """Return a run with another number of epochs."""
    return config.model_copy(update={"budget": config.budget.model_copy(update={"epochs": epochs})})


@dataclass(frozen=True)
class Ladder:
    """The rungs of one network's search, as far as the records tell.

    Attributes:
        rungs: Runs of each rung; those of the later ones best first.
        whole: No rung is missing.
    """

    rungs: tuple[tuple[RunConfig, ...], ...]
    whole: bool


def climb(first: Sequence[RunConfig], rungs: Sequence[Rung], profile: str, experiment: str) -> Ladder:
    """Return the rungs of one network's search.

    Args:
        first: The trials of the first rung.
        rungs: The later ones.
        profile: Profile of the records.
        experiment: Their experiment.

    Raises:
        HighwaysError: A record is damaged.
    """
    found = [tuple(first)]
    for rung in rungs:
        records = [record for record in recorded(profile, experiment, found[-1]) if record is not None]
        if len(records) < len(found[-1]):
            return Ladder(tuple(found), whole=False)
        kept = sorted(records, key=rank)[: rung.keep]
        found.append(tuple(longer(record.config, rung.epochs) for record in kept))
    return Ladder(tuple(found), whole=True)
