"""The convolutional networks' figure."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from matplotlib.axes import Axes

from highways.experiments.conv.outcomes import LABELS, Outcome, authors_logs, outcomes
from highways.show.figures import DASHES, OTHERS, POINTS, SOURCE, Drawing, Panel, legend, plain_ticks, shade
from highways.tracking import RunRecord


def conv_figure(records: Sequence[RunRecord]) -> Drawing:
    """Draw the test error of the convolutional networks over epochs, the authors' own curves underneath.

    Ours are the thick lines, means over runs; the authors' logs are the thin ones. One panel a data set.
    """
    found = outcomes(records)
    names = list(dict.fromkeys(data for _, data in found))
    return Drawing([_panel([one for one in found.values() if one.data == data], data) for data in names], columns=2)


def _errors(outcome: Outcome) -> list[float]:
    """Return the test error after each epoch, percent, the mean over finished runs."""
    curves = [run.curves["test_accuracy"] for run in outcome.runs if run.status == "finished"]
    return list(100 * (1 - np.mean(curves, axis=0))) if curves else []


def _label(outcome: Outcome) -> str:
    runs = sum(run.status == "finished" for run in outcome.runs)
    return LABELS.get(outcome.network, outcome.network) + (f", {runs} runs" if runs > 1 else "")


def _panel(chosen: list[Outcome], data: str) -> Panel:
    words = [
        f"{_label(one)} from {errors[0]:.3g} % to {errors[-1]:.3g} % in {len(errors)} epochs"
        for one in chosen
        if (errors := _errors(one))
    ]
    theirs = [f"{name} to {100 * (1 - log['test_accuracy'].iloc[-1]):.3g} %" for log, name in authors_logs(data)]
    alt = f"Test error: {'; '.join(words) or 'no run finished'}." + (
        f" The authors' logs, thin: {'; '.join(theirs)}." if theirs else ""
    )
    return Panel(f"{data}: test error over epochs", alt, partial(_curves, chosen, data))


def _colours(chosen: list[Outcome]) -> dict[str, str]:
    """Return a colour a network: shades of its kind's, others for what is neither plain nor highway."""
    found = {}
    for kind in ("plain", "highway"):
        names = [one.network for one in chosen if one.network.startswith(kind)]
        found |= {name: shade(kind, place, range(len(names))) for place, name in enumerate(names)}
    rest = [one.network for one in chosen if one.network not in found]
    return found | {name: OTHERS[(3 + place) % len(OTHERS)] for place, name in enumerate(rest)}


def _curves(chosen: list[Outcome], data: str, axes: Axes) -> None:
    colours = _colours(chosen)
    for place, outcome in enumerate(chosen):
        if errors := _errors(outcome):
            marker = POINTS[place % len(POINTS)] if len(errors) < 50 else None
            style = {"color": colours[outcome.network], "lw": 2.2, "marker": marker, "label": _label(outcome)}
            axes.plot(range(1, len(errors) + 1), errors, **style)
    for place, (log, name) in enumerate(authors_logs(data)):
        error = 100 * (1 - log["test_accuracy"])
        look = SOURCE | {"ls": DASHES[place % len(DASHES)], "color": "0.35", "zorder": 1}
        axes.plot(log["epoch"], error, label=f"{name}, authors' log", **look)
    axes.set(xlabel="epoch", ylabel="test error, %", xscale="log", yscale="log")
    plain_ticks(axes.yaxis)
    plain_ticks(axes.xaxis, subs=(1,))
    legend(axes)
