"""Training: `run` trains one configuration, `sweep` many; both resume, and neither retrains a finished run."""

from highways.training.sweep import Sweep, load_network, run, sweep, train
