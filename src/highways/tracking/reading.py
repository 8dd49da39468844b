"""Reading the runs and analyses that a profile lists, from the record files or from MLflow."""

from collections.abc import Iterable, Sequence
from dataclasses import InitVar, dataclass, replace
from typing import Literal, get_args

from highways import paths
from highways.config import Profile, RunConfig
from highways.errors import HighwaysError, NotYet
from highways.tracking.mlflow_log import read
from highways.tracking.records import AnalysisRecord, AnalysisStore, RecordStore, RunRecord, analysis_keys, run_keys

Source = Literal["records", "mlflow"]
SHOWN = 3
"""Largest number of unrecorded runs that a message names."""


@dataclass(eq=False)
class Listed(list[RunRecord]):
    """Records of the finished runs that a profile lists, except auxiliary ones."""

    runs: InitVar[Iterable[RunRecord]] = ()
    analyses: Sequence[AnalysisRecord] = ()
    """Records of the profile's analyses that exist so far, except controls."""
    missing: Sequence[RunConfig] = ()
    """Listed runs that are not finished, or whose analysis is missing, except auxiliary ones; and one run of every
    network whose further runs depend on records that do not exist yet."""
    auxiliary: Sequence[RunRecord] = ()
    """Records of auxiliary runs, which no outcome counts; see `Profile.auxiliary`."""
    known: bool = True
    """Whether the list is known; it may depend on an earlier stage that has not been run."""
    shortfall: str = ""
    """One line that names what is listed and missing; empty if nothing is."""
    pruned: bool = False
    """Whether the runs are the best of a search that trained only them to the end."""
    controls: Sequence[AnalysisRecord] = ()
    """Analyses of networks before training; see `Measure.control`."""

    def __post_init__(self, runs: Iterable[RunRecord]) -> None:
        self.extend(runs)

    @property
    def empty(self) -> bool:
        """Whether there are neither runs nor analyses."""
        return not self and not self.analyses

    @property
    def data(self) -> list[str]:
        """Names of the data sets of runs and analyses, each once."""
        names = [*(run.config.data.name for run in self), *(analysis.data for analysis in self.analyses)]
        return list(dict.fromkeys(name for name in names if name))

    def study(self, kind: str) -> AnalysisRecord | None:
        """Return the study of one kind; `None` if it does not exist."""
        return next((analysis for analysis in self.analyses if analysis.kind == kind), None)

    def on(self, *data: str | None) -> "Listed":
        """Return the records on some data sets, and the studies that generate their own examples."""
        return replace(
            self,
            runs=[run for run in self if run.config.data.name in data],
            analyses=[analysis for analysis in self.analyses if analysis.data in ("", *data)],
            missing=[run for run in self.missing if run.data.name in data],
            auxiliary=[run for run in self.auxiliary if run.config.data.name in data],
            controls=[control for control in self.controls if control.data in data],
        )

    def networks(self) -> "list[tuple[Listed, Listed]]":
        """Return the records of each analysed network, paired with its control, the same network before training.

        With several data sets, the n-th pair joins the n-th network of each; it ends with the shortest list.
        """
        by_data: dict[str, dict[RunConfig, list[AnalysisRecord]]] = {}
        for analysis in self.analyses:
            if analysis.config.run is not None:
                by_data.setdefault(analysis.data, {}).setdefault(analysis.run, []).append(analysis)
        found = []
        for together in zip(*(networks.items() for networks in by_data.values()), strict=False):
            runs = [run for run, _ in together]
            trained = [record for record in self if record.config in runs]
            made = [analysis for _, analyses in together for analysis in analyses]
            controls = [control for control in self.controls if control.run in runs]
            found.append((Listed(trained, made, pruned=self.pruned), Listed((), controls)))
        return found


def listed_records(settings: Profile, source: Source = "records") -> Listed:
    """Return the existing records of exactly the runs and analyses that a notebook's parameters list.

    The result is empty if the list depends on results of an earlier stage that do not exist yet. Both sources give the
    same records.
    """
    if source not in get_args(Source):
        raise HighwaysError(f"no source {source!r} of records; there are: {', '.join(get_args(Source))}")
    try:
        configs, analyses, waiting = settings.runs(), settings.analyses(), settings.waiting()
    except NotYet:
        return Listed(known=False, shortfall="What is listed follows from an earlier experiment that has not been run.")
    wanted = dict(zip(run_keys(configs), configs, strict=True))
    auxiliary, analysed = set(run_keys(settings.auxiliary())), analysis_keys(analyses)
    if source == "mlflow":
        place = (settings.profile, settings.experiment)
        runs = read(RunRecord, *place, wanted)
        made = read(AnalysisRecord, *place, analysed) if analyses else []
    else:
        folder = paths.Results(settings.profile).of(settings.experiment)
        runs, made = RecordStore(folder.runs).read_all(wanted), AnalysisStore(folder.analyses).read_all(analysed)
    lost = [run.config for run in runs if run.status == "diverged"]
    there = {run.run_key for run in runs} | {analysis.key for analysis in made}
    unrecorded = {key: config for key, config in wanted.items() if key not in there}
    keyed = zip(analyses, analysed, strict=True)
    to_make = [one for one, key in keyed if key not in there and not (one.measure.needs_weights and one.run in lost)]
    awaited = [config for key, config in unrecorded.items() if key not in auxiliary]
    awaited += [*(analysis.run for analysis in to_make if analysis.run is not None), *waiting]
    shortfall = ""
    if unrecorded:
        named, count = ", ".join([*unrecorded][:SHOWN]), len(unrecorded)
        more = f" and {count - SHOWN} more" if count > SHOWN else ""
        shortfall = f"{count} of the listed runs {'has' if count == 1 else 'have'} no record: {named}{more}."
    elif awaited or to_make:
        shortfall = "Not all analyses that are listed have been made."
    return Listed(
        runs=[run for run in runs if run.run_key not in auxiliary],
        analyses=[analysis for analysis in made if not analysis.config.measure.control],
        missing=awaited,
        auxiliary=[run for run in runs if run.run_key in auxiliary],
        shortfall=shortfall,
        pruned=settings.pruned,
        controls=[analysis for analysis in made if analysis.config.measure.control],
    )
