"""BiLSTMs and Highway BiLSTMs of 1 to 20 layers on sentiment (the Highway BiLSTM article)."""

from highways.experiments.base import Experiment, Table
from highways.experiments.bilstm_depth import measures
from highways.experiments.bilstm_depth.figure import bilstm_figure
from highways.experiments.bilstm_depth.profile import BiLSTMProfile
from highways.experiments.bilstm_depth.sentences import answer
from highways.experiments.bilstm_depth.tables import bilstm_cost, bilstm_table, some_depths, some_variants

BILSTM_DEPTH = Experiment(
    name="02_bilstm_depth",
    title="BiLSTMs and Highway BiLSTMs of 1 to 20 layers on sentiment",
    schema=BiLSTMProfile,
    tables=(
        Table(
            "bilstm_depth",
            bilstm_table,
            bilstm_cost,
            "Accuracy of BiLSTMs and Highway BiLSTMs on sentiment, by depth (the Highway BiLSTM article)",
            shown={
                "variant": "network",
                "depth": "layers",
                "seed": "seed",
                "epochs": "epochs",
                "accuracy_test_best_dev": "test accuracy, best on the development set",
                "accuracy_test_last": "test accuracy, last epoch",
                "accuracy_test_best_snapshot": "test accuracy, best on the test set (as the source chose)",
                "paper": "source",
            },
            rows=some_depths,
            plot=("depth", "accuracy_test_best_dev"),
            main=some_variants,
        ),
    ),
    figures={"bilstm_depth": bilstm_figure},
    measures=(
        measures.mean_accuracy,
        measures.largest_gain_from_depth,
        measures.decline,
        measures.difference_in_decline,
        measures.mean_difference,
    ),
    references=("bilstm_sources.csv",),
    answer=answer,
)
