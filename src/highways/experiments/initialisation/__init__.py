"""Initial weights by depth, and networks that did not learn (the initialisation questions, a and c)."""

from highways.experiments.base import Experiment, Table
from highways.experiments.initialisation import measures
from highways.experiments.initialisation.figure import initialisation_figure
from highways.experiments.initialisation.profile import InitialisationProfile
from highways.experiments.initialisation.sentences import answer
from highways.experiments.initialisation.tables import (
    WEIGHTS,
    initialisation_cost,
    initialisation_table,
    side_by_side,
    studies_in_short,
    studies_table,
)
from highways.show.tables import studies_cost

INITIALISATION = Experiment(
    name="08_initialisation",
    title="Initial weights by depth, and a network that learned nothing",
    schema=InitialisationProfile,
    tables=(
        Table(
            "initialisation",
            initialisation_table,
            initialisation_cost,
            "Best training cross-entropy, nats, by depth and initial weights (the initialisation questions, a)",
            shown={
                "network": "network",
                "depth": "layers",
                "initialisation": "initial weights",
                "runs": "runs",
                "diverged": "diverged",
                "best_train_cross_entropy": "best training cross-entropy, nats",
                "test_accuracy": "test accuracy",
            }
            | WEIGHTS,
            plot=("depth", "best_train_cross_entropy"),
            rows=side_by_side,
        ),
        Table(
            "initialisation_studies",
            studies_table,
            studies_cost,
            "The variance of a unit's input, saturation, small and stuck networks (the initialisation questions, a, c)",
            rows=studies_in_short,
        ),
    ),
    figures={"initialisation": initialisation_figure},
    measures=(measures.initialisation_ratio, measures.initialisation_share_of_guessing),
    answer=answer,
)
