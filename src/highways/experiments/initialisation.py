"""Initial weights by depth, and networks that did not learn (the initialisation questions, a and c)."""

import itertools
import math
from collections.abc import Iterator, Mapping
from functools import partial
from operator import itemgetter
from typing import Annotated, Any, ClassVar, Literal, get_args

import pandas as pd
from pydantic import Field

from highways.claims.values import guessing, in_units
from highways.config import AnalysisConfig, BudgetConfig, DenseConfig, Initialisation, Profile, RunConfig, SGDConfig
from highways.config.base import BatchSize, Count, Depth, Distinct, Epochs, Trials, Width
from highways.config.data import DataConfig, ImageData
from highways.experiments.base import Experiment, Table
from highways.experiments.initialisation_studies import Saturation, SmallNet, Stuck, Variance
from highways.experiments.small import studies_of, study_panels, study_rows
from highways.inside.layers import of_kind
from highways.inside.signal import SignalConfig
from highways.show.figures import NETWORK, OTHERS, POINTS, Drawing, Line, depth_ticks, level, line_panel, whole_ticks
from highways.show.tables import Row, costs
from highways.tracking import AnalysisRecord, Listed, best_of, cells, diverged

Kind = Literal["plain", "highway"]
Named = tuple[str, int, str]
"""Kind of a network, its depth, its initialisation."""


class InitialisationProfile(Profile):
    """Parameters of `08_initialisation`: initial weights, by depth, and four studies of them."""

    experiment: ClassVar[str] = "08_initialisation"

    data: ImageData
    initialisations: Distinct[Initialisation]
    depths: Distinct[Depth]
    width: Width = 50
    activation: Literal["relu", "tanh"] = "relu"
    transform_bias: float = -2.0
    more_biases: dict[Depth, Distinct[float]] = Field(default_factory=dict)
    """By depth: further transform biases of highway networks; the best run counts, as for the rates (P2 sec. 2.2)."""
    learning_rates: Distinct[Annotated[float, Field(gt=0)]]
    """Rates at which each network is trained; the best run's training cross-entropy counts."""
    momentum: float = Field(default=0.9, ge=0, lt=1)
    epochs: Epochs
    batch_size: BatchSize
    seeds: Trials = 1
    signal_examples: Count = 1_000
    draws: int = Field(default=20_000, ge=2, le=1_000_000_000)
    """Number of draws of one unit's weights, for the variance of its input."""
    stuck_steps: Count = 500
    """Steps of the network that learned nothing; the source has 500. The healthy one has four times as many."""
    small_net_steps: Count = 2_000
    """Steps of the 7-4-2-1 network."""
    saturation_steps: Count = 6_000
    """Steps of the network with one hidden layer of sigmoids; at most one epoch's."""

    def runs(self) -> list[RunConfig]:
        network = partial(DenseConfig, width=self.width, activation=self.activation)
        return [
            RunConfig(
                data=DataConfig.of(self.data),
                network=network(kind=kind, depth=depth, transform_bias=bias, initialisation=initialisation),
                optimiser=SGDConfig(learning_rate=rate, momentum=self.momentum),
                budget=BudgetConfig(epochs=self.epochs, batch_size=self.batch_size),
                seed=seed,  # the order of examples is shared, so that all train together
            )
            for kind, depth in itertools.product(get_args(Kind), self.depths)
            for bias in ([self.transform_bias, *self.more_biases.get(depth, [])] if kind == "highway" else [None])
            for initialisation in self.initialisations
            for rate, seed in itertools.product(self.learning_rates, range(self.seeds))
        ]

    def analyses(self) -> list[AnalysisConfig]:
        """Return the signal before training of every network that has blocks, then the studies.

        The user's own data exclude the network of sigmoids, which is the source's on MNIST.
        """
        untrained: dict[Named, RunConfig] = {}
        for run in self.runs():
            if run.network.depth > 1:
                untrained.setdefault(_named(run), run)
        measure = SignalConfig(trained=False, examples=self.signal_examples)
        stuck = Stuck(steps=self.stuck_steps, healthy_steps=4 * self.stuck_steps)
        studies = [Variance(draws=self.draws), stuck, SmallNet(steps=self.small_net_steps)]
        if not isinstance(self.data, DataConfig):
            studies.append(Saturation(data=self.data, steps=self.saturation_steps))
        signals = [AnalysisConfig(run=run, measure=measure) for run in untrained.values()]
        return signals + [AnalysisConfig(measure=study) for study in studies]


def _named(run: RunConfig) -> Named:
    assert isinstance(run.network, DenseConfig)
    return run.network.kind, run.network.depth, run.network.initialisation


def _signals(records: Listed) -> dict[Named, AnalysisRecord]:
    """Return the signals before training."""
    return {_named(signal.run): signal for signal in of_kind(records, "signal")}


BEST = "best_train_cross_entropy"


def initialisation_rows(records: Listed) -> Iterator[Row]:
    """Yield a row for each kind of network, depth and initialisation.

    Outputs are root mean squares over units and examples, gradients are norms over a block's parameters, both before
    training. Blocks are the layers after the first; the figure shows all of them. `best_*` belong to the best run over
    all rates, biases and seeds; runs that diverged do not count.
    """
    signals = _signals(records)
    for (kind, depth, initialisation), cell in cells(records, lambda run: _named(run.config)).items():
        best = best_of(run for run in cell.runs if run.status == "finished")
        signal = signals.get((kind, depth, initialisation))
        output, gradient = (signal.row(name) if signal else [None] for name in ("output", "weight_gradient"))
        yield {
            "network": kind,
            "depth": depth,
            "initialisation": initialisation,
            "data": cell.runs[0].config.data.name,
            "runs": len(cell.runs),
            "diverged": diverged(cell.runs),
            "epochs": cell.runs[0].config.budget.epochs,
            "output_first_block": output[0],
            "output_last_block": output[-1],
            "gradient_first_block": gradient[0],
            "gradient_last_block": gradient[-1],
            BEST: best.best() if best else math.inf,
            "best_learning_rate": best.config.optimiser.learning_rate if best else None,
            "best_transform_bias": best.config.network.transform_bias if best else None,
            "test_accuracy": best.last("test_accuracy") if best else None,
            "best_run_key": best.run_key if best else None,
        }


def side_by_side(frame: pd.DataFrame) -> pd.DataFrame:
    """Return one row per network and depth, with the best training cross-entropy of each kind of initial weights."""
    best = frame["best_train_cross_entropy"].astype(object)
    best = best.mask((frame["diverged"] == frame["runs"]) & frame["runs"].notna(), "diverged")
    wide = frame.assign(best=best).pivot(index=["network", "depth"], columns="initialisation", values="best")
    return wide.sort_index(level="network", ascending=False, kind="stable", sort_remaining=False).reset_index()


def initialisation_figure(records: Listed) -> Drawing:
    """Draw what training achieves in plain and highway networks, by initialisation and depth.

    Then come outputs and gradients before training, block by block in the deepest networks (an untrained shallower
    network equals their first blocks), and then the studies. What has not been measured has no panel.
    """
    rows, signals, panels = sorted(initialisation_rows(records), key=itemgetter("depth")), _signals(records), []
    depths, names = sorted({row["depth"] for row in rows}), dict.fromkeys(row["initialisation"] for row in rows)
    for kind in NETWORK if rows else ():
        chosen = [row for row in rows if row["network"] == kind]
        losses = {name: {row["depth"]: row[BEST] for row in chosen if row["initialisation"] == name} for name in names}
        guess = level("guessing", guessing(records[0]), color="0.4", lw=1, ls=":")
        title, y = f"{kind}, {rows[0]['data']}: what training makes of it", "best training cross-entropy, nats"
        panels.append(line_panel(title, [*_lines(losses), guess], "layers", y, partial(depth_ticks, depths=depths)))
    by_block = [("plain", "output", "output", "root mean square")]
    by_block += [(kind, "gradient", "weight_gradient", "norm") for kind in NETWORK]
    for kind, what, column, y in by_block if signals else ():
        title = f"{kind}, {depths[-1]} layers, untrained: {what} of each block"
        deepest = {name: signals[key] for name in names if (key := (kind, depths[-1], name)) in signals}
        blocks = {name: dict(enumerate(signal.row(column), start=1)) for name, signal in deepest.items()}
        panels.append(line_panel(title, _lines(blocks, marker=None, lw=1.4), "block", y, whole_ticks))
    return Drawing(panels + study_panels(records))


def _lines(points: Mapping[str, Mapping[int, float]], **look: Any) -> list[Line]:
    """Return a line for each initialisation with points above zero; the others keep their place in the colours."""
    lines = []
    for (name, values), colour, marker in zip(points.items(), OTHERS, POINTS, strict=False):
        if any(values.values()):
            style = {"color": colour, "marker": marker} | look
            lines.append(Line(name.replace("_", " "), [*values], [*values.values()], style))
    return lines


@in_units("share")
def initialisation_share_of_guessing(
    records: Listed, network: str, depth: int, names: tuple[str, ...], biases: tuple[float, ...] = ()
) -> float | None:
    """Return the best training cross-entropy with the worst of some initialisations, over that of guessing.

    It is infinite if all runs diverged; there is no value unless every one of `biases` was run.
    """
    rows = [row for row in initialisation_rows(records) if (row["network"], row["depth"]) == (network, depth)]
    losses = {row["initialisation"]: row[BEST] for row in rows}
    runs = [run.config for run in records if _named(run.config) in [(network, depth, name) for name in names]]
    if not {*names} <= losses.keys() or not {*biases} <= {run.network.transform_bias for run in runs}:
        return None
    return max(losses[name] for name in names) / guessing(records[0])


def answer(records: Listed) -> Iterator[str]:
    """State which initial weights did best and worst at the largest depth, for each kind of network."""
    rows, sentences = sorted(initialisation_rows(records), key=itemgetter(BEST)), []
    for kind in dict.fromkeys(run.config.network.kind for run in records):
        depth = max(row["depth"] for row in rows if row["network"] == kind)
        best, *_, worst = [row for row in rows if (row["network"], row["depth"]) == (kind, depth)] * 2
        if not math.isfinite(best[BEST]):
            sentences.append(f"With {depth} layers every {kind} network diverged.")
            continue
        last = f"at {worst[BEST]:.3g}" if math.isfinite(worst[BEST]) else "in a loss that is not finite"
        sentences.append(
            f"With {depth} layers {kind} networks end lowest from `{best['initialisation']}`, at a training "
            f"cross-entropy of {best[BEST]:.3g}, and highest from `{worst['initialisation']}`, {last}."
        )
    yield " ".join(sentences)


INITIALISATION = Experiment(
    title="Initial weights by depth, and a network that learned nothing",
    schema=InitialisationProfile,
    tables=(
        Table(
            "initialisation",
            initialisation_rows,
            "Best training cross-entropy, nats, by depth and initial weights (the initialisation questions, a)",
            shown={
                "network": "network",
                "depth": "layers",
                "initialisation": "initial weights",
                "runs": "runs",
                "diverged": "diverged",
                "best_train_cross_entropy": "best training cross-entropy, nats",
                "test_accuracy": "test accuracy",
                "he_normal": "He, normal",  # from here on the columns of `side_by_side`
                "glorot_uniform": "Glorot, uniform",
                "normal_fan_in": "N(0, 1 / n)",
                "orthogonal": "orthogonal",
                "normal": "N(0, 1)",
                "zeros": "zeros",
            },
            rows=side_by_side,
            cost=lambda records: costs([*records, *of_kind(records, "signal")]),
        ),
        Table(
            "initialisation_studies",
            study_rows,
            "The variance of a unit's input, saturation, small and stuck networks (the initialisation questions, a, c)",
            shown={name: name for name in ("study", "version", "quantity", "value", "paper")},
            rows=lambda frame: frame.loc[(frame["study"] == Variance.title) | (frame["quantity"] == "accuracy after")],
            cost=lambda records: costs(found for _, found in studies_of(records)),
        ),
    ),
    figures={"initialisation": initialisation_figure},
    answer=answer,
)
