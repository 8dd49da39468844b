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
)
