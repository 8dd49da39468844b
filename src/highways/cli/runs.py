"""`highways runs`: count, list, filter and rank the recorded runs."""

import difflib
import sys
from typing import Annotated, Any, NamedTuple

import typer

from highways.cli import shown
from highways.cli.options import AnyProfileOption, ExperimentOption, experiment_given, recorded_profiles
from highways.errors import HighwaysError

app = typer.Typer()


class Run(NamedTuple):
    """A record (`RunRecord`) and its place."""

    profile: str
    experiment: str
    record: Any


@app.command("runs")
def runs_command(
    profile: AnyProfileOption = None,
    experiment: ExperimentOption = None,
    where: Annotated[
        str | None,
        typer.Option(help="Condition on columns, such as \"depth == 50 and network == 'highway' and momentum > 0.9\"."),
    ] = None,
    best: Annotated[int | None, typer.Option(min=1, help="List only this many, the best first.")] = None,
    by: Annotated[
        str, typer.Option(help="Curve to rank by: its highest value if an accuracy, else its lowest.")
    ] = "train_cross_entropy",
) -> None:
    """List the recorded runs; without a filter, count them by profile and experiment.

    --best leaves out auxiliary runs, which no outcome counts, and ranks diverged runs last.
    """
    from highways.experiments import settings_of
    from highways.tracking.outcomes import auxiliary_keys, rank

    runs = _recorded_runs(profile, experiment)
    if not (experiment or where or best):
        _show_counts(runs)
        return
    curves = sorted({curve for run in runs for curve in run.record.curves})
    if runs and by not in curves:
        raise HighwaysError(f"--by {by}: no such curve; there are: {', '.join(curves) or 'none'}")
    runs = _filter(runs, where) if where is not None else runs
    if best is not None:
        auxiliary = {place: auxiliary_keys(settings_of(*place)) for place in {run[:2] for run in runs}}
        counted = {
            run.record.run_key: run  # several profiles may share a run
            for run in runs
            if run.record.run_key not in auxiliary[run[:2]] and run.record.curves.get(by)
        }
        runs = sorted(counted.values(), key=lambda run: rank(run.record, by))[:best]
    _show(runs, by)


def _recorded_runs(profile: str | None, experiment: str | None) -> list[Run]:
    """Return the requested runs; a damaged record is named on stderr and left out."""
    from highways import paths
    from highways.tracking.records import RecordStore

    def warn(fault: str) -> None:
        print(f"left out: {fault}", file=sys.stderr)

    places = [(one, name) for one in recorded_profiles(profile) for name in paths.Results(one).experiments()]
    chosen = experiment_given(experiment, (name for _, name in places))
    return [
        Run(one, name, record)
        for one, name in places
        if chosen in (None, name)
        for record in RecordStore(paths.Results(one).of(name).runs).readable(warn)
    ]


def _filter(runs: list[Run], where: str) -> list[Run]:
    """Return the runs that meet a condition, by pandas."""
    import pandas as pd

    from highways.tracking.outcomes import columns

    if not runs:
        return []
    places = [{"profile": run.profile, "experiment": run.experiment} for run in runs]
    table = pd.DataFrame([columns(run.record) | place for run, place in zip(runs, places, strict=True)])
    try:
        meets = table.eval(where.strip(), engine="python", local_dict={}, global_dict={})
    except pd.errors.UndefinedVariableError as error:
        name = str(error).split("'")[1]
        near = difflib.get_close_matches(name, map(str, table)) or sorted(table)
        reason = f"no column {name!r}; words need quotation marks; see {', '.join(near)}"
        raise HighwaysError(f"--where {where}: {reason}") from None
    except Exception as error:  # whatever the parser says, or pandas of a word that is compared with a number
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise HighwaysError(f"--where {where}: cannot be evaluated: {reason}") from None
    if getattr(meets, "dtype", None) != "bool":
        raise HighwaysError(f"--where {where}: not a condition such as depth == 50 and network == 'highway'")
    return [run for run, chosen in zip(runs, meets, strict=True) if chosen]


def _show_counts(runs: list[Run]) -> None:
    cells: dict[tuple[str, str], list[Any]] = {}
    for run in runs:
        cells.setdefault((run.profile, run.experiment), []).append(run.record)
    rows = []
    for place, records in cells.items():
        diverged = sum(record.status == "diverged" for record in records)
        depths = sorted({record.config.network.depth for record in records})
        span = f"{depths[0]} to {depths[-1]}" if len(depths) > 1 else str(depths[0])
        networks = ", ".join(sorted({record.config.network.kind for record in records}))
        rows.append((*place, str(len(records)), str(diverged), span, networks))
    if not rows:
        shown.line("no runs yet; `make repro` trains those of the active profiles")
        return
    shown.table(("profile", "experiment", "runs", "diverged", "depths", "networks"), rows, right=(2, 3))
    shown.line("`highways runs --profile P --experiment E` lists them, --where and --best filter them.")


def _show(runs: list[Run], by: str) -> None:
    from highways.tracking.outcomes import best_value

    if not runs:
        shown.line("no such run; `highways runs` counts those that are recorded")
        return
    heads = ("run", "network", "depth", "data", "status", "epochs", f"best {by}")
    heads += ("last test loss", "last test accuracy", "profile", "experiment")
    rows = []
    for profile, experiment, record in runs:
        config = record.config
        row = [record.run_key, config.network.shown_as, str(config.network.depth), config.data.name, record.status]
        values = best_value(record, by), record.last("test_cross_entropy"), record.last("test_accuracy")
        row += [str(record.epochs), *("" if value is None else f"{value:.4g}" for value in values)]
        rows.append([*row, profile, experiment])
    shown.table(heads, rows, right=(2, 5, 6, 7, 8))
