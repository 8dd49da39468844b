"""`highways run --show`: a figure of the inside of one trained network."""

from pathlib import Path
from typing import Literal

from highways import paths
from highways.config import AnalysisConfig, RunConfig
from highways.errors import HighwaysError
from highways.inside.analyse import analyse, is_of_the_weights
from highways.inside.gates import GatesConfig
from highways.inside.layers import Inside
from highways.inside.lesions import LesionsConfig
from highways.inside.signal import SignalConfig
from highways.show.figures import Drawing, save
from highways.show.layers import gate_panels, lesion_panel, signal_panel
from highways.tracking import AnalysisStore, RecordStore, analysis_keys, run_keys
from highways.training import load_network
from highways.training.sweep import ADHOC


def draw_inside(
    run: RunConfig,
    show: Literal["gates", "lesions", "signal"],
    device: Literal["auto", "cpu", "cuda"] = "auto",
    weights: bool = False,
    output: Path | None = None,
) -> Path:
    """Draw the gates, lesions or signal of a trained run; return the figure's path, by default in the profile `adhoc`.

    The analysis becomes a record of that profile, so that a second figure needs no weights. If the weights are missing,
    `weights` retrains the run; without it, that is an error.
    """
    measures, panels = {
        "gates": ([GatesConfig()], lambda made: gate_panels(Inside(made, []))),
        "lesions": ([LesionsConfig()], lambda made: [lesion_panel(Inside(made, []))]),
        "signal": ([SignalConfig(trained=False), SignalConfig(trained=True)], lambda made: [signal_panel(made)]),
    }[show]
    configs = [AnalysisConfig(run=run, measure=measure) for measure in measures]
    key, results = run_keys([run])[0], paths.Results(ADHOC).of(ADHOC)
    store = AnalysisStore(results.analyses)
    made, runs = [store.adopt(wanted) for wanted in analysis_keys(configs)], RecordStore(results.runs)
    if not weights and not all(one is not None and is_of_the_weights(one, runs) for one in made):
        if (record := runs.adopt(key)) is None:
            raise HighwaysError(f"{key}: it has no record; `highways run` trains it first")
        if record.status == "finished":
            load_network(record)  # its error says what to do if the weights are missing
    analyses = analyse(configs, experiment=ADHOC, profile=ADHOC, device=device, mlflow=False)
    if len(analyses) < len(configs):
        raise HighwaysError(f"{key}: it diverged, there are no weights to look into")
    return save(Drawing(panels(analyses)), output or results.figures / f"{show}-{key}.png")
