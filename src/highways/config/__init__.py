"""What a run is, and what a profile file may say.

`run` describes one training run completely (`RunConfig`); `profiles` describes the parameters of
the notebooks and turns them into the list of runs of a sweep.
"""

from highways.config.analysis import (
    AnalysisConfig,
    CostConfig,
    GatesConfig,
    LesionsConfig,
    ParityConfig,
    SignalConfig,
    StuckConfig,
    VarianceConfig,
)
from highways.config.base import Strict, read_yaml, validate
from highways.config.conv import ConvConfig
from highways.config.profiles import (
    PROFILE_SCHEMAS,
    BiLSTMProfile,
    ConvProfile,
    DepthProfile,
    GatesProfile,
    InitialisationProfile,
    LesionProfile,
    ParityProfile,
    Profile,
    ReportProfile,
    VeryDeepProfile,
    active_profiles,
    load_profile,
    use_profiles,
)
from highways.config.run import (
    NUMERICS,
    AdamConfig,
    BagOfWordsConfig,
    BiLSTMConfig,
    BudgetConfig,
    CaffeConfig,
    DataConfig,
    DenseConfig,
    PicturesConfig,
    RunConfig,
    SGDConfig,
)

__all__ = [
    "NUMERICS",
    "PROFILE_SCHEMAS",
    "AdamConfig",
    "AnalysisConfig",
    "BagOfWordsConfig",
    "BiLSTMConfig",
    "BiLSTMProfile",
    "BudgetConfig",
    "CaffeConfig",
    "ConvConfig",
    "ConvProfile",
    "CostConfig",
    "DataConfig",
    "DenseConfig",
    "DepthProfile",
    "GatesConfig",
    "GatesProfile",
    "InitialisationProfile",
    "LesionProfile",
    "LesionsConfig",
    "ParityConfig",
    "ParityProfile",
    "PicturesConfig",
    "Profile",
    "ReportProfile",
    "RunConfig",
    "SGDConfig",
    "SignalConfig",
    "Strict",
    "StuckConfig",
    "VarianceConfig",
    "VeryDeepProfile",
    "active_profiles",
    "load_profile",
    "read_yaml",
    "use_profiles",
    "validate",
]
