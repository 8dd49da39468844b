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
            rows=run_first,
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
)
