"""Convolutional highway networks (P1 Table 1, P2 Tables 1 to 3, the Keras convolution post)."""

from highways.experiments.base import Experiment, Table
from highways.experiments.conv import measures
from highways.experiments.conv.figure import conv_figure
from highways.experiments.conv.profile import ConvProfile
from highways.experiments.conv.sentences import answer, caption
from highways.experiments.conv.tables import conv_cost, conv_table, run_first

CONV = Experiment(
    name="03_conv",
    title="Convolutional highway networks on MNIST and CIFAR",
    schema=ConvProfile,
    tables=(
        Table(
            "conv",
            conv_table,
            conv_cost,
            "Convolutional highway networks (P1 Table 1, P2 Tables 1 to 3, the Keras convolution post)",
            shown={
                "network": "network",
                "data": "data",
                "parameters": "parameters",
                "paper_parameters": "parameters, paper",
                "epochs": "epochs",
                "accuracy_last_each": "accuracy after the last epoch, each run",
                "authors_log_same_epoch": "the authors' log, same epoch (its rate not lowered yet)",
                "paper_mean": "paper, mean",
                "paper": "paper, best",
            },
            plot=("parameters", "accuracy_last_mean"),
            main=run_first,
        ),
    ),
    figures={"conv": conv_figure},
    measures=(
        measures.difference_from_paper,
        measures.difference_of_networks,
        measures.difference_from_another,
        measures.least_accuracy,
        measures.built_parameters,
    ),
    references=(
        "conv_papers.csv",
        "authors_log_cifar10.csv",
        "authors_log_cifar10_v1.csv",
        "authors_log_cifar100.csv",
        "authors_log_mnist.csv",
    ),
    answer=answer,
    caption=caption,
    easy="""\
The authors released solver, network and log of three networks: layer for layer and parameter for parameter ours are
theirs, and their own test curves lie underneath ours.""",
    difficult="""\
The schedules: 400 epochs of a 19-layer network are days on two cores, so that most networks have not been run in the
smaller profiles. Pooling that rounds up and a patched initialisation had to be found in the code.""",
    notes="""\
P2 Table 1 and the 19-layer networks of Table 3 are the authors' release to the parameter. The layer lists of A, C,
3 and 4 are not published: ours were chosen to fit the numbers of parameters, so that these say nothing. P2 Table
2's networks end in a fully-connected layer, which Table 3 replaces; our A, 2, C, 3 and 4 have Table 3's 1x1
convolution and average. The release's first convolution on CIFAR starts at N(0, 1), probably a slip; `highway-b-
std-0.05` is the other reading. The authors' log at the same epoch is of a run whose rate had not been lowered yet;
ours had run through its schedule. Fitnets were published with a teacher; trained without one here, they are no
replication. The runs of 300 epochs are in bfloat16, the others in float32. `highway-mnist-32-short` is the width-32
network with the rate and steps of the CIFAR solver, for schedules of a few epochs.
""",
)
