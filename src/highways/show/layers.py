"""Panels of gates, lesions and signal, drawn from the records of analyses."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from highways.config import DenseConfig
from highways.config.run import STAND_INS
from highways.errors import HighwaysError
from highways.inside.layers import layers_of
from highways.show.figures import NETWORK, SOURCE, Drawing, Panel, legend, logarithmic, positive, shade
from highways.show.tables import reference
from highways.tracking import AnalysisRecord

PAPER_DATA = {"mnist": "mnist", "cifar100": "cifar100", STAND_INS["cifar100"]: "cifar100"}
"""Whose values in the papers' figures stand beside a data set's."""

ROUTED = {"mnist": (0, 7)}
"""Classes whose routing is drawn, by data set; of others 0 and 1, as P2 Fig. 3 shows them of CIFAR-100."""

OTHER = {"color": NETWORK["highway"], "lw": 0.9, "alpha": 0.55}
"""How the networks beside the best one are drawn."""

UNTRAINED = {"color": "0.5", "lw": 0.9, "ls": ":"}
"""How networks before training are drawn."""


def _matrix(rows: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    """Return rows as a matrix; shorter ones end with NaN."""
    matrix = np.full((len(rows), max(map(len, rows))), np.nan)
    for index, row in enumerate(rows):
        matrix[index, : len(row)] = row
    return matrix


def _heat(rows: Sequence[Sequence[float]], colours: str, low: float, high: float, axes: Axes) -> None:
    matrix = _matrix(rows)
    image = axes.imshow(matrix, aspect="auto", interpolation="nearest", cmap=colours, vmin=low, vmax=high)
    axes.set(xlabel="unit", ylabel="layer")
    axes.grid(visible=False)
    ticks = sorted({1, *range(10, len(matrix) + 1, 10), len(matrix)})
    axes.set_yticks([tick - 1 for tick in ticks], [str(tick) for tick in ticks])
    assert axes.figure is not None
    axes.figure.colorbar(image, ax=axes, fraction=0.05)


def _ends(values: Sequence[Sequence[float]]) -> tuple[float, float]:
    flat = [value for row in values for value in row]
    return min(flat), max(flat)


def nothing(text: str = "every run has diverged: there are no weights to look into") -> Drawing:
    """Return a figure that says why it is empty."""

    def draw(axes: Axes) -> None:
        axes.text(0.5, 0.5, text, ha="center", va="center")
        axes.set_axis_off()

    return Drawing([Panel("nothing to show", f"Empty: {text}.", draw, height=0.6)])


def gate_panels(
    analysis: AnalysisRecord,
    classes: Sequence[int] | None = None,
    others: Sequence[AnalysisRecord] = (),
    controls: Sequence[AnalysisRecord] = (),
) -> list[Panel]:
    """Return the panels of one network's gates.

    First the layers' means, the paper's dashed, other networks' thin and untrained ones' dotted; then P1 Fig. 2:
    biases, mean gates, gates and outputs for one example; then the routing of two classes (P2 Fig. 3).

    Args:
        analysis: Of the kind `gates`.
        classes: Two classes, by default those of `ROUTED`.
        others: Of further networks.
        controls: Of networks before training.

    Raises:
        HighwaysError: There is no such class.
    """
    values, data = analysis.values, analysis.data
    mean, by_class = values["mean"], values["class_means"]
    number = len(by_class[0])  # type: ignore[arg-type]
    classes = classes or ROUTED.get(data, (0, 1))
    if wrong := [label for label in classes if not 0 <= label < number]:
        raise HighwaysError(f"there is no class {wrong[0]}: they are 0 to {number - 1}")
    measure = analysis.config.measure
    example, count = getattr(measure, "example", 0), getattr(measure, "examples", 0)
    reach = max(abs(end) for end in _ends(values["example_outputs"][1:]))  # type: ignore[arg-type,index]
    maps = (
        ("transform biases", values["biases"], "coolwarm", *_ends(values["biases"])),  # type: ignore[arg-type]
        (f"mean transform gate (up to {count:,} examples)", mean, "viridis", 0, _ends(mean)[1]),  # type: ignore[arg-type]
        (f"transform gates for example {example}", values["example_gates"], "viridis", 0, 1),
        (f"block outputs for example {example}", values["example_outputs"][1:], "coolwarm", -reach, reach),  # type: ignore[index]
    )
    panels = _means(analysis, others, controls)
    for title, rows, colours, low, high in maps:
        panels.append(_map(f"{data}: {title}", rows, colours, low, high))  # type: ignore[arg-type]
    for label in classes:
        rows = [np.subtract(of_class[label], all_) for of_class, all_ in zip(by_class, mean, strict=True)]  # type: ignore[index,arg-type]
        reach = max(float(np.abs(row).max()) for row in rows)
        title = f"{data}: class {label}, its mean gate minus that of all"
        panels.append(_map(title, rows, "coolwarm", -reach, reach))  # type: ignore[arg-type]
    return panels


def _map(title: str, rows: Sequence[Sequence[float]], colours: str, low: float, high: float) -> Panel:
    """Return a map of units by layers."""
    third = max(len(rows) // 3, 1)
    sizes = [float(np.mean([np.mean(np.abs(row)) for row in part])) for part in (rows[:third], rows[-third:])]
    alt = (
        f"A map of {len(rows)} layers by {max(map(len, rows))} units, values from {low:.2g} to {high:.2g}; their "
        f"mean size is {sizes[0]:.2g} in the first third of the layers and {sizes[1]:.2g} in the last."
    )
    return Panel(title, alt, partial(_heat, rows, colours, low, high))


def _of_layers(analysis: AnalysisRecord) -> dict[str, list[float]]:
    """Return the layers' means by what they are of: bias, gate and, of a dense network, change of the state."""
    if isinstance(analysis.run.network, DenseConfig):
        layers = layers_of(analysis)
        found = {"transform bias": layers.bias, "transform gate": layers.gate, "change of the state": layers.change}
        return {name: list(map(float, means)) for name, means in found.items()}
    rows = {"transform bias": analysis.values["biases"], "transform gate": analysis.values["mean"]}
    return {name: [float(np.mean(layer)) for layer in of_layers] for name, of_layers in rows.items()}  # type: ignore[union-attr]


def _means(
    analysis: AnalysisRecord, others: Sequence[AnalysisRecord], controls: Sequence[AnalysisRecord]
) -> list[Panel]:
    """Return the panels of the layers' means."""
    theirs = {"transform bias": "gate_bias", "transform gate": "mean_transform_gate"}
    panels = []
    for name, means in _of_layers(analysis).items():
        column = theirs.get(name, "")
        thin = [_of_layers(one)[name] for one in others]
        dotted = [_of_layers(one)[name] for one in controls]
        alt = (
            f"From layer 1 to layer {len(means)} ours goes from {means[0]:.3g} to {means[-1]:.3g}, "
            f"between {min(means):.3g} and {max(means):.3g}{_theirs_in_words(analysis, column, len(means))}"
            f"{_ends_in_words('other networks', thin)}{_ends_in_words('before training', dotted)}."
        )
        draw = partial(_layer_means, analysis, column, means, thin, dotted)
        panels.append(Panel(f"{analysis.data}: {name}, mean of each layer", alt, draw))
    return panels


def _ends_in_words(which: str, curves: Sequence[Sequence[float]]) -> str:
    ends = ", ".join(f"{curve[0]:.3g} to {curve[-1]:.3g}" for curve in curves)
    return f"; {which}: {ends}" if ends else ""


def _theirs(analysis: AnalysisRecord, column: str, layers: int) -> pd.DataFrame | None:
    """Return the paper's means of each layer, `layer` and `value`; `None` where it has none of such a network."""
    paper = PAPER_DATA.get(analysis.data)
    theirs = reference("highway2015_fig2_layer_means.csv")
    if paper is None or not column or len(theirs) != layers or not isinstance(analysis.run.network, DenseConfig):
        return None
    return pd.DataFrame({"layer": theirs["layer"], "value": theirs[f"{paper}_{column}"]})


def _theirs_in_words(analysis: AnalysisRecord, column: str, layers: int) -> str:
    theirs = _theirs(analysis, column, layers)
    if theirs is None:
        return ""
    first, last = theirs["value"].iloc[0], theirs["value"].iloc[-1]
    return f"; P1's, on {PAPER_DATA[analysis.data]}, from {first:.3g} to {last:.3g}"


def _layer_means(
    analysis: AnalysisRecord,
    column: str,
    means: Sequence[float],
    others: Sequence[Sequence[float]],
    controls: Sequence[Sequence[float]],
    axes: Axes,
) -> None:
    theirs = _theirs(analysis, column, len(means))
    layers = range(1, len(means) + 1)
    axes.plot(layers, means, color=NETWORK["highway"], lw=2, label=f"ours, {analysis.data}")
    _beside(axes, layers, others, controls)
    if theirs is not None:
        axes.plot(theirs["layer"], theirs["value"], color="0.2", label=f"P1, {PAPER_DATA[analysis.data]}", **SOURCE)
    start = analysis.run.network.transform_bias
    if column == "gate_bias" and start is not None:
        axes.axhline(start, color="0.5", lw=1, ls=":", label="where it started")
    axes.set(xlabel="layer", ylabel="mean over units")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend(axes, columns=3)


def _beside(
    axes: Axes, layers: Sequence[int], others: Sequence[Sequence[float]], controls: Sequence[Sequence[float]]
) -> None:
    """Draw curves over layers of networks beside the best one, and of networks before training."""
    for name, look, curves in (("other networks", OTHER, others), ("before training", UNTRAINED, controls)):
        for index, curve in enumerate(curves):
            axes.plot(layers, curve, label=None if index else name, **look)


def lesion_panel(
    analysis: AnalysisRecord, others: Sequence[AnalysisRecord] = (), controls: Sequence[AnalysisRecord] = ()
) -> Panel:
    """Return a network's training cross-entropy over the lesioned layer, the paper's dashed (P2 Fig. 4).

    That of other networks is thin, of networks before training dotted.
    """
    losses = analysis.row("cross_entropy")
    paper = PAPER_DATA.get(analysis.data)
    theirs = reference("verydeep2015_fig4_lesion.csv")
    curve = theirs[f"{paper}_train_cross_entropy"].to_numpy() if paper and len(theirs) == len(losses) else None
    alt = _lesion_words("Ours", losses)
    alt += "" if curve is None else f" {_lesion_words(f'P2 on {paper}', list(curve))}"
    alt += "".join(f" {_lesion_words('Another network', one.row('cross_entropy'))}" for one in others)
    thin, dotted = ([one.row("cross_entropy")[1:] for one in some] for some in (others, controls))

    def draw(axes: Axes) -> None:
        numbers = np.arange(1, len(losses))
        axes.plot(numbers, losses[1:], color=NETWORK["highway"], marker="o", ms=3, label=f"ours, {analysis.data}")
        axes.axhline(losses[0], color=NETWORK["highway"], lw=1, label="ours, without lesion")
        _beside(axes, list(numbers), thin, dotted)
        if curve is not None:
            axes.plot(numbers, curve[1:], color="0.2", label=f"P2, {paper}", **SOURCE)
            axes.axhline(curve[0], ls=":", color="0.2", lw=1, label="P2, without lesion")
        axes.set(xlabel="lesioned layer", ylabel="training cross-entropy, nats")
        logarithmic(axes)
        legend(axes)

    return Panel(f"{analysis.data}: one layer's gate closed", alt, draw)


def _lesion_words(whose: str, losses: Sequence[float]) -> str:
    worst = int(np.argmax(losses[1:])) + 1
    return (
        f"{whose}: {losses[0]:.2g} nats without lesion, {losses[1]:.2g} with layer 1 closed, at most "
        f"{losses[worst]:.2g} (layer {worst}), {losses[-1]:.2g} with the last."
    )


def signal_panel(analyses: Sequence[AnalysisRecord], name: str = "") -> Panel:
    """Return the gradient's norm over layers, solid with initial weights, dotted with trained ones.

    Args:
        analyses: Of the kind `signal`.
        name: Of the data, before the title.
    """
    ends = {}
    for analysis in analyses:
        network, norms = analysis.run.network, analysis.row("weight_gradient")
        if analysis.config.measure.label != "signal_trained":
            text = f"{norms[0]:.1g} at the first layer, {norms[-1]:.1g} at the last"
            ends.setdefault((network.kind, network.depth), text)
    alt = "Before training: " + "; ".join(f"{kind}, {depth:,} layers: {text}" for (kind, depth), text in ends.items())
    title = f"{name}: " if name else ""
    return Panel(f"{title}gradient by layer (dotted: after training)", f"{alt}.", partial(_signal, analyses))


def _signal(analyses: Sequence[AnalysisRecord], axes: Axes) -> None:
    depths = sorted({analysis.run.network.depth for analysis in analyses})
    labelled = set()
    for analysis in analyses:
        network, norms = analysis.run.network, analysis.row("weight_gradient")
        trained = analysis.config.measure.label == "signal_trained"
        label = f"{network.kind}, {network.depth:,} layers"
        axes.plot(
            np.linspace(0, 1, len(norms)),
            positive(norms),
            ":" if trained else "-",
            color=shade("plain" if network.kind.startswith("plain") else "highway", network.depth, depths),
            lw=1.2,
            label=None if trained or label in labelled else label,
        )
        labelled |= set() if trained else {label}
    axes.set(xlabel="place in the network (first layer 0, last layer 1)", ylabel="norm of the gradient")
    logarithmic(axes)
    legend(axes)
