"""Five points, dropout, a recurrence, two heads: small studies of the initialisation questions (b, d, e and f)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from pydantic import Field

from highways.claims.studies import study
from highways.config.analysis import AnalysisConfig
from highways.config.base import Count
from highways.config.profiles import Profile
from highways.config.run import ImageDataName
from highways.experiments.base import Experiment, Table
from highways.experiments.foundations_recurrence import RECURRENCE_VERSIONS, RecurrenceConfig
from highways.experiments.foundations_small import POINTS, STATE, DropoutConfig, PerceptronConfig
from highways.experiments.foundations_two_heads import BATCHES, HEAD_VERSIONS, TwoHeadsConfig
from highways.inside.statistics import FEWEST_FOR_INTERVAL, moments, student_interval
from highways.inside.thinning import kept_steps
from highways.show.figures import OTHERS, Drawing, Line, Panel, bars, bars_alt, line, line_panel
from highways.show.tables import Row, studies_cost
from highways.tracking import AnalysisRecord, Listed

DARK, LIGHT = OTHERS[4], OTHERS[1]
CROSSES = {"color": "k", "marker": "x", "ls": "none"}
"""How printed numbers are drawn."""


class FoundationsProfile(Profile):
    """Parameters of `10_foundations`: four small questions of the initialisation questions (b, d, e, f)."""

    experiment: ClassVar[str] = "10_foundations"

    data: ImageDataName
    """Of the two heads."""
    labelled: int = Field(default=100, ge=10, le=1_000_000)
    seeds: int = Field(default=5, ge=2, le=10_000)
    """Of the recurrence and of the two heads."""
    steps: Count
    """Of the two heads."""
    recurrence_steps: Count
    dropout_draws: int = Field(default=1_000, ge=2, le=1_000_000_000)
    dropout_inputs: Count = 1_000_000
    """As many weights."""

    def analyses(self) -> list[AnalysisConfig]:
        """Return the four studies."""
        studies = (
            PerceptronConfig(),
            DropoutConfig(draws=self.dropout_draws, inputs=self.dropout_inputs),
            RecurrenceConfig(steps=self.recurrence_steps, seeds=self.seeds),
            TwoHeadsConfig(data=self.data, labelled=self.labelled, seeds=self.seeds, steps=self.steps),
        )
        return [AnalysisConfig(measure=study) for study in studies]


# Table


def foundations_rows(records: Listed) -> Iterator[Row]:
    """Yield a row for each number of the small studies.

    Gradients are norms, errors root mean squares; of several seeds the mean, with its 95 % interval (Student's,
    within what the quantity can be) where there are five or more, else `values`, those of the seeds in their order.
    `paper` is the number of the initialisation questions.
    """
    questions = {
        "perceptron": ("b: perceptron", _perceptron_rows),
        "dropout": ("d: dropout", _dropout_rows),
        "recurrence": ("e: recurrence", _recurrence_rows),
        "two-heads": ("f: two heads", _head_rows),
    }
    for kind, (question, rows) in questions.items():
        if (found := study(records, kind)) is not None:
            yield from ({"question": question, "data": found.data} | row for row in rows(found))


def _row(
    version: str,
    quantity: str,
    value: float,
    paper: float | None = None,
    ends: tuple[float | None, float | None] = (None, None),
    seeds: int | None = None,
    values: str | None = None,
) -> Row:
    row = {"version": version, "quantity": quantity, "value": value, "interval_low": ends[0], "interval_high": ends[1]}
    return row | {"seeds": seeds, "paper": paper, "values": values}


def _of_seeds(version: str, quantity: str, values: Sequence[float], most: float = math.inf) -> Row:
    """Return the mean of the seeds with its interval, or with the values themselves where they are few."""
    mean, seeds = moments(values)[0], len(values)
    if seeds < FEWEST_FOR_INTERVAL:
        return _row(version, quantity, mean, seeds=seeds, values=" ".join(f"{value:.3g}" for value in values))
    low, high = student_interval(values)
    return _row(version, quantity, mean, ends=(max(low, 0.0), min(high, most)), seeds=seeds)


def _perceptron_rows(found: AnalysisRecord) -> Iterator[Row]:
    sigmoid, right = "sigmoid, from the printed start", "points right, of all, after the last step"
    steps = found.row("printed_steps")
    for name in STATE:
        for step, ours, paper in zip(
            steps, found.row(f"sigmoid_{name}_rows"), found.row(f"printed_{name}"), strict=True
        ):
            yield _row(sigmoid, f"{name} at step {step:.0f}", ours, paper)
    met = f"printed rows met, of {len(steps)}: loss, weight and bias each within 1e-6"
    yield _row(sigmoid, met, found.row("rows_within")[0], len(steps))
    yield _row(sigmoid, "largest difference from the printed rows", found.row("farthest")[0])
    yield _row(sigmoid, right, found.row("sigmoid_right_printed_start")[0] / len(POINTS), 0.8)
    linear = found.row("linear_right_printed_start")[0] / len(POINTS)
    yield _row("linear output, from the printed start", right, linear, 0.6)
    yield _row("a threshold", "points right, of all", found.row("threshold_right")[0] / len(POINTS), 0.8)
    for name, text in (("linear", "linear output"), ("sigmoid", "sigmoid")):
        counts, version = found.row(f"{name}_right"), f"{text}, {len(found.row('start_w'))} starts"
        yield _row(version, "points right, of all, from the best start", max(counts) / len(POINTS))
        yield _row(version, "points right, of all, from the worst start", min(counts) / len(POINTS))
        four = sum(count >= 4 for count in counts) / len(counts)
        yield _row(version, "starts that end with four points right", four)
        yield _row(version, "loss from the best start", min(found.row(f"{name}_loss")))


def _dropout_rows(found: AnalysisRecord) -> Iterator[Row]:
    """Yield sums over that without dropout, ours and the source's; intervals of two standard errors of the draws."""
    assert isinstance(found.config.measure, DropoutConfig)
    for name in ("inverted", "plain"):
        for keep, value, error, paper in zip(
            found.config.measure.keep,
            found.row(name),
            found.row("inverted_error"),
            found.row(f"printed_{name}"),
            strict=True,
        ):
            half = 2 * error * (1 if name == "inverted" else keep)
            ends = (value - half, value + half) if half else (None, None)
            yield _row(f"{name}, keep {keep:g}", "mean sum over that without dropout", value, paper, ends)
    yield _row("keep 1", "sum without dropout, of other weights than the source's", found.row("sum")[0])


def _recurrence_rows(found: AnalysisRecord) -> Iterator[Row]:
    quantities = {
        "steps_error": "error where x + 1 follows",
        "sine_error": "error where sin(x) follows",
        "lstm_gradient_start": "gradient of the LSTM, first step",
        "readout_gradient_start": "gradient of the read-out, first step",
    }
    for version in RECURRENCE_VERSIONS:
        of = version.replace("-", "_")
        for quantity, text in quantities.items():
            yield _of_seeds(version, text, found.row(f"{of}_{quantity}"))
        for part, text in (("lstm", "LSTM"), ("readout", "read-out")):  # the record has the mean alone
            seeds, last = len(found.row(f"{of}_{part}_gradient_start")), found.row(f"{of}_{part}_gradient")[-1]
            yield _row(version, f"gradient of the {text}, last step, mean of seeds", last, seeds=seeds)


def _head_rows(found: AnalysisRecord) -> Iterator[Row]:
    quantities = {
        "unlabelled_gradient": ("gradient that unlabelled rows send into the classifier", math.inf),
        "labelled_gradient": ("gradient that labelled rows among them send into it", math.inf),
        "accuracy": ("test accuracy", 1.0),
        "confidence": ("mean highest probability", 1.0),
    }
    for version in HEAD_VERSIONS:
        for quantity, (text, most) in quantities.items():
            yield _of_seeds(version, text, found.row(f"{version.replace('-', '_')}_{quantity}"), most)
    trained = {
        "metrics_all_rows": "training accuracy over all rows, zero rows counted as class 0",
        "metrics_labelled_rows": "training accuracy over rows that have a label",
    }
    for size in BATCHES:
        rows = f"batches of {size}, labels by chance"
        trained[f"batch_{size}_accuracy"] = f"test accuracy, {rows}, the same number of examples"
        trained[f"batch_{size}_without_label"] = f"batches without a label, of all, {rows}"
        trained[f"batch_{size}_deviation"] = f"standard deviation of a batch's accuracy over labelled rows, {rows}"
    for quantity, text in trained.items():
        yield _of_seeds("masked-categorical", text, found.row(quantity), 1.0)


def answers_in_short(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a few rows of each question: what it ends at."""
    last = frame["quantity"].str.endswith(" at step 9999")
    wanted = last | frame["version"].isin(["inverted, keep 0.3", "plain, keep 0.3"])
    wanted |= frame["version"].isin(["as-asked", "frozen"]) & frame["quantity"].str.startswith("error ")
    wanted |= frame["quantity"].eq("test accuracy")
    wanted |= frame["quantity"].str.startswith(("batches without", "standard deviation"))
    return frame.loc[wanted]


# Figure


def foundations_figure(records: Listed) -> Drawing:
    """Draw the unit on five points, how it gets there and where it ends, dropout, the recurrence, the two heads."""
    panels = []
    if (found := study(records, "perceptron")) is not None:
        panels += [_trajectory_panel(found, ("loss",)), _trajectory_panel(found, ("weight", "bias"))]
        panels += [_ends_panel(found), _points_panel(found)]
    if (found := study(records, "dropout")) is not None:
        panels.append(_dropout_panel(found))
    if (found := study(records, "recurrence")) is not None:
        errors = {"steps_error": "x + 1 follows", "sine_error": "sin(x) follows"}
        title = "(e) error after training, mean of seeds"
        panels += [_gradients_panel(found), _bar_panel(found, title, RECURRENCE_VERSIONS, errors, "root mean square")]
    if (found := study(records, "two-heads")) is not None:
        heads = {"accuracy": "test accuracy", "confidence": "mean highest probability"}
        title = f"(f) {found.data}: two heads, few labels"
        panels += [_bar_panel(found, title, HEAD_VERSIONS, heads, "share"), _batches_panel(found)]
    return Drawing(panels, empty="no study has been made")


def _trajectory_panel(found: AnalysisRecord, names: tuple[str, ...]) -> Panel:
    """Return our loss, or weight and bias, with the printed rows as crosses."""
    steps, lines = [step + 1 for step in found.row("printed_steps")], []  # an axis in logarithms has no 0
    for name, colour, dashes in zip(names, (DARK, LIGHT), ("-", "--"), strict=False):
        lines.append(Line(f"{name}, ours", steps, found.row(f"sigmoid_{name}_rows"), {"color": colour, "ls": dashes}))
        lines.append(Line(f"{name}, printed", steps, found.row(f"printed_{name}"), CROSSES | {"ms": 6}))
    what, met = " and ".join(names), f"{found.row('rows_within')[0]:.0f} of {len(steps)} printed rows met"
    return line_panel(
        f"(b) {what}: {met}", lines, "step, and one", what, lambda axes: axes.set_xscale("log"), log=False
    )


def _ends_panel(found: AnalysisRecord) -> Panel:
    """Return what the sigmoid unit gets right, by where it starts."""
    counts, lines = np.array(found.row("sigmoid_right")), []
    w, b = (np.array(found.row(name)) for name in ("start_w", "start_b"))
    for right in sorted(set(counts)):
        look = {"color": DARK, "marker": "o"} if right == 4 else {"color": LIGHT, "marker": "s"}
        these = counts == right
        lines.append(
            Line(f"{right:.0f} of 5: {these.mean():.0%} of starts", w[these], b[these], look | {"ms": 3.5, "lw": 0})
        )
    alt = f"By start, points right: {', '.join(str(one.label) for one in lines)}."
    printed = {found.row("printed_weight")[0]: found.row("printed_bias")[0]}
    lines.append(line("printed start", printed, color="k", marker="*", ms=11, ls="none"))
    return replace(line_panel("(b) points that the repaired unit gets right", lines, "w", "b", log=False), alt=alt)


def _points_panel(found: AnalysisRecord) -> Panel:
    """Return the points, the sigmoid at the last printed state and the best line."""
    inputs, targets = np.array(POINTS).T
    w, b = found.row("printed_weight")[-1], found.row("printed_bias")[-1]
    slope, level = np.polyfit(inputs, targets, 1)
    x = np.linspace(-1, 10, 300)
    lines = [
        Line("points (two of them twice)", inputs, targets, {"color": "k", "marker": "o", "ms": 7, "ls": "none"}),
        Line("sigmoid, last printed state", x, 1 / (1 + np.exp(-w * x - b)), {"color": DARK}),
        Line("linear output, fitted", x, slope * x + level, {"color": LIGHT, "ls": "--"}),
    ]
    alt = (
        f"Five points, 1 at x = 2 and 0 at x = 0 and 9. The sigmoid crosses one half at x = {-b / w:.2f} and stays "
        f"above; the fitted line falls from {level:.2f} at x = 0 to {level + 9 * slope:.2f} at x = 9."
    )

    def one_half(axes: Axes) -> None:
        axes.axhline(0.5, color="0.4", lw=1, ls=":", label="one half")

    title = "(b) a linear output and a sigmoid on five points"
    return replace(line_panel(title, lines, "x", "y", one_half, log=False), alt=alt)


def _dropout_panel(found: AnalysisRecord) -> Panel:
    assert isinstance(found.config.measure, DropoutConfig)
    keep, inverted = found.config.measure.keep, found.row("inverted")
    lines = [
        Line("plain", keep, found.row("plain"), {"color": LIGHT, "marker": "s", "ls": "none"}),
        Line("printed", keep, found.row("printed_inverted"), CROSSES | {"ms": 8}),
        Line(None, keep, found.row("printed_plain"), CROSSES | {"ms": 8}),
    ]
    words = [
        f"{name} " + ", ".join(f"{y:.3g} at {x:g}" for x, y in zip(keep, found.row(name), strict=True))
        for name in ("inverted", "plain")
    ]

    def errors(axes: Axes) -> None:
        two = 2 * np.array(found.row("inverted_error"))
        axes.errorbar(keep, inverted, two, fmt="o", color=DARK, label="inverted, two standard errors", zorder=1.9)

    x, y = "probability of keeping an input", "over the sum without dropout"
    panel = line_panel("(d) mean sum under dropout", lines, x, y, errors, log=False)
    return replace(panel, alt=f"Over the sum without: {'; '.join(words)}.")


def _gradients_panel(found: AnalysisRecord) -> Panel:
    assert isinstance(found.config.measure, RecurrenceConfig)
    steps, lines = [step + 1 for step in kept_steps(found.config.measure.steps)], []
    for part, dashes in (("lstm", "-"), ("readout", ":")):
        for version, colour in (("as-asked", LIGHT), ("frozen", DARK)):
            norms = found.row(f"{version.replace('-', '_')}_{part}_gradient")
            lines.append(Line(f"{version}, {part}", steps, norms, {"ls": dashes, "color": colour, "lw": 1.1}))
    return line_panel("(e) gradient over the steps, mean of seeds", lines, "step", "norm")


def _bar_panel(
    found: AnalysisRecord, title: str, versions: Sequence[str], quantities: Mapping[str, str], label: str
) -> Panel:
    def draw(axes: Axes) -> None:
        bars(axes, found, versions, quantities)
        axes.set(ylabel=label)

    return Panel(title, bars_alt(found, versions, quantities), draw)


def _batches_panel(found: AnalysisRecord) -> Panel:
    looks = {
        "accuracy": ("test accuracy", {"color": DARK, "marker": "o"}),
        "deviation": ("deviation of a batch's accuracy", {"color": LIGHT, "marker": "s"}),
        "without_label": ("batches without a label", {"color": "k", "marker": "x"}),
    }
    lines = []
    for shift, (name, (label, look)) in zip((1, 0.94, 1.06), looks.items(), strict=True):
        dots = [(size * shift, value) for size in BATCHES for value in found.row(f"batch_{size}_{name}")]
        x, y = [size for size, _ in dots], [value for _, value in dots]
        lines.append(Line(label, x, y, look | {"ms": 4, "ls": "none"}))

    def sizes(axes: Axes) -> None:
        axes.set_xscale("log")
        axes.set_xticks(BATCHES, map(str, BATCHES))
        axes.minorticks_off()

    means = {size: [moments(found.row(f"batch_{size}_{name}"))[0] for name in looks] for size in BATCHES}
    words = [f"{size} rows {', '.join(f'{mean:.3g}' for mean in row)}" for size, row in means.items()]
    alt = f"Means of {', '.join(label for label, _ in looks.values())}: {'; '.join(words)}."
    title = f"(f) {found.data}: batches with labels by chance, a dot a seed"
    return replace(line_panel(title, lines, "rows of a batch", "share", sizes, log=False), alt=alt)


FOUNDATIONS = Experiment(
    name="10_foundations",
    title="Five points, dropout, a recurrence, two heads",
    schema=FoundationsProfile,
    tables=(
        Table(
            "foundations",
            foundations_rows,
            studies_cost,
            "A unit on five points, dropout, a recurrence, two heads (the initialisation questions, b, d, e, f)",
            shown={
                "question": "question",
                "data": "data",
                "version": "version",
                "quantity": "quantity",
                "value": "value",
                "interval_low": "95 % interval, from",
                "interval_high": "to",
                "paper": "printed in the source",
            },
            plot=("version", "value"),
            rows=answers_in_short,
        ),
    ),
    figures={"foundations": foundations_figure},
    references=("perceptron_trajectory.csv",),
)
