"""How certain is the best outcome of a search, and how cheap could its verdict have been?

The recorded trials are drawn again, with replacement (the bootstrap). A trial has the same settings for every network,
so one draw serves all of them. In a search with rungs, only the trials that reached a rung have an outcome there: a
draw without any of them is uninformative and left out. A trial that diverged counts with its lowest loss.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from highways.claims.judge import Claim, read_claims
from highways.claims.values import Expression, Measures
from highways.show.figures import Drawing, Panel
from highways.show.tables import Row
from highways.tracking import Cell, Listed, cells, kind_and_depth, rank

DRAWS, SEED = 2_000, 0
OUTCOME = "best_train_cross_entropy"
ENOUGH = 0.95
KNOWN = 0.75
"""Share of draws that must be informative: in a search with rungs, few drawn trials may include none that went on."""
Networks = Mapping[tuple[str, int], Cell]


def draws_of_trials(networks: Networks, trials: int | None = None) -> NDArray[np.int64]:
    """Return the numbers of the trials in each draw, `(draws, trials)`; by default as many as the search had."""
    numbers = sorted({run.config.seed for cell in networks.values() for run in cell.rungs[0]})
    return np.random.default_rng(SEED).choice(numbers, size=(DRAWS, trials or len(numbers)))


def outcomes_of_draws(networks: Networks, trials: int | None = None, epochs: int | None = None) -> list[Row]:
    """Return a row per network with its outcome in each draw, `(draws,)`, NaN if the draw is uninformative.

    `trials` is the size of a draw, by default that of the search. `epochs` is the budget, counted on the shortest rung
    that is at least as long; by default it is that of the runs that count. See `Measures.draws`.
    """
    drawn, rows = draws_of_trials(networks, trials), list[Row]()
    places = 1 + max((run.config.seed for cell in networks.values() for run in cell.rungs[0]), default=0)
    for (kind, depth), cell in networks.items():
        runs = cell.counted
        if epochs is not None:
            runs = next((rung for rung in cell.rungs if rung[0].config.budget.epochs >= epochs), [])
        best = np.full(places, np.nan)
        for run in runs:
            best[run.config.seed] = min(run.curves.get("train_cross_entropy", [])[:epochs], default=np.inf)
        rows.append({"network": kind, "depth": depth, OUTCOME: np.fmin.reduce(best[drawn], axis=1)})
    return rows


def epochs_to(networks: Networks, losses: Sequence[float]) -> dict[tuple[str, int], NDArray[np.float64]]:
    """Return for each network the epochs to each loss, `(1 + draws, losses)`: of the best trial, then of each draw's.

    They are infinite if the trial does not reach the loss, and NaN if no trial of the draw is known.
    """
    drawn, times = [set(draw) for draw in draws_of_trials(networks).tolist()], {}
    for network, cell in networks.items():
        of_trial, unknown = dict[int, list[float]](), [math.nan] * len(losses)
        for run in sorted(cell.counted, key=rank):
            of_trial[run.config.seed] = [Cell((run,)).epochs_to(loss) or math.inf for loss in losses]
        draws = [set(of_trial), *drawn]
        rows = [next((row for trial, row in of_trial.items() if trial in draw), unknown) for draw in draws]
        times[network] = np.array(rows)
    return times


def budgets(networks: Networks) -> tuple[list[int], list[int]]:
    """Return numbers of trials, and of epochs: up to the end of the first rung, then the length of every later one."""
    first = next(iter(networks.values())).rungs
    trials, epochs = len(first[0]), first[0][0].config.budget.epochs
    later = sorted({rung[0].config.budget.epochs for cell in networks.values() for rung in cell.rungs[1:]})
    return (
        [number for number in (1, 2, 5, 10, 20, 40, 100) if number < trials] + [trials],
        [number for number in (1, 2, 5, 10, 20, 50, 100, 200) if number < epochs] + [epochs, *later],
    )


def epochs_trained(networks: Networks, trials: int, epochs: int) -> int:
    """Return the total epochs of a network's search with at most `trials` trials, each trained for at most `epochs`."""
    total = before = 0
    for rung in next(iter(networks.values())).rungs:
        if before < epochs:
            before = rung[0].config.budget.epochs
            total += min(trials, len(rung)) * min(before, epochs)
    return total


def budget_panel(networks: Networks, claim: Claim) -> Panel:
    """Return what share of draws meets a claim's criterion, by trials and epochs, and the least budget for 0.95."""
    expression, (trials, epochs) = Expression.model_validate(claim.measure), budgets(networks)
    shares = np.full((len(trials), len(epochs)), np.nan)
    for row, column in np.ndindex(shares.shape):
        values = expression.on(outcomes_of_draws(networks, trials[row], epochs[column]))
        known = [] if values is None else values[~np.isnan(values)]
        if len(known) >= KNOWN * DRAWS:
            shares[row, column] = np.mean([claim.holds.keep(float(value)) is True for value in known])
    enough = [
        (epochs_trained(networks, trials[row], epochs[column]), trials[row], epochs[column])
        for row, column in np.argwhere(shares >= ENOUGH)
    ]
    cost, few, short = min(enough, default=(0, 0, 0))
    least = f"{few} x {short}, {cost:,} epochs a network" if enough else "no budget"
    alt = f"Share of draws that keep it, of {trials[-1]} x {epochs[-1]} {shares[-1, -1]:.2f}; {ENOUGH:g} from {least}."
    alt = alt.replace("nan", "unknown")

    def draw(axes: Axes) -> None:
        axes.imshow(shares, aspect="auto", cmap="Blues", vmin=0, vmax=1, origin="lower")
        axes.grid(visible=False)
        for row, column in np.ndindex(shares.shape):
            if not np.isnan(value := shares[row, column]):
                axes.text(column, row, f"{value:.2f}", ha="center", va="center", color="w" if value > 0.6 else "k")
        axes.set_xticks(range(len(epochs)), [str(number) for number in epochs])
        axes.set_yticks(range(len(trials)), [str(number) for number in trials])
        axes.set(xlabel=f"epochs ({ENOUGH:g} from {least})", ylabel="trials")

    title = claim.statement + (" (Easier with less.)" if claim.easier_with_less else "")
    return Panel(title, alt, draw, height=2.6)


def budget_figure(records: Listed, measures: Measures) -> Drawing:
    """Draw a panel for every claim of the study that is measured on the best outcomes of its search."""
    networks = cells(records, kind_and_depth)
    claims = read_claims({"01_depth": measures}).values() if networks else ()
    return Drawing([budget_panel(networks, claim) for claim in claims if claim.measure.get("of") == OUTCOME])
