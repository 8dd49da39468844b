"""`highways runs`: count, list, filter and rank the recorded runs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from highways.cli import shown
from highways.cli.options import AnyProfileOption, ExperimentOption, experiment_given, recorded_profiles
from highways.errors import HighwaysError

if TYPE_CHECKING:
    import pandas as pd

app = typer.Typer()


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
    if where is not None and len(runs):
        runs = _filter(runs, where)
    if runs.empty:
        shown.line("no such run; `highways runs` counts those that are recorded")
        return
    curves = sorted({curve for record in runs.record for curve in record.curves})
    if by not in curves:
        raise HighwaysError(f"--by {by}: no such curve; there are: {', '.join(curves) or 'none'}")
    if best is not None:
        places = list(zip(runs.profile, runs.experiment, strict=True))
        auxiliary = {place: auxiliary_keys(settings_of(*place)) for place in set(places)}
        counts = [run not in auxiliary[place] for run, place in zip(runs.run, places, strict=True)]
        runs = runs.loc[counts].dropna(subset=[by]).drop_duplicates("run", keep="last")  # profiles share runs
        runs = runs.loc[sorted(runs.index, key=lambda row: rank(runs.record[row], by))[:best]]
    heads = ("run", "network", "depth", "data", "status", "epochs", f"best {by}")
    heads += ("last test loss", "last test accuracy", "profile", "experiment")
    rows = []
    for record, value, *place in zip(runs.record, runs[by], runs.profile, runs.experiment, strict=True):
        config, last = record.config, [record.last("test_cross_entropy"), record.last("test_accuracy")]
        name = [record.run_key, config.network.shown_as, config.network.depth, config.data.name]
        rows.append([*name, record.status, record.epochs, value, *last, *place])
    shown.table(heads, rows)


def _recorded_runs(profile: str | None, experiment: str | None) -> pd.DataFrame:
    """Return the requested runs, a row each: settings, the best values of curves, profile, experiment and `record`.

    A damaged record is named on stderr and left out.
    """
    import pandas as pd

    from highways import paths
    from highways.tracking.outcomes import columns
    from highways.tracking.records import RecordStore

    places = [(one, name) for one in recorded_profiles(profile) for name in paths.Results(one).experiments()]
    chosen = experiment_given(experiment, (name for _, name in places))
    return pd.DataFrame(
        columns(record) | {"profile": one, "experiment": name, "record": record}
        for one, name in places
        if chosen in (None, name)
        for record in RecordStore(paths.Results(one).of(name).runs).readable(
            lambda fault: print(f"left out: {fault}", file=sys.stderr)
        )
    )


def _filter(runs: pd.DataFrame, where: str) -> pd.DataFrame:
    """Return the runs that meet a condition, by pandas."""
    table = runs.drop(columns="record")
    try:
        meets = table.eval(where.strip(), engine="python", local_dict={}, global_dict={})
    except Exception as error:  # whatever the parser says, or pandas of a word that is compared with a number
        reason, columns = str(error).partition("\n")[0] or type(error).__name__, ", ".join(map(str, table))
        raise HighwaysError(f"--where {where}: {reason}; text needs quotes, columns are: {columns}") from None
    if getattr(meets, "dtype", None) != "bool":
        raise HighwaysError(f"--where {where}: not a condition such as depth == 50 and network == 'highway'")
    return runs.loc[meets]


def _show_counts(runs: pd.DataFrame) -> None:
    if runs.empty:
        shown.line("no runs yet; `make repro` trains those of the active profiles")
        return
    rows = []
    for (profile, experiment), group in runs.groupby(["profile", "experiment"], sort=False):  # type: ignore[misc]
        depths, networks = sorted(set(group.depth)), ", ".join(sorted(set(group.kind)))
        span = f"{depths[0]} to {depths[-1]}" if len(depths) > 1 else str(depths[0])
        rows.append((profile, experiment, len(group), sum(group.status == "diverged"), span, networks))
    shown.table(("profile", "experiment", "runs", "diverged", "depths", "networks"), rows)
    shown.line("`highways runs --profile P --experiment E` lists them, --where and --best filter them.")
