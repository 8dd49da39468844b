"""Settings: what defines a run, and what a profile file may contain."""

from highways.config.analysis import AnalysisConfig, Measure, OfNetwork
from highways.config.base import BatchSize, Count, Depth, Distinct, Epochs, Network, Strict, Trials, Width, validate
from highways.config.conv import NETWORKS, ConvConfig
from highways.config.data import STAND_INS, DataConfig, FeatureDataName, ImageDataName, OwnFile, Part, PicturesConfig
from highways.config.profiles import Profile, active_profiles, check_profiles, load_profile, profile_path, use_profiles
from highways.config.reading import parse_yaml, quoted, read_mapping, read_text, read_yaml
from highways.config.run import BiLSTMConfig, BudgetConfig, DenseConfig, Initialisation, RunConfig, SGDConfig
