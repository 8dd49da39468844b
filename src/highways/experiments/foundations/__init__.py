"""Five points, dropout, a recurrence, two heads (the initialisation questions, b, d, e and f)."""

from highways.experiments.base import Experiment, Table
from highways.experiments.foundations.figure import foundations_figure
from highways.experiments.foundations.profile import FoundationsProfile
from highways.experiments.foundations.tables import foundations_table, main_rows
from highways.show.costs import studies_cost

FOUNDATIONS = Experiment(
    name="10_foundations",
    title="Five points, dropout, a recurrence, two heads",
    schema=FoundationsProfile,
    tables=(
        Table(
            "foundations",
            foundations_table,
            studies_cost,
            "A unit on five points, dropout, a recurrence, two heads (the initialisation questions, b, d, e, f)",
            rows=main_rows,
            plot=("version", "value"),
        ),
    ),
    figures={"foundations": foundations_figure},
    references=("perceptron_trajectory.csv",),
    notes="""\
(b) points, trajectory and settings are the source's, in float32 as there; from other starts the sigmoid does not
always repair the unit, which is our question. (d) the source's million weights are another draw: ratios are
compared. (e) batch, read-out and rate are the question's. (f) the question has a convolutional encoder, ours is
dense; its answer speaks of categorical cross-entropy alone.
""",
)
