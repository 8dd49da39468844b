"""`highways profile`."""

from __future__ import annotations

from typing import Annotated

import typer

from highways.cli import shown
from highways.cli.options import profiles_given
from highways.errors import NotYet

app = typer.Typer(help="Show, check and activate profiles.", no_args_is_help=True)


@app.command("show")
def profile_show(
    name: Annotated[str | None, typer.Argument(help="Profile; by default the active ones.")] = None,
) -> None:
    """Check the parameters of every notebook in a profile and show them."""
    from highways.config import active_profiles
    from highways.experiments import EXPERIMENTS, settings_of

    for profile in profiles_given(name):
        print(f"{profile}{' (active)' if profile in active_profiles() else ''}")
        for experiment in EXPERIMENTS:
            settings = settings_of(profile, experiment.name)
            if settings is None:
                continue
            try:
                count = len(settings.runs())
                print(f"  {experiment.name}: {count} {'run' if count == 1 else 'runs'}")
            except NotYet as error:
                print(f"  {experiment.name}: its runs follow from an earlier notebook ({error})")
            for key, value in settings.model_dump().items():
                print(f"    {key}: {value}")


@app.command("check")
def profile_check(
    name: Annotated[str, typer.Argument(help="Profile.")],
    notebook: Annotated[str, typer.Argument(help="Notebook, such as 01_depth.")],
) -> None:
    """Check that a notebook can run: its parameters, and device and data if it has something to train."""
    from highways.pipeline.readiness import check

    check(name, notebook)


@app.command("use")
def profile_use(names: Annotated[list[str], typer.Argument(help="Profiles.")]) -> None:
    """Activate profiles, so that `dvc repro` runs them."""
    from highways.config import use_profiles

    use_profiles(names)
    print(f"active: {', '.join(names)}")


@app.command("cost")
def profile_cost(
    name: Annotated[str, typer.Argument(help="Profile.")],
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes of a machine; by default what each stage's file says.")
    ] = None,
    nodes: Annotated[int, typer.Option(min=1, help="Machines like this one, that train beside each other.")] = 1,
    all_: Annotated[bool, typer.Option("--all", help="Count what is finished, too, beside what is recorded.")] = False,
    as_recorded: Annotated[
        bool, typer.Option("--as-recorded", help="Time on the machine of the records: this one is not measured.")
    ] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Measure this machine anew, though it has been today.")
    ] = False,
) -> None:
    """Show what is left of every stage, and what it will cost on this machine: time, memory, disk.

    Reckoned from the time that recorded runs took on CPUs. This machine is measured by some seconds of the same work.
    """
    from highways.report.calibration import calibration
    from highways.report.outlook import Archive, Asked, outlook, table_of
    from highways.tracking.environment import processor
    from highways.training import device

    (profile,) = profiles_given(name)
    archive = Archive()
    speed = {} if as_recorded else calibration(archive.ledger.groups, device.resolve("auto").type, fresh)
    cores = device.cores()
    if workers is not None and workers > cores:
        print(f"there are {cores} cores: more than {cores} workers are of no use, {cores} are reckoned with")
    asked = Asked(workers, nodes, all_, speed)
    where = "the machine of the records" if as_recorded else f"{processor()}, {cores} cores"
    times = ", ".join(f"{family} {ratio:.2f}" for family, ratio in speed.items())
    print(f"{profile} on {where}" + (f"; times the records' core time: {times}" if times else ""))
    stages = outlook(profile, asked, archive)
    heads, rows = table_of(stages, asked)
    shown.table(heads, rows, right=range(1, len(heads)))
    for stage in stages:
        for remark in stage.remarks:
            shown.wrapped(f"{stage.name}: {remark}")
    print("Memory is that of one process, the one with the largest group. By the clock: alone on the machine.")
    print("*: of some of it there is no record; it is scaled from the most similar one, by arithmetic and examples.")
