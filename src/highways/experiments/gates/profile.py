"""Transform gates of 50-layer networks (P1 Fig. 2, P2 Figs. 2 and 3): parameters, runs and analyses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Self

from pydantic import ConfigDict, Field, model_validator

from highways.config import AnalysisConfig, BudgetConfig, DataConfig, DenseConfig, Profile, RunConfig, Strict
from highways.config.base import BatchSize, Count, Epochs, Seed, Trials, Width
from highways.config.profiles import no_repetition
from highways.config.run import ImageDataName
from highways.experiments.depth import DepthProfile, trial_of_search
from highways.experiments.rungs import Ladder, Rung, checked, climb
from highways.inside.gates import GatesConfig
from highways.tracking.outcomes import rank, recorded


class OwnSearch(Strict):
    """A search with the paper's transform bias: the settings of `01_depth`'s trials, the best ones at full length."""

    model_config = ConfigDict(strict=True)

    trials: Trials
    epochs: Epochs
    """Of every trial; those kept are trained for the notebook's `epochs`."""
    keep: Trials


class GatesProfile(Profile):
    """Parameters of `04_gates`: the highway networks whose gates P1 Fig. 2 and P2 Figs. 2 and 3 show.

    P1 sec. 4 states depth, width and transform bias. All other settings are those of the best highway networks of
    `depth` layers of `01_depth` (`search`), or of a search of its own (`own_search`). With another bias than it
    was found with a network may diverge: then the next one of `ranks` counts.
    """

    experiment: ClassVar[str] = "04_gates"

    data: list[ImageDataName] = Field(min_length=1)
    depth: int = Field(default=50, ge=2, le=10_000)
    width: Width = 50
    transform_bias: dict[ImageDataName, float]
    """By data set; P1: -2 for MNIST, -4 for CIFAR-100."""
    epochs: Epochs
    batch_size: BatchSize
    seed: Seed = 0
    examples: Count = 10_000
    """Training examples over which gates are averaged."""
    example: int = Field(default=0, ge=0, le=1_000_000_000)
    """Number of the one training example that is looked at."""
    search: str | None = None
    """Profile of the search whose best trials give the other settings."""
    ranks: dict[ImageDataName, list[Annotated[int, Field(ge=1)]]] = Field(default_factory=dict)
    """Which of its trials, by data set; 1, the best one, by default. The first that does not diverge is shown."""
    own_search: OwnSearch | None = None
    """In place of `search`: the network shown is the best of those kept."""

    @model_validator(mode="after")
    def _a_bias_for_each(self) -> Self:
        for values in (self.data, *self.ranks.values()):
            no_repetition(values)
        if missing := [name for name in self.data if name not in self.transform_bias]:
            raise ValueError(f"transform_bias has none for {', '.join(missing)}")
        if (self.search is None) == (self.own_search is None):
            raise ValueError("one of search and own_search is needed, and not both")
        if self.own_search is not None:
            if self.ranks:
                raise ValueError("ranks belongs to search, not to own_search")
            checked(
                [Rung(epochs=self.epochs, keep=self.own_search.keep)], self.own_search.trials, self.own_search.epochs
            )
        return self

    def runs(self) -> list[RunConfig]:
        """Return for every data set a run a rank, or its search's trials and those kept, as far as records tell."""
        if self.own_search is None:
            return self._of_search()
        return [run for name in self.data for rung in self._ladder(name).rungs for run in rung]

    def portions(self) -> Iterator[list[RunConfig]]:
        """Yield the trials of a search of its own, then those kept."""
        if self.own_search is None:
            yield self.runs()
            return
        for level in range(2):
            yield [run for name in self.data for rung in self._ladder(name).rungs[level : level + 1] for run in rung]

    def auxiliary(self) -> list[RunConfig]:
        """Return the trials of a search of its own."""
        return [] if self.own_search is None else [run for name in self.data for run in self._ladder(name).rungs[0]]

    @property
    def pruned(self) -> bool:
        """See `Profile`."""
        return self.own_search is not None

    def waiting(self) -> list[RunConfig]:
        """See `Profile`."""
        ladders = [] if self.own_search is None else [self._ladder(name) for name in self.data]
        return [ladder.rungs[0][0] for ladder in ladders if not ladder.whole]

    def shown(self) -> list[RunConfig]:
        """Return the runs whose networks are looked into; of a search of its own those kept, the best one first."""
        if self.own_search is None:
            return self._of_search()
        found = []
        for name in self.data:
            for kept in self._ladder(name).rungs[1:]:
                records = recorded(self.profile, self.experiment, kept)
                best_first = [record.config for record in sorted((r for r in records if r is not None), key=rank)]
                found += best_first + [run for run in kept if run not in best_first]
        return found

    def analyses(self) -> list[AnalysisConfig]:
        """Return the gates of every network shown."""
        measure = GatesConfig(examples=self.examples, example=self.example)
        return [AnalysisConfig(run=run, measure=measure) for run in self.shown()]

    def _of_search(self) -> list[RunConfig]:
        assert self.search is not None
        return [
            self._run(name, trial_of_search(self.search, "highway", self.depth, number))
            for name in self.data
            for number in self.ranks.get(name) or [1]
        ]

    def _ladder(self, name: ImageDataName) -> Ladder:
        assert self.own_search is not None
        drawing = DepthProfile(
            profile=self.profile,
            data=name,
            depths=[self.depth],
            trials=self.own_search.trials,
            epochs=self.own_search.epochs,
            batch_size=self.batch_size,
            highway_width=self.width,
        )
        trials = [run for run in drawing.runs() if run.network.kind == "highway"]
        first = [
            trial.model_copy(
                update={"network": trial.network.model_copy(update={"transform_bias": self.transform_bias[name]})}
            )
            for trial in trials
        ]
        last = Rung(epochs=self.epochs, keep=self.own_search.keep)
        return climb(first, [last], self.profile, self.experiment)

    def _run(self, name: ImageDataName, trial: RunConfig) -> RunConfig:
        assert isinstance(trial.network, DenseConfig)
        return RunConfig(
            data=DataConfig(name=name),
            network=DenseConfig(
                kind="highway",
                depth=self.depth,
                width=self.width,
                activation=trial.network.activation,
                transform_bias=self.transform_bias[name],
            ),
            optimiser=trial.optimiser,
            budget=BudgetConfig(epochs=self.epochs, batch_size=self.batch_size),
            seed=self.seed,
            order_seed=self.seed,
        )
