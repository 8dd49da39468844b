"""The gates' figure."""

from __future__ import annotations

from matplotlib.figure import Figure

from highways.inside.layers import of_each_data_set
from highways.show.layers import gate_panels, nothing
from highways.tracking import Listed


def gates_figure(records: Listed) -> Figure:
    """Draw the gates of every network, two rows of panels each; see `gate_panels`."""
    found = of_each_data_set(records, "gates")
    if not found:
        return nothing()
    figure = Figure(figsize=(18, 9 * len(found)), layout="constrained")
    parts = figure.subfigures(len(found), 1, squeeze=False)[:, 0]
    for part, analysis in zip(parts, found, strict=True):
        gate_panels(part, analysis)
    return figure
