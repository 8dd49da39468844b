"""Figures: no text and no legend of any committed figure reaches over its canvas, as PNG or alone in the report."""

from collections.abc import Iterator
from pathlib import Path

import matplotlib
import pytest
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.text import Text

from highways.config.profiles import profile_path
from highways.experiments import EXPERIMENTS
from highways.show.figures import STYLE, alone


def cut(figure: Figure) -> Iterator[str]:
    """Name what reaches over a figure's canvas, or touches its edge."""
    with matplotlib.rc_context(STYLE):
        canvas = FigureCanvasAgg(figure)
        figure.draw_without_rendering()
    inside = figure.bbox.padded(-figure.dpi / 220)  # half a pixel of a PNG
    axes = figure.findobj(Axis)
    ticks = {text for axis in axes for text in axis.findobj(Text)}  # most of which are not drawn: the axis knows
    shown = [text for text in figure.findobj(Text) if text not in ticks and text.get_visible() and text.get_text()]
    for artist in [*shown, *figure.findobj(Legend), *axes]:
        box = artist.get_tightbbox(canvas.get_renderer())
        if box is not None and not (inside.contains(*box.min) and inside.contains(*box.max)):
            over = (box.x0, box.y0, figure.bbox.x1 - box.x1, figure.bbox.y1 - box.y1)
            yield f"{artist}: {[round(float(side)) for side in over]}"


@pytest.mark.pipeline
@pytest.mark.parametrize("profile", ["laptop", "weekend", "paper"])
@pytest.mark.parametrize("experiment", [one for one in EXPERIMENTS if one.figures], ids=lambda one: one.name)
def test_no_text_reaches_over_the_canvas(repository: Path, experiment, profile: str) -> None:
    if not profile_path(profile, experiment.name).exists() or (records := experiment.of(profile).records()).empty:
        pytest.skip("no records")
    for name, draw in experiment.figures.items():
        drawing = draw(records)
        figures = {name: drawing.whole()}
        if profile == "weekend":  # the report's panels; those of the other profiles differ in numbers
            figures |= {f"{name}, {panel.title}": alone(panel) for panel in drawing.panels}
        assert not [f"{where}: {what}" for where, figure in figures.items() for what in cut(figure)]
