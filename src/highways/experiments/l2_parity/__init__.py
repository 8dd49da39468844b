"""NumPy beside PyTorch with Keras's penalty (the NumPy/Keras question)."""

from highways.experiments.base import Experiment, Table
from highways.experiments.l2_parity.figure import parity_figure
from highways.experiments.l2_parity.profile import ParityProfile
from highways.experiments.l2_parity.sentences import answer
from highways.experiments.l2_parity.tables import first_and_last, parity_cost, parity_table

L2_PARITY = Experiment(
    name="09_l2_parity",
    title="One network in NumPy and in a library, with weight decay",
    schema=ParityProfile,
    tables=(
        Table(
            "l2_parity",
            parity_table,
            parity_cost,
            "NumPy beside PyTorch with Keras's penalty (the NumPy/Keras question)",
            rows=first_and_last,
            plot=("step", "difference"),
        ),
    ),
    figures={"l2_parity": parity_figure},
    answer=answer,
)
