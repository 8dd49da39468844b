"""Two implementations of one network that did not agree, as a factorial (the Keras/Lasagne question)."""

from highways.experiments.base import Experiment, Table
from highways.experiments.keras_lasagne import measures
from highways.experiments.keras_lasagne.figure import keras_lasagne_figure
from highways.experiments.keras_lasagne.profile import KerasLasagneProfile
from highways.experiments.keras_lasagne.tables import (
    answer,
    keras_lasagne_cost,
    keras_lasagne_table,
    main_rows,
    written_configurations,
)

KERAS_LASAGNE = Experiment(
    name="07_keras_vs_lasagne",
    title="One network in Keras and in Lasagne, two results",
    schema=KerasLasagneProfile,
    tables=(
        Table(
            "keras_lasagne",
            keras_lasagne_table,
            keras_lasagne_cost,
            "Two implementations of one network that did not agree, as a factorial (the Keras/Lasagne question)",
            shown={"data": "data", "quantity": "quantity", "term": "of", "value": "mean", "values": "each seed"},
            rows=main_rows,
            plot=("term", "value"),
            main=written_configurations,
        ),
    ),
    figures={"keras_lasagne": keras_lasagne_figure},
    measures=(measures.configuration_difference, measures.factor_effect),
    answer=answer,
    easy="""\
The question prints both programs in full, and what they differ in can be listed: a factorial tries every combination
instead of arguing.""",
    difficult="""\
The versions: which Keras it was decides where the epsilon of Adagrad stands and where the gates start, and the question
does not say. Nor are its data to be had.""",
    notes="""\
The question gives neither its data nor its measure: it scores probabilities, ours is accuracy. `weak-signal`, made
with scikit-learn, stands in for its data; `mnist-4-9` are MNIST's fours and nines at 12x12 pixels. Its Lasagne
network has no validation split (`TrainSplit(eval_size=0)`). Its `show_accuracy=True` is Keras 0.x, whose Adagrad
has its epsilon under the root: the network with the Adagrad of Keras up to 1.0.2 is the likeliest reading, and
comes first. The factorial, and the comparison of the two networks, was laid out on the Adagrad from 1.0.3 on, before
any run. Effects are points of accuracy, over all settings of the other factors; shares (Shapley's) divide the
difference between the two networks as written. None of the answers' suspects makes up for one epoch against ten,
though on MNIST's fours and nines a bias of -4 helps.
""",
)
