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
    easy="""\
Full batches, zero weights and float64 leave nothing to chance: two programs agree to rounding, or they do not.""",
    difficult="""\
Nothing, once both costs are written down: the factor of two is in what a library means by its lambda.""",
    notes="""\
Keras itself is not run: its penalty, lambda times the sum of squares, is, in PyTorch and float64. The network from
scratch has lambda / 2 times that sum in its cost, so that with the same lambda the costs differ, and with half of
it all is one.
""",
)
