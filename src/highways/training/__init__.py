"""Training: `run` one configuration, `sweep` many; both resume, and neither trains a finished run again."""

from highways.training.run import load_network, run
from highways.training.sweep import Sweep, sweep, train

__all__ = ["Sweep", "load_network", "run", "sweep", "train"]
