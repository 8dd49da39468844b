"""The experiments, one module each: parameters, runs, tables, figures, measures.

All other packages know them only through this list.
"""

import pandas as pd

from highways.config import Profile, profile_path
from highways.errors import HighwaysError
from highways.experiments.base import Experiment
from highways.experiments.base import Study as Study
from highways.experiments.bilstm_depth import BILSTM_DEPTH
from highways.experiments.conv import CONV
from highways.experiments.depth import DEPTH
from highways.experiments.foundations import FOUNDATIONS
from highways.experiments.gates import GATES
from highways.experiments.initialisation import INITIALISATION
from highways.experiments.keras_lasagne import KERAS_LASAGNE
from highways.experiments.l2_parity import L2_PARITY
from highways.experiments.lesion import LESION
from highways.experiments.report import REPORT
from highways.experiments.very_deep import VERY_DEEP
from highways.training import Sweep

EXPERIMENTS: tuple[Experiment, ...] = (
    DEPTH,
    BILSTM_DEPTH,
    CONV,
    GATES,
    LESION,
    VERY_DEEP,
    KERAS_LASAGNE,
    INITIALISATION,
    L2_PARITY,
    FOUNDATIONS,
    REPORT,
)
"""All experiments, in the order of the notebooks and of the report."""
BY_NAME = {experiment.name: experiment for experiment in EXPERIMENTS}


def settings_of(profile: str, name: str) -> Profile | None:
    """Return an experiment's parameters in a profile, or `None` if no file sets them, as for `explore` and `adhoc`."""
    known = name in BY_NAME and profile_path(profile, name).exists()
    return BY_NAME[name].of(profile).settings if known else None


def records(profile: str, experiment: str) -> pd.DataFrame:
    """Return the finished runs that an experiment lists in a profile, one row per run.

    The columns are those of `highways runs --where`, such as `run`, `network`, `depth`, `status` and `learning_rate`,
    with the best value of every curve; and `curves`, a dict of lists with one value per epoch.

    Args:
        profile: Name of the profile, such as `weekend`.
        experiment: Name of the experiment, or its beginning, such as `01`.

    Raises:
        HighwaysError: There is no such profile or experiment, or a record is at fault.
    """
    found = next((one for one in EXPERIMENTS if one.name.startswith(experiment)), None)
    if found is None:
        raise HighwaysError(f"no experiment {experiment!r}; there are: {', '.join(one.name for one in EXPERIMENTS)}")
    listed = found.of(profile).records()
    runs = Sweep([*listed, *listed.auxiliary])
    return runs.table().assign(curves=[run.curves for run in runs])
