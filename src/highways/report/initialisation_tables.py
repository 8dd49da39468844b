"""Tables of the initialisations, of the parity of two implementations, and of the small studies."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from highways.analysis.foundations import POINTS
from highways.analysis.initial_weights import outcomes_by_initialisation, study
from highways.analysis.initialisation import SATURATION_INITIALISATIONS, SMALL_NET_INITIALISATIONS
from highways.analysis.parity import VARIANTS
from highways.analysis.recurrence import RECURRENCE_VERSIONS
from highways.analysis.statistics import FEWEST_FOR_INTERVAL, mean_interval, moments, student_interval
from highways.analysis.stuck import STUCK_VERSIONS
from highways.analysis.two_heads import HEAD_VERSIONS, SMALL_BATCHES
from highways.config import DropoutConfig, ParityConfig, Profile
from highways.report.layer_tables import MACHINE, machine
from highways.tracking import AnalysisRecord, Listed

CALCULATED_VARIANCE = {"normal": "501", "normal_fan_in": "1.5", "he_normal": "2"}
"""Of z, with 1,000 inputs of which 500 are on. The source's own formulas are lost in the text at hand."""


def initialisation_table(records: Listed, settings: Profile) -> pd.DataFrame:
    """Return a row for each kind of network, depth and initialisation.

    Outputs are root mean squares over units and examples, gradients norms over a block's parameters, both before
    training; blocks are the layers behind the first, the figure has all of them. `best_*` are of the best run.
    """
    rows = []
    for (network, depth, initialisation), outcome in outcomes_by_initialisation(records).items():
        best = outcome.best
        row: dict[str, object] = {
            "network": network,
            "depth": depth,
            "initialisation": initialisation,
            "data": outcome.runs[0].config.data.name,
            "runs": len(outcome.runs),
            "diverged": sum(run.status == "diverged" for run in outcome.runs),
            "epochs": outcome.runs[0].config.budget.epochs,
            "best_train_cross_entropy": outcome.best_loss,
        }
        if outcome.signal is not None:
            output, gradient = outcome.signal.row("output"), outcome.signal.row("weight_gradient")
            row |= {"output_first_block": output[0], "output_last_block": output[-1]}
            row |= {"gradient_first_block": gradient[0], "gradient_last_block": gradient[-1]}
        if best is not None:
            row["best_learning_rate"] = best.config.optimiser.learning_rate
            row["test_accuracy"] = best.last("test_accuracy")
        rows.append(row)
    columns = ["network", "depth", "initialisation", "data", "runs", "diverged", "epochs", "output_first_block"]
    columns += ["output_last_block", "gradient_first_block", "gradient_last_block", "best_train_cross_entropy"]
    return pd.DataFrame(rows, columns=[*columns, "best_learning_rate", "test_accuracy", "paper"])


def initialisation_cost(records: Listed, settings: Profile) -> pd.DataFrame:
    """Return what each kind of network cost at each depth: training, all initialisations together."""
    rows = {}
    for run in records:
        key = (run.config.network.kind, run.config.network.depth)
        row = rows.setdefault(key, {"network": key[0], "depth": key[1], "process_seconds": 0.0})
        row["process_seconds"] += run.timing["seconds"]
        row |= machine(run.environment, run.engine["workers"])
    return pd.DataFrame(list(rows.values()), columns=["network", "depth", "process_seconds", *MACHINE])


def studies_table(records: Listed, settings: Profile) -> pd.DataFrame:
    """Return a row a number: the variance of z, the network that learned nothing, the 7-4-2-1 network, saturation.

    `value` is the mean where there are several seeds; `paper` is the number of the initialisation questions, empty where it has none.
    """
    rows: list[dict[str, object]] = []
    if (variance := study(records, "variance")) is not None:
        for name in variance.values:
            numbers = {f"variance, by calculation {CALCULATED_VARIANCE[name]}": variance.row(name)[0]}
            rows += [{"study": "variance of z", "version": name} | row for row in _quantities(numbers)]
    if (stuck := study(records, "stuck")) is not None:
        for version in STUCK_VERSIONS:
            rows += [{"study": "learned nothing", "version": version} | row for row in _stuck_rows(stuck, version)]
    if (small := study(records, "small-net")) is not None:
        for name in SMALL_NET_INITIALISATIONS:
            values = small.row(f"{name}_accuracy")
            numbers = {
                f"accuracy on fresh examples, mean of {len(values)} seeds": moments(values)[0],
                "accuracy on fresh examples, lowest": min(values),
                "accuracy on fresh examples, highest": max(values),
                "share of seeds with one output for all inputs": small.row(f"{name}_constant")[0],
            }
            rows += [{"study": "7-4-2-1 network", "version": name} | row for row in _quantities(numbers)]
    if (found := study(records, "saturation")) is not None:
        for name in SATURATION_INITIALISATIONS:
            seeds = f"mean of {len(found.row(f'{name}_accuracy'))} seeds"
            numbers = {
                f"saturated hidden activations before, {seeds}": moments(found.row(f"{name}_saturated"))[0],
                f"gradient of the first layer before, {seeds}": moments(found.row(f"{name}_first_gradient"))[0],
                f"loss before, {seeds}": found.row(f"{name}_loss")[0],
                f"loss after, {seeds}": found.row(f"{name}_loss")[-1],
                f"test accuracy after, {seeds}": moments(found.row(f"{name}_accuracy"))[0],
            }
            kind = f"one hidden layer of sigmoids, {found.data}"
            rows += [{"study": kind, "version": name} | row for row in _quantities(numbers)]
    return pd.DataFrame(rows, columns=["study", "version", "quantity", "value", "paper"])


def _quantities(values: dict[str, float]) -> list[dict[str, object]]:
    return [{"quantity": quantity, "value": value} for quantity, value in values.items()]


def _stuck_rows(stuck: AnalysisRecord, version: str) -> list[dict[str, object]]:
    name = version.replace("-", "_")
    values = {
        "loss before": stuck.row(f"{name}_loss")[0],
        "loss after": stuck.row(f"{name}_loss")[-1],
        "accuracy after": stuck.row(f"{name}_accuracy")[-1],
        "gradient of the first layer before": stuck.row(f"{name}_first_gradient")[0],
        "hidden units with a gradient of their own": stuck.row(f"{name}_distinct_units")[0],
        "accuracy after, on the subset": stuck.row(f"{name}_subset_accuracy")[0],
    }
    if version == "as-written":
        values["lowest output after (the question: always close to 0)"] = stuck.row(f"{name}_output_low")[0]
        values["highest output after (the question: always close to 0)"] = stuck.row(f"{name}_output_high")[0]
    return _quantities(values)


def studies_cost(records: Listed, settings: Profile) -> pd.DataFrame:
    """Return what each study cost."""
    rows = [
        {"study": analysis.kind, "process_seconds": analysis.timing["seconds"]} | machine(analysis.environment)
        for analysis in records.analyses
        if analysis.config.run is None
    ]
    return pd.DataFrame(rows, columns=["study", "process_seconds", *MACHINE])


PARITY_VALUES = {
    **{variant: variant.replace("-", "_") for variant in VARIANTS},
    "no-decay: cost": "no_decay_loss",
    "no-decay: accuracy": "no_decay_accuracy_gap",
    "no-decay: gradient": "no_decay_gradient",
    "half-penalty: cost": "half_penalty_loss",
    "half-penalty: accuracy": "half_penalty_accuracy_gap",
    "half-penalty: gradient": "half_penalty_gradient",
    "penalty: cost": "penalty_loss_gap",
}
"""What is compared, and its name in the record; weights where nothing is said."""


def parity_table(records: Listed, settings: Profile) -> pd.DataFrame:
    """Return how far apart each pair is after 1, 2, 5, 10, ... steps and at the end.

    `difference` is the largest difference of two weights over the largest weight of the first of the pair; where the
    variant says so, that of the costs (over the first), of the gradients (as that of the weights) or of the accuracies
    on the training examples (absolute). Keras's penalty is applied in PyTorch; Keras itself is not run.
    """
    rows = []
    found = study(records, "parity")
    if found is not None and isinstance(found.config.measure, ParityConfig):
        steps = found.config.measure.steps
        shown = sorted({step for power in range(6) for step in (10**power, 2 * 10**power, 5 * 10**power)} | {steps})
        for variant, name in PARITY_VALUES.items():
            gaps = found.row(name)
            for step in shown:
                if step <= steps:
                    row = {"variant": variant, "data": found.data, "step": step, "difference": gaps[step - 1]}
                    rows.append(row | {"source_says": SOURCE_PARITY.get(variant.partition(":")[0])})
    return pd.DataFrame(rows, columns=["variant", "data", "step", "difference", "source_says"])


SOURCE_PARITY = {"no-decay": "equal to the last digit", "penalty": "different"}
"""What the NumPy/Keras question says; it gives no numbers."""


def parity_cost(records: Listed, settings: Profile) -> pd.DataFrame:
    """Return what a step costs vectorised and in the source's loop over examples, and what the study cost."""
    rows = []
    found = study(records, "parity")
    if found is not None and isinstance(found.config.measure, ParityConfig):
        loop, vectorised = found.row("loop_seconds")[0], found.row("vectorised_seconds")[0]
        row = {
            "process_seconds": found.timing["seconds"],
            "examples_of_step": int(found.row("loop_examples")[0]),
            "loop_seconds": loop,
            "vectorised_seconds": vectorised,
            "times_loop": loop / vectorised,
        }
        rows.append(row | machine(found.environment))
    columns = ["process_seconds", "examples_of_step", "loop_seconds", "vectorised_seconds", "times_loop"]
    return pd.DataFrame(rows, columns=[*columns, *MACHINE])


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
        rows += [{"version": f"{text}, {starts}"} | row for row in _quantities(values)]
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
    return rows + [{"version": "keep 1"} | row for row in _quantities(without)]


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
