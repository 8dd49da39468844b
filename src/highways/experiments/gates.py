"""Transform gates of 50-layer highway networks (P1 Fig. 2, P2 Figs. 2 and 3); layers count from 1, as there."""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from pydantic import Field, model_validator

from highways.claims.values import in_units
from highways.config import STAND_INS, AnalysisConfig, BudgetConfig, ImageDataName, OfNetwork, RunConfig, load_profile
from highways.config.base import BatchSize, Count, Distinct, Epochs, Seed, Strict, Trials, Width
from highways.experiments.base import Experiment, Table
from highways.experiments.depth import DepthProfile, like
from highways.experiments.search import Ladder, Rung, Search, check_rungs
from highways.inside.gates import GatesConfig
from highways.inside.layers import GateLayers, inside, numbered, of_kind
from highways.inside.statistics import rank_correlation
from highways.show.figures import Drawing
from highways.show.layers import PAPER_DATA, gate_panels
from highways.show.tables import Row, few_layers, reference_rows
from highways.tracking import Listed


class OwnSearch(Strict):
    """A search with the paper's transform bias: it draws as `01_depth` does and trains the best trials in full."""

    trials: Trials
    epochs: Epochs
    """Epochs of every trial; those kept are trained for the notebook's `epochs`."""
    rungs: list[Rung] = Field(default_factory=list)
    """Rungs between the trials and those kept."""
    keep: Trials


class GatesProfile(Search):
    """Parameters of `04_gates`: the highway networks whose gates P1 Fig. 2 and P2 Figs. 2 and 3 show."""

    experiment: ClassVar[str] = "04_gates"

    data: Distinct[ImageDataName]
    depth: int = Field(default=50, ge=2, le=10_000)
    width: Width = 50
    transform_bias: dict[ImageDataName, float]
    """By data set; P1: -2 for MNIST, -4 for CIFAR-100."""
    epochs: Epochs
    batch_size: BatchSize
    seed: Seed = 0
    examples: Count = 10_000
    """Number of training examples over which gates are averaged."""
    example: int = Field(default=0, ge=0, le=1_000_000_000)
    """Index of the one training example that is analysed."""
    search: str | None = None
    """Profile of the `01_depth` whose best trials give all but depth, width and bias, which P1 sec. 4 states."""
    ranks: dict[ImageDataName, Distinct[Annotated[int, Field(ge=1)]]] = Field(default_factory=dict)
    """Which of its trials are trained, by data set; by default 1, the best. The first not to diverge is shown."""
    controls: bool = False
    """Analyse every network before training, too: what an untrained one also shows is not a finding."""
    own_search: OwnSearch | None = None
    """Replaces `search`: the network shown is the best of those kept."""

    @model_validator(mode="after")
    def _a_bias_for_each(self) -> Self:
        if missing := [name for name in self.data if name not in self.transform_bias]:
            raise ValueError(f"transform_bias has none for {', '.join(missing)}")
        if (self.search is None) == (self.own_search is None):
            raise ValueError("one of search and own_search is needed, and not both")
        if (own := self.own_search) is not None and self.ranks:
            raise ValueError("ranks belongs to search, not to own_search")
        if own is not None:
            check_rungs(self.later_rungs, own.trials, own.epochs)
        return self

    @property
    def pruned(self) -> bool:
        return self.own_search is not None

    @property
    def later_rungs(self) -> Sequence[Rung]:
        return [*own.rungs, Rung(epochs=self.epochs, keep=own.keep)] if (own := self.own_search) else []

    def first_rung(self) -> dict[ImageDataName, list[RunConfig]]:
        """Return the trials of a separate search, or else a run for every rank, by data set."""
        if (own := self.own_search) is None:
            return {name: [self._run(name, number) for number in self.ranks.get(name, [1])] for name in self.data}
        trials: dict[ImageDataName, list[RunConfig]] = {}
        shared = {"profile": self.profile, "depths": [self.depth], "batch_size": self.batch_size}
        shared |= {"highway_width": self.width} | own.model_dump(exclude={"keep", "rungs"})
        for name in self.data:
            search, bias = DepthProfile.model_validate(shared | {"data": name}), self.transform_bias[name]
            trials[name] = [search.trial("highway", self.depth, number, bias) for number in range(own.trials)]
        return trials

    def ladders(self) -> dict[Any, Ladder]:
        """Return the rungs; without a search of its own they follow from other records, and are read every time."""
        return super().ladders() if self.own_search else {name: [runs] for name, runs in self.first_rung().items()}

    def portions(self) -> Iterator[list[RunConfig]]:
        """Yield rung by rung; all trials of a rung count alike, so none comes first."""
        for level in self.levels():
            yield [run for runs in level for run in runs]

    def auxiliary(self) -> list[RunConfig]:
        ladders = self.ladders().values() if self.own_search else ()
        return [run for ladder in ladders for rung in ladder[: len(self.later_rungs)] for run in rung]

    def shown(self) -> list[RunConfig]:
        """Return the runs whose networks are analysed; for a separate search, those kept, best first."""
        if self.own_search is None:
            return self.runs()
        runs = []
        for ladder in self.ladders().values():
            kept = [run for rung in ladder[len(self.later_rungs) :] for run in rung]
            runs += dict.fromkeys([record.config for record in self.ranking(kept)] + kept)
        return runs

    def analyses(self) -> list[AnalysisConfig]:
        measure = GatesConfig(examples=self.examples, example=self.example)
        return with_controls(self.shown(), measure, self.controls)

    def _run(self, name: ImageDataName, number: int) -> RunConfig:
        """Return the run with the settings of another search's trial."""
        trial = load_profile(self.search or "", DepthProfile).ranked("highway", self.depth, number)
        budget = BudgetConfig(epochs=self.epochs, batch_size=self.batch_size)
        return like(trial, name, budget, self.seed, width=self.width, transform_bias=self.transform_bias[name])


def with_controls(runs: Sequence[RunConfig], measure: OfNetwork, controls: bool) -> list[AnalysisConfig]:
    """Return an analysis of every run and, with `controls`, of every run's network before training."""
    measures = [measure, measure.model_copy(update={"trained": False})] if controls else [measure]
    return [AnalysisConfig(run=run, measure=one) for one in measures for run in runs]


def gates_rows(records: Listed) -> Iterator[Row]:
    """Yield a row for each data set, network and highway layer: means over its units, next to the paper's values.

    `network` numbers the networks of a data set, best first; `untrained 1` is network 1 before training. `bias_initial`
    and `bias_mean` are transform biases before and after training. `mean_gate` is the mean transform gate over the
    training examples, `change` the mean norm of what the layer adds to its input, `routing` the mean absolute
    difference between a class's mean gate and that of all examples. `paper_data` is the data set of P1 Fig. 2.
    """
    theirs = reference_rows("highway2015_fig2_layer_means.csv")
    for data, number, analysis in numbered(records, "gates"):
        layers = GateLayers(analysis)
        paper = PAPER_DATA.get(data) if len(layers.bias) == len(theirs) else None
        means = {"bias_mean": layers.bias, "mean_gate": layers.gate, "change": layers.change, "routing": layers.routing}
        for index in range(len(layers.bias)):
            yield {
                "data": data,
                "network": number,
                "layer": index + 1,
                "bias_initial": layers.initial_bias,
                **{name: float(values[index]) for name, values in means.items()},
                "paper_data": paper,
                "paper_bias_mean": theirs[index][f"{paper}_gate_bias"] if paper else None,
                "paper_mean_gate": theirs[index][f"{paper}_mean_transform_gate"] if paper else None,
            }


def _measured(
    records: Listed, value: Callable[[GateLayers], float | None], data: str | None = None, less: str | None = None
) -> float | None:
    """Return a number of the first network's gates on `data`, by default any data set, or its difference from `less`.

    If there is no network on a data set, one on its stand-in counts.
    """
    numbers = []
    for name in (data, less) if less else (data,):
        chosen = records if name is None else records.on(name if name in records.data else STAND_INS.get(name))
        numbers.append(next((value(GateLayers(found)) for found in of_kind(chosen, "gates")), None))
    return None if None in numbers else float(numbers[0] - sum(numbers[1:]))


@in_units("")
def mean_bias_change(records: Listed) -> float | None:
    """Return the mean change of the transform biases from their initial value, over all units."""
    return _measured(records, lambda gates: (gates.bias - gates.initial_bias).mean())


@in_units("share")
def share_of_biases_below_start(records: Listed) -> float | None:
    """Return the fraction of all transform biases that are below their initial value."""
    return _measured(records, lambda gates: gates.share_below_start)


@in_units("correlation")
def trend_over_layers(records: Listed, of: str) -> float | None:
    """Return Spearman's correlation between a layer's mean (`bias`, `gate`, `change`, `routing`) and its number."""
    return _measured(records, lambda gates: rank_correlation(range(len(gates.bias)), getattr(gates, of)))


@in_units("correlation")
def bias_gate_correlation(records: Listed) -> float | None:
    """Return Spearman's correlation, over layers, between mean bias and mean transform gate."""
    return _measured(records, lambda gates: rank_correlation(gates.bias, gates.gate))


@in_units("points")
def difference_in_first_layers(records: Listed, of: str, layers: int, data: str, less: str) -> float | None:
    """Return how much larger a share of a sum over all layers the first ones have on one data set than on another."""

    def share(gates: GateLayers) -> float | None:
        values = getattr(gates, of)
        return values[:layers].sum() / values.sum() if layers < len(values) else None

    return _measured(records, share, data, less)


@in_units("ratio")
def gate_over_bias(records: Listed, layers: int) -> float | None:
    """Return the mean transform gate of the first layers over the gate that their mean biases alone would give."""

    def ratio(gates: GateLayers) -> float | None:
        alone = 1 / (1 + np.exp(-gates.bias[:layers]))
        return gates.gate[:layers].mean() / alone.mean() if layers <= len(gates.bias) else None

    return _measured(records, ratio)


@in_units("share")
def share_of_open_gates(records: Listed, above: float) -> float | None:
    """Return the fraction of the gates, averaged over the examples, that are above a value."""
    return _measured(records, lambda gates: (gates.units("mean") > above).mean())


@in_units("share")
def share_of_an_examples_gates(records: Listed, above: float) -> float | None:
    """Return the fraction of one example's gates that are above a value."""
    return _measured(records, lambda gates: (gates.units("example_gates") > above).mean())


@in_units("points")
def difference_of_an_examples_gates(records: Listed, above: float, data: str, less: str) -> float | None:
    """Return the difference between two data sets in the fraction of one example's gates that are above a value."""
    return _measured(records, lambda gates: (gates.units("example_gates") > above).mean(), data, less)


@in_units("share")
def share_of_outputs_that_stay(records: Listed, within: float) -> float | None:
    """Return the fraction of one example's outputs that change by less than a bound from one layer to the next."""
    return _measured(records, lambda gates: (np.abs(np.diff(gates.units("example_outputs"), axis=0)) < within).mean())


@in_units("ratio")
def deviation_of_an_examples_gates(records: Listed) -> float | None:
    """Return how much one example's gates differ from the means over all examples, relative to those means."""

    def deviation(gates: GateLayers) -> float:
        mean = gates.units("mean")
        return np.abs(gates.units("example_gates") - mean).mean() / mean.mean()

    return _measured(records, deviation)


@in_units("points")
def difference_of_class_differences(records: Listed, above: float, data: str, less: str) -> float | None:
    """Return the difference between two data sets in the fraction of class mean gates that differ from those of all."""
    return _measured(records, lambda gates: (np.abs(gates.by_class) > above).mean(), data, less)


def answer(records: Listed) -> Iterator[str]:
    """State how well each network is trained, how its biases moved, and how far its gates are open."""
    ends = {run.config: run.last("train_cross_entropy") for run in records}
    for data, found in inside(records, "gates").items():
        layers, end = GateLayers(found.networks[0]), ends.get(found.networks[0].run)
        trained = f"ends at a training cross-entropy of {end:.2g}; it " if end else ""
        yield (
            f"**{data}**: network 1 {trained}moved {layers.share_below_start:.0%} of its transform biases below "
            f"their start ({layers.initial_bias:g}); the gates are open by {layers.gate.mean():.0%} in the mean, from "
            f"{layers.gate.min():.0%} to {layers.gate.max():.0%} layer by layer, and the first 15 layers make "
            f"{layers.change[:15].sum() / layers.change.sum():.0%} of the change."
        )


GATES = Experiment(
    title="Transform gates of 50-layer highway networks",
    schema=GatesProfile,
    tables=(
        Table(
            "gates",
            gates_rows,
            "Transform gates layer by layer (P1 Fig. 2, P2 Figs. 2 and 3)",
            shown={
                "data": "data",
                "network": "network",
                "layer": "layer",
                "bias_mean": "transform bias",
                "paper_bias_mean": "transform bias, P1's",
                "mean_gate": "mean gate",
                "paper_mean_gate": "mean gate, P1's",
                "change": "change of the state",
                "routing": "difference by class",
                "paper_data": "P1's data",
            },
            rows=few_layers,
        ),
    ),
    figures={"gates": lambda records: Drawing([*chain(*map(gate_panels, inside(records, "gates").values()))])},
    after=("01_depth",),
    references=("highway2015_fig2_layer_means.csv",),
    answer=answer,
)
