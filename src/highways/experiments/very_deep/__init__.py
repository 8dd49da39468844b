"""Networks of 200 to 1,001 layers (P1 sec. 1 and 3.1, P2 sec. 2.2)."""

from highways.experiments.base import Experiment, Table
from highways.experiments.very_deep import measures
from highways.experiments.very_deep.figure import very_deep_figure
from highways.experiments.very_deep.profile import VeryDeepProfile
from highways.experiments.very_deep.sentences import answer
from highways.experiments.very_deep.tables import deepest_first, very_deep_cost, very_deep_table

VERY_DEEP = Experiment(
    name="06_very_deep",
    title="Networks of 200 to 1,001 layers",
    schema=VeryDeepProfile,
    tables=(
        Table(
            "very_deep",
            very_deep_table,
            very_deep_cost,
            "Networks of hundreds of layers and a thousand (P1 sec. 1 and 3.1, P2 sec. 2.2)",
            shown={
                "network": "network",
                "depth": "layers",
                "data": "data",
                "epochs": "epochs",
                "learning_rate": "rate",
                "activation": "units",
                "status": "status",
                "first_train_cross_entropy": "training cross-entropy, nats, first epoch",
                "best_train_cross_entropy": "best, nats",
                "guessing_cross_entropy": "guessing, nats",
                "test_accuracy": "test accuracy",
            },
            plot=("depth", "best_train_cross_entropy"),
            main=deepest_first,
        ),
    ),
    figures={"very_deep": very_deep_figure},
    measures=(measures.share_of_guessing, measures.depth_ratio),
    after=("01_depth",),
    answer=answer,
)
