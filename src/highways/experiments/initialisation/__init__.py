"""Initial weights by depth, and networks that did not learn (the initialisation questions, a and c)."""

from highways.experiments.base import Experiment, Table
from highways.experiments.initialisation import measures
from highways.experiments.initialisation.figure import initialisation_figure
from highways.experiments.initialisation.profile import InitialisationProfile
from highways.experiments.initialisation.sentences import answer
from highways.experiments.initialisation.tables import (
    at_fifty,
    initialisation_cost,
    initialisation_table,
    studies_in_short,
    studies_table,
)
from highways.show.costs import studies_cost

INITIALISATION = Experiment(
    name="08_initialisation",
    title="Initial weights by depth, and a network that learned nothing",
    schema=InitialisationProfile,
    tables=(
        Table(
            "initialisation",
            initialisation_table,
            initialisation_cost,
            "Initial weights, by depth (the initialisation questions, a)",
            shown={
                "network": "network",
                "depth": "layers",
                "initialisation": "initial weights",
                "runs": "runs",
                "diverged": "diverged",
                "best_train_cross_entropy": "best training cross-entropy, nats",
                "test_accuracy": "test accuracy",
            },
            plot=("depth", "best_train_cross_entropy"),
            main=at_fifty,
        ),
        Table(
            "initialisation_studies",
            studies_table,
            studies_cost,
            "The variance of a unit's input, saturation, small and stuck networks (the initialisation questions, a, c)",
            main=studies_in_short,
        ),
    ),
    figures={"initialisation": initialisation_figure},
    measures=(measures.initialisation_ratio, measures.initialisation_share_of_guessing),
    answer=answer,
    easy="""\
The questions give networks of a few lines, and what they say of variances and gradients can be computed without
training.""",
    difficult="""\
The network that learned nothing has several faults at once: to tell which of them is enough, every one had to be put
alone into a network that learns.""",
    notes="""\
N(0, 1) weights fail from ten layers on (in `paper`, which has networks of five, 17 of 18 of those diverge as well);
among scaled ones the differences become decisive at 50. With untuned settings (bias -2, ReLU, a few rates) no highway
network of 100 layers trained; of those of 50 layers one kind of weights did in part in five epochs (orthogonal, 0.93
nats), three did in twenty, with more rates (`paper`, 0.13 to 0.29 nats). Those of `01_depth` were searched for. The
variances 501 and 1.5 are calculations: the source's formulae are lost in the text at hand. The network of 512 boolean
features: with the right loss and all else as written its accuracy stays at 0.500 with a first layer of zeros and
comes to 0.572 with a random one. Put alone into a network that learns otherwise (0.984), the loss over one logit
keeps it from learning (0.490), and so, nearly, do its rate and steps (0.563); the first layer of zeros, the shared
bias and the small output weights do not (0.977 and more).
""",
)
