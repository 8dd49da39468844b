"""The very deep networks' table and its costs."""

from __future__ import annotations

import math

import pandas as pd

from highways.config import DenseConfig, Profile
from highways.data import classes
from highways.inside.cost import exponent
from highways.inside.layers import of_kind
from highways.show.costs import training_cost
from highways.show.tables import MACHINE, machine
from highways.tracking import AnalysisRecord, Listed

VERY_DEEP_COLUMNS = [
    "network",
    "depth",
    "data",
    "parameters",
    "status",
    "epochs",
    "guessing_cross_entropy",
    "first_train_cross_entropy",
    "best_train_cross_entropy",
    "train_accuracy",
    "test_accuracy",
    "initial_gradient_first_layer",
    "initial_gradient_last_layer",
    "trained_gradient_first_layer",
    "trained_gradient_last_layer",
    "learning_rate",
    "momentum",
    "decay",
    "activation",
    "transform_bias",
    "paper",
]


def very_deep_table(records: Listed, settings: Profile) -> pd.DataFrame:
    """Return a row for each data set, kind of network and depth.

    Cross-entropies are the training set's after the first epoch and the lowest; accuracies are of the last
    epoch. Gradients are norms over a layer's parameters. The sources give no number for these networks
    (`paper` is empty).
    """
    gradients = {
        (analysis.run, analysis.config.measure.label): analysis.row("weight_gradient")
        for analysis in records.analyses
        if analysis.kind == "signal"
    }
    rows = []
    for run in records:
        network, curve = run.config.network, run.curves.get("train_cross_entropy", [])
        assert isinstance(network, DenseConfig)
        row: dict[str, object] = {
            "network": network.kind,
            "depth": network.depth,
            "data": run.config.data.name,
            "parameters": run.parameters,
            "status": run.status,
            "epochs": run.config.budget.epochs,
            "guessing_cross_entropy": math.log(classes(run.config.data.name)),
            "first_train_cross_entropy": curve[0] if curve else None,
            "best_train_cross_entropy": run.best(),
            "train_accuracy": run.last("train_accuracy"),
            "test_accuracy": run.last("test_accuracy"),
            "activation": network.activation,
            "transform_bias": network.transform_bias,
        }
        row |= {name: value for name, value in run.config.optimiser if name != "kind"}
        for when in ("initial", "trained"):
            found = gradients.get((run.config, f"signal_{when}"))
            if found is not None:
                row |= {f"{when}_gradient_first_layer": found[0], f"{when}_gradient_last_layer": found[-1]}
        rows.append(row)
    return pd.DataFrame(rows, columns=VERY_DEEP_COLUMNS)


def step_costs(records: Listed, kind: str) -> list[AnalysisRecord]:
    """Return the measured steps of one kind of network, without checkpointing, by depth."""
    found = [cost for cost in of_kind(records, "cost") if (cost.run.network.kind, _every(cost)) == (kind, None)]
    return sorted(found, key=lambda cost: cost.run.network.depth)


def _every(cost: AnalysisRecord) -> int | None:
    network = cost.run.network
    return network.checkpoint_every if isinstance(network, DenseConfig) else None


def step_exponents(records: Listed, kind: str) -> tuple[float, float]:
    """Return the exponents of time and of memory of a step over depth, from 100 layers on, of one machine."""
    costs = [cost for cost in step_costs(records, kind) if cost.run.network.depth >= 100]
    costs = [cost for cost in costs if machine(cost.environment) == machine(costs[-1].environment)]
    depths = [cost.run.network.depth for cost in costs]
    seconds, held = ([cost.row(name)[0] for cost in costs] for name in ("seconds_per_step", "bytes"))
    return exponent(depths, seconds), exponent(depths, held)


def very_deep_cost(records: Listed, settings: Profile) -> pd.DataFrame:
    """Return a row a trained network, then one a measured step.

    `checkpoint_every` is empty without activation checkpointing. The exponents are those of the power laws
    that fit seconds and memory of a step over depth best.
    """
    rows: list[dict[str, object]] = []
    for run in records:
        network = run.config.network
        row = {"data": run.config.data.name, "network": network.kind, "depth": network.depth}
        rows.append(row | training_cost(run))
    for cost in of_kind(records, "cost"):
        network = cost.run.network
        of_time, of_memory = step_exponents(records, network.kind) if _every(cost) is None else (None, None)
        rows.append(
            {
                "data": cost.data,
                "network": network.kind,
                "depth": network.depth,
                "process_seconds": cost.timing["seconds"],
                "checkpoint_every": _every(cost),
                "seconds_per_step": cost.row("seconds_per_step")[0],
                "mebibytes_per_step": cost.row("bytes")[0] / 2**20,
                "time_exponent": of_time,
                "memory_exponent": of_memory,
            }
            | machine(cost.environment)
        )
    columns = ["data", "network", "depth", "process_seconds", "checkpoint_every", "seconds_per_step"]
    columns += ["mebibytes_per_step", "time_exponent", "memory_exponent", *MACHINE]
    return pd.DataFrame(rows, columns=columns).astype({"checkpoint_every": "Int64"})


def deepest_first(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the networks of 900 layers and more, then the others, for the report."""
    return frame.sort_values("depth", ascending=False, kind="stable")
