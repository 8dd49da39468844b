"""The one style of all figures, and how they are saved."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import matplotlib.ticker
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from highways.files import write_whole
from highways.tracking import AnalysisRecord

COLOURS = matplotlib.colormaps["viridis"]

STYLES = {"plain": ("#b2182b", "s"), "highway": ("#2166ac", "o")}


def save(figure: Figure, path: Path) -> Path:
    """Save a figure as PNG, without a date in it, and return its path.

    Raises:
        CannotWrite: No space is left, or the place is read-only; what was there stays.
    """
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=130, metadata={"Software": None})
    write_whole(path, content.getvalue())
    return path


def bars(axes: Axes, found: AnalysisRecord, versions: Sequence[str], quantities: dict[str, str]) -> None:
    """Draw numbers of a study's versions side by side, means over seeds.

    Args:
        axes: Where.
        found: The study's record.
        versions: Their names.
        quantities: By name in the record, with a label each; two.
    """
    places = np.arange(len(versions))
    for shift, (quantity, label) in zip((-0.2, 0.2), quantities.items(), strict=True):
        values = [np.mean(found.row(f"{version.replace('-', '_')}_{quantity}")) for version in versions]
        axes.bar(places + shift, values, width=0.4, label=label)
    axes.set_xticks(places, versions, rotation=20, ha="right")
    axes.legend(fontsize=8)
