"""The common style of all figures: panels that stand alone or side by side, and how to save them.

A figure is a `Drawing` of `Panel`s. Its PNG arranges them in a grid; the report shows each as a separate SVG, so that
they stack on a narrow screen. Each kind of network has the same colour everywhere (`NETWORK`), and everything else has
others (`OTHERS`). Both are Okabe and Ito's, safe for colour blindness, and lines also differ in marker or dash.
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

LOOKS = {"plain": {"color": NETWORK["plain"], "marker": "s"}, "highway": {"color": NETWORK["highway"], "marker": "o"}}
"""Colour and marker of the two kinds of network."""
SHADES = {"plain": ("#f2a272", "#6b2a00"), "highway": ("#7db8e0", "#00304f")}
"""Colours of a kind of network at the shallowest and the deepest depth."""
DASHES = ("-", "--", "-.", ":")
POINTS = ("o", "s", "^", "D", "v", "P", "X", "<")
SOURCE = {"ls": "--", "lw": 1.0, "alpha": 0.9}
"""Style of a source's own curve: thin and dashed."""
WIDTH, HEIGHT = 4.8, 3.1
"""Size of a panel without its legend, inches. At this width, 345 points, 8.5-point text is over 8 pixels on a phone."""
AROUND = 0.55
"""Part of a panel's height that labels take, inches."""
DPI = 110
"""Resolution of a PNG, dots per inch."""
GAP = 34
"""Distance from the axes to the legend below, points, with room for tick labels and the axis label."""
STYLE = matplotlib.rc_params_from_file(Path(__file__).with_name("figures.mplstyle"), use_default_template=False)
"""Matplotlib's settings."""


@dataclass(frozen=True)
class Panel:
    """One part of a figure."""

    title: str
    alt: str
    """Alternative text: what the panel shows, with its numbers."""
    draw: Callable[[Axes], object]
    height: float = HEIGHT
    """Height without the legend, inches."""
    lines: "Sequence[Line]" = ()
    """Lines that `line_panel` draws, whose values the report shows under a pointer."""
    across: str = ""
    """Label of their horizontal axis."""


@dataclass(frozen=True)
class Line:
    """A line of a panel: label, points, and keywords for matplotlib. A single `y` without `x` is a horizontal line."""

    label: str | None
    x: Sequence[float] | NDArray[Any]
    y: Sequence[float] | NDArray[Any]
    look: Mapping[str, Any] = field(default_factory=dict)
    runs: Sequence[Sequence[str]] = ()
    """Keys of the runs behind each point, or one list for all points; empty for a source's own values."""


def line(
    label: str | None, points: Mapping[Any, float] | Sequence[float], runs: Sequence[Sequence[str]] = (), **look: Any
) -> Line:
    """Return a line through points, given as a mapping from x to y, or as the values at 1, 2, ..."""
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
    """Return a panel of lines, whose alternative text gives the first and last value of each.

    A line without points appears only in the legend, which has at most `columns` columns. `x` and `y` are labels. `log`
    makes the vertical axis logarithmic; values that are not finite and above zero then leave a gap. `after` draws
    anything else, and sets ticks and scales.
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
    at = [f" at {x:g}" for x in of.x] if len(of.x) else [""]
    return ", ".join(dict.fromkeys(f"{of.y[end]:.3g}{at[end]}".replace("nan", "zero or not finite") for end in (0, -1)))


class Drawing:
    """A figure of panels, up to `columns` side by side; without panels it shows a message."""

    def __init__(self, panels: Sequence[Panel], columns: int = 3):
        self.panels = tuple(panels) or (Panel("nothing to show", f"Empty: {NOTHING}.", _nothing, height=0.6),)
        self.columns = min(columns, len(self.panels))

    def whole(self) -> Figure:
        """Return a figure of all panels in a grid, each with its title."""
        rows = [self.panels[start : start + self.columns] for start in range(0, len(self.panels), self.columns)]
        return _grid(rows, DPI, titles=True)


def alone(panel: Panel) -> Figure:
    """Return a figure of one panel, without its title."""
    return _grid([[panel]], 72, titles=False)  # the resolution of SVG, which the width of text depends on


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
    """Move legends to the right if tick labels are narrow, so that the canvas does not cut off their handles."""
    figure.draw_without_rendering()
    for axes in figure.axes:
        if (legend := axes.get_legend()) is not None:
            missing = 0.03 - legend.get_window_extent().x0 / figure.dpi  # at least this many inches from the edge
            if missing > 0:
                moved = legend.below + ScaledTranslation(missing, 0, figure.dpi_scale_trans)  # type: ignore[attr-defined]
                legend.set_bbox_to_anchor((0, 0), moved)
    figure.set_layout_engine(None)  # the layout is done: saving need not repeat it


def save(drawing: Drawing, path: Path) -> Path:
    """Save a figure as PNG, without a date, and return its path."""
    content = io.BytesIO()
    with matplotlib.rc_context(STYLE):
        drawing.whole().savefig(content, format="png", dpi=DPI, metadata={"Software": None})
    write_whole(path, content.getvalue())
    return path


def svg(panel: Panel) -> tuple[str, list[NDArray[np.float64]]]:
    """Return a single panel, without its title, as SVG, and the coordinates of its lines' points in it.

    The text is reproducible; coordinates are `(points, 2)` for each line, NaN for points that are not drawn.
    """
    figure, text, places = alone(panel), io.StringIO(), []
    with matplotlib.rc_context(STYLE):
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    for one in panel.lines:
        points = np.column_stack((one.x, one.y)) if len(one.x) else np.empty((0, 2))
        with np.errstate(all="ignore"):  # values not above zero have no logarithm
            across, up = figure.axes[0].transData.transform(points).T
        places.append(np.column_stack((across, figure.bbox.height - up)))
    found = text.getvalue().replace("'DejaVu Sans'", "'DejaVu Sans', Verdana, sans-serif")
    return re.sub(r"\n\s*", "\n", found[found.index("<svg") :]), places


def legend(axes: Axes, columns: int = 3, gap: float = GAP) -> None:
    """Put the legend, if there are labels, below the axes, where it hides nothing.

    At most `columns` entries stand side by side, fewer if labels are long. `gap` is the distance from the axes, points;
    high tick labels need more than `GAP`.
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
    made.set_in_layout(False)  # it has its own row in height, and must not narrow the axes


def shade(network: str, depth: int, depths: Sequence[int]) -> str:
    """Return the colour of a kind of network at one of several depths; deeper is darker."""
    low, high = (np.array(matplotlib.colors.to_rgb(end)) for end in SHADES[network])
    place = depths.index(depth) / (len(depths) - 1) if len(depths) > 1 else 0.5
    return matplotlib.colors.to_hex(low + place * (high - low))  # type: ignore[arg-type]


def plain_ticks(axis: Any, subs: Sequence[float] = (1, 2, 5)) -> None:
    """Label a logarithmic axis with plain numbers, at 1, 2 and 5 times every power of ten by default."""
    axis.set_major_locator(matplotlib.ticker.LogLocator(subs=subs))
    axis.set_major_formatter(matplotlib.ticker.FormatStrFormatter("%g"))
    axis.set_minor_formatter(matplotlib.ticker.NullFormatter())


def whole_ticks(axes: Axes) -> None:
    """Label the horizontal axis with whole numbers."""
    axes.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(integer=True))


def depth_ticks(axes: Axes, depths: Sequence[int]) -> None:
    """Make the horizontal axis logarithmic, and label it with the given depths only."""
    axes.set(xlabel="layers", xscale="log")
    axes.set_xticks(list(depths), [f"{depth:,}" for depth in depths])
    axes.minorticks_off()
