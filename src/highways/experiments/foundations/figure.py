"""The figure of small questions."""

from __future__ import annotations

from functools import partial

import numpy as np
from matplotlib.axes import Axes

from highways.claims.studies import study
from highways.experiments.foundations.recurrence import RECURRENCE_VERSIONS, RecurrenceConfig
from highways.experiments.foundations.small import POINTS, DropoutConfig
from highways.experiments.foundations.two_heads import HEAD_VERSIONS, SMALL_BATCHES
from highways.inside.thinning import kept_steps
from highways.show.figures import OTHERS, Drawing, Panel, bars, bars_alt, legend
from highways.show.layers import nothing
from highways.tracking import AnalysisRecord, Listed

DARK, LIGHT = OTHERS[4], OTHERS[1]
ERRORS = {"steps_error": "x + 1 follows", "sine_error": "sin(x) follows"}
HEADS = {"accuracy": "test accuracy", "confidence": "mean highest probability"}


def foundations_figure(records: Listed) -> Drawing:
    """Draw the unit on five points, how it gets there and where it ends, dropout, the recurrence, the two heads."""
    panels = []
    if (found := study(records, "perceptron")) is not None:
        panels += [_trajectory_panel(found, names) for names in (("loss",), ("weight", "bias"))]
        panels += [_ends_panel(found), _points_panel(found)]
    if (found := study(records, "dropout")) is not None and isinstance(found.config.measure, DropoutConfig):
        panels.append(_dropout_panel(found, found.config.measure))
    if (found := study(records, "recurrence")) is not None and isinstance(found.config.measure, RecurrenceConfig):
        panels += _recurrence_panels(found, found.config.measure)
    if (found := study(records, "two-heads")) is not None:
        panels += _heads_panels(found)
    return Drawing(panels) if panels else nothing("no study has been made")


def _trajectory_panel(found: AnalysisRecord, names: tuple[str, ...]) -> Panel:
    """Return our loss, or weight and bias, over the printed rows."""
    steps = np.array(found.row("printed_steps")) + 1  # an axis in logarithms has no 0
    met = f"{found.row('rows_within')[0]:.0f} of {len(steps)} printed rows met"
    rows = {name: found.row(f"sigmoid_{name}_rows") for name in names}
    words = [f"{name} from {row[0]:.4g} to {row[-1]:.4g}" for name, row in rows.items()]

    def draw(axes: Axes) -> None:
        for colour, line, (name, row) in zip((DARK, LIGHT), ("-", "--"), rows.items(), strict=False):
            axes.plot(steps, row, line, color=colour, label=f"{name}, ours")
            axes.plot(steps, found.row(f"printed_{name}"), "kx", ms=6, label=f"{name}, printed")
        axes.set(xscale="log", xlabel="step, and one", ylabel=" and ".join(names))
        legend(axes)

    return Panel(f"(b) {' and '.join(names)}: {met}", f"Ours, on the printed crosses: {', '.join(words)}.", draw)


def _ends_panel(found: AnalysisRecord) -> Panel:
    """Return what the sigmoid unit gets right, by where it starts."""
    starts = np.array([found.row("start_w"), found.row("start_b")])
    count = np.array(found.row("sigmoid_right"))
    shares = {right: f"{right:.0f} of 5: {(count == right).mean():.0%} of starts" for right in sorted(set(count))}

    def draw(axes: Axes) -> None:
        for right, label in shares.items():
            colour, marker = (DARK, "o") if right == 4 else (LIGHT, "s")
            axes.plot(*starts[:, count == right], marker, ms=3.5, color=colour, label=label, lw=0)
        axes.plot(found.row("printed_weight")[0], found.row("printed_bias")[0], "k*", ms=11, label="printed start")
        axes.set(xlabel="w", ylabel="b")
        legend(axes)

    alt = f"By start, points right: {', '.join(shares.values())}."
    return Panel("(b) points that the repaired unit gets right", alt, draw)


def _points_panel(found: AnalysisRecord) -> Panel:
    """Return the points, the sigmoid at the last printed state and the best line."""
    inputs, targets = np.array(POINTS).T
    w, b = found.row("printed_weight")[-1], found.row("printed_bias")[-1]
    slope, level = np.polyfit(inputs, targets, 1)
    alt = (
        f"Five points, 1 at x = 2 and 0 at x = 0 and 9. The sigmoid crosses one half at x = {-b / w:.2f} and stays "
        f"above; the fitted line falls from {level:.2f} at x = 0 to {level + 9 * slope:.2f} at x = 9."
    )

    def draw(axes: Axes) -> None:
        x = np.linspace(-1, 10, 300)
        axes.plot(inputs, targets, "ko", ms=7, label="points (two of them twice)")
        axes.plot(x, 1 / (1 + np.exp(-w * x - b)), color=DARK, label="sigmoid, last printed state")
        axes.plot(x, slope * x + level, "--", color=LIGHT, label="linear output, fitted")
        axes.axhline(0.5, color="0.4", lw=1, ls=":", label="one half")
        axes.set(xlabel="x", ylabel="y")
        legend(axes)

    return Panel("(b) a linear output and a sigmoid on five points", alt, draw)


def _dropout_panel(found: AnalysisRecord, measure: DropoutConfig) -> Panel:
    keep = measure.keep
    words = [
        f"{name} " + ", ".join(f"{value:.3g} at {one:g}" for one, value in zip(keep, found.row(name), strict=True))
        for name in ("inverted", "plain")
    ]

    def draw(axes: Axes) -> None:
        errors = 2 * np.array(found.row("inverted_error"))
        axes.errorbar(keep, found.row("inverted"), errors, fmt="o", color=DARK, label="inverted, two standard errors")
        axes.plot(keep, found.row("plain"), "s", color=LIGHT, label="plain")
        for name, label in (("inverted", "printed"), ("plain", None)):
            axes.plot(keep, found.row(f"printed_{name}"), "kx", ms=8, label=label)
        axes.set(xlabel="probability of keeping an input", ylabel="over the sum without dropout")
        legend(axes)

    return Panel("(d) mean sum under dropout", f"Over the sum without: {'; '.join(words)}.", draw)


def _recurrence_panels(found: AnalysisRecord, measure: RecurrenceConfig) -> list[Panel]:
    steps = np.array(kept_steps(measure.steps)) + 1
    rows = {
        (part, version): found.row(f"{version.replace('-', '_')}_{part}_gradient")
        for part in ("lstm", "readout")
        for version in ("as-asked", "frozen")
    }
    words = [f"{version}, {part}: median {np.median(row):.2g}" for (part, version), row in rows.items()]

    def draw(axes: Axes) -> None:
        for (part, version), row in rows.items():
            line, colour = ("-" if part == "lstm" else ":"), (LIGHT if version == "as-asked" else DARK)
            axes.plot(steps, row, line, color=colour, lw=1.1, label=f"{version}, {part}")
        axes.set(xlabel="step", ylabel="norm", yscale="log")
        legend(axes)

    def draw_bars(axes: Axes) -> None:
        bars(axes, found, RECURRENCE_VERSIONS, ERRORS)
        axes.set(ylabel="root mean square")

    return [
        Panel("(e) gradient over the steps, mean of seeds", f"Norms, {'; '.join(words)}.", draw),
        Panel("(e) error after training, mean of seeds", bars_alt(found, RECURRENCE_VERSIONS, ERRORS), draw_bars),
    ]


def _heads_panels(found: AnalysisRecord) -> list[Panel]:
    rows = {size: found.row(f"batch_{size}_accuracy") for size in SMALL_BATCHES}
    words = [f"{size} rows {min(row):.3f} to {max(row):.3f}" for size, row in rows.items()]

    def draw(axes: Axes) -> None:
        for size, row in rows.items():
            axes.plot([str(size)] * len(row), row, "o", color=DARK)
        axes.set(xlabel="rows of a batch", ylabel="test accuracy")

    return [
        Panel(
            f"(f) {found.data}: two heads, few labels",
            bars_alt(found, HEAD_VERSIONS, HEADS),
            partial(_heads, found),
        ),
        Panel(
            f"(f) {found.data}: test accuracy by size of batch, a dot a seed", f"Batches of {', '.join(words)}.", draw
        ),
    ]


def _heads(found: AnalysisRecord, axes: Axes) -> None:
    bars(axes, found, HEAD_VERSIONS, HEADS)
    axes.set(ylabel="share")
