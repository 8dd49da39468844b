"""Is all there that a notebook needs? Asked before it runs: Papermill shows errors as tracebacks."""

from __future__ import annotations

from highways import paths
from highways.config import AnalysisConfig, RunConfig
from highways.data import load, locate
from highways.errors import HighwaysError
from highways.experiments import EXPERIMENTS
from highways.tracking import AnalysisStore, RecordStore, analysis_keys, run_keys
from highways.training import device
from highways.training.building import build_network
from highways.training.engines import engine_named


def check(profile: str, notebook: str) -> None:
    """Check parameters, and device and data if there is training to do.

    Args:
        profile: Name of the profile.
        notebook: Name of the notebook.

    Raises:
        HighwaysError: Something is at fault or missing; one line that names it.
    """
    experiments = {experiment.name: experiment for experiment in EXPERIMENTS}
    if notebook not in experiments:
        raise HighwaysError(f"no notebook {notebook!r}; there are: {', '.join(experiments)}")
    study = experiments[notebook].of(profile)
    settings, runs = study.settings, study.settings.runs()
    missing = [run for run, key in zip(runs, run_keys(runs), strict=True) if RecordStore.find(key) is None]
    _check_studies(study.settings.analyses(), AnalysisStore(study.results.analyses))
    if missing:
        engine_named(settings.engine, settings.workers)
        if settings.engine == "local":  # a cluster may have what this machine has not
            device.resolve(settings.device)
        for data in sorted({run.data.name for run in missing}):
            locate(data)
        _check_fit(missing)
    study.results.folder.mkdir(parents=True, exist_ok=True)  # Papermill does not make it
    paths.Results(profile).folder.mkdir(parents=True, exist_ok=True)


def _check_studies(analyses: list[AnalysisConfig], store: AnalysisStore) -> None:
    for analysis, key in zip(analyses, analysis_keys(analyses), strict=True):
        if analysis.run is None and analysis.data is not None and store.read(key) is None:
            load(analysis.data)


def _check_fit(missing: list[RunConfig]) -> None:
    """Prepare the texts, and build each network that must fit its data: word vectors, pictures."""
    for data in dict.fromkeys(run.data for run in missing if run.network.reads == "text"):
        load(data)  # a file that is no text is named here, not in the notebook
    fits = {(run.data, run.network): run for run in missing if run.data.vectors or run.data.pictures}
    for run in fits.values():
        build_network(run, load(run.data))
