"""The one style of all figures: panels that stand alone or side by side, and how they are saved.

A figure is a `Drawing` of `Panel`s. Its PNG has them in a grid; the report takes each by itself, as SVG, so that they
stack on a narrow screen. A network has one colour everywhere (`NETWORK`), what is no network has others (`OTHERS`);
both are Okabe and Ito's, told apart without red and green, and lines differ in marker or dash as well.
"""

import io
import math
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.colors
import matplotlib.ticker
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import ScaledTranslation
from numpy.typing import NDArray

from highways.colours import NETWORK as NETWORK
from highways.colours import OTHERS as OTHERS
from highways.files import write_whole

LOOKS = {
    kind: {"color": colour, "marker": marker} for (kind, colour), marker in zip(NETWORK.items(), "so", strict=True)
}
"""Of the two kinds of networks."""

SHADES = {"plain": ("#f2a272", "#6b2a00"), "highway": ("#7db8e0", "#00304f")}
"""Of a kind of network by depth, from the shallowest to the deepest."""

DASHES = ("-", "--", "-.", ":")
POINTS = ("o", "s", "^", "D", "v", "P", "X", "<")

SOURCE = {"ls": "--", "lw": 1.0, "alpha": 0.9}
"""How a source's own curve is drawn: thin and dashed."""

WIDTH, HEIGHT = 4.8, 3.1
"""Of a panel without its legend, inches. At 345 points a text of 8.5 points is over 8 pixels high on a phone."""

AROUND = 0.55
"""What labels take of a panel's height, inches."""

DPI = 110
"""Dots an inch of a PNG."""

GAP = 34
"""From axes to the legend below, points: tick labels and the axis's label are between."""

STYLE = matplotlib.rc_params_from_file(Path(__file__).with_name("figures.mplstyle"), use_default_template=False)
"""Settings of matplotlib."""


@dataclass(frozen=True)
class Panel:
    """One part of a figure."""

    title: str
    alt: str
    """What is to be seen in it, with its numbers, for who does not see it."""
    draw: Callable[[Axes], object]
    height: float = HEIGHT
    """Of its axes, inches."""
    lines: "Sequence[Line]" = ()
    """What `line_panel` draws, which the report lets a pointer read."""
    across: str = ""
    """Label of the horizontal axis of those."""


@dataclass(frozen=True)
class Line:
    """A line of a panel: its label, its points, and matplotlib's keywords for it. One `y` without `x` is a level."""

    label: str | None
    x: Sequence[float] | NDArray[Any]
    y: Sequence[float] | NDArray[Any]
    look: Mapping[str, Any] = field(default_factory=dict)
    runs: Sequence[Sequence[str]] = ()
    """Keys of the runs behind each point, or once of those behind them all; none of what a source printed."""


def line(
    label: str | None, points: Mapping[Any, float] | Sequence[float], runs: Sequence[Sequence[str]] = (), **look: Any
) -> Line:
    """Return a line through points: the vertical coordinate by the horizontal one, or values at 1, 2, ..."""
    if not isinstance(points, Mapping):
        points = dict(enumerate(points, start=1))
    return Line(label, list(points), list(points.values()), look, runs)


def level(label: str | None, y: float, **look: Any) -> Line:
    """Return a horizontal line across the whole panel."""
    return Line(label, (), (y,), look)


def line_panel(
    title: str,
    lines: Sequence[Line],
    x: str,
    y: str,
    after: Callable[[Axes], object] = lambda axes: None,
    log: bool = True,
    columns: int = 3,
    height: float = HEIGHT,
) -> Panel:
    """Return a panel of lines, whose alternative text says where each of them begins and ends.

    A line without points stands in the legend alone, which has at most `columns` columns. `x` and `y` are labels, `log`
    is of the vertical axis, which then has a gap where a value is not above zero or not finite; `after` draws what else
    there is, and sets ticks and scales.
    """
    if log:
        lines = [replace(one, y=[value if 0 < value < math.inf else math.nan for value in one.y]) for one in lines]
    words = "; ".join(f"{one.label}: {_ends(one)}" for one in lines if one.label and len(one.y))

    def draw(axes: Axes) -> None:
        for one in lines:
            if len(one.y) > len(one.x):
                axes.axhline(one.y[0], label=one.label, **one.look)
            else:
                axes.plot(one.x, one.y, label=one.label, **one.look)
        axes.set(xlabel=x, ylabel=y)
        if log and any(value > 0 for one in lines for value in one.y):
            axes.set_yscale("log")
        after(axes)
        legend(axes, columns=columns)

    return Panel(title, f"{y[:1].upper()}{y[1:]}. {words or 'Nothing to show'}.", draw, height, lines, across=x)


def _ends(of: Line) -> str:
    places = [f" at {x:g}" for x in of.x] if len(of.x) else [""]
    return ", ".join(dict.fromkeys(f"{of.y[end]:.3g}{places[end]}".replace("nan", "not finite") for end in (0, -1)))


class Drawing:
    """A figure of panels, `columns` side by side; one without panels says so."""

    def __init__(self, panels: Sequence[Panel], columns: int = 3):
        self.panels = tuple(panels) or (Panel("nothing to show", f"Empty: {NOTHING}.", _nothing, height=0.6),)
        self.columns = min(columns, len(self.panels))

    def whole(self) -> Figure:
        """Return all panels in a grid, each with its title."""
        rows = [self.panels[start : start + self.columns] for start in range(0, len(self.panels), self.columns)]
        return _grid(rows, DPI, titles=True)


def alone(panel: Panel) -> Figure:
    """Return a figure of one panel, without its title."""
    return _grid([[panel]], 72, titles=False)  # at the resolution of SVG: the width of text depends on it


def _grid(rows: Sequence[Sequence[Panel]], dpi: int, titles: bool) -> Figure:
    columns = len(rows[0])
    with matplotlib.rc_context(STYLE):
        figure = Figure(layout="constrained", dpi=dpi)
        grid = figure.add_gridspec(2 * len(rows), columns)
        heights = []
        for row, panels in enumerate(rows):
            below = 0.0
            for column, panel in enumerate(panels):
                axes = figure.add_subplot(grid[2 * row, column])
                panel.draw(axes)
                if titles:
                    axes.set_title(textwrap.fill(panel.title, 58), loc="left")
                below = max(below, getattr(axes.get_legend(), "height", 0.0))
            heights += [max(panel.height for panel in panels) - AROUND, below + 0.01]
        grid.set_height_ratios(heights)
        figure.set_size_inches(WIDTH * columns, sum(heights) + (AROUND + 0.35 * titles) * len(rows))
        _keep_legends_inside(figure)
    return figure


NOTHING = "no run or study that it shows has finished"


def _nothing(axes: Axes) -> None:
    axes.text(0.5, 0.5, NOTHING, ha="center", va="center")
    axes.set_axis_off()


def _keep_legends_inside(figure: Figure) -> None:
    """Move legends below axes with narrow tick labels to the right, so that the canvas does not cut their handles."""
    figure.draw_without_rendering()
    for axes in figure.axes:
        if (legend := axes.get_legend()) is not None:
            missing = 0.03 - legend.get_window_extent().x0 / figure.dpi  # inches from the canvas, at least
            if missing > 0:
                moved = legend.below + ScaledTranslation(missing, 0, figure.dpi_scale_trans)  # type: ignore[attr-defined]
                legend.set_bbox_to_anchor((0, 0), moved)
    figure.set_layout_engine(None)  # it is laid out: to save it takes no second time


def save(drawing: Drawing, path: Path) -> Path:
    """Save a figure as PNG, without a date in it, and return its path."""
    content = io.BytesIO()
    with matplotlib.rc_context(STYLE):
        drawing.whole().savefig(content, format="png", dpi=DPI, metadata={"Software": None})
    write_whole(path, content.getvalue())
    return path


def svg(panel: Panel) -> tuple[str, list[NDArray[np.float64]]]:
    """Return a panel by itself, without its title, as SVG; and the coordinates of its lines' points there.

    The text is the same from run to run; coordinates are `(points, 2)` for each line, NaN for what is not drawn.
    """
    figure, text, places = alone(panel), io.StringIO(), []
    with matplotlib.rc_context(STYLE):
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    for one in panel.lines:
        points = np.column_stack((one.x, one.y)) if len(one.x) else np.empty((0, 2))
        with np.errstate(all="ignore"):  # no logarithm of what is not above zero
            across, up = figure.axes[0].transData.transform(points).T
        places.append(np.column_stack((across, figure.bbox.height - up)))
    found = text.getvalue().replace("'DejaVu Sans'", "'DejaVu Sans', Verdana, sans-serif")
    return re.sub(r"\n\s*", "\n", found[found.index("<svg") :]), places


def legend(axes: Axes, columns: int = 3, gap: float = GAP) -> None:
    """Put the legend, if there are labels, below the axes, where it hides nothing.

    So many entries stand side by side at most, fewer where labels are long; `gap` is from the axes, points, more than
    `GAP` where tick labels are high.
    """
    labels = axes.get_legend_handles_labels()[1]
    if not labels:
        return
    assert axes.figure is not None
    below = axes.transAxes + ScaledTranslation(-0.55, -gap / 72, axes.figure.dpi_scale_trans)
    fitting = int(72 * WIDTH // (36 + 5.1 * max(map(len, labels))))
    place = {"loc": "upper left", "bbox_to_anchor": (0, 0), "bbox_transform": below, "borderaxespad": 0}
    entries = {"ncols": max(1, min(columns, fitting)), "handlelength": 2.2, "columnspacing": 1, "labelspacing": 0.3}
    made = axes.legend(**(place | entries))  # type: ignore[arg-type]
    rows = math.ceil(len(labels) / entries["ncols"])
    made.below, made.height = below, 0.08 + 0.175 * rows + (gap - GAP) / 72  # type: ignore[attr-defined]  # in inches
    made.set_in_layout(False)  # its height has a row of its own, its width takes none from the axes


def shade(network: str, depth: int, depths: Sequence[int]) -> str:
    """Return the colour of a kind of network at one of several depths: the deeper, the darker."""
    low, high = (np.array(matplotlib.colors.to_rgb(end)) for end in SHADES[network])
    place = depths.index(depth) / (len(depths) - 1) if len(depths) > 1 else 0.5
    return matplotlib.colors.to_hex(low + place * (high - low))  # type: ignore[arg-type]


def plain_ticks(axis: Any, subs: Sequence[float] = (1, 2, 5)) -> None:
    """Label an axis in logarithms with numbers as they are, at 1, 2 and 5 of every power of ten."""
    axis.set_major_locator(matplotlib.ticker.LogLocator(subs=subs))
    axis.set_major_formatter(matplotlib.ticker.FormatStrFormatter("%g"))
    axis.set_minor_formatter(matplotlib.ticker.NullFormatter())


def whole_ticks(axes: Axes) -> None:
    """Label the horizontal axis with whole numbers."""
    axes.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(integer=True))


def depth_ticks(axes: Axes, depths: Sequence[int]) -> None:
    """Label the horizontal axis, in logarithms, with some depths and no other number."""
    axes.set(xlabel="layers", xscale="log")
    axes.set_xticks(list(depths), [f"{depth:,}" for depth in depths])
    axes.minorticks_off()
