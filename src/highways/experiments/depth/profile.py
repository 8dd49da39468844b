"""The random search over depth (P1 Fig. 1, P2 Fig. 1): its parameters and runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, field_validator, model_validator

from highways import paths
from highways.config import BudgetConfig, DataConfig, DenseConfig, Profile, RunConfig, SGDConfig, load_profile
from highways.config.base import BatchSize, Epochs, Seed, Trials, Width
from highways.config.profiles import no_repetition
from highways.config.run import ImageDataName
from highways.errors import NotYet
from highways.experiments.rungs import Ladder, Rung, checked, climb, foreseen, longer
from highways.tracking.outcomes import rank as by_rank
from highways.tracking.outcomes import recorded

Kind = Literal["plain", "highway"]

KINDS: tuple[Kind, Kind] = ("plain", "highway")


class DepthProfile(Profile):
    """Parameters of `01_depth`: the random search of P1 Fig. 1 and P2 Fig. 1.

    The papers searched the initial learning rate, the momentum, the decay of the rate, the
    activation (ReLU or tanh) and, for highways, the transform bias between -1 and -10. They state
    no range of the first three. Ours:

    - learning rate: log-uniform in [1e-5, 1];
    - momentum: 1 - momentum log-uniform in [0.01, 0.5], that is, momentum in [0.5, 0.99];
    - decay per epoch: 1 - decay log-uniform in [0.001, 0.1], that is, decay in [0.9, 0.999];
    - transform bias: uniform in [-10, -1].

    Trial `i` draws from its own stream, so its settings depend on `search_seed` and `i` alone: they
    are the same for both kinds of network and all depths, and more trials leave the earlier ones.
    """

    experiment: ClassVar[str] = "01_depth"
    learning_rate_range: ClassVar[tuple[float, float]] = (1e-5, 1.0)
    one_minus_momentum_range: ClassVar[tuple[float, float]] = (0.01, 0.5)
    one_minus_decay_range: ClassVar[tuple[float, float]] = (0.001, 0.1)
    transform_bias_range: ClassVar[tuple[float, float]] = (-10.0, -1.0)

    data: ImageDataName
    depths: list[Annotated[int, Field(ge=1, le=10_000)]] = Field(min_length=1)
    trials: Trials
    epochs: Epochs
    batch_size: BatchSize
    plain_width: Width = 71
    highway_width: Width = 50
    search_seed: Seed = 0
    rungs: list[Rung] = Field(default_factory=list)
    """Later rungs: the best trials of each network, trained for longer. None by default: all trials to the end."""
    drawn: dict[int, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    """By depth, how many of the trials that no last rung kept are trained as long as it, to see what the rungs
    missed. They are drawn among those that did not diverge, and count for no outcome."""

    @field_validator("depths")
    @classmethod
    def _depths(cls, depths: list[int]) -> list[int]:
        return no_repetition(depths)

    @model_validator(mode="after")
    def _rungs(self) -> Self:
        checked(self.rungs, self.trials, self.epochs)
        if self.drawn and not self.rungs:
            raise ValueError("drawn belongs to searches with rungs")
        if missing := [depth for depth in self.drawn if depth not in self.depths]:
            raise ValueError(f"drawn names depths that are not among depths: {', '.join(map(str, missing))}")
        return self

    def draw(self, trial: int) -> dict[str, Any]:
        """Return the settings that trial number `trial` drew."""
        random = np.random.default_rng([self.search_seed, trial])
        learning_rate, momentum, decay, activation, bias = random.random(5)

        def between(ends: tuple[float, float], u: float) -> float:
            return float(f"{ends[0] + (ends[1] - ends[0]) * u:.4g}")

        def log_between(ends: tuple[float, float], u: float) -> float:
            return float(f"{ends[0] * (ends[1] / ends[0]) ** u:.4g}")

        return {
            "learning_rate": log_between(self.learning_rate_range, learning_rate),
            "momentum": round(1 - log_between(self.one_minus_momentum_range, momentum), 6),
            "decay": round(1 - log_between(self.one_minus_decay_range, decay), 6),
            "activation": "relu" if activation < 0.5 else "tanh",
            "transform_bias": between(self.transform_bias_range, bias),
        }

    def runs(self) -> list[RunConfig]:
        """Return both kinds, every depth, every trial, in this order; then later rungs, as far as records tell.

        Of a rung every network's trials stand together, the best one first. The auxiliary ones are the last.
        """
        ladders = self._ladders()
        levels = range(len(self.rungs) + 1)
        climbed = [run for level in levels for ladder in ladders.values() for run in _level(ladder, level)]
        return climbed + self.auxiliary()

    def portions(self) -> Iterator[list[RunConfig]]:
        """Yield rung by rung; of the last the best trial of every network first, then the others and the drawn ones.

        A stop in the middle of the last rung leaves so the best of each network.
        """
        for level in range(len(self.rungs) + 1):
            rung = [_level(ladder, level) for ladder in self._ladders().values()]
            if level and level == len(self.rungs):
                yield [run for runs in rung for run in runs[:1]]
                yield [run for runs in rung for run in runs[1:]] + self.auxiliary()
            else:
                yield [run for runs in rung for run in runs]

    def auxiliary(self) -> list[RunConfig]:
        """Return, at the depths of `drawn`, trials that no last rung kept, as long as it."""
        if not self.drawn:
            return []
        ladders, found = self._ladders(), []
        for (kind, depth), ladder in ladders.items():
            if depth not in self.drawn or not ladder.whole:
                continue
            kept = {run.seed for run in ladder.rungs[-1]}
            records = recorded(self.profile, self.experiment, ladder.rungs[0])
            thrown_out = sorted(
                r.config.seed for r in records if r and r.status == "finished" and r.config.seed not in kept
            )
            random = np.random.default_rng([self.search_seed, depth, KINDS.index(kind)])
            count = min(self.drawn[depth], len(thrown_out))
            chosen = random.choice(len(thrown_out), size=count, replace=False)
            found += [longer(self._run(kind, depth, thrown_out[i]), self.rungs[-1].epochs) for i in sorted(chosen)]
        return found

    def waiting(self) -> list[RunConfig]:
        """See `Profile`."""
        return [ladder.rungs[0][0] for ladder in self._ladders().values() if not ladder.whole]

    def foreseen(self) -> list[RunConfig]:
        """See `Profile`."""
        waiting = [(depth, ladder) for (_, depth), ladder in self._ladders().items() if not ladder.whole]
        drawn = [
            longer(run, self.rungs[-1].epochs)
            for depth, ladder in waiting
            for run in ladder.rungs[0][: self.drawn.get(depth, 0)]
        ]
        return [run for _, ladder in waiting for run in foreseen(ladder, self.rungs)] + drawn

    def _ladders(self) -> dict[tuple[Kind, int], Ladder]:
        return {
            (kind, depth): climb(
                [self._run(kind, depth, trial) for trial in range(self.trials)],
                self.rungs,
                self.profile,
                self.experiment,
            )
            for kind in KINDS
            for depth in self.depths
        }

    def _run(self, kind: Kind, depth: int, trial: int) -> RunConfig:
        drawn = self.draw(trial)
        return RunConfig(
            data=DataConfig(name=self.data),
            network=DenseConfig(
                kind=kind,
                depth=depth,
                width=self.highway_width if kind == "highway" else self.plain_width,
                activation=drawn["activation"],
                transform_bias=drawn["transform_bias"] if kind == "highway" else None,
            ),
            optimiser=SGDConfig(learning_rate=drawn["learning_rate"], momentum=drawn["momentum"], decay=drawn["decay"]),
            budget=BudgetConfig(epochs=self.epochs, batch_size=self.batch_size),
            seed=trial,
        )


def _level(ladder: Ladder, level: int) -> tuple[RunConfig, ...]:
    return ladder.rungs[level] if level < len(ladder.rungs) else ()


def trial_of_search(profile: str, network: Kind, depth: int, rank: int = 1) -> RunConfig:
    """Return a trial of `01_depth` by its outcome, from the records of the search's first rung.

    They are ranked by the lowest training cross-entropy that they reached, those that diverged last.

    Args:
        profile: Of the search.
        network: Kind of network.
        depth: Its depth.
        rank: 1 for the best trial, 2 for the second best, ...

    Raises:
        NotYet: The search has not been run, not with that network, has not been run to its end, or has not so many
            trials that learned.
        HighwaysError: A record is damaged.
    """
    settings = load_profile(profile, DepthProfile)
    first = settings._ladders().get((network, depth), Ladder((), whole=False)).rungs[:1]
    records = recorded(profile, settings.experiment, first[0]) if first else []
    ended = [record for record in records if record is not None]
    learned = sorted((record for record in ended if record.best() is not None), key=by_rank)
    if len(ended) < len(records) or len(learned) < rank:
        where = paths.Results(profile).of(settings.experiment).runs.relative_to(paths.root())
        networks = f"{network} networks of {depth} layers"
        have = f"{len(learned)} trials of {networks} that learned, number {rank} is needed"
        if len(ended) < len(records):
            have = f"{len(ended)} of the {len(records)} trials of {networks}, all are needed"
        cure = f"`highways profile use {profile} && dvc repro 01_depth@{profile}` makes them"
        raise NotYet(f"{where} has {have}; {cure}")
    return learned[rank - 1].config


def stand_in_of_search(profile: str, network: Kind, depth: int) -> RunConfig:
    """Return a trial of `01_depth` in place of one that `trial_of_search` cannot find yet: of the same shape.

    Raises:
        NotYet: The search has not that network.
    """
    settings = load_profile(profile, DepthProfile)
    if depth not in settings.depths:
        raise NotYet(f"profiles/{profile}/{settings.experiment}.yaml has no networks of {depth} layers")
    return settings._run(network, depth, 0)
