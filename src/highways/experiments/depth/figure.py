"""The depth study's figure."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from highways import paths
from highways.experiments.depth.outcomes import MIN_TRIALS_FOR_TOP, searches
from highways.show.figures import COLOURS, STYLES
from highways.tracking import RunRecord


def depth_figure(records: Sequence[RunRecord]) -> Figure:
    """Draw the depth study: best training curves of plain and of highway nets, and the outcome over depth.

    Ours are the thick lines; the thin dashed ones are P1's, read off its Fig. 1 (MNIST, 400 epochs).
    The third panel has the best trial of each depth and, for twenty trials or more, the mean of the
    top ten, with P1's and P2's values.
    """
    found = searches(records)
    curves = pd.read_csv(paths.references() / "highway2015_fig1_curves.csv")
    papers = pd.read_csv(paths.references() / "depth_papers.csv")
    depths = sorted({depth for _, depth in found})
    colour = {depth: COLOURS(0.85 * index / max(len(depths) - 1, 1)) for index, depth in enumerate(depths)}
    data = records[0].config.data.name
    trials = max(len(search.trials) for search in found.values())
    pruned = any(len(search.rungs) > 1 for search in found.values())

    figure = Figure(figsize=(14, 5.4), layout="constrained")
    left, middle, right = figure.subplots(1, 3, sharey=True, width_ratios=[1, 1, 0.9])
    left.set(yscale="log", ylabel="training cross-entropy, nats")
    how = f"{trials} trials of a random search{', the best trained to the end' if pruned else ''}"
    figure.suptitle(f"Depth study, {data}: best of {how}; P1's MNIST curves dashed")
    for axes, network in ((left, "plain"), (middle, "highway")):
        for depth in depths:
            theirs = curves[(curves.network == network) & (curves.depth == depth)]
            axes.plot(theirs.epoch, theirs.train_cross_entropy, "--", lw=0.9, alpha=0.75, color=colour[depth])
            search = found.get((network, depth))
            if search is not None and search.best is not None:
                ours = search.best.curves["train_cross_entropy"]
                epochs = np.arange(1, len(ours) + 1)
                axes.plot(
                    epochs,
                    ours,
                    lw=2.2,
                    color=colour[depth],
                    label=f"{depth} layers",
                    marker="." if len(ours) < 50 else None,
                )
        axes.set(title=f"{network} networks", xlabel="epoch", xscale="log")
        axes.legend(fontsize=9)
        axes.grid(alpha=0.25, which="major")
    for network, (line, marker) in STYLES.items():
        rows = [(depth, search) for (kind, depth), search in sorted(found.items()) if kind == network]
        best = [(depth, search.best_loss) for depth, search in rows if math.isfinite(search.best_loss)]
        if best:
            right.plot(*zip(*best, strict=True), color=line, marker=marker, lw=2, label=f"{network}, best of {trials}")
        if trials >= MIN_TRIALS_FOR_TOP and not pruned:
            means = [(depth, search.top_mean[0]) for depth, search in rows]
            right.plot(*zip(*means, strict=True), color=line, marker=marker, mfc="white", lw=1, label="mean of top 10")
            theirs = papers[papers.network == network]
            hollow = {"marker": marker, "ms": 4, "mfc": "white"}
            right.plot(theirs.depth, theirs.paper_p2_top10_mean, ":", color=line, lw=0.7, label="P2, top 10", **hollow)
        theirs = papers[papers.network == network]
        right.plot(theirs.depth, theirs.paper_p1, "--", color=line, lw=0.9, alpha=0.75, label="P1, best of 40")
        right.plot(theirs.depth, theirs.paper_p2, ":", color=line, lw=1.1, alpha=0.75, label="P2, best of 100")
    right.set(title="outcome over depth", xlabel="layers", xscale="log", xticks=depths)
    right.set_xticks(depths, [str(depth) for depth in depths])
    right.minorticks_off()
    right.legend(fontsize=8, ncol=2, loc="upper center", bbox_to_anchor=(0.5, -0.14))
    right.grid(alpha=0.25, which="major")
    return figure
