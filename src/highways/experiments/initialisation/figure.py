"""The figure of initial weights."""

from __future__ import annotations

import math
from functools import partial

import matplotlib.ticker
from matplotlib.axes import Axes

from highways.data import classes
from highways.experiments.initialisation.outcomes import Outcome, outcomes_by_initialisation
from highways.experiments.initialisation.study_panels import study_panels
from highways.show.figures import (
    DASHES,
    NETWORK,
    OTHERS,
    POINTS,
    Drawing,
    Panel,
    depth_ticks,
    legend,
    logarithmic,
    positive,
)
from highways.show.layers import nothing
from highways.tracking import AnalysisRecord, Listed

Outcomes = dict[tuple[str, int, str], Outcome]
QUANTITIES = {
    "output": ("output of the last block", "root mean square", -1),
    "weight_gradient": ("gradient", "norm", 0),
}
"""Of a signal: what it is, its measure, and which block's is drawn over depth."""


def initialisation_figure(records: Listed) -> Drawing:
    """Draw for plain and highway networks, by initialisation: what training makes of it, outputs, gradients.

    Training loss over depth for both; outputs and gradients before training over depth, and block by block in the
    deepest networks; then the studies: the network that learned nothing, the variance of z, the 7-4-2-1 network and a
    hidden layer of sigmoids. What has not been measured yet has no panel.
    """
    found = outcomes_by_initialisation(records)
    panels = [_losses_panel(found, network) for network in NETWORK if found]
    for network in NETWORK:
        for quantity in QUANTITIES:
            panels += _over_depth(found, network, quantity)
    for network, quantity in (("plain", "output"), ("plain", "weight_gradient"), ("highway", "weight_gradient")):
        panels += _block_by_block(found, network, quantity)
    panels += study_panels(records)
    return Drawing(panels) if panels else nothing("no run has finished")


def _look(found: Outcomes, name: str) -> dict[str, object]:
    """Return colour, marker and dash of an initialisation, and its label."""
    place = list(dict.fromkeys(one for *_, one in found)).index(name)
    label = name.replace("_", " ")
    return {
        "color": OTHERS[place % len(OTHERS)],
        "marker": POINTS[place % len(POINTS)],
        "ls": DASHES[place // len(OTHERS) % len(DASHES)],
        "label": label,
    }


def _names(found: Outcomes, network: str) -> dict[str, list[tuple[int, Outcome]]]:
    """Return outcomes of a kind of network, by initialisation and in the order of depths."""
    names: dict[str, list[tuple[int, Outcome]]] = {}
    for (kind, depth, name), outcome in sorted(found.items(), key=lambda item: item[0][1]):
        if kind == network:
            names.setdefault(name, []).append((depth, outcome))
    return names


def _losses_panel(found: Outcomes, network: str) -> Panel:
    data = next(iter(found.values())).runs[0].config.data.name
    words = []
    for name, rows in _names(found, network).items():
        ends = [
            f"{o.best_loss:.2g} at {d} layers" if math.isfinite(o.best_loss) else f"all diverged at {d}"
            for d, o in rows
        ]
        words.append(f"{name.replace('_', ' ')}: {', '.join(ends)}")
    alt = f"Best training cross-entropy in nats, {'; '.join(words)}. Guessing is {math.log(classes(data)):.2f}."
    return Panel(f"{network}, {data}: what training makes of it", alt, partial(_losses, found, network, data), 3.4)


def _losses(found: Outcomes, network: str, data: str, axes: Axes) -> None:
    for name, rows in _names(found, network).items():
        losses = [outcome.best_loss if math.isfinite(outcome.best_loss) else math.nan for _, outcome in rows]
        axes.plot([depth for depth, _ in rows], losses, **_look(found, name))  # type: ignore[arg-type]
    axes.axhline(math.log(classes(data)), color="0.4", lw=1, ls=":", label="guessing")
    axes.set(ylabel="best training cross-entropy, nats")
    logarithmic(axes)
    depth_ticks(axes, sorted({depth for _, depth, _ in found}))
    legend(axes)


def _over_depth(found: Outcomes, network: str, quantity: str) -> list[Panel]:
    what, measure, place = QUANTITIES[quantity]
    where = "" if place else " at the first block"
    lines = {
        name: [(depth, one.signal.row(quantity)[place]) for depth, one in rows if one.signal is not None]
        for name, rows in _names(found, network).items()
    }
    return _signals(found, f"{network}, untrained: {what}{where}", measure, lines)


def _block_by_block(found: Outcomes, network: str, quantity: str) -> list[Panel]:
    deepest = max((depth for _, depth, _ in found), default=0)
    what, measure, _ = QUANTITIES[quantity]
    lines = {}
    for name, rows in _names(found, network).items():
        signals = [one.signal for depth, one in rows if depth == deepest and one.signal is not None]
        lines[name] = [(block, value) for signal in signals for block, value in _rows(signal, quantity)]
    title = f"{network}, {deepest} layers, untrained: {what.removesuffix(' of the last block')} of each block"
    return _signals(found, title, measure, lines)


def _rows(signal: AnalysisRecord, quantity: str) -> list[tuple[int, float]]:
    return list(enumerate(signal.row(quantity), start=1))


def _signals(found: Outcomes, title: str, measure: str, lines: dict[str, list[tuple[int, float]]]) -> list[Panel]:
    """Return a panel of lines, none where nothing has been measured."""
    lines = {name: line for name, line in lines.items() if line}
    if not lines:
        return []
    words = [f"{name.replace('_', ' ')} from {line[0][1]:.1g} to {line[-1][1]:.1g}" for name, line in lines.items()]
    first, last = (next(iter(lines.values()))[end][0] for end in (0, -1))
    kind = "block" if "each block" in title else "depth"
    alt = f"{measure.capitalize()}, from {kind} {first} to {kind} {last}: {'; '.join(words)}."

    def draw(axes: Axes) -> None:
        for name, line in lines.items():
            look = _look(found, name) | ({"marker": None, "lw": 1.4} if kind == "block" else {})
            if any(value for _, value in line):
                axes.plot([place for place, _ in line], positive([value for _, value in line]), **look)  # type: ignore[arg-type]
        axes.set(ylabel=measure)
        logarithmic(axes)
        if kind == "block":
            axes.set(xlabel="block")
            axes.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(integer=True))
        else:
            depth_ticks(axes, sorted({depth for _, depth, _ in found}))
        legend(axes)

    return [Panel(title, alt, draw, 3.0)]
