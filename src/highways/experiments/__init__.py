"""The experiments' parameters: how much of each notebook is run, on which data, where.

One module an experiment, which turns a profile file into the exact list of runs and analyses. What follows
from earlier results is read through `highways.tracking`.
"""

from highways.config import Profile
from highways.experiments.bilstm_depth import BiLSTMProfile
from highways.experiments.conv import ConvProfile, recipe
from highways.experiments.depth import DepthProfile, Rung
from highways.experiments.foundations import FoundationsProfile
from highways.experiments.gates import GatesProfile
from highways.experiments.initialisation import InitialisationProfile
from highways.experiments.keras_lasagne import KerasLasagneProfile
from highways.experiments.l2_parity import ParityProfile
from highways.experiments.lesion import LesionProfile
from highways.experiments.reporting import ReportProfile
from highways.experiments.very_deep import VeryDeepProfile

PROFILE_SCHEMAS: dict[str, type[Profile]] = {
    schema.experiment: schema
    for schema in (
        DepthProfile,
        BiLSTMProfile,
        ConvProfile,
        GatesProfile,
        LesionProfile,
        VeryDeepProfile,
        KerasLasagneProfile,
        InitialisationProfile,
        ParityProfile,
        FoundationsProfile,
        ReportProfile,
    )
}
"""By name of the notebook, in the order of the notebooks."""

__all__ = [
    "PROFILE_SCHEMAS",
    "BiLSTMProfile",
    "ConvProfile",
    "DepthProfile",
    "FoundationsProfile",
    "GatesProfile",
    "InitialisationProfile",
    "KerasLasagneProfile",
    "LesionProfile",
    "ParityProfile",
    "ReportProfile",
    "Rung",
    "VeryDeepProfile",
    "recipe",
]
