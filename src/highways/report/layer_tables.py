"""Tables of gates, lesions and very deep networks, and their costs."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd

from highways import paths
from highways.analysis.cost import exponent
from highways.analysis.layers import layers_of, of_each_data_set, of_kind
from highways.config import DenseConfig, Profile
from highways.config.run import STAND_INS
from highways.data import classes
from highways.tracking import AnalysisRecord, Listed, RunRecord

PAPER_DATA = {"mnist": "mnist", "cifar100": "cifar100", STAND_INS["cifar100"]: "cifar100"}
"""Whose values in the papers' figures stand beside a data set's."""


def _paper(file: str) -> pd.DataFrame:
    return pd.read_csv(paths.references() / file, index_col=0)


def gates_table(records: Listed, settings: Profile) -> pd.DataFrame:
    """Return a row for each data set and highway layer: means over its units, the paper's values beside them.

    `bias_initial` and `bias_mean` are transform biases before and after training, `mean_gate` the mean
    transform gate over the training examples; `change` the mean length of what the layer adds to its input,
    `routing` the mean absolute difference of a class's mean gate from that of all examples.
    `paper_data` says of which network the paper's values (P1 Fig. 2) are.
    """
    theirs = _paper("highway2015_fig2_layer_means.csv")
    rows = []
    for analysis in of_each_data_set(records, "gates"):
        layers = layers_of(analysis)
        paper = PAPER_DATA.get(analysis.data) if len(layers.bias) == len(theirs) else None
        for index in range(len(layers.bias)):
            row: dict[str, object] = {
                "data": analysis.data,
                "layer": index + 1,
                "bias_initial": layers.initial_bias,
                "bias_mean": float(layers.bias[index]),
                "mean_gate": float(layers.gate[index]),
                "change": float(layers.change[index]),
                "routing": float(layers.routing[index]),
                "paper_data": paper,
            }
            if paper is not None:
                row["paper_bias_mean"] = theirs.loc[index + 1, f"{paper}_gate_bias"]
                row["paper_mean_gate"] = theirs.loc[index + 1, f"{paper}_mean_transform_gate"]
            rows.append(row)
    columns = ["data", "layer", "bias_initial", "bias_mean", "mean_gate", "change", "routing", "paper_data"]
    return pd.DataFrame(rows, columns=[*columns, "paper_bias_mean", "paper_mean_gate"])


def lesion_table(records: Listed, settings: Profile) -> pd.DataFrame:
    """Return a row for each data set and lesioned layer; layer 0 is the network without lesion.

    Cross-entropy (nats) and accuracy are over the whole training set; the paper's are read off P2 Fig. 4.
    """
    theirs = _paper("verydeep2015_fig4_lesion.csv")
    rows = []
    for analysis in of_each_data_set(records, "lesions"):
        losses, accuracies = analysis.row("cross_entropy"), analysis.row("accuracy")
        paper = PAPER_DATA.get(analysis.data) if len(losses) == len(theirs) else None
        for layer, (loss, accuracy) in enumerate(zip(losses, accuracies, strict=True)):
            row: dict[str, object] = {
                "data": analysis.data,
                "layer": layer,
                "train_cross_entropy": loss,
                "train_accuracy": accuracy,
                "times_without_lesion": loss / losses[0],
                "paper_data": paper,
            }
            if paper is not None:
                row["paper_train_cross_entropy"] = theirs.loc[layer, f"{paper}_train_cross_entropy"]
            rows.append(row)
    columns = ["data", "layer", "train_cross_entropy", "train_accuracy", "times_without_lesion", "paper_data"]
    return pd.DataFrame(rows, columns=[*columns, "paper_train_cross_entropy"])


MACHINE = ["processor", "device", "threads", "workers"]


def machine(environment: Mapping[str, object], workers: object = 1) -> dict[str, object]:
    """Return what a cost was measured on, `MACHINE`."""
    return {name: environment[name] for name in MACHINE[:3]} | {"workers": workers}


def _training(run: RunRecord) -> dict[str, object]:
    return {"process_seconds": run.timing["seconds"]} | machine(run.environment, run.engine["workers"])


def gates_cost(records: Listed, settings: Profile) -> pd.DataFrame:
    """Return what training each network cost, and measuring its gates."""
    seconds = {analysis.run: analysis.timing["seconds"] for analysis in of_kind(records, "gates")}
    rows = [
        {"data": run.config.data.name, "network": run.config.network.kind, "depth": run.config.network.depth}
        | _training(run)
        | {"analysis_seconds": seconds.get(run.config)}
        for run in [*records, *records.auxiliary]
    ]
    return pd.DataFrame(rows, columns=["data", "network", "depth", "process_seconds", "analysis_seconds", *MACHINE])


def lesion_cost(records: Listed, settings: Profile) -> pd.DataFrame:
    """Return what all lesions of a network cost; its training is among the costs of `04_gates`."""
    rows = [
        {"data": analysis.data, "depth": analysis.run.network.depth}
        | {"process_seconds": analysis.timing["seconds"]}
        | machine(analysis.environment)
        for analysis in of_kind(records, "lesions")
    ]
    return pd.DataFrame(rows, columns=["data", "depth", "process_seconds", *MACHINE])


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
        (analysis.run, analysis.config.label): analysis.row("weight_gradient")
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
        rows.append(row | _training(run))
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
