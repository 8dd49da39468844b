"""Plain and highway networks of 10 to 100 layers, random search (P1 Fig. 1, P2 Fig. 1)."""

import math
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from matplotlib.axes import Axes
from pydantic import Field, model_validator

from highways import paths
from highways.claims.values import Interval, in_units
from highways.config import BudgetConfig, DataConfig, DenseConfig, RunConfig, SGDConfig
from highways.config.base import BatchSize, Depth, Distinct, Epochs, Seed, Trials, Width
from highways.config.data import ImageData, ImageDataName
from highways.data import classes, examples
from highways.errors import NotYet
from highways.experiments.base import Experiment, Lead, Table
from highways.experiments.depth_budget import OUTCOME, Networks, budget_figure, epochs_to, outcomes_of_draws
from highways.experiments.search import Rung, Search, check_rungs, longer
from highways.inside.statistics import middle, top_mean, wilson_interval
from highways.nn import DenseNetwork
from highways.show.figures import LOOKS, NETWORK, POINTS, SOURCE, Drawing, Panel, depth_ticks, line, line_panel, shade
from highways.show.tables import Row, number, reference, reference_rows
from highways.tracking import Listed, RunRecord, cells, diverged, kind_and_depth

Kind = Literal["plain", "highway"]
KINDS: tuple[Kind, Kind] = ("plain", "highway")
LOSS = "training cross-entropy, nats"
SEARCHED = ("learning_rate", "momentum", "decay", "activation", "transform_bias")
"""The settings that a trial draws."""


class DepthProfile(Search):
    """Parameters of `01_depth`.

    Trial `i` draws from its own stream, so its settings depend only on `search_seed` and `i`: they are the same for
    both kinds of network and all depths, and more trials leave the earlier ones unchanged.
    """

    experiment: ClassVar[str] = "01_depth"

    data: ImageData
    depths: Distinct[Depth]
    trials: Trials
    epochs: Epochs
    batch_size: BatchSize
    plain_width: Width = 71
    highway_width: Width = 50
    search_seed: Seed = 0
    rungs: list[Rung] = Field(default_factory=list)
    """Later rungs: the best trials of each network, trained for longer. By default, all trials train to the end."""
    drawn: dict[int, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    """By depth, how many finished trials that the last rung left out are trained as long; no outcome counts them."""

    @model_validator(mode="after")
    def _rungs(self) -> Self:
        check_rungs(self.rungs, self.trials, self.epochs)
        if self.drawn and not (self.rungs and set(self.drawn) <= set(self.depths)):
            raise ValueError("drawn belongs to searches with rungs, and its keys are among depths")
        return self

    def draw(self, trial: int) -> dict[str, Any]:
        """Return the settings that a trial draws, `SEARCHED`.

        The learning rate is log-uniform in [1e-5, 1], 1 - momentum in [0.01, 0.5], 1 - decay in [0.001, 0.1]; the
        papers do not state these ranges. The transform bias is uniform in [-10, -1], as in the papers.
        """
        u = np.random.default_rng([self.search_seed, trial]).random(5)

        def log_uniform(low: float, high: float, u: float) -> float:
            return float(f"{low * (high / low) ** u:.4g}")

        return {
            "learning_rate": log_uniform(1e-5, 1.0, u[0]),
            "momentum": round(1 - log_uniform(0.01, 0.5, u[1]), 6),
            "decay": round(1 - log_uniform(0.001, 0.1, u[2]), 6),
            "activation": "relu" if u[3] < 0.5 else "tanh",
            "transform_bias": float(f"{-10 + 9 * u[4]:.4g}"),
        }

    def first_rung(self) -> dict[tuple[Kind, int], list[RunConfig]]:
        networks: list[tuple[Kind, int]] = [(kind, depth) for kind in KINDS for depth in self.depths]
        return {network: [self.trial(*network, number) for number in range(self.trials)] for network in networks}

    def trial(self, kind: Kind, depth: int, number: int, transform_bias: float | None = None) -> RunConfig:
        """Return the run of one trial of a network; `transform_bias`, if given, replaces the one that it draws."""
        drawn = self.draw(number)
        bias = drawn["transform_bias"] if transform_bias is None else transform_bias
        width, bias = (self.highway_width, bias) if kind == "highway" else (self.plain_width, None)
        network = DenseConfig(kind=kind, depth=depth, width=width, activation=drawn["activation"], transform_bias=bias)
        return RunConfig(
            data=DataConfig.of(self.data),
            network=network,
            optimiser=SGDConfig(learning_rate=drawn["learning_rate"], momentum=drawn["momentum"], decay=drawn["decay"]),
            budget=BudgetConfig(epochs=self.epochs, batch_size=self.batch_size),
            seed=number,
        )

    def auxiliary(self) -> list[RunConfig]:
        """Return, at the depths of `drawn`, trials that the last rung left out, trained as long as those in it."""
        runs: list[RunConfig] = []
        for (kind, depth), ladder in self.ladders().items() if self.drawn else ():
            if depth not in self.drawn or len(ladder) <= len(self.rungs):
                continue
            kept, ended = {run.seed for run in ladder[-1]}, self.ranking(ladder[0])
            out = sorted({run.config.seed for run in ended if run.status == "finished"} - kept)
            random = np.random.default_rng([self.search_seed, depth, KINDS.index(kind)])
            chosen = random.choice(len(out), size=min(self.drawn[depth], len(out)), replace=False)
            runs += [longer(self.trial(kind, depth, out[i]), self.rungs[-1].epochs) for i in sorted(chosen)]
        return runs

    def ranked(self, kind: Kind, depth: int, number: int = 1) -> RunConfig:
        """Return a network's trial by its rank in the first rung, 1 for the best.

        Raises:
            NotYet: The search lacks that network or is unfinished, or too few of its trials learned.
        """
        trials = self.first_rung().get((kind, depth), [])
        records = self.ranking(trials)
        learned = [record.config for record in records if record.best() is not None]
        if len(records) == len(trials) and len(learned) >= number:
            return learned[number - 1]
        raise NotYet(
            f"{paths.shown(paths.Results(self.profile).of(self.experiment).runs)} has {len(records)} of the "
            f"{len(trials)} trials of {kind} networks of {depth} layers, {len(learned)} of which learned, "
            f"number {number} is needed; `{DEPTH.command(self.profile)}` makes them"
        )


def like(trial: RunConfig, data: ImageDataName, budget: BudgetConfig, seed: int = 0, **network: Any) -> RunConfig:
    """Return a run with a trial's settings on other data, with another budget and shape."""
    own = {"data": DataConfig(name=data), "budget": budget, "seed": seed, "order_seed": seed}
    return trial.model_copy(update={"network": trial.network.model_copy(update=network), **own})


def depth_rows(records: Listed) -> Iterator[Row]:
    """Yield a row for each kind of network and depth, the papers' values next to ours.

    `best_train_cross_entropy` is the lowest over trials and epochs, with the 95 % interval of what another draw of the
    trials would have given (bootstrap). The accuracy, with its Wilson interval, and `best_*` are that trial's.
    `paper_p1` is the end of P1's curve, `paper_p1_same_epochs` its lowest point within our epochs, for MNIST only.
    `rungs` lists trials and epochs of every rung, such as `40x10 10x40 3x400`; the last one counts. `drawn` counts
    trials that the last rung left out; the best of them shows what the rungs missed.
    """
    papers = {(row["network"], row["depth"]): row for row in reference_rows("depth_papers.csv")}
    networks, drawn = (cells(runs, kind_and_depth) for runs in (records, records.auxiliary))
    draws = {(row["network"], row["depth"]): row[OUTCOME] for row in outcomes_of_draws(networks)}
    for (kind, depth), cell in networks.items():
        lowest, highest = middle(draws[kind, depth])
        first, best, rest = cell.runs[0], cell.best, drawn.get((kind, depth))
        data, paper = first.config.data.name, papers.get((kind, depth), {})
        same = _papers_lowest(kind, cell.epochs) if data == "mnist" and cell.epochs < 400 else {}
        outcomes = [loss for run in cell.counted if run.status == "finished" and (loss := run.best()) is not None]
        mean, deviation = top_mean(outcomes if len(cell.counted) >= 20 else [], 10)
        accuracy, tested = best.last("test_accuracy") if best else None, examples(first.config.data, "test")
        low, high = (None, None) if accuracy is None else wilson_interval(accuracy, tested)
        settings = best.config.optimiser.model_dump() | best.config.network.model_dump() if best else {}
        yield {
            "network": kind,
            "depth": depth,
            "data": data,
            "parameters": first.parameters,
            "trials": len(cell.rungs[0]),
            "diverged": diverged(cell.rungs[0]),
            "rungs": " ".join(_rung_text(level, rung) for level, rung in enumerate(cell.rungs)),
            "epochs": cell.epochs,
            "best_train_cross_entropy": cell.best_loss,
            "best_train_cross_entropy_low": lowest,
            "best_train_cross_entropy_high": highest,
            "paper_p1_same_epochs": same.get(depth),
            **{name: paper.get(name) for name in ("paper_p1", "paper_p2")},
            "top10_mean_train_cross_entropy": mean,
            "top10_sd_train_cross_entropy": deviation,
            "paper_p2_top10_mean": paper.get("paper_p2_top10_mean"),
            "drawn": len(rest.counted) if rest else None,
            "drawn_best_train_cross_entropy": rest.best_loss if rest else None,
            "epochs_to_0.01": cell.epochs_to(0.01),
            "test_accuracy": accuracy,
            "test_accuracy_low": low,
            "test_accuracy_high": high,
            **{f"best_{name}": settings.get(name) for name in SEARCHED},
            "best_run_key": best.run_key if best else None,
        }


def _rung_text(level: int, rung: Sequence[RunRecord]) -> str:
    lost = diverged(rung) if level else 0
    return f"{len(rung)}x{rung[0].config.budget.epochs}" + (f" ({lost} diverged)" if lost else "")


def _papers_lowest(kind: str, epochs: int) -> dict[int, float]:
    """Return P1's lowest loss within a number of epochs, by depth."""
    curves = reference("highway2015_fig1_curves.csv").query("network == @kind and epoch <= @epochs")
    return curves.groupby("depth")["train_cross_entropy"].min().to_dict()  # type: ignore[return-value]


def outcome_panel(records: Listed) -> Panel:
    """Return the panel of a search's best outcome by depth, with intervals, P1's at that epoch and both papers'."""
    networks = cells(records, kind_and_depth)
    data, depths, epochs, budget = _setting(networks)
    lines, papers = [], reference_rows("depth_papers.csv")
    for kind, look in LOOKS.items():
        best = {depth: run for (one, depth), cell in sorted(networks.items()) if one == kind and (run := cell.best)}
        losses = {depth: networks[kind, depth].best_loss for depth in best}
        runs = [[run.run_key] for run in best.values()]
        lines.append(line(f"{kind}, ours, epoch {budget}", losses, runs, ms=6, lw=2.4, **look))
        if data == "mnist" and epochs < 400:
            same = _papers_lowest(kind, epochs)
            lines.append(line(f"{kind}, P1, epoch {epochs}", same, mfc="white", **look, **SOURCE))
        lines.append(line(f"{kind}, P1, epoch 400", _papers_lowest(kind, 400), ls=":", ms=3, lw=1.2, **look))
        second = {row["depth"]: row["paper_p2"] for row in papers if row["network"] == kind}
        lines.append(line(f"{kind}, P2, epoch 400", second, ls="--", ms=4, lw=1.0, mfc="white", **look))

    def bars_and_ticks(axes: Axes) -> None:
        for row in outcomes_of_draws(networks):
            axes.vlines(row["depth"], *middle(row[OUTCOME]), color=NETWORK[row["network"]], lw=1.2, alpha=0.7)
        depth_ticks(axes, depths)

    return line_panel(f"{data}: best outcome by depth", lines, "layers", LOSS, bars_and_ticks, columns=2)


def _curves_panel(records: Listed, kind: str) -> Panel:
    networks = cells(records, kind_and_depth)
    data, depths, epochs, budget = _setting(networks)
    curves, lines = reference("highway2015_fig1_curves.csv").query("network == @kind"), []
    for place, depth in enumerate(depths):
        colour, cell = shade(kind, depth, depths), networks.get((kind, depth))
        paper = curves[curves["depth"] == depth].set_index("epoch")["train_cross_entropy"].to_dict()
        lines.append(line(None, paper, color=colour, zorder=1, **SOURCE))
        if cell and cell.best:
            ours = cell.best.curves["train_cross_entropy"]
            marker = POINTS[place] if len(ours) < 50 else None
            look = {"color": colour, "lw": 2.4, "marker": marker, "ms": 4}
            lines.append(line(f"{depth} layers", ours, [[cell.best.run_key]], **look))
    lines.append(line("P1's, MNIST", {}, color="0.2", **SOURCE))

    def our_budget(axes: Axes) -> None:
        axes.axvspan(1, max(epochs, 1.05), color="#000000", alpha=0.06, lw=0)
        axes.set_xscale("log")
        note = f"our budget: {budget} epochs"
        axes.text(1.05, 0.02, note, transform=axes.get_xaxis_transform(), va="bottom", fontsize=8.5)

    return line_panel(f"{data}: best training curves, {kind}", lines, "epoch", LOSS, our_budget)


def _setting(networks: Networks) -> tuple[str, list[int], int, str]:
    """Return the data, the depths, and the epochs of all networks' best trials, as a number and in words."""
    lengths = sorted({cell.epochs for cell in networks.values()})
    budget = " to ".join(map(str, dict.fromkeys((lengths[0], lengths[-1]))))
    data = next(iter(networks.values())).runs[0].config.data.name
    return data, sorted({depth for _, depth in networks}), lengths[0], budget


@in_units("share")
def share_faster(records: Listed, losses: tuple[float, ...], factor: float) -> Interval | None:
    """Return at what share of depths and losses (reached by either) plain needs `factor` times the epochs or more.

    The interval is over other draws of the trials, as far as the best trial of each draw is known.
    """
    networks = cells(records, kind_and_depth)
    depths = sorted({depth for _, depth in networks})
    if not networks or any((kind, depth) not in networks for kind in KINDS for depth in depths):
        return None
    times = epochs_to(networks, losses)
    plain, highway = (np.hstack([times[kind, depth] for depth in depths]) for kind in KINDS)
    reached = np.minimum(plain, highway) < np.inf
    with np.errstate(invalid="ignore"):
        shares = ((plain >= factor * highway) & reached).sum(axis=1) / reached.sum(axis=1)
    shares[np.isnan(plain + highway).any(axis=1)] = np.nan
    return None if np.isnan(shares[0]) else Interval(*middle(shares[1:]), point=float(shares[0]))


@in_units("share")
def worst_activation(records: Listed, network: str) -> float | None:
    """Return the best training cross-entropy over that of guessing, for the worse activation at its worst depth."""
    runs = [run for run in records if run.config.network.kind == network]
    networks = cells(runs, lambda run: (run.config.network.depth, getattr(run.config.network, "activation", "")))
    activations = {activation for _, activation in networks}
    if len(activations) < 2 or any((depth, one) not in networks for depth, _ in networks for one in activations):
        return None
    return max(cell.best_loss for cell in networks.values()) / math.log(classes(runs[0].config.data))


@in_units("parameters")
def built_parameters_per_layer(records: Listed, network: Kind, width: int) -> float:
    """Return the parameters that one more layer of a width adds, counted on two networks built for this."""
    bias = -1.0 if network == "highway" else None
    shapes = [DenseConfig(kind=network, depth=depth, width=width, transform_bias=bias) for depth in (10, 11)]
    ten, eleven = (sum(p.numel() for p in DenseNetwork(shape, 784, 10).parameters()) for shape in shapes)
    return eleven - ten


def answer(records: Listed) -> Iterator[str]:
    """Compare the best highway network with the best plain one, at the smallest and the largest depth."""
    rows = {(row["network"], row["depth"]): row for row in depth_rows(records)}
    depths = sorted(depth for kind, depth in rows if kind == "plain" and ("highway", depth) in rows)
    sentences = []
    for depth in dict.fromkeys(depths[:1] + depths[-1:]):
        plain, highway = (rows[kind, depth][OUTCOME] for kind in KINDS)
        if not math.isfinite(plain + highway):
            sentences.append(f"At **{depth} layers** every trial of one kind of network diverged.")
            continue
        low, high = sorted((plain, highway))
        times = f"{high / low:.3g} times " if low else ""
        which = "highway" if highway == low else "plain"
        lower = f"the {which} one is {times}lower" if low < high else "they are equal"
        trials = [f"{rows[kind, depth]['trials']} {kind} trials" for kind in KINDS]
        sentences.append(
            f"At **{depth} layers** the best of {trials[0]} reaches a training cross-entropy of {number(plain)}, the "
            f"best of {trials[1]} {number(highway)}: {lower}."
        )
    if drawn := [row for row in rows.values() if row["drawn"]]:
        lower = sum(row["drawn_best_train_cross_entropy"] < row[OUTCOME] for row in drawn)
        sentences.append(
            f"Of trials that the rungs threw out some were trained as long: the best of them ended lower than what was "
            f"kept in {lower} of {len(drawn)} networks."
        )
    yield " ".join(sentences)


def lead_rows(records: Listed) -> Iterator[Row]:
    """Yield a row for each depth: the best losses of both papers and ours, for plain and for highway networks."""
    rows = {(row["network"], row["depth"]): row for row in depth_rows(records)}
    sources = {"P1": "paper_p1", "P2": "paper_p2", "ours": "best_train_cross_entropy"}
    for depth in sorted({depth for _, depth in rows}):
        numbers = {f"{kind}, {whose}": rows[kind, depth][column] for kind in KINDS for whose, column in sources.items()}
        yield {"layers": depth, **{name: "" if one is None else f"{one:.1e}" for name, one in numbers.items()}}


DEPTH = Experiment(
    title="Plain and highway networks of 10 to 100 layers",
    schema=DepthProfile,
    tables=(
        Table(
            "depth",
            depth_rows,
            "Best training cross-entropy of a random search, by depth (P1 Fig. 1, P2 Fig. 1)",
            shown={
                "network": "network",
                "depth": "layers",
                "rungs": "trials x epochs",
                "best_train_cross_entropy": "training cross-entropy, nats, ours",
                "drawn_best_train_cross_entropy": "best of those drawn from the trials thrown out",
                "paper_p1_same_epochs": "P1 at the same epoch (ours is chosen there, P1's at epoch 400)",
                "paper_p1": "P1, 400 epochs",
                "paper_p2": "P2, 400 epochs",
                "test_accuracy": "test accuracy",
            },
            plot=("depth", "best_train_cross_entropy"),
        ),
    ),
    figures={
        "depth": lambda records: Drawing([outcome_panel(records)] if records else []),
        "depth_curves": lambda records: Drawing([_curves_panel(records, one) for one in KINDS] if records else []),
        "depth_budget": lambda records: budget_figure(records, DEPTH.named_measures),
    },
    captions={
        "depth_curves": "Training cross-entropy of each network's best trial, by epoch",
        "depth_budget": "The share of draws of our trials that keep each claim's criterion, by trials and epochs",
    },
    draws=lambda records: outcomes_of_draws(cells(records, kind_and_depth)),
    references=("depth_papers.csv", "highway2015_fig1_curves.csv"),
    answer=answer,
    lead=Lead(
        questions=(
            ("Do plain networks degrade with depth?", "depth-plain-degrades"),
            ("Do highway networks not?", "depth-highway-does-not-degrade"),
        ),
        panel=outcome_panel,
        rows=lead_rows,
    ),
)
