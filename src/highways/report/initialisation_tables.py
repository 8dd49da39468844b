"""Tables of the initialisations, of the parity of two implementations, and of the small studies."""

from __future__ import annotations

import pandas as pd

from highways.analysis.foundations import HEAD_VERSIONS, POINTS, PRINTED, RECURRENCE_VERSIONS
from highways.analysis.initial_weights import outcomes_by_initialisation, study
from highways.analysis.initialisation import STUCK_VERSIONS
from highways.analysis.parity import VARIANTS
from highways.analysis.statistics import mean_interval, moments
from highways.config import DropoutConfig, ParityConfig, Profile
from highways.report.layer_tables import MACHINE, machine
from highways.tracking import AnalysisRecord, Listed

SOURCE_VARIANCE = {"normal": 501.0, "normal_fan_in": 1.5}
"""Of z, in seed 001 (a)."""


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
    """Return a row a number: the variance of z, and what the network that learned nothing does in four versions.

    `paper` is the number of seed 001, empty where it has none.
    """
    rows = []
    if (variance := study(records, "variance")) is not None:
        rows += [
            {
                "study": "variance of z",
                "version": name,
                "quantity": "variance",
                "value": variance.row(name)[0],
                "paper": SOURCE_VARIANCE.get(name),
            }
            for name in variance.values
        ]
    if (stuck := study(records, "stuck")) is not None:
        for version in STUCK_VERSIONS:
            name = version.replace("-", "_")
            first, last = stuck.row(f"{name}_loss")[0], stuck.row(f"{name}_loss")[-1]
            values = {
                "loss before": first,
                "loss after": last,
                "accuracy after": stuck.row(f"{name}_accuracy")[-1],
                "gradient of the first layer before": stuck.row(f"{name}_first_gradient")[0],
                "hidden units with a gradient of their own": stuck.row(f"{name}_distinct_units")[0],
                "accuracy after, on the subset": stuck.row(f"{name}_subset_accuracy")[0],
            }
            for quantity, value in values.items():
                rows.append({"study": "learned nothing", "version": version, "quantity": quantity, "value": value})
    return pd.DataFrame(rows, columns=["study", "version", "quantity", "value", "paper"])


def studies_cost(records: Listed, settings: Profile) -> pd.DataFrame:
    """Return what each study cost."""
    rows = [
        {"study": analysis.kind, "process_seconds": analysis.timing["seconds"]} | machine(analysis.environment)
        for analysis in records.analyses
        if analysis.config.run is None
    ]
    return pd.DataFrame(rows, columns=["study", "process_seconds", *MACHINE])


def parity_table(records: Listed, settings: Profile) -> pd.DataFrame:
    """Return how far apart each pair is after 1, 2, 5, 10, ... steps and at the end.

    `difference` is the largest difference of two weights over the largest weight of the first of the pair.
    """
    rows = []
    found = study(records, "parity")
    if found is not None and isinstance(found.config.measure, ParityConfig):
        steps = found.config.measure.steps
        shown = sorted({step for power in range(6) for step in (10**power, 2 * 10**power, 5 * 10**power)} | {steps})
        for variant in VARIANTS:
            gaps = found.row(variant.replace("-", "_"))
            for step in shown:
                if step <= steps:
                    row = {"variant": variant, "data": found.data, "step": step, "difference": gaps[step - 1]}
                    rows.append(row | {"source_says": SOURCE_PARITY.get(variant)})
    return pd.DataFrame(rows, columns=["variant", "data", "step", "difference", "source_says"])


SOURCE_PARITY = {"no-decay": "equal to the last digit", "penalty": "different"}
"""What seed 004 says; it gives no numbers."""


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
    """Return a row a measured number of seed 001 (b), (d), (e), (f), with the source's number where it gives one.

    Gradients are norms, errors root mean squares; of several seeds the mean with its 95 % interval (Student's).
    """
    rows: list[dict[str, object]] = []
    if (found := study(records, "perceptron")) is not None:
        rows += [{"question": "b: perceptron"} | row for row in _perceptron_rows(found)]
    if (dropout := study(records, "dropout")) is not None and isinstance(dropout.config.measure, DropoutConfig):
        for quantity, source in (("inverted", 1.0), ("plain", None)):
            for keep, value in zip(dropout.config.measure.keep, dropout.row(quantity), strict=True):
                row: dict[str, object] = {
                    "question": "d: dropout",
                    "version": f"{quantity}, keep {keep:g}",
                    "value": value,
                }
                rows.append(row | {"quantity": "mean activation over that without dropout", "paper": source})
    for question, kind, versions, quantities in (
        ("e: recurrence", "recurrence", RECURRENCE_VERSIONS, RECURRENCE_QUANTITIES),
        ("f: two heads", "two-heads", HEAD_VERSIONS, HEAD_QUANTITIES),
    ):
        if (found := study(records, kind)) is None:
            continue
        for version in versions:
            for quantity, text in quantities.items():
                values = found.row(f"{version.replace('-', '_')}_{quantity.removeprefix('first_')}")
                row = {"question": question, "data": found.data, "version": version}
                if kind == "recurrence":
                    values = values[:1] if quantity.startswith("first_") else values[-1:]
                mean, _ = moments(values)
                low, high = mean_interval(values, 1) if len(values) > 1 else (None, None)
                ends = {"interval_low": low, "interval_high": high}
                rows.append(row | {"quantity": text, "value": mean, "seeds": len(values)} | ends)
    columns = ["question", "data", "version", "quantity", "value", "interval_low", "interval_high", "seeds", "paper"]
    return pd.DataFrame(rows, columns=columns)


def _perceptron_rows(found: AnalysisRecord) -> list[dict[str, object]]:
    starts = f"{len(found.row('start_w'))} starts"
    rows: list[dict[str, object]] = [
        {
            "version": "a threshold",
            "quantity": "points right, of all",
            "value": found.row("threshold_right")[0] / len(POINTS),
            "paper": 0.8,
        },
        {
            "version": "sigmoid, at the last printed state (the points were found by it)",
            "quantity": "loss",
            "value": found.row("printed_loss")[0],
            "paper": PRINTED["loss"],
        },
    ]
    for name, text, source in (("linear", "linear output", 0.6), ("sigmoid", "sigmoid", 0.8)):
        right, losses = found.row(f"{name}_right"), found.row(f"{name}_loss")
        values = {
            "points right, of all, from the best start": (max(right) / len(POINTS), source),
            "points right, of all, from the worst start": (min(right) / len(POINTS), None),
            "starts that end with four points right": (sum(count >= 4 for count in right) / len(right), None),
            "loss from the best start": (min(losses), None),
        }
        for quantity, (value, paper) in values.items():
            rows.append({"version": f"{text}, {starts}", "quantity": quantity, "value": value, "paper": paper})
    return rows


RECURRENCE_QUANTITIES = {
    "steps_error": "error where x + 1 follows",
    "sine_error": "error where sin(x) follows",
    "first_lstm_gradient": "gradient of the LSTM, first step",
    "lstm_gradient": "gradient of the LSTM, last step",
    "first_readout_gradient": "gradient of the read-out, first step",
    "readout_gradient": "gradient of the read-out, last step",
}
HEAD_QUANTITIES = {
    "unlabelled_gradient": "gradient that unlabelled rows send into the classifier",
    "labelled_gradient": "gradient that labelled rows among them send into it",
    "accuracy": "test accuracy",
    "confidence": "mean highest probability",
}
