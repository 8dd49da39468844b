"""The convolutional networks' figure."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.ticker
import numpy as np
from matplotlib.figure import Figure

from highways.experiments.conv.outcomes import authors_logs, outcomes
from highways.show.figures import COLOURS
from highways.tracking import RunRecord


def conv_figure(records: Sequence[RunRecord]) -> Figure:
    """Draw the test error of the convolutional networks over epochs, the authors' own curves underneath.

    Ours are the thick lines, means over runs; the authors' logs are the thin ones. One panel a data set.
    """
    found = outcomes(records)
    names = list(dict.fromkeys(data for _, data in found))
    figure = Figure(figsize=(7 * len(names), 5.4), layout="constrained")
    figure.suptitle("Convolutional networks: test error; the authors' own runs thin")
    for axes, data in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        chosen = [outcome for outcome in found.values() if outcome.data == data]
        for index, outcome in enumerate(chosen):
            colour = COLOURS(0.9 * index / max(len(chosen) - 1, 1))
            curves = [run.curves["test_accuracy"] for run in outcome.runs if run.status == "finished"]
            if not curves:
                continue
            errors = 100 * (1 - np.mean(curves, axis=0))
            runs = f", {len(curves)} runs" if len(curves) > 1 else ""
            epochs = np.arange(1, len(errors) + 1)
            axes.plot(epochs, errors, color=colour, lw=2.2, marker=".", label=f"{outcome.network}{runs}")
        for log, name in authors_logs(data):
            error = 100 * (1 - log["test_accuracy"])
            axes.plot(log["epoch"], error, color="0.45", lw=0.9, label=f"{name}, the authors' log", zorder=1)
        axes.set(title=data, xlabel="epoch", ylabel="test error, %", xscale="log", yscale="log")
        axes.yaxis.set_major_formatter(matplotlib.ticker.FormatStrFormatter("%g"))
        axes.yaxis.set_minor_formatter(matplotlib.ticker.FormatStrFormatter("%g"))
        axes.xaxis.set_major_formatter(matplotlib.ticker.FormatStrFormatter("%g"))
        axes.grid(alpha=0.25, which="both")
        axes.legend(fontsize=8)
    return figure
