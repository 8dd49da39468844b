"""The gates' table and its costs."""

from __future__ import annotations

import pandas as pd

from highways.config import Profile
from highways.inside.layers import layers_of, of_each_data_set, of_kind
from highways.show.costs import training_cost
from highways.show.layers import PAPER_DATA
from highways.show.tables import MACHINE, paper_rows
from highways.tracking import Listed


def gates_table(records: Listed, settings: Profile) -> pd.DataFrame:
    """Return a row for each data set and highway layer: means over its units, the paper's values beside them.

    `bias_initial` and `bias_mean` are transform biases before and after training, `mean_gate` the mean
    transform gate over the training examples; `change` the mean length of what the layer adds to its input,
    `routing` the mean absolute difference of a class's mean gate from that of all examples.
    `paper_data` says of which network the paper's values (P1 Fig. 2) are.
    """
    theirs = paper_rows("highway2015_fig2_layer_means.csv")
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


def gates_cost(records: Listed, settings: Profile) -> pd.DataFrame:
    """Return what training each network cost, and measuring its gates."""
    seconds = {analysis.run: analysis.timing["seconds"] for analysis in of_kind(records, "gates")}
    rows = [
        {"data": run.config.data.name, "network": run.config.network.kind, "depth": run.config.network.depth}
        | training_cost(run)
        | {"analysis_seconds": seconds.get(run.config)}
        for run in [*records, *records.auxiliary]
    ]
    return pd.DataFrame(rows, columns=["data", "network", "depth", "process_seconds", "analysis_seconds", *MACHINE])
