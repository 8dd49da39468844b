"""The very deep networks' figure."""

from __future__ import annotations

from functools import partial

import matplotlib.ticker
from matplotlib.axes import Axes

from highways.config import DenseConfig
from highways.experiments.very_deep.tables import step_costs, step_exponents
from highways.show.figures import DASHES, MARKERS, NETWORK, Drawing, Panel, legend, logarithmic, plain_ticks, shade
from highways.show.layers import signal_panel
from highways.tracking import Listed, RunRecord

COSTS = {
    "seconds_per_step": ("what a training step takes", "milliseconds", 1e3),
    "bytes": ("what a training step holds", "mebibytes", 2**-20),
}
"""By name in the records: title, unit, and how many of it."""


def very_deep_figure(records: Listed) -> Drawing:
    """Draw training and gradients of the very deep networks by data set, then what a step costs, if measured."""
    panels = []
    for name in dict.fromkeys(record.config.data.name for record in records):
        chosen = records.on(name)
        panels.append(_training_panel(chosen, name))
        panels.append(signal_panel([one for one in chosen.analyses if one.kind == "signal"], name))
    measured = any(step_costs(records, kind) for kind in NETWORK)
    return Drawing([*panels, *(_cost_panel(records, name) for name in COSTS if measured)], columns=2)


def _label(record: RunRecord, several: bool) -> str:
    """Return a run's name; with its units and rate where several have the same network."""
    network, settings = record.config.network, record.config.optimiser
    label = f"{network.kind}, {network.depth:,} layers"
    if several and isinstance(network, DenseConfig):
        label += f", {network.activation}, rate {getattr(settings, 'learning_rate', 0):.2g}"
    return label + (", diverged" if record.status == "diverged" else "")


def _training_panel(records: Listed, name: str) -> Panel:
    names = [_label(record, several=False).removesuffix(", diverged") for record in records]
    several = len(set(names)) < len(names)
    words = []
    for record in records:
        curve = record.curves.get("train_cross_entropy", [])
        ends = f"from {curve[0]:.3g} to {curve[-1]:.3g}" if curve else "no epoch finished"
        words.append(f"{_label(record, several)}: {ends}")
    alt = f"Training cross-entropy in nats, {'; '.join(words)}."
    return Panel(f"{name}: training", alt, partial(_training, records, several))


def _training(records: Listed, several: bool, axes: Axes) -> None:
    depths = sorted({record.config.network.depth for record in records})
    seen: dict[tuple[str, int], int] = {}
    for record in records:
        curve, network = record.curves.get("train_cross_entropy", []), record.config.network
        place = seen[network.kind, network.depth] = seen.get((network.kind, network.depth), -1) + 1
        axes.plot(
            range(1, len(curve) + 1),
            curve,
            DASHES[place % len(DASHES)],
            color=shade(network.kind, network.depth, depths),
            marker=MARKERS[network.kind],
            lw=2,
            label=_label(record, several),
        )
    axes.set(xlabel="epoch", ylabel="training cross-entropy, nats")
    logarithmic(axes)
    if axes.get_yscale() == "log":
        plain_ticks(axes.yaxis, subs=(1, 1.5, 2, 3, 5))
    axes.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(integer=True))
    legend(axes, columns=1 if several else 2)


def _cost_panel(records: Listed, name: str) -> Panel:
    title, unit, times = COSTS[name]
    words = []
    for kind in NETWORK:
        costs = step_costs(records, kind)
        ends = [f"{cost.row(name)[0] * times:.3g} at {cost.run.network.depth:,} layers" for cost in costs]
        power = step_exponents(records, kind)[name == "bytes"]
        words.append(f"{kind} {', '.join(ends)}, depth to the power {power:.2f}" if costs else f"{kind} not measured")
    alt = f"In {unit}: {'; '.join(words)}."
    return Panel(title, alt, partial(_costs, records, name))


def _costs(records: Listed, name: str, axes: Axes) -> None:
    _, unit, times = COSTS[name]
    for kind, colour in NETWORK.items():
        costs = step_costs(records, kind)
        depths = [cost.run.network.depth for cost in costs]
        power = step_exponents(records, kind)[name == "bytes"]
        label = f"{kind}: depth to the power {power:.2f}"
        values = [cost.row(name)[0] * times for cost in costs]
        axes.plot(depths, values, color=colour, marker=MARKERS[kind], label=label)
    axes.set(xlabel="layers", ylabel=unit, xscale="log", yscale="log")
    plain_ticks(axes.yaxis)
    plain_ticks(axes.xaxis)
    legend(axes)
