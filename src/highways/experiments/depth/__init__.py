"""Plain and highway networks of 10 to 100 layers, random search (P1 Fig. 1, P2 Fig. 1)."""

from highways.experiments.base import Experiment, Table
from highways.experiments.depth import measures
from highways.experiments.depth.figure import depth_figure
from highways.experiments.depth.lead import lead
from highways.experiments.depth.profile import DepthProfile
from highways.experiments.depth.sentences import answer, caption
from highways.experiments.depth.tables import depth_cost, depth_table

DEPTH = Experiment(
    name="01_depth",
    title="Plain and highway networks of 10 to 100 layers",
    schema=DepthProfile,
    tables=(
        Table(
            "depth",
            depth_table,
            depth_cost,
            "Best training cross-entropy of a random search, by depth (P1 Fig. 1, P2 Fig. 1)",
            shown={
                "network": "network",
                "depth": "layers",
                "rungs": "trials x epochs",
                "best_train_cross_entropy": "training cross-entropy, nats, ours",
                "drawn_best_train_cross_entropy": "best of those drawn from the trials thrown out",
                "paper_p1_same_epochs": "P1 at the same epoch (ours is chosen there, P1's at epoch 400)",
                "paper_p1": "P1, 400 epochs",
                "paper_p2": "P2, 400 epochs",
                "test_accuracy": "test accuracy",
            },
            plot=("depth", "best_train_cross_entropy"),
        ),
    ),
    figures={"depth": depth_figure},
    measures=(
        measures.best_loss,
        measures.loss_ratio,
        measures.worst_loss_ratio,
        measures.top_mean_ratio,
        measures.share_of_depths_faster,
        measures.worst_activation,
        measures.built_parameters_per_layer,
    ),
    references=(
        "depth_papers.csv",
        "highway2015_fig1_curves.csv",
    ),
    answer=answer,
    caption=caption,
    lead=lead,
    easy="""\
The networks: widths, depths and the layer's equation are stated, and parameters come out as P2 says. P1's figure is
a vector drawing, so that its curves can be read off to the digit.""",
    difficult="""\
The budget: 800 runs of 400 epochs, on two cores, are days. The ranges of the search decide which trials diverge, and
are not stated. At 50 and 100 layers many settings of plain networks do not train at all, so that few trials count.""",
    notes="""\
The papers state neither the ranges of the search (learning rate, momentum, decay) nor the batch size, the
preprocessing, or whether their curves are running means or evaluations; ours are on the notebook's card. The
winning settings of the papers' searches are no longer to be had. P1's and P2's figures, two searches of the same
networks, differ by up to a factor of seven: the criteria take less than a factor of ten as the noise of such a
search. Where ours stops early, its best trial is the best at that epoch, while P1's was chosen at epoch 400 and is
read at ours: that favours ours. P1 states the widths of the layers alone, "about 5,000 parameters" is P2's. With
rungs the trials that go on are chosen by their first epochs; `drawn` trials, chosen at random among those thrown
out, tell what that misses. Where fewer than are kept have reached the end (the column of trials and epochs says how
many), the verdict is theirs: with the others the best outcome can become lower, and a verdict another.
""",
)
