"""The one style of all figures, and how they are saved."""

from __future__ import annotations

from pathlib import Path

import matplotlib.ticker
from matplotlib.figure import Figure

COLOURS = matplotlib.colormaps["viridis"]

STYLES = {"plain": ("#b2182b", "s"), "highway": ("#2166ac", "o")}


def save(figure: Figure, path: Path) -> Path:
    """Save a figure as PNG, without a date in it, and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130, metadata={"Software": None})
    return path
