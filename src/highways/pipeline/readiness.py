"""Preflight checks: are a notebook's inputs available? Papermill would report a missing one as a traceback."""

from highways.config.reading import quoted
from highways.data import load, locate
from highways.errors import HighwaysError
from highways.experiments import BY_NAME
from highways.experiments.base import Experiment
from highways.nn import build_network
from highways.tracking import AnalysisStore, RecordStore, analysis_keys, run_keys
from highways.training import device
from highways.training.engines import engine_named


def check(profile: str, notebook: str, train: bool = True) -> Experiment:
    """Check a notebook's parameters and, if anything is left to train, device and data; return its experiment."""
    if notebook not in BY_NAME:
        raise HighwaysError(f"no notebook {quoted(notebook)}; there are: {', '.join(BY_NAME)}")
    study = BY_NAME[notebook].of(profile)
    if not train:
        return study.experiment
    settings, runs, analyses = study.settings, study.settings.runs(), study.settings.analyses()
    store = AnalysisStore(study.results.analyses)
    for analysis, key in zip(analyses, analysis_keys(analyses), strict=True):
        if analysis.run is None and analysis.data is not None and store.read(key) is None:
            load(analysis.data)
    recorded = RecordStore.everywhere()
    missing = [run for run, key in zip(runs, run_keys(runs), strict=True) if key not in recorded]
    if missing:
        engine_named(settings.engine, settings.workers)
        if settings.engine == "local":  # a cluster may have a device that this machine lacks
            device.resolve(settings.device)
    for data in dict.fromkeys(run.data for run in missing):
        of_data = [run for run in missing if run.data == data]
        if data.own or any(run.network.reads == "text" for run in of_data):
            load(data)  # report a faulty file here, not in the notebook
        else:
            locate(data.name)
        if data.vectors or data.pictures:  # every network must fit the data
            for run in {run.network: run for run in of_data}.values():
                build_network(run, load(data))
    return study.experiment
