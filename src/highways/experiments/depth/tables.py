"""The depth study's table and its costs."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from highways.config import Profile
from highways.data import examples
from highways.experiments.depth.outcomes import searches
from highways.inside.statistics import wilson_interval
from highways.show.tables import MACHINE, by_machine, reference
from highways.tracking import Listed, RunRecord

DEPTH_COLUMNS = [
    "network",
    "depth",
    "data",
    "parameters",
    "trials",
    "diverged",
    "rungs",
    "epochs",
    "best_train_cross_entropy",
    "paper_p1_same_epochs",
    "paper_p1",
    "paper_p2",
    "top10_mean_train_cross_entropy",
    "top10_sd_train_cross_entropy",
    "paper_p2_top10_mean",
    "drawn",
    "drawn_best_train_cross_entropy",
    "epochs_to_0.01",
    "test_accuracy",
    "test_accuracy_low",
    "test_accuracy_high",
    "best_learning_rate",
    "best_momentum",
    "best_decay",
    "best_activation",
    "best_transform_bias",
]


def depth_table(records: Listed, settings: Profile) -> pd.DataFrame:
    """Return a row for each kind of network and depth, the papers' values beside ours.

    `best_train_cross_entropy` is the lowest over trials and epochs; `test_accuracy` is the best trial's at its last
    epoch, with its Wilson interval; `best_*` are that trial's settings. `paper_p1` is the end of P1's curve (400
    epochs), `paper_p1_same_epochs` its lowest point within as many epochs as ours had; that one is given for MNIST
    only, on which an epoch is the same. `rungs` has trials and epochs of every rung of the search, such as `40x10
    10x40 3x400`, with those that diverged in a later one behind it; the outcome is the best of the last one.
    `drawn` trials that no last rung kept were trained as long as it: the best of them, beside the outcome, tells
    what the rungs missed.
    """
    papers = reference("depth_papers.csv").set_index(["network", "depth"])
    curves = reference("highway2015_fig1_curves.csv")
    auxiliary = searches(records.auxiliary)
    rows = []
    for (network, depth), search in searches(records).items():
        best = search.best
        mean, deviation = search.top_mean
        first = search.trials[0]
        row: dict[str, object] = {
            "network": network,
            "depth": depth,
            "data": first.config.data.name,
            "parameters": first.parameters,
            "trials": len(search.trials),
            "diverged": search.diverged,
            "rungs": _rungs_text(search.rungs),
            "epochs": search.epochs,
            "best_train_cross_entropy": search.best_loss,
            "top10_mean_train_cross_entropy": mean,
            "top10_sd_train_cross_entropy": deviation,
            "epochs_to_0.01": search.epochs_to(0.01),
        }
        if (drawn := auxiliary.get((network, depth))) is not None:
            row |= {"drawn": len(drawn.last), "drawn_best_train_cross_entropy": drawn.best_loss}
        if (network, depth) in papers.index:
            row |= papers.loc[(network, depth), ["paper_p1", "paper_p2", "paper_p2_top10_mean"]].to_dict()
            if row["data"] == "mnist":
                curve = curves[(curves.network == network) & (curves.depth == depth) & (curves.epoch <= row["epochs"])]
                row["paper_p1_same_epochs"] = curve.train_cross_entropy.min()
        if best is not None and (accuracy := best.last("test_accuracy")) is not None:
            low, high = wilson_interval(accuracy, examples(best.config.data.name, "test"))
            row |= {"test_accuracy": accuracy, "test_accuracy_low": low, "test_accuracy_high": high}
            row |= {f"best_{name}": value for name, value in best.config.optimiser if name != "kind"}
            row |= {f"best_{name}": getattr(best.config.network, name) for name in ("activation", "transform_bias")}
        rows.append(row)
    return pd.DataFrame(rows, columns=DEPTH_COLUMNS)


def _rungs_text(rungs: Sequence[Sequence[RunRecord]]) -> str:
    texts = []
    for level, rung in enumerate(rungs):
        diverged = sum(record.status == "diverged" for record in rung) if level else 0
        texts.append(f"{len(rung)}x{rung[0].config.budget.epochs}" + (f" ({diverged} diverged)" if diverged else ""))
    return " ".join(texts)


def depth_cost(records: Listed, settings: Profile) -> pd.DataFrame:
    """Return what each row of the depth table cost, by machine: training and evaluation, all rungs and drawn trials."""
    rows = []
    for (network, depth), search in searches(records).items():
        trained = [record for rung in search.rungs for record in rung]
        trained += [r for r in records.auxiliary if (r.config.network.kind, r.config.network.depth) == (network, depth)]
        for on, runs in by_machine(trained):
            seconds = sum(run.timing["seconds"] for run in runs)
            examples_seen = sum(max(run.epochs, 1) * examples(run.config.data.name, "train") for run in runs)
            rows.append(
                {
                    "network": network,
                    "depth": depth,
                    "process_seconds": seconds,
                    "process_seconds_per_trial": seconds / len({run.config.seed for run in runs}),
                    "examples_per_process_second": examples_seen / seconds if seconds else None,
                }
                | on
            )
    columns = ["network", "depth", "process_seconds", "process_seconds_per_trial", "examples_per_process_second"]
    return pd.DataFrame(rows, columns=[*columns, *MACHINE])
