"""Runs that have a record: `highways runs` finds them, `highways best` names the best of every network and depth."""

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

LOSS = "train_cross_entropy"

WhereOption = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        help="key=value, such as network=highway, depth=50, data=mnist, status=diverged, seed=3 or "
        "optimiser.momentum=0.9; several times: all of them.",
    ),
]
ByOption = Annotated[
    str,
    typer.Option(
        help="Which curve tells what is best: the highest value of an accuracy, the lowest of a loss, over its epochs."
    ),
]


@dataclass(frozen=True)
class Found:
    """A record and where it lies."""

    profile: str
    experiment: str
    record: RunRecord

    def fields(self) -> dict[str, Any]:
        """Return what `--where` can ask for: every setting by its full name, and by its last part where that is one."""
        config = self.record.config
        settings = config.flat()
        parts = Counter(name.rpartition(".")[2] for name in settings)
        short = {name.rpartition(".")[2]: value for name, value in settings.items()}
        return {
            **{name: value for name, value in short.items() if parts[name] == 1},
            **settings,
            "network": (config.network.kind, config.network.shown_as),
            "depth": config.network.depth,
            "width": config.network.width,
            "data": config.data.name,
            "optimiser": config.optimiser.kind,
            "status": self.record.status,
            "profile": self.profile,
            "experiment": self.experiment,
        }

    def outcome(self, metric: str) -> float | None:
        """Return the best value of a curve, `None` where it has none."""
        from highways.tracking.outcomes import best_value

        return best_value(self.record, metric)


@app.command("runs")
def runs_command(
    profile: AnyProfileOption = None,
    experiment: ExperimentOption = None,
    where: WhereOption = None,
    best: Annotated[int | None, typer.Option(min=1, help="Only so many, the best ones, best first.")] = None,
    by: ByOption = LOSS,
) -> None:
    """List the runs that have a record; without a filter, count them by profile and experiment."""
    found = _found(profile, experiment, where)
    if not (experiment or where or best):
        _show_counts(found)
        shown.line("`highways runs --profile P --experiment E` lists them; --where and --best choose among them.")
        return
    if best is not None:
        once = {one.record.run_key: one for one in reversed(_ranked(found, by))}  # a run may be of several profiles
        found = list(once.values())[::-1][:best]
    _show(found, by)


@app.command("best")
def best_command(
    profile: AnyProfileOption = None,
    experiment: ExperimentOption = None,
    where: WhereOption = None,
    by: ByOption = LOSS,
) -> None:
    """Show the best run of every network and depth in each experiment."""
    cells: dict[tuple[Any, ...], Found] = {}
    for one in _ranked(_found(profile, experiment, where), by):
        config = one.record.config
        network = config.network
        cells.setdefault((one.profile, one.experiment, config.data.name, network.shown_as, network.depth), one)
    _show([cells[cell] for cell in sorted(cells)], by)


def _found(profile: str | None, experiment: str | None, where: list[str] | None) -> list[Found]:
    """Return the records that are asked for; one that is damaged is named, and left out."""
    from highways import paths
    from highways.tracking.records import RecordStore

    profiles = recorded_profiles(profile)
    there = {one: paths.Results(one).experiments() for one in profiles}
    name = experiment_given(experiment, (known for several in there.values() for known in several))
    found = []
    for one, experiments in there.items():
        for known in experiments:
            if name in (None, known):
                store = RecordStore(paths.Results(one).of(known).runs)
                found += [Found(one, known, record) for record in store.readable(_left_out)]
    for condition in where or []:
        found = _that_meet(found, condition)
    return found


def _left_out(fault: str) -> None:
    print(f"left out: {fault}", file=sys.stderr)


def _that_meet(found: list[Found], condition: str) -> list[Found]:
    from highways.config import parse_yaml

    key, equals, text = condition.partition("=")
    if not equals:
        raise HighwaysError(f"--where {condition}: expected key=value")
    fields = [one.fields() for one in found]
    known = sorted({name for each in fields for name in each})
    if found and key not in known:
        near = [name for name in known if name.endswith(f".{key}")] or difflib.get_close_matches(key[:80], known, n=5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(known)}"
        raise HighwaysError(f"--where {condition}: no such setting; {hint}")
    wanted = parse_yaml(text, f"--where {condition}:")
    return [one for one, each in zip(found, fields, strict=True) if key in each and _is(each[key], wanted, text)]


def _is(value: Any, wanted: Any, text: str) -> bool:
    if isinstance(value, tuple):
        return text in value
    if isinstance(value, str):
        return value == text
    return value == wanted and isinstance(value, bool) == isinstance(wanted, bool)


def _ranked(found: list[Found], by: str) -> list[Found]:
    """Return the runs that have a value of a metric, the best first; those that diverged come last."""
    from highways.tracking.outcomes import rank

    known = sorted({name for one in found for name in one.record.curves})
    if found and by not in known:
        raise HighwaysError(f"--by {by}: no such curve; there are: {', '.join(known) or 'none'}")
    return sorted((one for one in found if one.outcome(by) is not None), key=lambda one: rank(one.record, by))


def _show_counts(found: list[Found]) -> None:
    cells: dict[tuple[str, str], list[Found]] = {}
    for one in found:
        cells.setdefault((one.profile, one.experiment), []).append(one)
    rows = []
    for (profile, experiment), runs in cells.items():
        diverged = sum(run.record.status == "diverged" for run in runs)
        networks = sorted({run.record.config.network.kind for run in runs})
        depths = sorted({run.record.config.network.depth for run in runs})
        span = f"{depths[0]} to {depths[-1]}" if len(depths) > 1 else str(depths[0])
        rows.append((profile, experiment, str(len(runs)), str(diverged), span, ", ".join(networks)))
    if not rows:
        shown.line("no runs yet; `make repro` trains those of the active profiles")
        return
    shown.table(("profile", "experiment", "runs", "diverged", "depths", "networks"), rows, right=(2, 3))


def _show(found: list[Found], by: str) -> None:
    if not found:
        shown.line("no such run; `highways runs` counts what there is")
        return
    several = len({one.profile for one in found}) > 1, len({one.experiment for one in found}) > 1
    heads = [
        "run",
        "network",
        "depth",
        "data",
        "status",
        "epochs",
        f"best {by}",
        "last test loss",
        "last test accuracy",
    ]
    heads += [head for head, wanted in zip(("profile", "experiment"), several, strict=True) if wanted]
    rows = []
    for one in found:
        record, config = one.record, one.record.config
        row = [record.run_key, config.network.shown_as, str(config.network.depth), config.data.name, record.status]
        row += [str(record.epochs), _number(one.outcome(by))]
        row += [_number(record.last("test_cross_entropy")), _number(record.last("test_accuracy"))]
        row += [name for name, wanted in zip((one.profile, one.experiment), several, strict=True) if wanted]
        rows.append(row)
    shown.table(heads, rows, right=(2, 5, 6, 7, 8))


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
