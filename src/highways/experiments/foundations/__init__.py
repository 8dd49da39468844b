"""Five points, dropout, a recurrence, two heads (the initialisation questions, b, d, e and f)."""

from highways.experiments.base import Experiment, Table
from highways.experiments.foundations.figure import foundations_figure
from highways.experiments.foundations.profile import FoundationsProfile
from highways.experiments.foundations.tables import answers_in_short, foundations_table, main_rows
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
            shown={
                "question": "question",
                "data": "data",
                "version": "version",
                "quantity": "quantity",
                "value": "value",
                "interval_low": "95 % interval, from",
                "interval_high": "to",
                "paper": "printed in the source",
            },
            rows=main_rows,
            plot=("version", "value"),
            main=answers_in_short,
        ),
    ),
    figures={"foundations": foundations_figure},
    references=("perceptron_trajectory.csv",),
    easy="""\
Points, settings and sixteen states of the trajectory are printed: the unit can be checked row by row.""",
    difficult="""\
What a question means by "it does not learn" is often no number; each was turned into one, with its bounds, before the
runs.""",
    notes="""\
(b) points, trajectory and settings are the source's, in float32 as there; from other starts the sigmoid does not
always repair the unit, which is our question. (d) the source's million weights are another draw: it prints sums of
-1003.99 without dropout and, kept with a probability of 0.7, 0.5 and 0.3, -700.61, -512.16 and -303.21, divided by
it -1000.88, -1024.32 and -1010.71; ratios to the first are compared. (e) batch, read-out and rate are the
question's. (f) the question has a convolutional encoder, ours is dense; its answer speaks of categorical
cross-entropy alone.
""",
)
