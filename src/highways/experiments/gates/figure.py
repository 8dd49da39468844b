"""The gates' figure."""

from __future__ import annotations

from highways.inside.layers import of_each_data_set
from highways.show.figures import Drawing
from highways.show.layers import gate_panels, nothing
from highways.tracking import Listed


def gates_figure(records: Listed) -> Drawing:
    """Draw the gates of every network, nine panels each; see `gate_panels`."""
    found = of_each_data_set(records, "gates")
    return Drawing([panel for one in found for panel in gate_panels(one)]) if found else nothing()
