"""The parity's table and its cost."""

from __future__ import annotations

import pandas as pd

from highways.claims.studies import study
from highways.config import Profile
from highways.experiments.l2_parity.study import VARIANTS, ParityConfig
from highways.show.tables import MACHINE, machine
from highways.tracking import Listed

PARITY_VALUES = {
    **{variant: variant.replace("-", "_") for variant in VARIANTS},
    "no-decay: cost": "no_decay_loss",
    "no-decay: accuracy": "no_decay_accuracy_gap",
    "no-decay: gradient": "no_decay_gradient",
    "half-penalty: cost": "half_penalty_loss",
    "half-penalty: accuracy": "half_penalty_accuracy_gap",
    "half-penalty: gradient": "half_penalty_gradient",
    "penalty: cost": "penalty_loss_gap",
}
"""What is compared, and its name in the record; weights where nothing is said."""


def parity_table(records: Listed, settings: Profile) -> pd.DataFrame:
    """Return how far apart each pair is after 1, 2, 5, 10, ... steps and at the end.

    `difference` is the largest difference of two weights over the largest weight of the first of the pair; where the
    variant says so, that of the costs (over the first), of the gradients (as that of the weights) or of the accuracies
    on the training examples (absolute). Keras's penalty is applied in PyTorch; Keras itself is not run.
    """
    rows = []
    found = study(records, "parity")
    if found is not None and isinstance(found.config.measure, ParityConfig):
        steps = found.config.measure.steps
        shown = sorted({step for power in range(6) for step in (10**power, 2 * 10**power, 5 * 10**power)} | {steps})
        for variant, name in PARITY_VALUES.items():
            gaps = found.row(name)
            for step in shown:
                if step <= steps:
                    row = {"variant": variant, "data": found.data, "step": step, "difference": gaps[step - 1]}
                    rows.append(row | {"source_says": SOURCE_PARITY.get(variant.partition(":")[0])})
    return pd.DataFrame(rows, columns=["variant", "data", "step", "difference", "source_says"])


SOURCE_PARITY = {"no-decay": "equal to the last digit", "penalty": "different"}
"""What the NumPy/Keras question says; it gives no numbers."""


def parity_cost(records: Listed, settings: Profile) -> pd.DataFrame:
    """Return what a step costs vectorised and in the source's loop over examples, and what the study cost."""
    rows = []
    found = study(records, "parity")
    if found is not None and isinstance(found.config.measure, ParityConfig):
        loop, vectorised = found.row("loop_seconds")[0], found.row("vectorised_seconds")[0]
        row = {
            "process_seconds": found.timing["seconds"],
            "examples_of_step": int(found.row("loop_examples")[0]),
            "loop_seconds": loop,
            "vectorised_seconds": vectorised,
            "times_loop": loop / vectorised,
        }
        rows.append(row | machine(found.environment))
    columns = ["process_seconds", "examples_of_step", "loop_seconds", "vectorised_seconds", "times_loop"]
    return pd.DataFrame(rows, columns=[*columns, *MACHINE])


def first_and_last(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the first step and the last, for a page."""
    return frame.loc[frame["step"].isin([1, frame["step"].max()])]
