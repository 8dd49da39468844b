"""BiLSTMs and Highway BiLSTMs of 1 to 20 layers on sentiment (the Highway BiLSTM article)."""

from collections.abc import Callable, Iterable, Iterator
from statistics import mean
from typing import Annotated, ClassVar, Literal, NamedTuple, Self

import pandas as pd
from matplotlib.axes import Axes
from pydantic import Field, model_validator

from highways.claims.values import Interval, in_units, ratio_interval
from highways.config import BatchSize, Count, Distinct, Epochs, Profile, Strict, Trials, Width
from highways.config.data import DataConfig, TextData
from highways.config.run import AdamConfig, BagOfWordsConfig, BiLSTMConfig, BiLSTMKind, BudgetConfig, RunConfig
from highways.data import classes, examples, majority
from highways.experiments.base import Experiment, Table
from highways.inside.statistics import wilson_interval
from highways.show.figures import NETWORK, Drawing, Line, Panel, line, line_panel
from highways.show.tables import Row, reference
from highways.tracking import Listed, RunRecord, recorded

Depth = Annotated[int, Field(ge=1, le=1_000)]
Variant = BiLSTMKind | Literal["highway-released-padded"]
LABELS = {"highway-described": "highway-own-carry"}
"""Display names of variants whose name in run keys is misleading: no text describes a separate map for the carry."""
STYLES = {
    "plain": (NETWORK["plain"], "s", "-"),
    "plain-matched": ("#e69f00", "s", "--"),
    "highway": (NETWORK["highway"], "o", "-"),
    "highway-article": ("#56b4e9", "D", "-"),
    "highway-described": ("#cc79a7", "^", "-"),
    "highway-released": ("#4b2e83", "v", "-"),
    "highway-released-padded": ("#4b2e83", "v", ":"),
}
"""Colour, marker and dashes of each variant."""


class StopRule(Strict):
    """When further seeds of deep networks are trained: a rule that reads only the records of the first seed.

    Above `after` layers, all variants get further seeds at depths at which one of `variants` is off chance, or at which
    two of them differ in test accuracy, at the best development snapshot, by more than `difference`.
    """

    after: Depth
    variants: list[Variant] = Field(min_length=1)
    chance: list[float] = Field(min_length=2, max_length=2)
    """Lower and upper bound of what counts as guessing."""
    difference: float = Field(gt=0)


class Beside(Strict):
    """Further variants, at some depths, trained after the others."""

    variants: Distinct[Variant]
    depths: Distinct[Depth]
    seeds: Trials
    data: Distinct[TextData] | None = None
    """By default the data sets of the others; a further one gets its bag of words as well."""


class BiLSTMProfile(Profile):
    """Parameters of `02_bilstm_depth`: BiLSTMs of 1 to 20 layers, plain and highway (the Highway BiLSTM article).

    The bag of words has its own settings: one run per data set, ten epochs at a rate of 0.01, no weight decay.
    """

    experiment: ClassVar[str] = "02_bilstm_depth"

    data: Distinct[TextData]
    variants: Distinct[Variant]
    """Kinds of networks; `highway-released-padded` also processes padding, as the released code did."""
    depths: Distinct[Depth]
    seeds: Trials
    """Number of seeds, 0, 1, ...; each draws weights and the order of sentences."""
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
    """Steps between evaluations of development and test set; `None` evaluates only at the end of each epoch."""
    vectors: str | None = None
    """File of word vectors in GloVe's text format, `embedding` wide."""
    stop: StopRule | None = None
    """Which deep networks have more than one seed; by default all do."""
    beside: Beside | None = None

    @model_validator(mode="after")
    def _stop_rule_reads_what_is_listed(self) -> Self:
        if self.stop is not None and (unlisted := [name for name in self.stop.variants if name not in self.variants]):
            raise ValueError(f"stop.variants must be among variants, found {', '.join(unlisted)}")
        return self

    def runs(self) -> list[RunConfig]:
        return [run for portion in self.portions() for run in portion]

    def portions(self) -> Iterator[list[RunConfig]]:
        """Yield by data set the bag of words, variants, depths, seeds; then what `stop` asks for; then `beside`."""
        after, first, more = self.stop.after if self.stop else max(self.depths), [], []
        for data in self.data:
            first.append(self._bag_of_words(data))
            first += self._grid(data, self, lambda depth: range(self.seeds if depth <= after else 1))
        yield first
        for data in self.data:
            open_depths = [depth for depth in self.depths if depth > after and self._goes_on(data, depth)]
            more += self._grid(data, self, lambda depth: range(1, self.seeds if depth in open_depths else 1))  # noqa: B023
        yield more
        if (beside := self.beside) is not None:
            seeds, sets = range(beside.seeds), beside.data or self.data
            bags = [self._bag_of_words(data) for data in sets if data not in self.data]
            yield bags + [run for data in sets for run in self._grid(data, beside, lambda depth: seeds)]

    def _grid(self, data: TextData, of: "BiLSTMProfile | Beside", seeds: Callable[[int], range]) -> list[RunConfig]:
        return [
            self._run(data, name, depth, seed) for name in of.variants for depth in of.depths for seed in seeds(depth)
        ]

    def _goes_on(self, data: TextData, depth: int) -> bool:
        """Tell whether the stop rule asks for further seeds at a depth; it does not before all that it reads exists."""
        assert self.stop is not None
        runs = [self._run(data, variant, depth, 0) for variant in self.stop.variants]
        reached = [accuracies(record).best_dev for record in recorded(self.profile, self.experiment, runs)]
        low, high = self.stop.chance
        off_chance = any(not low <= accuracy <= high for accuracy in reached)
        return len(reached) == len(runs) and (off_chance or max(reached) - min(reached) > self.stop.difference)

    def _bag_of_words(self, data: TextData) -> RunConfig:
        return RunConfig(
            data=DataConfig.of(data),
            network=BagOfWordsConfig(family="bag-of-words"),
            optimiser=AdamConfig(kind="adam", learning_rate=0.01),
            budget=BudgetConfig(epochs=10, batch_size=self.batch_size),
        )

    def _run(self, data: TextData, variant: str, depth: int, seed: int) -> RunConfig:
        kind = variant.removesuffix("-padded")
        return RunConfig(
            data=DataConfig.of(data, vectors=self.vectors),
            network=BiLSTMConfig(
                family="bilstm",
                kind=kind,  # type: ignore[arg-type]
                depth=depth,
                transform_bias=self.transform_bias if kind == "highway" else None,
                padding="none" if variant == kind else "seen",
                **self.model_dump(include={"hidden", "embedding", "dropout"}),
            ),
            optimiser=AdamConfig(
                kind="adam", **self.model_dump(include={"learning_rate", "weight_decay", "clip_norm"})
            ),
            budget=BudgetConfig(**self.model_dump(include={"epochs", "batch_size", "snapshot_steps"})),
            seed=seed,
            order_seed=seed,
        )


class Accuracies(NamedTuple):
    """Test accuracy after the last epoch, at the (earliest) best development snapshot, and at the best test one."""

    last: float
    best_dev: float
    best_snapshot: float


def accuracies(record: RunRecord) -> Accuracies:
    """Return a run's test accuracies; a run that diverged counts as guessing."""
    if record.status == "diverged":
        return Accuracies(*[1 / classes(record.config.data)] * 3)
    dev, test = (record.measurements[f"snapshot_{part}_accuracy"] for part in ("dev", "test"))
    return Accuracies(record.curves["test_accuracy"][-1], test[dev.index(max(dev))], max(test))


def variant(record: RunRecord) -> str:
    """Return the name of a run's network, with `-padded` if padding affects its result."""
    network = record.config.network
    return network.kind + ("-padded" if getattr(network, "padding", "none") == "seen" else "")


def bilstm_rows(records: Iterable[RunRecord]) -> Iterator[Row]:
    """Yield a row per run. The interval (Wilson, 95 %) is the last epoch's; `paper` used pretrained word vectors."""
    papers = reference("bilstm_sources.csv").set_index(["variant", "depth", "data"])["accuracy"].to_dict()
    for record in records:
        name, depth, data = variant(record), record.config.network.depth, record.config.data.name
        test = accuracies(record)
        low, high = wilson_interval(test.last, examples(record.config.data, "test"))
        gradients = {}
        for norm in ("gradient_norm_first_block", "gradient_norm_last_block"):
            start, end, *_ = [*record.measurements.get(norm, []), None, None]
            gradients |= {f"{norm}_start": start, f"{norm}_end": end}
        yield {
            "variant": LABELS.get(name, name),
            "depth": depth,
            "seed": record.config.seed,
            "data": data,
            "status": record.status,
            "epochs": record.config.budget.epochs,
            "parameters": record.parameters,
            "accuracy_test_last": test.last,
            "interval_low": low,
            "interval_high": high,
            "accuracy_test_best_dev": test.best_dev,
            "accuracy_test_best_snapshot": test.best_snapshot,
            "paper": papers.get((name, depth, data)),
            "train_cross_entropy_last": record.last("train_cross_entropy"),
            **gradients,
            "run_key": record.run_key,
        }


def some_variants(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the sources' and the papers' networks at three depths, one row for all seeds; if there are none, all."""
    names, rows = ["plain", "highway", "highway-article", "highway-released"], []
    depths = [1, 10, 20] if max(frame["depth"]) >= 10 else range(1, 10)
    chosen = frame.loc[frame["variant"].isin(names) & frame["depth"].isin(depths)]
    for _, seeds in (frame if chosen.empty else chosen).groupby(["data", "variant", "depth", "epochs"], sort=False):
        row = seeds.to_dict("records")[0]
        if len(seeds) > 1:
            row["seed"] = ", ".join(map(str, seeds["seed"]))
            for name in ("last", "best_dev", "best_snapshot"):
                row[f"accuracy_test_{name}"] = ", ".join(f"{value:.3f}" for value in seeds[f"accuracy_test_{name}"])
        rows.append(row)
    return pd.DataFrame(rows, columns=frame.columns)


def _seeds(records: Iterable[RunRecord], name: str) -> dict[int, dict[str, float]]:
    """Return a variant's test accuracies at the best development snapshot, by depth, then by run."""
    values: dict[int, dict[str, float]] = {}
    for record in sorted(records, key=lambda record: record.config.network.depth):
        if variant(record) == name:
            values.setdefault(record.config.network.depth, {})[record.run_key] = accuracies(record).best_dev
    return values


def by_depth(records: Iterable[RunRecord], name: str) -> dict[int, float]:
    """Return a variant's test accuracy at the best development snapshot, the mean over its seeds, by depth."""
    return {depth: mean(seeds.values()) for depth, seeds in _seeds(records, name).items()}


def _accuracy_panel(records: Listed, data: str) -> Panel:
    """Return the panel of accuracy at the best development snapshot by depth.

    Lines are means over seeds, small marks are single seeds; where there is only one seed, its 95 % interval is shaded.
    """
    tested, lines, alone, numbers = records[0].config.data, [], [], set[int]()
    for name, (colour, marker, dashes) in STYLES.items():
        if not (values := _seeds(records, name)):
            continue
        runs = [list(of_seeds) for of_seeds in values.values()]
        look = {"ls": dashes, "color": colour, "marker": marker}
        lines.append(line(LABELS.get(name, name), by_depth(records, name), runs, **look))
        points = [(depth, value) for depth, of_seeds in values.items() for value in of_seeds.values()]
        numbers |= {len(of_seeds) for of_seeds in values.values()}
        alone.append((colour, [(depth, value) for depth, value in points if len(values[depth]) == 1]))
        if len(points) > len(values):
            x, y = zip(*points, strict=True)
            lines.append(Line(None, x, y, {"marker": marker, "color": colour, "ms": 3, "alpha": 0.45, "lw": 0}))

    def levels(axes: Axes) -> None:
        for colour, points in alone:
            ends = [wilson_interval(value, examples(tested, "test")) for _, value in points]
            low, high = zip(*ends, strict=True) if ends else ((), ())
            axes.fill_between([depth for depth, _ in points], low, high, color=colour, alpha=0.1, lw=0)
        for level in by_depth(records, "bag-of-words").values():
            axes.axhline(level, color="0.1", lw=1.2, ls="-.", label=f"bag of words, {level:.3f}")
        axes.axhline(majority(tested), color="0.4", lw=1, ls=":", label=f"the majority, {majority(tested):.3f}")
        axes.axhline(1 / classes(tested), color="0.4", lw=1, label=f"chance, {1 / classes(tested):.3f}")
        axes.margins(y=0.08)
        ticks = sorted({record.config.network.depth for record in records} - {0})
        axes.set_xticks(ticks, [str(d) if len(ticks) < 12 or d in (1, 5, 10, 15, 20) else "" for d in ticks])

    seeds = " to ".join(map(str, sorted({min(numbers, default=0), max(numbers, default=0)})))
    title = f"{data}: test accuracy by depth, {seeds} seed{'' if seeds == '1' else 's'}"
    return line_panel(title, lines, "layers", "accuracy, best development snapshot", levels, log=False)


# Measures: test accuracies at the best development snapshot, means over seeds; ranges of depths are inclusive


@in_units("share")
def mean_accuracy(records: Listed, variant: str, depths: tuple[int, int]) -> float | None:
    """Return the mean accuracy of a variant over a range of depths."""
    values = [value for depth, value in by_depth(records, variant).items() if depths[0] <= depth <= depths[1]]
    return mean(values) if values else None


@in_units("points")
def largest_gain_from_depth(records: Listed, variant: str) -> float | None:
    """Return how much better the best deeper network of a variant is than the one-layer network."""
    values = by_depth(records, variant)
    shallow = values.pop(1, None)
    return None if shallow is None or not values else max(values.values()) - shallow


@in_units("points")
def decline(records: Listed, variant: str, depths: tuple[int, int]) -> float | None:
    """Return the accuracy at one layer minus the mean accuracy over a range of depths."""
    shallow, deep = by_depth(records, variant).get(1), mean_accuracy(records, variant, depths)
    return None if shallow is None or deep is None else shallow - deep


@in_units("points")
def difference_in_decline(records: Listed, of: str, to: str, depths: tuple[int, int]) -> float | None:
    """Return how much more the accuracy of one variant declines than that of another."""
    one, other = (decline(records, variant, depths) for variant in (of, to))
    return None if one is None or other is None else one - other


@in_units("points")
def mean_difference(records: Listed, of: str, to: str, depths: tuple[int, int]) -> float | None:
    """Return the mean difference in accuracy between two variants over a range of depths."""
    one, other = by_depth(records, of), by_depth(records, to)
    values = [one[depth] - other[depth] for depth in one if depth in other and depths[0] <= depth <= depths[1]]
    return mean(values) if values else None


@in_units("ratio")
def gradient_ratio(records: Listed, of: tuple[Variant, int], to: tuple[Variant, int]) -> float | Interval | None:
    """Return the ratio of the first block's gradients before training for two (variant, layers), paired by seed."""
    start = "gradient_norm_first_block_start"
    norms = {(row["variant"], row["depth"], row["seed"]): row[start] for row in bilstm_rows(records)}
    one, other = ((LABELS.get(name, name), depth) for name, depth in (of, to))
    pairs = [(norms.get((*one, seed)), norms.get((*other, seed))) for seed in sorted({seed for *_, seed in norms})]
    return ratio_interval((one, other) for one, other in pairs if one is not None and other is not None)


def answer(records: Listed) -> Iterator[str]:
    """State for each data set the accuracy of each variant at its smallest and its largest depth."""
    for data in records.data:
        chosen, parts = records.on(data), []
        for name in dict.fromkeys(variant(run) for run in chosen):
            if len(values := by_depth(chosen, name)) > 1:
                (least, shallow), *_, (most, deep) = values.items()
                layers = f"{least} layer{'s' if least > 1 else ''}"
                parts.append(f"`{LABELS.get(name, name)}` from {shallow:.3f} with {layers} to {deep:.3f} with {most}")
        if parts:
            yield f"**{data}**: test accuracy goes {'; '.join(parts)}."


BILSTM_DEPTH = Experiment(
    title="BiLSTMs and Highway BiLSTMs of 1 to 20 layers on sentiment",
    schema=BiLSTMProfile,
    tables=(
        Table(
            "bilstm_depth",
            bilstm_rows,
            "Accuracy of BiLSTMs and Highway BiLSTMs on sentiment, by depth (the Highway BiLSTM article)",
            shown={
                "variant": "network",
                "depth": "layers",
                "seed": "seed",
                "epochs": "epochs",
                "accuracy_test_best_dev": "test accuracy, best on the development set",
                "accuracy_test_last": "test accuracy, last epoch",
                "accuracy_test_best_snapshot": "test accuracy, best on the test set (as the source chose)",
                "paper": "others' code, pretrained word vectors",
            },
            rows=some_variants,
        ),
    ),
    figures={"bilstm_depth": lambda records: Drawing([_accuracy_panel(records.on(one), one) for one in records.data])},
    references=("bilstm_sources.csv",),
    answer=answer,
)
