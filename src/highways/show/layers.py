"""Panels of gates, lesions and signal, drawn from the records of analyses."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

from highways.config import STAND_INS, DenseConfig
from highways.inside.layers import GateLayers, Inside
from highways.show.figures import NETWORK, SOURCE, Line, Panel, level, line, line_panel, shade, whole_ticks
from highways.show.tables import reference_rows
from highways.tracking import AnalysisRecord

PAPER_DATA = {"mnist": "mnist", "cifar100": "cifar100", STAND_INS["cifar100"]: "cifar100"}
"""By our data set, the data set of the papers' figures whose values are drawn next to ours."""
ROUTED = {"mnist": (0, 7)}
"""Classes whose routing is drawn, by data set; otherwise 0 and 1, as in P2 Fig. 3 for CIFAR-100."""
OURS: dict[str, Any] = {"color": NETWORK["highway"]}
PAPERS = {"color": "0.2"}
OTHER: dict[str, Any] = OURS | {"lw": 0.9, "alpha": 0.55}
"""Style of the networks after the best one."""
UNTRAINED: dict[str, Any] = {"color": "0.5", "lw": 0.9, "ls": ":"}
"""Style of networks before training."""


def gate_panels(found: Inside) -> list[Panel]:
    """Return the panels of the best network's gates: means of layers, then P1 Fig. 2, then two classes of P2 Fig. 3."""
    analysis = found.networks[0]
    values: Any = analysis.values
    measure, data = analysis.config.measure, analysis.data
    example, count = getattr(measure, "example", 0), getattr(measure, "examples", 0)
    biases, mean = _matrix(values["biases"]), _matrix(values["mean"])
    gates, outputs = _matrix(values["example_gates"]), _matrix(values["example_outputs"][1:])
    maps = [
        _map(f"{data}: transform biases", biases, "coolwarm", (np.nanmin(biases), np.nanmax(biases))),
        _map(f"{data}: mean transform gate (up to {count:,} examples)", mean, "viridis", (0, np.nanmax(mean))),
        _map(f"{data}: transform gates for example {example}", gates, "viridis", (0, 1)),
        _map(f"{data}: block outputs for example {example}", outputs, "coolwarm"),
    ]
    for label in ROUTED.get(data, (0, 1)):
        difference = _matrix([of_layer[label] for of_layer in values["class_means"]]) - mean
        maps.append(_map(f"{data}: class {label}, its mean gate minus that of all", difference, "coolwarm"))
    return _mean_panels(found) + maps


def _matrix(rows: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    """Return rows as a matrix, with shorter rows padded with NaN."""
    return pd.DataFrame(list(map(list, rows)), dtype=float).to_numpy()


def _map(title: str, matrix: NDArray[np.float64], colours: str, ends: tuple[float, float] | None = None) -> Panel:
    """Return a heat map of layers by units; without `ends` its colours are symmetric about zero."""
    reach = float(np.nanmax(np.abs(matrix)))
    low, high = ends or (-reach, reach)
    first, last = (np.nanmean(np.abs(matrix[layer])) for layer in (0, -1))
    alt = f"{len(matrix)} layers by {matrix.shape[1]} units, {np.nanmin(matrix):.2g} to {np.nanmax(matrix):.2g}; "
    alt += f"mean size in the first layer {first:.2g}, in the last {last:.2g}."

    def draw(axes: Axes) -> None:
        image = axes.imshow(matrix, aspect="auto", interpolation="nearest", cmap=colours, vmin=low, vmax=high)
        axes.set(xlabel="unit", ylabel="layer")
        axes.grid(visible=False)
        ticks = sorted({1, *range(10, len(matrix) + 1, 10), len(matrix)})
        axes.set_yticks([tick - 1 for tick in ticks], [str(tick) for tick in ticks])
        axes.get_figure().colorbar(image, ax=axes, fraction=0.05)  # type: ignore[union-attr]

    return Panel(title, alt, draw)


def _lines(found: Inside, values: Callable[[AnalysisRecord], Sequence[float]], **look: Any) -> list[Line]:
    """Return lines over layers: the best network's, the others' thin, and those before training dotted."""
    ours, *others = found.networks
    lines = [line(f"ours, {ours.data}", values(ours), **OURS, **look)]
    for label, analyses, style in (("other networks", others, OTHER), ("before training", found.controls, UNTRAINED)):
        lines += [line(None if place else label, values(one), **style) for place, one in enumerate(analyses)]
    return lines


MEANS = {"transform bias": ("bias", "gate_bias"), "transform gate": ("gate", "mean_transform_gate")}
"""Quantities in the panels of means: their names in `GateLayers` and in the table read off P1 Fig. 2."""


def _mean_panels(found: Inside) -> list[Panel]:
    """Return a panel for each mean over a layer, for dense networks including the change of the state."""
    analysis, rows, panels = found.networks[0], reference_rows("highway2015_fig2_layer_means.csv"), []
    paper = PAPER_DATA.get(analysis.data) if len(rows) == len(analysis.row("change")) else None
    state = {"change of the state": ("change", "")} if isinstance(analysis.run.network, DenseConfig) else {}
    for name, (mean, column) in (MEANS | state).items():
        lines = _lines(found, lambda one, mean=mean: getattr(GateLayers(one), mean), lw=2)
        if paper and column:
            theirs = {row["layer"]: row[f"{paper}_{column}"] for row in rows}
            lines.append(line(f"P1, {paper}", theirs, **PAPERS, **SOURCE))
        start = analysis.run.network.transform_bias
        if name == "transform bias" and start is not None:
            lines.append(level("where it started", start, color="0.5", lw=1, ls=":"))
        title = f"{analysis.data}: {name}, mean of each layer"
        panels.append(line_panel(title, lines, "layer", "mean over units", whole_ticks, log=False))
    return panels


def lesion_panel(found: Inside) -> Panel:
    """Return the panel of training cross-entropy over the lesioned layer, P2 Fig. 4's dashed; see `_lines`."""
    analysis = found.networks[0]
    whole, *losses = analysis.row("cross_entropy")
    lines = _lines(found, lambda one: one.row("cross_entropy")[1:], marker="o", ms=3)
    lines.insert(1, level("ours, without lesion", whole, lw=1, **OURS))
    paper, rows = PAPER_DATA.get(analysis.data), reference_rows("verydeep2015_fig4_lesion.csv")
    if paper and len(rows) == 1 + len(losses):
        without, *theirs = (row[f"{paper}_train_cross_entropy"] for row in rows)
        lines.append(line(f"P2, {paper}", theirs, **PAPERS, **SOURCE))
        lines.append(level("P2, without lesion", without, ls=":", lw=1, **PAPERS))
    title = f"{analysis.data}: one layer's gate closed"
    return line_panel(title, lines, "lesioned layer", "training cross-entropy, nats")


def signal_panel(analyses: Sequence[AnalysisRecord], name: str = "") -> Panel:
    """Return the panel of the gradient's norm over layers, solid with initial weights, dotted with trained ones."""
    depths, lines = sorted({analysis.run.network.depth for analysis in analyses}), []
    for analysis in analyses:
        network, norms = analysis.run.network, analysis.row("weight_gradient")
        trained, label = analysis.config.measure.label == "signal_trained", f"{network.kind}, {network.depth:,} layers"
        first = not trained and label not in {one.label for one in lines}
        colour = shade("plain" if network.kind.startswith("plain") else "highway", network.depth, depths)
        look = {"ls": ":" if trained else "-", "color": colour, "lw": 1.2}
        lines.append(Line(label if first else None, list(np.linspace(0, 1, len(norms))), norms, look))
    title = (f"{name}: " if name else "") + "gradient by layer (dotted: after training)"
    return line_panel(title, lines, "place in the network (first layer 0, last layer 1)", "norm of the gradient")
