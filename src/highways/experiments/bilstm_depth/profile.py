"""BiLSTMs of 1 to 20 layers on sentiment (the Highway BiLSTM article): parameters and runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from highways.config.base import BatchSize, Count, Distinct, Epochs, Strict, Trials, Width
from highways.config.profiles import Profile
from highways.config.run import (
    AdamConfig,
    BagOfWordsConfig,
    BiLSTMConfig,
    BiLSTMKind,
    BudgetConfig,
    DataConfig,
    RunConfig,
    TextDataName,
)
from highways.experiments.bilstm_depth.accuracies import accuracies
from highways.experiments.search import longer
from highways.tracking.outcomes import recorded


class Longer(Strict):
    """Some of the depths once more, the first seed, for more epochs."""

    epochs: Epochs
    depths: list[Annotated[int, Field(ge=1, le=1_000)]] = Field(min_length=1)


Depth = Annotated[int, Field(ge=1, le=1_000)]
Variant = BiLSTMKind | Literal["highway-released-padded"]


class StopRule(Strict):
    """When a deep network's second and further seeds are trained: a rule that reads the records of the first alone.

    Deeper than `after` layers they are trained, of all variants, at the depths at which one of `variants` is off chance
    or the test accuracies of two of them, at the best development snapshot, are further apart than `difference`.
    """

    after: Depth
    variants: list[Variant] = Field(min_length=1)
    chance: list[float] = Field(min_length=2, max_length=2)
    """Lower and upper end of what counts as guessing."""
    difference: float = Field(gt=0)

    def goes_on(self, accuracies: Sequence[float]) -> bool:
        """Tell whether the accuracies of one depth call for further seeds."""
        low, high = self.chance
        off_chance = any(not low <= accuracy <= high for accuracy in accuracies)
        return off_chance or max(accuracies) - min(accuracies) > self.difference


class Beside(Strict):
    """Further variants, at some depths."""

    variants: list[Variant] = Field(min_length=1)
    depths: list[Depth] = Field(min_length=1)
    seeds: Trials


class BiLSTMProfile(Profile):
    """Parameters of `02_bilstm_depth`: BiLSTMs of 1 to 20 layers, plain and highway (the Highway BiLSTM article).

    The bag of words that stands beside them has settings of its own: one run a data set, ten epochs at
    a rate of 0.01, no decay of weights.
    """

    experiment: ClassVar[str] = "02_bilstm_depth"

    data: Distinct[TextDataName]
    variants: Distinct[Variant]
    """Kinds of networks; `highway-released-padded` lets padding in, as the released code did."""
    depths: Distinct[Depth]
    seeds: Trials
    """How many; they are 0, 1, ..., and each draws weights and order of sentences."""
    epochs: Epochs
    batch_size: BatchSize
    hidden: Width
    embedding: Width
    dropout: float = Field(ge=0, lt=1)
    transform_bias: float = -1.0
    """P2 sec. 2.2 advises -1 for about ten layers, -2 for twenty; one value serves all depths here."""
    learning_rate: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=1e-8, ge=0)
    clip_norm: float = Field(default=3.0, gt=0)
    snapshot_steps: Count | None = 100
    """Looks at development and test set; `None` looks at the end of each epoch alone."""
    vectors: str | None = None
    """File of word vectors in GloVe's text format, `embedding` wide."""
    longer: Longer | None = None
    """Beside the study, not in it: the claims are judged on runs of one length."""
    stop: StopRule | None = None
    """Which of the deep networks have more than one seed; all of them by default."""
    beside: Beside | None = None
    """Further variants, trained after the others."""

    @model_validator(mode="after")
    def _longer_is_longer(self) -> Self:
        if self.longer is not None and self.longer.epochs <= self.epochs:
            raise ValueError(f"longer.epochs must be more than epochs, {self.epochs}, found {self.longer.epochs}")
        return self

    @model_validator(mode="after")
    def _stop_rule_reads_what_is_listed(self) -> Self:
        if self.stop is not None and (unlisted := [name for name in self.stop.variants if name not in self.variants]):
            raise ValueError(f"stop.variants must be among variants, found {', '.join(unlisted)}")
        return self

    def runs(self) -> list[RunConfig]:
        """Return for every data set the bag of words, every variant, depth and seed, in this order; the longer last.

        With a stop rule further seeds of deep networks are listed once the records of the first call for them.
        """
        return [run for portion in self._study() for run in portion] + self.auxiliary()

    def portions(self) -> Iterator[list[RunConfig]]:
        """Yield the study, with a stop rule the first seeds before the others, then the longer runs."""
        yield from self._study()
        yield self.auxiliary()

    def _study(self) -> Iterator[list[RunConfig]]:
        """Yield the study's runs; those that follow from a stop rule after those that it reads."""
        after = self.stop.after if self.stop else max(self.depths)
        first = []
        for data in self.data:
            first.append(self._bag_of_words(data))
            first += [
                self._run(data, variant, depth, seed)
                for variant in self.variants
                for depth in self.depths
                for seed in range(self.seeds if depth <= after else 1)
            ]
        yield first
        yield [
            self._run(data, variant, depth, seed)
            for data in self.data
            for depth in self.depths
            if depth > after and self._goes_on(data, depth)
            for variant in self.variants
            for seed in range(1, self.seeds)
        ]
        if self.beside is not None:
            yield [
                self._run(data, variant, depth, seed)
                for data in self.data
                for variant in self.beside.variants
                for depth in self.beside.depths
                for seed in range(self.beside.seeds)
            ]

    def _goes_on(self, data: TextDataName, depth: int) -> bool:
        """Tell whether the stop rule asks for further seeds at a depth; not before all that it reads is there."""
        assert self.stop is not None
        runs = [self._run(data, variant, depth, 0) for variant in self.stop.variants]
        records = [record for record in recorded(self.profile, self.experiment, runs) if record is not None]
        return len(records) == len(runs) and self.stop.goes_on([accuracies(record).best_dev for record in records])

    def waiting(self) -> list[RunConfig]:
        """See `Profile`; the runs of the first seed that the stop rule still waits for."""
        if self.stop is None or self.seeds == 1:
            return []
        runs = [
            self._run(data, variant, depth, 0)
            for data in self.data
            for variant in self.stop.variants
            for depth in self.depths
            if depth > self.stop.after
        ]
        there = recorded(self.profile, self.experiment, runs)
        return [run for run, record in zip(runs, there, strict=True) if record is None]

    def auxiliary(self) -> list[RunConfig]:
        """Return the longer runs."""
        if self.longer is None:
            return []
        return [
            longer(self._run(data, variant, depth, 0), self.longer.epochs)
            for data in self.data
            for variant in self.variants
            for depth in self.longer.depths
        ]

    def _bag_of_words(self, data: TextDataName) -> RunConfig:
        return RunConfig(
            data=DataConfig(name=data),
            network=BagOfWordsConfig(family="bag-of-words"),
            optimiser=AdamConfig(kind="adam", learning_rate=0.01),
            budget=BudgetConfig(epochs=10, batch_size=self.batch_size),
        )

    def _run(self, data: TextDataName, variant: str, depth: int, seed: int) -> RunConfig:
        kind = variant.removesuffix("-padded")
        return RunConfig(
            data=DataConfig(name=data, vectors=self.vectors),
            network=BiLSTMConfig(
                family="bilstm",
                kind=kind,  # type: ignore[arg-type]
                depth=depth,
                hidden=self.hidden,
                embedding=self.embedding,
                dropout=self.dropout,
                transform_bias=self.transform_bias if kind == "highway" else None,
                padding="none" if variant == kind else "seen",
            ),
            optimiser=AdamConfig(
                kind="adam",
                learning_rate=self.learning_rate,
                weight_decay=self.weight_decay,
                clip_norm=self.clip_norm,
            ),
            budget=BudgetConfig(epochs=self.epochs, batch_size=self.batch_size, snapshot_steps=self.snapshot_steps),
            seed=seed,
            order_seed=seed,
        )
