"""What a run is, and what a profile file may say.

`run` describes one training run completely (`RunConfig`); `profiles` describes the parameters of
the notebooks and turns them into the list of runs of a sweep.
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
