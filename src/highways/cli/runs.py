"""`highways runs` lists recorded runs, `highways best` the best run of every network and depth."""

from __future__ import annotations

import difflib
import sys
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from highways.cli import shown
from highways.cli.options import AnyProfileOption, ExperimentOption, experiment_given, recorded_profiles
from highways.errors import HighwaysError

if TYPE_CHECKING:
    from highways.tracking import RunRecord

app = typer.Typer()

WhereOption = Annotated[
    str | None,
    typer.Option(help="Condition on columns, such as \"depth == 50 and network == 'highway' and momentum > 0.9\"."),
]
ByOption = Annotated[str, typer.Option(help="Curve to rank by: its highest value if an accuracy, else its lowest.")]
LOSS = "train_cross_entropy"


@dataclass(frozen=True)
class Run:
    """A record and its place."""

    profile: str
    experiment: str
    record: RunRecord

    def columns(self) -> dict[str, Any]:
        """Return what `--where` can refer to; a setting by its last name if no other has that, else by all of them."""
        from highways.tracking.outcomes import best_value

        config = self.record.config
        settings = config.flat()
        last = {name: name.rpartition(".")[2] for name in settings}
        count = Counter(last.values())
        return {
            **{last[name] if count[last[name]] == 1 else name.replace(".", "_"): settings[name] for name in settings},
            **{curve: best_value(self.record, curve) for curve in self.record.curves},
            "run": self.record.run_key,
            "network": config.network.shown_as,
            "kind": config.network.kind,
            "depth": config.network.depth,
            "data": config.data.name,
            "optimiser": config.optimiser.kind,
            "status": self.record.status,
            "profile": self.profile,
            "experiment": self.experiment,
        }


@app.command("runs")
def runs_command(
    profile: AnyProfileOption = None,
    experiment: ExperimentOption = None,
    where: WhereOption = None,
    best: Annotated[int | None, typer.Option(min=1, help="List only this many, the best first.")] = None,
    by: ByOption = LOSS,
) -> None:
    """List the recorded runs; without a filter, count them by profile and experiment.

    --best leaves out auxiliary runs, which no outcome counts, and ranks diverged runs last.
    """
    from highways.tracking.outcomes import rank

    runs = _runs(profile, experiment, where, by)
    if not (experiment or where or best):
        _show_counts(runs)
        return
    if best is not None:
        ranked = sorted(_counted(runs, by), key=lambda run: rank(run.record, by))
        once = {run.record.run_key: run for run in reversed(ranked)}  # several profiles may share a run
        runs = list(once.values())[::-1][:best]
    _show(runs, by)


@app.command("best")
def best_command(
    profile: AnyProfileOption = None,
    experiment: ExperimentOption = None,
    where: WhereOption = None,
    by: ByOption = LOSS,
) -> None:
    """List the best run of every network, depth and data set in each experiment.

    Auxiliary runs do not count, a longer rung of a search goes before a shorter one, diverged runs come last.
    """
    from highways.tracking.outcomes import best_of

    cells: dict[tuple[Any, ...], dict[str, Run]] = {}
    for run in _counted(_runs(profile, experiment, where, by), by):
        config = run.record.config
        cell = (run.profile, run.experiment, config.data.name, config.network.shown_as, config.network.depth)
        cells.setdefault(cell, {})[run.record.run_key] = run
    best = [(runs, best_of((run.record for run in runs.values()), by)) for _, runs in sorted(cells.items())]
    _show([runs[record.run_key] for runs, record in best if record is not None], by)


def _runs(profile: str | None, experiment: str | None, where: str | None, by: str) -> list[Run]:
    """Return the requested runs; a damaged record is named on stderr and left out."""
    from highways import paths
    from highways.tracking.records import RecordStore

    places = [(one, name) for one in recorded_profiles(profile) for name in paths.Results(one).experiments()]
    chosen = experiment_given(experiment, (name for _, name in places))
    runs = [
        Run(one, name, record)
        for one, name in places
        if chosen in (None, name)
        for record in RecordStore(paths.Results(one).of(name).runs).readable(_warn)
    ]
    curves = sorted({curve for run in runs for curve in run.record.curves})
    if runs and by not in curves:
        raise HighwaysError(f"--by {by}: no such curve; there are: {', '.join(curves) or 'none'}")
    return runs if where is None else _filter(runs, where)


def _warn(fault: str) -> None:
    print(f"left out: {fault}", file=sys.stderr)


def _filter(runs: list[Run], where: str) -> list[Run]:
    """Return the runs that meet a condition, by pandas.

    Raises:
        HighwaysError: It is no condition, or names a column that is not there.
    """
    import pandas as pd

    if not runs:
        return []
    table = pd.DataFrame([run.columns() for run in runs])
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


def _counted(runs: list[Run], by: str) -> list[Run]:
    """Return the runs whose outcomes count and that have a curve."""
    from highways.experiments import settings_of
    from highways.tracking.outcomes import auxiliary_keys

    places = {(run.profile, run.experiment) for run in runs}
    auxiliary = {place: auxiliary_keys(settings_of(*place)) for place in places}
    return [
        run
        for run in runs
        if run.record.run_key not in auxiliary[run.profile, run.experiment] and run.record.curves.get(by)
    ]


def _show_counts(runs: list[Run]) -> None:
    cells: dict[tuple[str, str], list[RunRecord]] = {}
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
    if not runs:
        shown.line("no such run; `highways runs` counts those that are recorded")
        return
    from highways.tracking.outcomes import best_value

    heads = ("run", "network", "depth", "data", "status", "epochs", f"best {by}")
    heads += ("last test loss", "last test accuracy", "profile", "experiment")
    rows = []
    for run in runs:
        record, config = run.record, run.record.config
        row = [record.run_key, config.network.shown_as, str(config.network.depth), config.data.name, record.status]
        values = best_value(record, by), record.last("test_cross_entropy"), record.last("test_accuracy")
        row += [str(record.epochs), *("" if value is None else f"{value:.4g}" for value in values)]
        rows.append([*row, run.profile, run.experiment])
    shown.table(heads, rows, right=(2, 5, 6, 7, 8))
