"""Lesions of the networks of `04_gates` (P2 Fig. 4): what a network loses without one layer."""

from collections.abc import Iterator
from typing import ClassVar

from highways.config import AnalysisConfig, Profile, RunConfig, load_profile
from highways.experiments.base import Experiment, Table
from highways.experiments.gates import GatesProfile, with_controls
from highways.inside.layers import inside, numbered
from highways.inside.lesions import LesionsConfig
from highways.show.figures import Drawing
from highways.show.layers import PAPER_DATA, lesion_panel
from highways.show.tables import Row, costs, few_layers, reference_rows
from highways.tracking import Listed


class LesionProfile(Profile):
    """Parameters of `05_lesion`."""

    experiment: ClassVar[str] = "05_lesion"

    networks: str
    """Profile of the `04_gates` whose networks are lesioned."""

    @property
    def gates(self) -> GatesProfile:
        return load_profile(self.networks, GatesProfile)

    @property
    def pruned(self) -> bool:
        return self.gates.pruned

    def runs(self) -> list[RunConfig]:
        return self.gates.shown()

    def analyses(self) -> list[AnalysisConfig]:
        return with_controls(self.runs(), LesionsConfig(), self.gates.controls)


def lesion_rows(records: Listed) -> Iterator[Row]:
    """Yield a row for each data set, network and lesioned layer; layer 0 is the network without lesion.

    `network` numbers the networks of a data set, best first; `untrained 1` is network 1 before training. Cross-entropy
    (nats) and accuracy are over the whole training set; the paper's values are read off P2 Fig. 4.
    """
    theirs = reference_rows("verydeep2015_fig4_lesion.csv")
    for data, number, analysis in numbered(records, "lesions"):
        losses, accuracies = analysis.row("cross_entropy"), analysis.row("accuracy")
        paper = PAPER_DATA.get(data) if len(losses) == len(theirs) else None
        for layer, (loss, accuracy) in enumerate(zip(losses, accuracies, strict=True)):
            yield {
                "data": data,
                "network": number,
                "layer": layer,
                "train_cross_entropy": loss,
                "train_accuracy": accuracy,
                "times_without_lesion": loss / losses[0],
                "paper_data": paper,
                "paper_train_cross_entropy": theirs[layer][f"{paper}_train_cross_entropy"] if paper else None,
            }


def answer(records: Listed) -> Iterator[str]:
    """State for each data set how many layers the network can lose, one at a time."""
    for data, found in inside(records, "lesions").items():
        whole, *losses = found.networks[0].row("cross_entropy")
        worst, idle = max(losses), sum(loss < 1.1 * whole for loss in losses) / len(losses)
        yield (
            f"**{data}**: {idle:.0%} of the lesions of the best network raise its training cross-entropy by less than "
            f"a tenth; that of layer {losses.index(worst) + 1}, the worst, raises it from {whole:.3g} to {worst:.3g}."
        )


LESION = Experiment(
    title="Lesions of 50-layer highway networks",
    schema=LesionProfile,
    tables=(
        Table(
            "lesion",
            lesion_rows,
            "Lesions: training loss with one layer's gate closed (P2 Fig. 4)",
            shown={
                "data": "data",
                "network": "network",
                "layer": "lesioned layer (0: none)",
                "train_cross_entropy": "training cross-entropy, nats",
                "paper_train_cross_entropy": "training cross-entropy, nats, P2's",
                "train_accuracy": "training accuracy",
                "paper_data": "P2's data",
            },
            rows=few_layers,
            cost=lambda records: costs([*records.analyses, *records.controls]),  # 04_gates has the cost of training
        ),
    ),
    figures={"lesion": lambda records: Drawing([*map(lesion_panel, inside(records, "lesions").values())])},
    after=("04_gates",),
    references=("verydeep2015_fig4_lesion.csv",),
    answer=answer,
)
