"""Panels of gates, lesions and signal, drawn from the records of analyses."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray

from highways import paths
from highways.config import DenseConfig
from highways.config.run import STAND_INS
from highways.errors import HighwaysError
from highways.inside.layers import layers_of
from highways.show.figures import STYLES
from highways.tracking import AnalysisRecord

PAPER_DATA = {"mnist": "mnist", "cifar100": "cifar100", STAND_INS["cifar100"]: "cifar100"}
"""Whose values in the papers' figures stand beside a data set's."""

ROUTED = (0, 7)
"""Classes whose routing is drawn; P2 Fig. 3 shows these of MNIST."""


def _matrix(rows: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    """Return rows as a matrix; shorter ones end with NaN."""
    matrix = np.full((len(rows), max(map(len, rows))), np.nan)
    for index, row in enumerate(rows):
        matrix[index, : len(row)] = row
    return matrix


def _heat(axes: Axes, rows: Sequence[Sequence[float]], title: str, colours: str, low: float, high: float) -> None:
    matrix = _matrix(rows)
    image = axes.imshow(matrix, aspect="auto", interpolation="nearest", cmap=colours, vmin=low, vmax=high)
    axes.set(title=title, xlabel="unit", ylabel="layer")
    ticks = sorted({1, *range(10, len(matrix) + 1, 10), len(matrix)})
    axes.set_yticks([tick - 1 for tick in ticks], [str(tick) for tick in ticks])
    assert axes.figure is not None
    axes.figure.colorbar(image, ax=axes, fraction=0.05)


def _ends(values: Sequence[Sequence[float]]) -> tuple[float, float]:
    flat = [value for row in values for value in row]
    return min(flat), max(flat)


def nothing() -> Figure:
    """Return a figure that says why it is empty."""
    figure = Figure(figsize=(7, 1.2))
    figure.text(0.5, 0.5, "every run has diverged: there are no weights to look into", ha="center")
    return figure


def gate_panels(figure: Figure | SubFigure, analysis: AnalysisRecord, classes: Sequence[int] = ROUTED) -> None:
    """Draw the gates of one network in two rows of four panels.

    First P1 Fig. 2: biases, mean gates, gates and outputs for one example. Then the layers' means, the paper's
    dashed, and the routing of two classes (P2 Fig. 3).

    Args:
        figure: Empty.
        analysis: Of the kind `gates`.
        classes: Two classes.

    Raises:
        HighwaysError: There is no such class.
    """
    values = analysis.values
    mean, by_class = values["mean"], values["class_means"]
    number = len(by_class[0])  # type: ignore[arg-type]
    if wrong := [label for label in classes if not 0 <= label < number]:
        raise HighwaysError(f"there is no class {wrong[0]}: they are 0 to {number - 1}")
    network = analysis.run.network
    bias = f", transform bias {network.transform_bias:g} at first" if network.transform_bias is not None else ""
    figure.suptitle(f"{analysis.data}: gates of a trained network of {network.depth} layers{bias}")
    panels = figure.subplots(2, 4)
    measure = analysis.config.measure
    example = getattr(measure, "example", 0)
    low, high = _ends(values["biases"])  # type: ignore[arg-type]
    _heat(panels[0, 0], values["biases"], "transform biases", "coolwarm", low, high)  # type: ignore[arg-type]
    count = getattr(measure, "examples", 0)
    high = _ends(mean)[1]  # type: ignore[arg-type]
    _heat(panels[0, 1], mean, f"mean transform gate (up to {count:,} examples)", "viridis", 0, high)  # type: ignore[arg-type]
    _heat(panels[0, 2], values["example_gates"], f"gates for example {example}", "viridis", 0, 1)  # type: ignore[arg-type]
    outputs = values["example_outputs"][1:]
    reach = max(abs(end) for end in _ends(outputs))  # type: ignore[arg-type]
    _heat(panels[0, 3], outputs, f"block outputs for example {example}", "coolwarm", -reach, reach)  # type: ignore[arg-type]
    if isinstance(network, DenseConfig):
        _layer_means(panels[1, 0], panels[1, 1], analysis)
    else:
        for axes, rows, title in ((panels[1, 0], values["biases"], "bias"), (panels[1, 1], mean, "mean gate")):
            means = [float(np.mean(row)) for row in rows]  # type: ignore[arg-type]
            axes.plot(range(1, len(means) + 1), means, lw=2)
            axes.set(title=f"{title}, mean of each layer", xlabel="layer")
    for axes, label in zip(panels[1, 2:], classes, strict=False):
        rows = [np.subtract(of_class[label], all_) for of_class, all_ in zip(by_class, mean, strict=True)]  # type: ignore[index,arg-type]
        reach = max(float(np.abs(row).max()) for row in rows)
        _heat(axes, rows, f"class {label}: its mean gate less that of all", "coolwarm", -reach, reach)  # type: ignore[arg-type]


def _layer_means(left: Axes, right: Axes, analysis: AnalysisRecord) -> None:
    layers, paper = layers_of(analysis), PAPER_DATA.get(analysis.data)
    theirs = pd.read_csv(paths.references() / "highway2015_fig2_layer_means.csv")
    numbers = np.arange(1, len(layers.bias) + 1)
    left.axhline(layers.initial_bias, color="0.5", lw=1, label="initial")
    for axes, ours, column in ((left, layers.bias, "gate_bias"), (right, layers.gate, "mean_transform_gate")):
        axes.plot(numbers, ours, color="#2166ac", lw=2, label=f"ours, {analysis.data}")
        if paper is not None and len(numbers) == len(theirs):
            axes.plot(theirs.layer, theirs[f"{paper}_{column}"], "--", color="0.2", lw=1.2, label=f"P1, {paper}")
        axes.grid(alpha=0.25)
    left.set(title="transform bias, mean of each layer", xlabel="layer")
    right.set(title="transform gate, mean of each layer", xlabel="layer")
    other = right.twinx()
    other.plot(numbers, layers.change, ":", color="#b2182b", lw=1.2)
    other.set_ylabel("change of the state (dotted)", color="#b2182b")
    left.legend(fontsize=8)
    right.legend(fontsize=8)


def lesion_panel(axes: Axes, analysis: AnalysisRecord) -> None:
    """Draw one network's training cross-entropy over the lesioned layer, the paper's dashed (P2 Fig. 4)."""
    losses = analysis.row("cross_entropy")
    numbers = np.arange(1, len(losses))
    paper = PAPER_DATA.get(analysis.data)
    axes.plot(numbers, losses[1:], color="#2166ac", lw=2, marker=".", label=f"ours, {analysis.data}")
    axes.axhline(losses[0], color="#2166ac", lw=1, label="without lesion")
    theirs = pd.read_csv(paths.references() / "verydeep2015_fig4_lesion.csv")
    if paper is not None and len(theirs) == len(losses):
        curve = theirs[f"{paper}_train_cross_entropy"].to_numpy()
        axes.plot(theirs.lesioned_layer[1:], curve[1:], "--", color="0.2", lw=1.2, label=f"P2, {paper}")
        axes.axhline(curve[0], ls=":", color="0.2", lw=1, label="P2, without lesion")
    axes.set(title=analysis.data, xlabel="lesioned layer", ylabel="training cross-entropy, nats", yscale="log")
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8)


def signal_panel(axes: Axes, analyses: Sequence[AnalysisRecord]) -> None:
    """Draw the gradient's norm over layers, solid with initial weights, dotted with trained ones."""
    depths = sorted({analysis.run.network.depth for analysis in analyses})
    for analysis in analyses:
        network = analysis.run.network
        norms = analysis.row("weight_gradient")
        trained = analysis.config.label == "signal_trained"
        shade = 1.0 if len(depths) < 2 else 0.35 + 0.65 * depths.index(network.depth) / (len(depths) - 1)
        axes.plot(
            np.linspace(0, 1, len(norms)),
            [norm if norm > 0 else math.nan for norm in norms],
            ":" if trained else "-",
            color=STYLES[network.kind][0],
            alpha=shade,
            lw=1.3,
            label=None if trained else f"{network.kind}, {network.depth}",
        )
    axes.set(yscale="log", xlabel="place in the network (first layer 0, last layer 1)", ylabel="norm of the gradient")
    axes.set_title("gradient by layer, before training and after (dotted)")
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8)
