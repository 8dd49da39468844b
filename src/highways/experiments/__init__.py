"""The experiments, one room each: parameters, runs, tables, figure, measures.

All other rooms know them by this list alone.
"""

from highways.config import Profile
from highways.config.profiles import profile_path
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
"""In the order of the notebooks and of the report."""


def settings_of(profile: str, name: str) -> Profile | None:
    """Return an experiment's parameters in a profile, `None` where no file sets them, as for `explore` and `adhoc`.

    Raises:
        HighwaysError: The file is at fault.
    """
    experiment = next((one for one in EXPERIMENTS if one.name == name), None)
    if experiment is None or not profile_path(profile, name).exists():
        return None
    return experiment.of(profile).settings
