"""Five points, dropout, a recurrence, two heads: small studies of the initialisation questions (b, d, e and f)."""

from collections.abc import Iterable, Iterator
from statistics import fmean
from typing import Annotated, ClassVar

import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from pydantic import Field
from torch import Tensor

from highways.config import AnalysisConfig, Count, ImageDataName, Profile
from highways.experiments.base import Experiment, Table
from highways.experiments.foundations_studies import Recurrence, TwoHeads
from highways.experiments.small import DARK, LIGHT, SmallStudy, number, study_panels, study_rows
from highways.show.figures import Drawing, Line, Panel, line_panel
from highways.show.tables import Row, reference
from highways.tracking import AnalysisRecord

CROSSES = {"color": "k", "marker": "x", "ls": "none"}
"""How numbers printed in the source are drawn."""
POINTS = ((0.0, 0), (0.0, 0), (2.0, 1), (2.0, 1), (9.0, 0))
"""Inputs and classes, from the source."""
TRAJECTORY = "perceptron_trajectory.csv"
"""The 16 rows that the answer prints: `step`, `loss`, `weight`, `bias`. The loss of a row is that of its weight and
bias; row 0 is the state before the first step."""
WITHIN = 1e-6
"""A row of our trajectory counts as the printed one if loss, weight and bias each differ by at most this: eight to
sixteen units in the last place of float32 at these sizes."""
STATE = ("loss", "weight", "bias")


class Perceptron(SmallStudy):
    """One unit on five points, trained for squared error, and what it gets right (the initialisation questions, b).

    y = w x + b, as in the question, and y = sigmoid(w x + b), as in the answer, by gradient descent on all points. A
    point is right if y is above 0.5 for class 1, or not above it for class 0. The trajectory is computed in float32, as
    in the source; the many starts are in float64.
    """

    kind: str = "perceptron"
    version: ClassVar[int] = 3
    title: ClassVar[str] = "b: perceptron"
    digits: ClassVar[int] = 9  # enough to distinguish any two float32 numbers
    learning_rate: float = Field(default=0.01, gt=0)
    """The source's, as is `steps`."""
    steps: int = Field(default=10_000, ge=1)
    starts: int = Field(default=500, ge=1)
    """Number of initial states, drawn from N(0, 1)."""
    seed: int = Field(default=0, ge=0)

    def measure(self) -> dict[str, Tensor]:
        """Train the unit.

        Returns:
            `printed_steps`, `printed_loss`, `printed_weight` and `printed_bias`: the source's rows up to the last step.
            `sigmoid_loss_rows`, `sigmoid_weight_rows` and `sigmoid_bias_rows`: ours, from the printed state at step 0.
            `rows_within`: the number of rows within `WITHIN` of the printed ones; `farthest`: the largest difference.
            `sigmoid_right_printed_start` and `linear_right_printed_start`: points right after the last step, from the
            printed state. `threshold_right`: the most points that any threshold on x gets right. One value per start:
            `start_w` and `start_b`, and at the end `linear_right`, `linear_loss`, `sigmoid_right`, `sigmoid_loss`.
        """
        printed = reference(TRAJECTORY).query("step <= @self.steps")
        theirs = torch.tensor(printed[list(STATE)].to_numpy())
        w, b = theirs[:1, 1:2].float(), theirs[:1, 2:].float()
        right, _, ours = self._descend(w, b, sigmoid=True, keep=printed["step"])
        found = {"printed_steps": torch.tensor(printed["step"].to_numpy(float))}
        for place, name in enumerate(STATE):
            found |= {f"printed_{name}": theirs[:, place], f"sigmoid_{name}_rows": ours[:, place]}
        found["rows_within"] = ((ours - theirs).abs() <= WITHIN).all(dim=1).sum().reshape(1).double()
        found["farthest"] = (ours - theirs).abs().max().reshape(1)
        found["sigmoid_right_printed_start"] = right
        found["linear_right_printed_start"] = self._descend(w, b, sigmoid=False)[0]
        x, y = (torch.tensor(values, dtype=torch.float64) for values in zip(*POINTS, strict=True))
        above = x > torch.tensor([-1.0, *x.unique()], dtype=x.dtype)[:, None]
        found["threshold_right"] = torch.cat([(above == y).sum(1), (above != y).sum(1)]).max().reshape(1).double()
        random = torch.Generator().manual_seed(self.seed)
        w, b = torch.randn(2, self.starts, 1, generator=random, dtype=torch.float64)
        found |= {"start_w": w[:, 0], "start_b": b[:, 0]}
        for name in ("linear", "sigmoid"):
            found[f"{name}_right"], found[f"{name}_loss"], _ = self._descend(w, b, sigmoid=name == "sigmoid")
        return found

    def _descend(self, w: Tensor, b: Tensor, sigmoid: bool, keep: Iterable[int] = ()) -> tuple[Tensor, Tensor, Tensor]:
        """Train from several starts, `(starts, 1)`, in their precision.

        Returns:
            Points right and loss after the last step, each `(starts,)`, float64, and the states of the first start at
            the steps in `keep`, `(kept, 3)`: loss, weight, bias. The state of step k has been updated k times.
        """
        x, y = (torch.tensor(values, dtype=w.dtype) for values in zip(*POINTS, strict=True))
        kept, states = set(keep), [torch.empty(0, 3, dtype=torch.float64)]
        out = torch.empty(0)
        for step in range(self.steps + 1):
            z = w * x + b
            out = torch.sigmoid(z) if sigmoid else z
            if step in kept:
                states.append(torch.stack([(out[0] - y).square().mean(), w[0, 0], b[0, 0]]).double()[None])
            if step < self.steps:
                slope = 2 / len(x) * (out - y) * (out * (1 - out) if sigmoid else 1)
                w = w - self.learning_rate * (slope * x).sum(dim=1, keepdim=True)
                b = b - self.learning_rate * slope.sum(dim=1, keepdim=True)
        right = ((out > 0.5) == y).sum(dim=1).double()
        return right, (out - y).square().mean(dim=1).double(), torch.cat(states)

    def rows(self, found: AnalysisRecord) -> Iterator[Row]:
        sigmoid, linear = (f"{output}, from the printed start" for output in ("sigmoid", "linear output"))
        steps = found.row("printed_steps")
        for name in STATE:
            rows = zip(steps, found.row(f"sigmoid_{name}_rows"), found.row(f"printed_{name}"), strict=True)
            for step, ours, printed in rows:
                yield number(sigmoid, f"{name} at step {step:.0f}", ours, paper=printed)
        met = f"printed rows met, of {len(steps)}: loss, weight and bias each within 1e-6"
        yield number(sigmoid, met, found.row("rows_within")[0], paper=len(steps))
        yield number(sigmoid, "largest difference from the printed rows", found.row("farthest")[0])
        after = "points right, of all, after the last step"
        yield number(sigmoid, after, found.row("sigmoid_right_printed_start")[0] / len(POINTS), paper=0.8)
        yield number(linear, after, found.row("linear_right_printed_start")[0] / len(POINTS), paper=0.6)
        yield number("a threshold", "points right, of all", found.row("threshold_right")[0] / len(POINTS), paper=0.8)
        for name, text in (("linear", "linear output"), ("sigmoid", "sigmoid")):
            counts, version = found.row(f"{name}_right"), f"{text}, {self.starts} starts"
            yield number(version, "points right, of all, from the best start", max(counts) / len(POINTS))
            yield number(version, "points right, of all, from the worst start", min(counts) / len(POINTS))
            yield number(version, "starts that end with four points right", fmean(count >= 4 for count in counts))
            yield number(version, "loss from the best start", min(found.row(f"{name}_loss")))

    def panels(self, found: AnalysisRecord) -> list[Panel]:
        steps = [step + 1 for step in found.row("printed_steps")]
        losses = [
            Line("ours", steps, found.row("sigmoid_loss_rows"), {"color": DARK}),
            Line("printed", steps, found.row("printed_loss"), CROSSES | {"ms": 6}),
        ]
        title = f"(b) loss: {found.row('rows_within')[0]:.0f} of {len(steps)} printed rows met"
        return [line_panel(title, losses, "step, and one", "loss", lambda axes: axes.set_xscale("log"), log=False)]


PRINTED_SUMS = {1.0: (-1003.99, -1003.99), 0.7: (-700.61, -1000.88), 0.5: (-512.16, -1024.32), 0.3: (-303.21, -1010.71)}
"""The mean sums that the source prints, by the probability of keeping an input: without scaling, and with it."""


class Dropout(SmallStudy):
    """Sum of a linear unit under inverted dropout, all inputs one (the initialisation questions, d).

    The weights are from N(0, 1), as in the source, but are a different draw, so ratios are compared. If the sum of the
    weights is near zero, no ratio can be measured. The study therefore uses the first seed, from `seed` on, for which
    the magnitude of the sum exceeds half the square root of their number (500 for the source's million). A draw is the
    same for all probabilities: an input kept with a low one is kept with a higher one, too.
    """

    kind: str = "dropout"
    version: ClassVar[int] = 2
    title: ClassVar[str] = "d: dropout"
    keep: tuple[Annotated[float, Field(gt=0, le=1)], ...] = (1.0, 0.7, 0.5, 0.3)
    """Probabilities of keeping an input."""
    inputs: int = Field(default=1_000_000, ge=1)
    """Number of weights, drawn from N(0, 1); the source's, as is `draws`."""
    draws: int = Field(default=1_000, ge=2)
    seed: int = Field(default=0, ge=0)

    def measure(self) -> dict[str, Tensor]:
        """Measure the mean over draws of the sum under dropout, over the sum without.

        Returns:
            One value for each of `keep`: `plain`, the mean over draws of the sum of the weights whose inputs are kept,
            over `sum`; `inverted`, that divided by the probability of keeping an input; `inverted_error`, its standard
            error; `printed_plain` and `printed_inverted`, the source's over its sum without dropout, NaN for a
            probability that it lacks. `sum` is the sum of our weights.
        """
        seed, weight = self.seed, torch.empty(0)
        while not len(weight) or abs(weight.sum()) <= 0.5 * self.inputs**0.5:
            weight = torch.randn(self.inputs, generator=torch.Generator().manual_seed(seed)).double()
            seed += 1
        whole = weight.sum()
        random = torch.Generator().manual_seed(seed)
        sums = torch.empty(len(self.keep), self.draws, dtype=torch.float64)
        rows = max(1, 4_000_000 // self.inputs)  # 32 MB at a time
        for start in range(0, self.draws, rows):
            drawn = torch.rand(min(rows, self.draws - start), self.inputs, generator=random)
            for place, keep in enumerate(self.keep):
                sums[place, start : start + rows] = (drawn < keep).double() @ weight
        plain, keep = sums.mean(dim=1) / whole, torch.tensor(self.keep, dtype=torch.float64)
        printed = [PRINTED_SUMS.get(one, (torch.nan, torch.nan)) for one in self.keep]
        printed_plain, printed_inverted = torch.tensor(printed, dtype=torch.float64).T / PRINTED_SUMS[1.0][0]
        return {
            "inverted": plain / keep,
            "plain": plain,
            "inverted_error": sums.std(dim=1) / keep / self.draws**0.5 / whole.abs(),
            "sum": whole.reshape(1),
            "printed_plain": printed_plain,
            "printed_inverted": printed_inverted,
        }

    def rows(self, found: AnalysisRecord) -> Iterator[Row]:
        """See `SmallStudy`; intervals are plus or minus two standard errors over the draws."""
        for name in ("inverted", "plain"):
            of_each = zip(self.keep, *map(found.row, (name, "inverted_error", f"printed_{name}")), strict=True)
            for keep, value, error, paper in of_each:
                half = 2 * error * (1 if name == "inverted" else keep)
                row = number(f"{name}, keep {keep:g}", "mean sum over that without dropout", value, paper=paper)
                yield row | ({"interval_low": value - half, "interval_high": value + half} if half else {})
        yield number("keep 1", "sum without dropout, of other weights than the source's", found.row("sum")[0])

    def panels(self, found: AnalysisRecord) -> list[Panel]:
        lines = [
            Line("plain", self.keep, found.row("plain"), {"color": LIGHT, "marker": "s", "ls": "none"}),
            Line("printed", self.keep, found.row("printed_inverted"), CROSSES | {"ms": 8}),
            Line(None, self.keep, found.row("printed_plain"), CROSSES | {"ms": 8}),
        ]
        inverted, two = found.row("inverted"), 2 * np.array(found.row("inverted_error"))

        def errors(axes: Axes) -> None:
            label = "inverted, two standard errors"
            axes.errorbar(self.keep, inverted, two, fmt="o", color=DARK, label=label, zorder=1.9)

        x, y = "probability of keeping an input", "over the sum without dropout"
        return [line_panel("(d) mean sum under dropout", lines, x, y, errors, log=False)]


class FoundationsProfile(Profile):
    """Parameters of `10_foundations`: four small questions of the initialisation questions (b, d, e, f)."""

    experiment: ClassVar[str] = "10_foundations"

    data: ImageDataName
    """Data of the two heads."""
    labelled: int = Field(default=100, ge=10, le=1_000_000)
    seeds: int = Field(default=5, ge=2, le=10_000)
    """Number of seeds of the recurrence and of the two heads."""
    steps: Count
    """Steps of the two heads."""
    recurrence_steps: Count
    dropout_draws: int = Field(default=1_000, ge=2, le=1_000_000_000)
    dropout_inputs: Count = 1_000_000
    """Number of weights in the dropout study."""

    def analyses(self) -> list[AnalysisConfig]:
        dropout = Dropout(draws=self.dropout_draws, inputs=self.dropout_inputs)
        recurrence = Recurrence(steps=self.recurrence_steps, seeds=self.seeds)
        heads = TwoHeads(data=self.data, labelled=self.labelled, seeds=self.seeds, steps=self.steps)
        return [AnalysisConfig(measure=study) for study in (Perceptron(), dropout, recurrence, heads)]


def answers_in_short(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a few rows of each question: its final results."""
    version, quantity = frame["version"], frame["quantity"]
    asked = version.isin(["as-asked", "frozen"]) & quantity.str.startswith("error ")
    ends = quantity.str.contains("^batches without|^standard deviation| at step 9999$|^test accuracy$")
    return frame.loc[asked | ends | version.isin(["inverted, keep 0.3", "plain, keep 0.3"])]


FOUNDATIONS = Experiment(
    title="Five points, dropout, a recurrence, two heads",
    schema=FoundationsProfile,
    tables=(
        Table(
            "foundations",
            study_rows,
            "A unit on five points, dropout, a recurrence, two heads (the initialisation questions, b, d, e, f)",
            shown={
                "study": "question",
                "data": "data",
                "version": "version",
                "quantity": "quantity",
                "value": "value",
                "interval_low": "95 % interval, from",
                "interval_high": "to",
                "paper": "printed in the source",
            },
            rows=answers_in_short,
        ),
    ),
    figures={"foundations": lambda records: Drawing(study_panels(records))},
    references=(TRAJECTORY,),
)
