"""`highways profile`."""

from __future__ import annotations

from typing import Annotated

import typer

from highways.cli import shown
from highways.cli.options import complete_experiments, complete_profiles, profiles_given
from highways.errors import NotYet

app = typer.Typer(help="Profiles: show, check, use, cost.", no_args_is_help=True)


@app.command("show")
def profile_show(
    name: Annotated[
        str | None, typer.Argument(help="Profile; by default the active ones.", autocompletion=complete_profiles)
    ] = None,
) -> None:
    """Show the parameters of every notebook in a profile, checked."""
    from highways.config import active_profiles
    from highways.config.profiles import profile_path
    from highways.experiments import EXPERIMENTS

    for profile in profiles_given(name):
        print(f"{profile}{' (active)' if profile in active_profiles() else ''}")
        for experiment in EXPERIMENTS:
            notebook = experiment.name
            if profile_path(profile, notebook).exists():
                settings = experiment.of(profile).settings
                try:
                    print(f"  {notebook}: {len(settings.runs())} runs")
                except NotYet as error:
                    print(f"  {notebook}: its runs follow from an earlier notebook ({error})")
                for key, value in settings.model_dump().items():
                    print(f"    {key}: {value}")


@app.command("check")
def profile_check(
    name: Annotated[str, typer.Argument(help="Profile.", autocompletion=complete_profiles)],
    notebook: Annotated[str, typer.Argument(help="Notebook, such as 01_depth.", autocompletion=complete_experiments)],
) -> None:
    """Check all that a notebook needs before it runs: parameters, and device and data if there is training to do.

    Papermill itself takes unknown parameters without a word, and shows errors as tracebacks.
    """
    from highways.pipeline.readiness import check

    check(name, notebook)


@app.command("use")
def profile_use(
    names: Annotated[list[str], typer.Argument(help="Profiles.", autocompletion=complete_profiles)],
) -> None:
    """Make profiles the active ones: `dvc repro` runs these."""
    from highways.config import use_profiles

    use_profiles(names)
    print(f"active: {', '.join(names)}")


@app.command("cost")
def profile_cost(
    name: Annotated[str, typer.Argument(help="Profile.", autocompletion=complete_profiles)],
) -> None:
    """Show what every stage has left to run, and estimate its core hours.

    The time of recorded runs of the same network family is scaled by layers x units x examples x epochs.
    """
    from highways.quantities import duration
    from highways.report.forecast import NUMBERS, Forecast, forecast

    (profile,) = profiles_given(name)
    stages = forecast(profile)
    total = Forecast("all", *(sum(getattr(one, field) for one in stages) for field in NUMBERS))
    cells = [
        [one.name, f"{one.left} of {one.runs}", str(one.analyses_left), duration(one.core_seconds)]
        for one in (*stages, total)
    ]
    shown.table(["stage", "runs left", "analyses left", "core time"], cells, right=range(1, 4))
    for stage in stages:
        for remark in stage.remarks:
            shown.wrapped(f"{stage.name}: {remark}")
    print("Core time: a rough estimate from recorded runs of the same family of networks; without analyses.")
