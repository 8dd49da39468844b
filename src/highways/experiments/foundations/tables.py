"""The table of small questions."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from highways.claims.studies import study
from highways.config import Profile
from highways.experiments.foundations.recurrence import RECURRENCE_VERSIONS
from highways.experiments.foundations.small import POINTS, DropoutConfig
from highways.experiments.foundations.two_heads import HEAD_VERSIONS, SMALL_BATCHES
from highways.inside.statistics import FEWEST_FOR_INTERVAL, mean_interval, moments, student_interval
from highways.show.tables import quantities
from highways.tracking import AnalysisRecord, Listed


def foundations_table(records: Listed, settings: Profile) -> pd.DataFrame:
    """Return a row a number of the small studies.

    Gradients are norms, errors root mean squares; of several seeds the mean, with its 95 % interval (Student's,
    within what the quantity can be) where there are five or more, else `values`, those of the seeds in their order.
    `paper` is the number of the initialisation questions.
    """
    rows: list[dict[str, object]] = []
    if (found := study(records, "perceptron")) is not None:
        rows += [{"question": "b: perceptron"} | row for row in _trajectory_rows(found) + _perceptron_rows(found)]
    if (found := study(records, "dropout")) is not None:
        rows += [{"question": "d: dropout"} | row for row in _dropout_rows(found)]
    if (found := study(records, "recurrence")) is not None:
        row: dict[str, object] = {"question": "e: recurrence", "data": found.data}
        for version in RECURRENCE_VERSIONS:
            name = version.replace("-", "_")
            for quantity, text in RECURRENCE_QUANTITIES.items():
                values = found.row(f"{name}_{quantity}")
                rows.append(row | {"version": version, "quantity": text} | _of_seeds(values, accuracy=False))
            for part, text in RECURRENCE_ENDS.items():  # of the last step the record has the mean alone
                value = found.row(f"{name}_{part}_gradient")[-1]
                seeds = len(found.row(f"{name}_{part}_gradient_start"))
                rows.append(row | {"version": version, "quantity": text, "value": value, "seeds": seeds})
    if (found := study(records, "two-heads")) is not None:
        rows += [{"question": "f: two heads", "data": found.data} | row for row in _head_rows(found)]
    columns = ["question", "data", "version", "quantity", "value", "interval_low", "interval_high", "seeds", "paper"]
    return pd.DataFrame(rows, columns=[*columns, "values"])


def _of_seeds(values: Sequence[float], *, accuracy: bool) -> dict[str, object]:
    """Return the mean of the seeds with its interval, or with the values themselves where they are few."""
    row: dict[str, object] = {"value": moments(values)[0], "seeds": len(values)}
    if len(values) < FEWEST_FOR_INTERVAL:
        return row | {"values": " ".join(f"{value:.3g}" for value in values)}
    low, high = mean_interval(values, 1) if accuracy else student_interval(values)
    return row | {"interval_low": max(low, 0.0), "interval_high": high}  # norms and errors are not negative


def _trajectory_rows(found: AnalysisRecord) -> list[dict[str, object]]:
    version = "sigmoid, from the printed start"
    rows: list[dict[str, object]] = []
    for name in ("loss", "weight", "bias"):
        steps, ours, theirs = (found.row(key) for key in ("printed_steps", f"sigmoid_{name}_rows", f"printed_{name}"))
        for step, value, paper in zip(steps, ours, theirs, strict=True):
            rows.append({"version": version, "quantity": f"{name} at step {step:.0f}", "value": value, "paper": paper})
    count, right = len(found.row("printed_steps")), "points right, of all, after the last step"
    linear = found.row("linear_right_printed_start")[0] / len(POINTS)
    return [
        *rows,
        {
            "version": version,
            "quantity": f"printed rows met, of {count}: loss, weight and bias each within 1e-6",
            "value": found.row("rows_within")[0],
            "paper": float(count),
        },
        {
            "version": version,
            "quantity": "largest difference from the printed rows",
            "value": found.row("farthest")[0],
        },
        {
            "version": version,
            "quantity": right,
            "value": found.row("sigmoid_right_printed_start")[0] / len(POINTS),
            "paper": 0.8,
        },
        {"version": "linear output, from the printed start", "quantity": right, "value": linear, "paper": 0.6},
    ]


def _perceptron_rows(found: AnalysisRecord) -> list[dict[str, object]]:
    starts = f"{len(found.row('start_w'))} starts"
    threshold = found.row("threshold_right")[0] / len(POINTS)
    rows: list[dict[str, object]] = [
        {"version": "a threshold", "quantity": "points right, of all", "value": threshold, "paper": 0.8}
    ]
    for name, text in (("linear", "linear output"), ("sigmoid", "sigmoid")):
        right, losses = found.row(f"{name}_right"), found.row(f"{name}_loss")
        values = {
            "points right, of all, from the best start": max(right) / len(POINTS),
            "points right, of all, from the worst start": min(right) / len(POINTS),
            "starts that end with four points right": sum(count >= 4 for count in right) / len(right),
            "loss from the best start": min(losses),
        }
        rows += [{"version": f"{text}, {starts}"} | row for row in quantities(values)]
    return rows


def _dropout_rows(found: AnalysisRecord) -> list[dict[str, object]]:
    """Return sums over that without dropout, ours and the source's; intervals of two standard errors of the draws."""
    assert isinstance(found.config.measure, DropoutConfig)
    rows: list[dict[str, object]] = []
    for quantity in ("inverted", "plain"):
        values = zip(
            found.config.measure.keep,
            found.row(quantity),
            found.row("inverted_error"),
            found.row(f"printed_{quantity}"),
            strict=True,
        )
        for keep, value, error, paper in values:
            half = 2 * error * (1 if quantity == "inverted" else keep)
            row: dict[str, object] = {"version": f"{quantity}, keep {keep:g}", "value": value, "paper": paper}
            ends = {"interval_low": value - half, "interval_high": value + half} if half else {}
            rows.append(row | ends | {"quantity": "mean sum over that without dropout"})
    without = {"sum without dropout, of other weights than the source's": found.row("sum")[0]}
    return rows + [{"version": "keep 1"} | row for row in quantities(without)]


def _head_rows(found: AnalysisRecord) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for version in HEAD_VERSIONS:
        for quantity, text in HEAD_QUANTITIES.items():
            values = _of_seeds(
                found.row(f"{version.replace('-', '_')}_{quantity}"), accuracy=quantity in ("accuracy", "confidence")
            )
            rows.append({"version": version, "quantity": text} | values)
    trained = {"version": "masked-categorical"}
    for name, text in (("all", "all rows, zero rows counted as class 0"), ("labelled", "rows that have a label")):
        values = _of_seeds(found.row(f"metrics_{name}_rows"), accuracy=True)
        rows.append(trained | {"quantity": f"training accuracy over {text}"} | values)
    for size, few in SMALL_BATCHES.items():
        text = f"test accuracy, batches of {size} with {few} labelled, the same number of examples"
        rows.append(trained | {"quantity": text} | _of_seeds(found.row(f"batch_{size}_accuracy"), accuracy=True))
    return rows


RECURRENCE_QUANTITIES = {
    "steps_error": "error where x + 1 follows",
    "sine_error": "error where sin(x) follows",
    "lstm_gradient_start": "gradient of the LSTM, first step",
    "readout_gradient_start": "gradient of the read-out, first step",
}

RECURRENCE_ENDS = {
    "lstm": "gradient of the LSTM, last step, mean of seeds",
    "readout": "gradient of the read-out, last step, mean of seeds",
}

HEAD_QUANTITIES = {
    "unlabelled_gradient": "gradient that unlabelled rows send into the classifier",
    "labelled_gradient": "gradient that labelled rows among them send into it",
    "accuracy": "test accuracy",
    "confidence": "mean highest probability",
}


def answers_in_short(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a few rows of each question: what it ends at."""
    last = frame["quantity"].str.endswith(" at step 9999")
    wanted = last | frame["version"].isin(["inverted, keep 0.3", "plain, keep 0.3"])
    wanted |= frame["version"].isin(["as-asked", "frozen"]) & frame["quantity"].str.startswith("error ")
    wanted |= frame["quantity"].eq("test accuracy")
    return frame.loc[wanted]
