"""Settings: what defines a run, and what a profile file may contain.

`run` describes one training run completely (`RunConfig`); `profiles` describes the notebooks' parameters and turns
them into a sweep's list of runs.
"""

from highways.config.analysis import AnalysisConfig, Measure
from highways.config.base import Network, Strict, validate
from highways.config.conv import ConvConfig
from highways.config.data import DataConfig, PicturesConfig
from highways.config.profiles import Profile, active_profiles, load_profile, use_profiles
from highways.config.reading import parse_yaml, read_mapping, read_yaml
from highways.config.run import (
    AdadeltaConfig,
    AdagradConfig,
    AdamConfig,
    BagOfWordsConfig,
    BiLSTMConfig,
    BudgetConfig,
    CaffeConfig,
    DenseConfig,
    RunConfig,
    SGDConfig,
)
