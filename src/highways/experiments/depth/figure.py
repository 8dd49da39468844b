"""The depth study's figure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from highways.experiments.depth.outcomes import MIN_TRIALS_FOR_TOP, Search, searches
from highways.show.figures import (
    MARKERS,
    NETWORK,
    POINTS,
    SOURCE,
    Drawing,
    Panel,
    depth_ticks,
    legend,
    logarithmic,
    shade,
)
from highways.show.tables import reference
from highways.tracking import RunRecord

Found = dict[tuple[str, int], Search]
LOSS = "training cross-entropy, nats"


def depth_figure(records: Sequence[RunRecord]) -> Drawing:
    """Draw the depth study: the outcome over depth, best training curves of plain and of highway nets.

    Ours are the thick lines; the thin dashed ones are P1's, read off its Fig. 1 (MNIST, 400 epochs), which go on where
    our budget ends. For twenty trials or more a last panel has the mean of the top ten beside P2's.
    """
    found = searches(records)
    panels = [outcome_panel(found), *(_curves_panel(found, network) for network in NETWORK)]
    if any(not math.isnan(search.top_mean[0]) for search in found.values()):
        panels.append(_top_panel(found))
    return Drawing(panels, columns=2)


def outcome_panel(found: Found) -> Panel:
    """Return the best outcome of a search over depth, P1's at the same epoch and at its end beside it."""
    data, epochs = _data(found), _epochs(found)
    words = []
    for network in NETWORK:
        best = _best(found, network)
        points = [f"{best[depth]:.2g} at {depth} layers" for depth in best]
        words.append(f"{network}: {', '.join(points) or 'none trained'}")
    alt = f"Ours after {_budget(found)} epochs, best training cross-entropy in nats, {'; '.join(words)}."
    if data == "mnist":
        alt += f" P1's at that epoch {_papers_in_words(epochs)}; at epoch 400 {_papers_in_words(400)}."
    return Panel(f"{data}: best outcome by depth", alt, partial(_outcomes, found))


def _papers_in_words(epochs: int) -> str:
    parts = []
    for network in NETWORK:
        theirs = _papers(network, epochs)
        parts.append(f"{network} from {theirs.iloc[0]:.2g} at {theirs.index[0]} to {theirs.iloc[-1]:.2g}")
    return " and ".join(parts) + f" at {_papers('plain', epochs).index[-1]}"


def _papers(network: str, epochs: int) -> pd.Series:
    """Return P1's lowest loss within some epochs, by depth."""
    curves = reference("highway2015_fig1_curves.csv")
    within = curves[(curves.network == network) & (curves.epoch <= epochs)]
    return within.groupby("depth").train_cross_entropy.min()


def _data(found: Found) -> str:
    return next(iter(found.values())).trials[0].config.data.name


def _epochs(found: Found) -> int:
    """Return the epochs that the best trials of all networks have had; a search that goes on has more for some."""
    return min(search.epochs for search in found.values())


def _budget(found: Found) -> str:
    """Return the epochs that the best trials have had, in words: a search that goes on has had more for some."""
    lengths = [search.epochs for search in found.values()]
    return f"{min(lengths)}" if min(lengths) == max(lengths) else f"{min(lengths)} to {max(lengths)}"


def _best(found: Found, network: str) -> dict[int, float]:
    rows = {depth: search.best_loss for (kind, depth), search in sorted(found.items()) if kind == network}
    return {depth: loss for depth, loss in rows.items() if math.isfinite(loss)}


def _outcomes(found: Found, axes: Axes) -> None:
    epochs = _epochs(found)
    for network, colour in NETWORK.items():
        best, marker = _best(found, network), MARKERS[network]
        label = f"{network}, ours, epoch {_budget(found)}"
        axes.plot(list(best), list(best.values()), color=colour, marker=marker, ms=6, lw=2.4, label=label)
        theirs = _papers(network, 400)
        if _data(found) == "mnist" and epochs < 400:
            same, label = _papers(network, epochs), f"{network}, P1, epoch {epochs}"
            axes.plot(same.index, same, color=colour, marker=marker, mfc="white", label=label, **SOURCE)
        label = f"{network}, P1, epoch 400"
        axes.plot(theirs.index, theirs, ":", color=colour, marker=marker, ms=3, lw=1.2, label=label)
    axes.set(ylabel=LOSS)
    logarithmic(axes)
    depth_ticks(axes, sorted({depth for _, depth in found}))
    legend(axes, columns=2)


def _curves_panel(found: Found, network: str) -> Panel:
    words = []
    for (kind, depth), search in sorted(found.items()):
        if kind == network and search.best is not None:
            curve = search.best.curves["train_cross_entropy"]
            words.append(f"{depth} layers from {curve[0]:.2g} to {min(curve):.2g} nats")
    alt = f"Ours, over {_budget(found)} epochs: {', '.join(words) or 'nothing trained'}."
    alt += f" P1's, dashed, go on to epoch 400: {_ends_in_words(network)}."
    title = f"{_data(found)}: best training curves, {network}"
    return Panel(title, alt, partial(_curves, found, network))


def _ends_in_words(network: str) -> str:
    return ", ".join(f"{depth} layers to {loss:.2g}" for depth, loss in _papers(network, 400).items())


def _curves(found: Found, network: str, axes: Axes) -> None:
    theirs = reference("highway2015_fig1_curves.csv")
    theirs = theirs.loc[theirs["network"] == network]
    depths = sorted({depth for _, depth in found})
    for place, depth in enumerate(depths):
        colour = shade(network, depth, depths)
        curve = theirs.loc[theirs["depth"] == depth]
        axes.plot(curve["epoch"], curve["train_cross_entropy"], color=colour, zorder=1, **SOURCE)
        search = found.get((network, depth))
        if search is not None and search.best is not None:
            ours = search.best.curves["train_cross_entropy"]
            marker = POINTS[place] if len(ours) < 50 else None
            axes.plot(range(1, len(ours) + 1), ours, color=colour, lw=2.4, marker=marker, ms=4, label=f"{depth} layers")
    epochs = _epochs(found)
    axes.axvspan(1, max(epochs, 1.05), color="#000000", alpha=0.06, lw=0)
    axes.set(xlabel="epoch", xscale="log", ylabel=LOSS)
    logarithmic(axes)
    note = f"our budget: {_budget(found)} epochs"
    axes.text(1.05, 0.02, note, transform=axes.get_xaxis_transform(), va="bottom", fontsize=8.5)
    handles, labels = axes.get_legend_handles_labels()
    if not theirs.empty:
        handles.append(Line2D([], [], color="0.2", **SOURCE))
        labels.append("P1's, MNIST")
    legend(axes, handles=handles, labels=labels)


def _top_panel(found: Found) -> Panel:
    papers = reference("depth_papers.csv")
    words = []
    for network in NETWORK:
        means = _top_means(found, network)
        words.append(f"{network} " + ", ".join(f"{mean:.2g} at {depth}" for depth, mean in means.items()))
    alt = f"Ours after {_budget(found)} epochs, nats: {'; '.join(words)}."

    def draw(axes: Axes) -> None:
        for network, colour in NETWORK.items():
            means, marker = _top_means(found, network), MARKERS[network]
            label = f"{network}, ours, epoch {_budget(found)}"
            axes.plot(list(means), list(means.values()), color=colour, marker=marker, lw=2.4, label=label)
            theirs = papers[papers.network == network]
            name = f"{network}, P2, epoch 400"
            axes.plot(
                theirs.depth, theirs.paper_p2_top10_mean, color=colour, marker=marker, mfc="white", label=name, **SOURCE
            )
        axes.set(ylabel=LOSS)
        logarithmic(axes)
        depth_ticks(axes, sorted({depth for _, depth in found}))
        legend(axes)

    return Panel(f"{_data(found)}: mean of the ten best trials", alt, draw)


def _top_means(found: Found, network: str) -> dict[int, float]:
    rows = {depth: search for (kind, depth), search in sorted(found.items()) if kind == network}
    enough = {depth: search.top_mean[0] for depth, search in rows.items() if len(search.last) >= MIN_TRIALS_FOR_TOP}
    return {depth: mean for depth, mean in enough.items() if np.isfinite(mean)}
