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
    easy="""\
A network of a thousand layers is a number in a configuration; time and memory of a step grow in proportion to
depth.""",
    difficult="""\
Which settings do not diverge has to be found out at full depth, and there is no curve to compare
with.""",
    notes="""\
P1 has two sentences and one number on 900 layers: CIFAR-100, and 80 epochs so far. P2 has one sentence on more than
1,000. Neither has a curve, and P1 says nothing of plain networks of such depth: that claim is our question. The
settings are those of the best networks of 100 layers of `01_depth`, which was on MNIST; where the best one's
diverge the next one's stand beside it, and depths are compared only with the same settings. On CIFAR-100 two of the
three settings diverge, with 200 layers as with 900: a rate that is too high there is no matter of depth, but that the
network of 900 shows no difficulties is said of the third one's alone.
""",
)
