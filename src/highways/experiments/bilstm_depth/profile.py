"""BiLSTMs of 1 to 20 layers on sentiment (the Highway BiLSTM article): parameters and runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from highways.config.base import BatchSize, Count, Epochs, Strict, Trials, Width
from highways.config.profiles import Profile, no_repetition
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
from highways.experiments.rungs import longer


class Longer(Strict):
    """Some of the depths once more, the first seed, for more epochs."""

    model_config = ConfigDict(strict=True)

    epochs: Epochs
    depths: list[Annotated[int, Field(ge=1, le=1_000)]] = Field(min_length=1)


class BiLSTMProfile(Profile):
    """Parameters of `02_bilstm_depth`: BiLSTMs of 1 to 20 layers, plain and highway (the Highway BiLSTM article).

    The bag of words that stands beside them has settings of its own: one run a data set, ten epochs at
    a rate of 0.01, no decay of weights.
    """

    experiment: ClassVar[str] = "02_bilstm_depth"

    data: list[TextDataName] = Field(min_length=1)
    variants: list[BiLSTMKind | Literal["highway-released-padded"]] = Field(min_length=1)
    """Kinds of networks; `highway-released-padded` lets padding in, as the released code did."""
    depths: list[Annotated[int, Field(ge=1, le=1_000)]] = Field(min_length=1)
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
    snapshot_steps: Count = 100
    vectors: str | None = None
    """File of word vectors in GloVe's text format, `embedding` wide."""
    longer: Longer | None = None
    """Beside the study, not in it: the claims are judged on runs of one length."""

    @model_validator(mode="after")
    def _longer_is_longer(self) -> Self:
        if self.longer is not None and self.longer.epochs <= self.epochs:
            raise ValueError(f"longer.epochs must be more than epochs, {self.epochs}, found {self.longer.epochs}")
        return self

    @field_validator("data", "variants", "depths")
    @classmethod
    def _lists(cls, values: list[Any]) -> list[Any]:
        return no_repetition(values)

    def runs(self) -> list[RunConfig]:
        """Return for every data set the bag of words, every variant, depth and seed, in this order; the longer last."""
        listed = []
        for data in self.data:
            listed.append(self._bag_of_words(data))
            listed += [
                self._run(data, variant, depth, seed)
                for variant in self.variants
                for depth in self.depths
                for seed in range(self.seeds)
            ]
        return listed + self.auxiliary()

    def portions(self) -> Iterator[list[RunConfig]]:
        """Yield the study, then the longer runs."""
        longer_runs = self.auxiliary()
        yield [run for run in self.runs() if run not in longer_runs]
        yield longer_runs

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
