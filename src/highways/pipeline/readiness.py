"""Preflight checks: are a notebook's inputs available? Papermill would show what is missing as a traceback."""

from __future__ import annotations

from highways.config.reading import quoted
from highways.data import load, locate
from highways.errors import HighwaysError
from highways.experiments import EXPERIMENTS
from highways.experiments.base import Experiment
from highways.tracking import AnalysisStore, RecordStore, analysis_keys, run_keys
from highways.training import device
from highways.training.building import build_network
from highways.training.engines import engine_named


def check(profile: str, notebook: str, train: bool = True) -> Experiment:
    """Check a notebook's parameters, and device and data where there is something to train; return its experiment.

    Raises:
        HighwaysError: Something is wrong or missing; one line that names it.
    """
    experiments = {experiment.name: experiment for experiment in EXPERIMENTS}
    if notebook not in experiments:
        raise HighwaysError(f"no notebook {quoted(notebook)}; there are: {', '.join(experiments)}")
    study = experiments[notebook].of(profile)
    if train:
        settings, runs = study.settings, study.settings.runs()
        missing = [run for run, key in zip(runs, run_keys(runs), strict=True) if RecordStore.find(key) is None]
        analyses, store = settings.analyses(), AnalysisStore(study.results.analyses)
        for analysis, key in zip(analyses, analysis_keys(analyses), strict=True):
            if analysis.run is None and analysis.data is not None and store.read(key) is None:
                load(analysis.data)
        if missing:
            engine_named(settings.engine, settings.workers)
            if settings.engine == "local":  # a cluster may have what this machine lacks
                device.resolve(settings.device)
        for data in dict.fromkeys(run.data for run in missing):
            locate(data.name)
            if data.vectors or data.pictures:  # each network must fit them
                for network in dict.fromkeys(run.network for run in missing if run.data == data):
                    build_network(next(run for run in missing if run.network == network), load(data))
        for data in dict.fromkeys(run.data for run in missing if run.network.reads == "text"):
            load(data)  # a file that is no text is named here, not in the notebook
    return experiments[notebook]
