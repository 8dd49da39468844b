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
    easy="""\
The data are in the source's repository, its network is short, and vocabulary and test sentences come out to the
digit.""",
    difficult="""\
Three texts disagree: the article's code, its words and the repository's code. Both codes are run, and the words, which
fix no network, in a reading of our own. Stacks of 20 BiLSTMs take minutes an epoch on two cores.""",
    notes="""\
`plain`, `highway-article` and `highway-released` are the source's: the code in its article, whose gate is trained
and carries its own pre-activation, and the code in its repository, whose gate is drawn anew at every call.
`highway-own-carry` (`highway-described` in the keys of runs) carries the input through a map of its own; no text
has that. `highway` and `plain-matched` differ in the papers' gate alone.

With three epochs and 50 units (`weekend`, means of three seeds) plain stacks guess from 11 layers on, those of the
article and with a carry map of its own from 10, the repository's from 8; the papers' layer does not: 0.719 with one
layer, 0.737 with 20. The source has 300 units and trains for longer, so that no verdict follows from it.

What the article calls a Twitter data set is the Stanford Sentiment Treebank: our preparation of the repository's
files gives its network's 13,838 words and its logs' 1,821 test sentences to the digit. Its accuracies by depth are
pictures that are no longer to be had. Which code drew them the article does not say: the repository's gate is
trained only in commits 518397f and db17926 (25 September 2017, 21:12, to 26 September), drawn anew in 6a2a02c and
6f92a8d (20 and 21 September) and in every commit from 1ba7a17 (26 September, 21:25) on. From 24 to 29 September it
started from pretrained word vectors; ours are drawn. The source chose the snapshot that is best on the test set;
that column says so, and no verdict rests on it.
""",
)
