"""Lesions of the networks of `04_gates` (P2 Fig. 4): parameters and analyses."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pandas as pd

from highways.claims.values import Records, in_units
from highways.config import Profile
from highways.config.analysis import AnalysisConfig
from highways.config.profiles import load_profile
from highways.config.run import RunConfig
from highways.experiments.base import Experiment, Table
from highways.experiments.gates.profile import GatesProfile
from highways.inside.layers import idle_share, lesion_ratios, of_each_data_set, of_kind
from highways.inside.lesions import LesionsConfig
from highways.show.figures import Drawing
from highways.show.layers import PAPER_DATA, lesion_panel, nothing
from highways.show.tables import MACHINE, few_layers, machine, paper_rows, some_layers
from highways.tracking import Listed


class LesionProfile(Profile):
    """Parameters of `05_lesion`: P2 Fig. 4, on the networks of `04_gates`."""

    experiment: ClassVar[str] = "05_lesion"

    networks: str
    """Profile of the `04_gates` whose networks are lesioned."""

    def runs(self) -> list[RunConfig]:
        """Return the runs whose gates `04_gates` shows."""
        return load_profile(self.networks, GatesProfile).shown()

    @property
    def pruned(self) -> bool:
        """See `Profile`: as the search of `04_gates` was."""
        return load_profile(self.networks, GatesProfile).pruned

    def analyses(self) -> list[AnalysisConfig]:
        """Return the lesions of every run."""
        return [AnalysisConfig(run=run, measure=LesionsConfig()) for run in self.runs()]


def lesion_table(records: Listed, settings: Profile) -> pd.DataFrame:
    """Return a row for each data set and lesioned layer; layer 0 is the network without lesion.

    Cross-entropy (nats) and accuracy are over the whole training set; the paper's are read off P2 Fig. 4.
    """
    theirs = paper_rows("verydeep2015_fig4_lesion.csv")
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


def lesion_cost(records: Listed, settings: Profile) -> pd.DataFrame:
    """Return what all lesions of a network cost; its training is among the costs of `04_gates`."""
    rows = [
        {"data": analysis.data, "depth": analysis.run.network.depth}
        | {"process_seconds": analysis.timing["seconds"]}
        | machine(analysis.environment)
        for analysis in of_kind(records, "lesions")
    ]
    return pd.DataFrame(rows, columns=["data", "depth", "process_seconds", *MACHINE])


def lesion_figure(records: Listed) -> Drawing:
    """Draw what every lesion costs, a panel a network: cross-entropy over the whole training set."""
    found = of_each_data_set(records, "lesions")
    return Drawing([lesion_panel(analysis) for analysis in found]) if found else nothing()


def lesion_answer(records: Listed) -> str:
    """Return how many layers a network can do without, one at a time, a sentence a data set."""
    sentences = []
    for analysis in of_each_data_set(records, "lesions"):
        losses = analysis.row("cross_entropy")
        worst = max(range(1, len(losses)), key=lambda layer: losses[layer])
        idle = idle_share(np.array(losses[1:]) / losses[0], 0.1, (1, len(losses) - 1))
        sentences.append(
            f"**{analysis.data}**: without one layer in {idle:.0%} of the cases training cross-entropy rises by less "
            f"than a tenth; without layer {worst}, the worst, it goes from {losses[0]:.3g} to {losses[worst]:.3g}."
        )
    return "\n\n".join(sentences)


@in_units("ratio")
def least_lesion(records: Records, layers: tuple[int, int]) -> float | None:
    """Return the lowest training cross-entropy with a lesion over that without, over a range of layers."""
    ratios = lesion_ratios(records)
    return None if ratios is None or layers[1] > len(ratios) else float(ratios[layers[0] - 1 : layers[1]].min())


@in_units("ratio")
def worst_lesion(records: Records, layers: tuple[int, int]) -> float | None:
    """Return the highest training cross-entropy with a lesion over that without, over a range of layers."""
    ratios = lesion_ratios(records)
    if ratios is None or layers[1] > len(ratios):
        return None
    return float(ratios[layers[0] - 1 : layers[1]].max())


@in_units("share")
def share_of_idle_layers(records: Records, rise: float, layers: tuple[int, int]) -> float | None:
    """Return the fraction of a range of layers whose lesion raises the training cross-entropy by less than `rise`.

    Args:
        records: Of one network.
        rise: As a fraction of the cross-entropy without lesions.
        layers: First and last.
    """
    ratios = lesion_ratios(records)
    return None if ratios is None or layers[1] > len(ratios) else idle_share(ratios, rise, layers)


LESION = Experiment(
    name="05_lesion",
    title="Lesions of 50-layer highway networks",
    schema=LesionProfile,
    tables=(
        Table(
            "lesion",
            lesion_table,
            lesion_cost,
            "Lesions: training loss with one layer's gate closed (P2 Fig. 4)",
            shown={
                "data": "data",
                "layer": "lesioned layer (0: none)",
                "train_cross_entropy": "training cross-entropy, nats",
                "paper_train_cross_entropy": "training cross-entropy, nats, P2's",
                "train_accuracy": "training accuracy",
                "paper_data": "P2's data",
            },
            rows=some_layers,
            plot=("layer", "train_cross_entropy"),
            main=few_layers,
        ),
    ),
    figures={"lesion": lesion_figure},
    measures=(least_lesion, worst_lesion, share_of_idle_layers),
    after=("04_gates",),
    references=("verydeep2015_fig4_lesion.csv",),
    answer=lesion_answer,
)
