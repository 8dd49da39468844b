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

    Ours are the thick lines, means over runs; the authors' logs are the thin ones. One panel a data set, and one of the
    losses of the Keras convolution post's network, which shows such curves.
    """
    found = outcomes(records)
    names = list(dict.fromkeys(data for _, data in found))
    panels = [_panel([one for one in found.values() if one.data == data], data) for data in names]
    return Drawing(panels + [_losses_panel(one) for one in found.values() if one.network in POST], columns=2)


POST = ("keras-post", *LABELS)
"""Networks that are the Keras convolution post's."""


def _losses_panel(outcome: Outcome) -> Panel:
    runs = [run for run in outcome.runs if run.status == "finished"]
    words = [
        f"{part} from {min(firsts):.3g} to {min(lasts):.3g} at the lowest"
        for part in ("train", "test")
        if (firsts := [run.curves[f"{part}_cross_entropy"][0] for run in runs])
        and (lasts := [run.curves[f"{part}_cross_entropy"][-1] for run in runs])
    ]
    number = "1 run" if len(runs) == 1 else f"{len(runs)} runs"
    alt = f"Cross-entropy of {number} over epochs: {'; '.join(words) or 'no run finished'}."
    return Panel(f"{_label(outcome)}: cross-entropy over epochs", alt, partial(_losses, runs))


def _losses(runs: Sequence[RunRecord], axes: Axes) -> None:
    for place, run in enumerate(runs):
        for part, name, look in (("train", "training", "-"), ("test", "test", "--")):
            losses = run.curves[f"{part}_cross_entropy"]
            label = f"{name}{', each run' if len(runs) > 1 else ''}" if place == 0 else None
            axes.plot(range(1, len(losses) + 1), losses, look, color=OTHERS[3], lw=1.3, label=label)
    axes.set(xlabel="epoch", ylabel="cross-entropy, nats")
    legend(axes)


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
