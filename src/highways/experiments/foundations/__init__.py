"""Five points, dropout, a recurrence, two heads (the initialisation questions, b, d, e and f)."""

from highways.experiments.base import Experiment, Table
from highways.experiments.foundations.figure import foundations_figure
from highways.experiments.foundations.profile import FoundationsProfile
from highways.experiments.foundations.tables import answers_in_short, foundations_table
from highways.show.tables import studies_cost

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
            plot=("version", "value"),
            rows=answers_in_short,
        ),
    ),
    figures={"foundations": foundations_figure},
    references=("perceptron_trajectory.csv",),
)
