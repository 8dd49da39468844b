"""Training: `run` one configuration, `sweep` many; both resume, and neither trains a finished run again."""

from highways.training.sweep import Sweep, load_network, run, sweep, train
