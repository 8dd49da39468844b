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
)
