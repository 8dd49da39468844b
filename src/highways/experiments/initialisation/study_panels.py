"""The panels of the studies of initial weights: a stuck network, the variance of z, small and saturated networks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from matplotlib.axes import Axes

from highways.claims.studies import study
from highways.data import examples
from highways.experiments.initialisation.stuck import STUCK_VERSIONS, StuckConfig, stuck_steps
from highways.experiments.initialisation.studies import (
    SATURATION_INITIALISATIONS,
    SMALL_NET_INITIALISATIONS,
    SaturationConfig,
)
from highways.inside.thinning import kept_steps
from highways.show.figures import DASHES, OTHERS, Panel, bars, bars_alt, legend, plain_ticks, sentence
from highways.tracking import AnalysisRecord, Listed


def study_panels(records: Listed) -> list[Panel]:
    """Return the panels of the studies that have been made."""
    panels = []
    if (stuck := study(records, "stuck")) is not None and isinstance(stuck.config.measure, StuckConfig):
        panels += [_stuck_panel(stuck, stuck.config.measure, quantity) for quantity in ("loss", "accuracy")]
    if (variance := study(records, "variance")) is not None:
        panels.append(_variance_panel(variance))
    if (small := study(records, "small-net")) is not None:
        panels.append(_small_panel(small))
    if (found := study(records, "saturation")) is not None and isinstance(found.config.measure, SaturationConfig):
        panels += _saturation_panels(found, found.config.measure)
    return panels


def _stuck_panel(found: AnalysisRecord, measure: StuckConfig, quantity: str) -> Panel:
    rows = {version: found.row(f"{version.replace('-', '_')}_{quantity}") for version in STUCK_VERSIONS}
    words = [f"{version} ends at {row[-1] + 0:.3g}" for version, row in rows.items()]

    def draw(axes: Axes) -> None:
        for place, (version, row) in enumerate(rows.items()):
            look: dict[str, Any] = {
                "color": OTHERS[place % len(OTHERS)],
                "ls": DASHES[place // len(OTHERS) + place % 2],
            }
            axes.plot(stuck_steps(measure, version), row, lw=1.6, label=version, **look)
        axes.set(xlabel="step", ylabel="loss, nats" if quantity == "loss" else quantity)
        legend(axes)

    return Panel(f"the network that learned nothing: {quantity}", sentence("; ".join(words)), draw)


def _variance_panel(found: AnalysisRecord) -> Panel:
    values = {name: found.row(name)[0] for name in found.values}
    words = [f"{name.replace('_', ' ')} {value:.4g}" for name, value in values.items()]

    def draw(axes: Axes) -> None:
        axes.bar([name.replace("_", " ") for name in values], list(values.values()), color=OTHERS[4])
        for place, value in enumerate(values.values()):
            axes.text(place, value, f"{value:.4g}", ha="center", va="bottom")
        axes.set(yscale="log", ylim=(0.5, 2000), ylabel="variance")
        axes.grid(visible=False, axis="x")
        plain_ticks(axes.yaxis, subs=(1,))

    return Panel("variance of z, 1,000 inputs, 500 of them on", f"Bars: {', '.join(words)}.", draw)


def _small_panel(found: AnalysisRecord) -> Panel:
    rows = [found.row(f"{name}_accuracy") for name in SMALL_NET_INITIALISATIONS]
    words = [
        f"{name.replace('_', ' ')} {min(row):.2f} to {max(row):.2f}, mean {sum(row) / len(row):.3f}"
        for name, row in zip(SMALL_NET_INITIALISATIONS, rows, strict=True)
    ]
    draw = partial(_dots, rows, SMALL_NET_INITIALISATIONS)
    return Panel("7-4-2-1 network: accuracy on fresh examples, a dot a seed", sentence("; ".join(words)), draw)


def _dots(values: Sequence[Sequence[float]], names: Sequence[str], axes: Axes) -> None:
    for place, row in enumerate(values):
        across = [place + 0.5 * (index / max(len(row) - 1, 1) - 0.5) for index in range(len(row))]
        axes.plot(across, sorted(row), "o", ms=4, color=OTHERS[4])
    axes.set_xticks(range(len(names)), [name.replace("_", " ") for name in names])
    axes.set(ylabel="accuracy")


def _saturation_panels(found: AnalysisRecord, measure: SaturationConfig) -> list[Panel]:
    epoch = examples(measure.data, "train") // measure.batch_size
    steps = kept_steps(min(measure.steps, epoch) + 1)
    rows = {name: found.row(f"{name}_loss") for name in SATURATION_INITIALISATIONS}
    words = [f"{name.replace('_', ' ')} from {row[0]:.3g} to {row[-1]:.3g}" for name, row in rows.items()]

    def draw(axes: Axes) -> None:
        for place, (name, row) in enumerate(rows.items()):
            axes.plot(steps, row, color=OTHERS[place], ls=DASHES[place], label=name.replace("_", " "))
        axes.set(xlabel="step", ylabel="loss, nats", yscale="log")
        plain_ticks(axes.yaxis)
        legend(axes)

    quantities = {"saturated": "saturated activations before", "accuracy": "test accuracy after"}
    share = bars_alt(found, SATURATION_INITIALISATIONS, quantities)

    def draw_bars(axes: Axes) -> None:
        bars(axes, found, SATURATION_INITIALISATIONS, quantities)
        axes.set(ylabel="share")

    title = f"{found.data}: a hidden layer of sigmoids"
    return [
        Panel(f"{title}, loss", f"Loss in nats: {'; '.join(words)}.", draw),
        Panel(f"{title}, before and after", f"Means over seeds: {share}", draw_bars),
    ]
