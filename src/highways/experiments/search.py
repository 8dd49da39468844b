"""Searches with rungs: all trials train for a few epochs, the best of each network for more (successive halving).

Source: Jamieson and Talwalkar 2016, "Non-stochastic best arm identification and hyperparameter optimization"; here a
survivor is retrained from the start, since the schedules of the learning rate do not depend on the budget.
"""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import PrivateAttr

from highways import paths
from highways.config import Epochs, Profile, RunConfig, Strict, Trials
from highways.tracking import RunRecord, rank, recorded

Ladder = list[list[RunConfig]]
"""The rungs of one network's search, as far as the records determine them; later rungs are sorted, best first."""


class Rung(Strict):
    """A later rung of a search: how many trials of each network reach it, and for how long they are trained there."""

    epochs: Epochs
    keep: Trials


def check_rungs(rungs: Sequence[Rung], trials: int, epochs: int) -> None:
    """Check, for a validator, that rungs get narrower and longer, from a first rung of some trials and epochs on."""
    for rung in rungs:
        if rung.keep > trials:
            raise ValueError(f"a rung of {rung.epochs} epochs keeps {rung.keep} trials, there are {trials} before it")
        if rung.epochs <= epochs:
            raise ValueError(f"a rung of {rung.epochs} epochs follows one of {epochs}: epochs must grow")
        trials, epochs = rung.keep, rung.epochs


class Search(Profile):
    """A profile whose runs form a search.

    The runs of a rung follow from the records of the rung before it, by `highways.tracking.outcomes.rank` and nothing
    else, so that a search is as reproducible as a fixed list.
    """

    _climbed: tuple[Any, dict[Any, Ladder]] | None = PrivateAttr(None)

    @abstractmethod
    def first_rung(self) -> Mapping[Any, Sequence[RunConfig]]:
        """Return the trials of the first rung, by network."""

    @property
    def later_rungs(self) -> Sequence[Rung]:
        """The later rungs, by default the field `rungs`; none if all trials are trained to the end."""
        return getattr(self, "rungs", ())

    def ladders(self) -> dict[Any, Ladder]:
        """Return the rungs of every network; read the records again only if some were added or changed."""
        folder = paths.Results(self.profile).of(self.experiment).runs
        files = {path: path.stat().st_mtime_ns for path in folder.glob("*.json")}
        state = (self.model_dump_json(), files)
        if self._climbed is None or self._climbed[0] != state:
            self._climbed = state, {network: self._climb(trials) for network, trials in self.first_rung().items()}
        return self._climbed[1]

    def _climb(self, trials: Sequence[RunConfig]) -> Ladder:
        ladder = [list(trials)]
        for rung in self.later_rungs:
            if len(records := self.ranking(ladder[-1])) < len(ladder[-1]):
                break
            ladder.append([longer(record.config, rung.epochs) for record in records[: rung.keep]])
        return ladder

    def ranking(self, runs: Sequence[RunConfig]) -> list[RunRecord]:
        """Return the existing records of runs, best first."""
        return sorted(recorded(self.profile, self.experiment, runs), key=rank)

    def levels(self) -> Iterator[Ladder]:
        """Yield the runs of every network, rung by rung."""
        for level in range(len(self.later_rungs) + 1):
            yield [ladder[level] for ladder in self.ladders().values() if level < len(ladder)]

    def runs(self) -> list[RunConfig]:
        """Return each run once: rung by rung as far as records determine them, then the auxiliary ones."""
        return [*dict.fromkeys([run for level in self.levels() for runs in level for run in runs] + self.auxiliary())]

    def portions(self) -> Iterator[list[RunConfig]]:
        """Yield rung by rung; the last begins with each network's best trial, so that an interruption leaves these."""
        for level, rung in enumerate(self.levels()):
            if level and level == len(self.later_rungs):
                yield [run for runs in rung for run in runs[:1]]
                yield [run for runs in rung for run in runs[1:]] + self.auxiliary()
            else:
                yield [run for runs in rung for run in runs]

    def waiting(self) -> list[RunConfig]:
        """Return one run of every network whose ladder is incomplete."""
        return [ladder[0][0] for ladder in self.ladders().values() if len(ladder) <= len(self.later_rungs)]


def longer(config: RunConfig, epochs: int) -> RunConfig:
    """Return a run with a different number of epochs."""
    return config.model_copy(update={"budget": config.budget.model_copy(update={"epochs": epochs})})
