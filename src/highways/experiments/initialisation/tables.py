"""Tables of initial weights, and their costs."""

from __future__ import annotations

import pandas as pd

from highways.claims.studies import study
from highways.config import Profile
from highways.experiments.initialisation.outcomes import outcomes_by_initialisation
from highways.experiments.initialisation.stuck import STUCK_VERSIONS
from highways.experiments.initialisation.studies import SATURATION_INITIALISATIONS, SMALL_NET_INITIALISATIONS
from highways.inside.statistics import moments
from highways.show.tables import MACHINE, by_machine, quantities
from highways.tracking import AnalysisRecord, Listed, RunRecord

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
    """Return what each kind of network cost at each depth: training, by machine, all initialisations together."""
    found: dict[tuple[str, int], list[RunRecord]] = {}
    for run in records:
        found.setdefault((run.config.network.kind, run.config.network.depth), []).append(run)
    rows = [
        {"network": network, "depth": depth, "process_seconds": sum(run.timing["seconds"] for run in trained)} | on
        for (network, depth), runs in found.items()
        for on, trained in by_machine(runs)
    ]
    return pd.DataFrame(rows, columns=["network", "depth", "process_seconds", *MACHINE])


def studies_table(records: Listed, settings: Profile) -> pd.DataFrame:
    """Return a row a number: the variance of z, the network that learned nothing, the 7-4-2-1 network, saturation.

    `value` is the mean where there are several seeds; `paper` is the source's, where it has one.
    """
    rows: list[dict[str, object]] = []
    if (variance := study(records, "variance")) is not None:
        for name in variance.values:
            numbers = {f"variance, by calculation {CALCULATED_VARIANCE[name]}": variance.row(name)[0]}
            rows += [{"study": "variance of z", "version": name} | row for row in quantities(numbers)]
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
            rows += [{"study": "7-4-2-1 network", "version": name} | row for row in quantities(numbers)]
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
            rows += [{"study": kind, "version": name} | row for row in quantities(numbers)]
    return pd.DataFrame(rows, columns=["study", "version", "quantity", "value", "paper"])


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
    return quantities(values)


WEIGHTS = {
    "he_normal": "He, normal",
    "glorot_uniform": "Glorot, uniform",
    "normal_fan_in": "N(0, 1 / n)",
    "orthogonal": "orthogonal",
    "normal": "N(0, 1)",
    "zeros": "zeros",
}
"""Initial weights, with the heads of their columns on a page."""


def side_by_side(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a row per network and depth, with the best training cross-entropy of each kind of initial weights."""
    best = frame["best_train_cross_entropy"].astype(object)
    best = best.mask((frame["diverged"] == frame["runs"]) & frame["runs"].notna(), "diverged")
    cells = frame.assign(best=best).pivot(index=["network", "depth"], columns="initialisation", values="best")
    return cells.sort_index(level="network", ascending=False, kind="stable", sort_remaining=False).reset_index()


def studies_in_short(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the variances, and what each version of the network that learned nothing ends at."""
    return frame.loc[(frame["study"] == "variance of z") | (frame["quantity"] == "accuracy after")]
