"""The pipeline: `highways profile` and its stages, `highways notebook` and `highways repro`."""

from typing import Annotated

import typer

from highways.cli import shown
from highways.cli.options import profiles_given
from highways.errors import NotYet

app = typer.Typer(help="Show, check and activate profiles.", no_args_is_help=True)
notebooks = typer.Typer(help="Notebooks: run one as a stage of the pipeline.", no_args_is_help=True)
top = typer.Typer()

Profile = Annotated[str, typer.Argument(help="Profile.")]
NoTrain = Annotated[bool, typer.Option("--no-train", help="Draw from the records: train nothing, ask for no data.")]


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
            if (settings := settings_of(profile, experiment.name)) is None:
                continue
            try:
                count = len(settings.runs())
                print(f"  {experiment.name}: {count} {'run' if count == 1 else 'runs'}")
            except NotYet as error:
                print(f"  {experiment.name}: its runs follow from an earlier notebook ({error})")
            for key, value in settings.model_dump().items():
                print(f"    {key}: {value}")


@app.command("check")
def profile_check(name: Profile, notebook: Annotated[str, typer.Argument(help="Notebook, such as 01_depth.")]) -> None:
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
def profile_cost(name: Profile) -> None:
    """Show what every stage has left to run, and estimate its core hours.

    The time of recorded runs of the same network family is scaled by layers x units x examples x epochs.
    """
    from highways.quantities import duration
    from highways.report.forecast import Forecast, forecast

    (profile,) = profiles_given(name)
    stages = forecast(profile)
    runs, left, core_seconds = (sum(getattr(one, of) for one in stages) for of in ("runs", "left", "core_seconds"))
    rows = [*stages, Forecast("all", runs, left, core_seconds)]
    cells = [[one.name, f"{one.left} of {one.runs}", duration(one.core_seconds)] for one in rows]
    shown.table(["stage", "runs left", "core time"], cells)
    for stage in stages:
        for remark in stage.remarks:
            shown.wrapped(f"{stage.name}: {remark}")
    print("Core time: a rough estimate from recorded runs of the same family of networks; without analyses.")


@notebooks.command("run")
def notebook_run(
    profile: Annotated[str, typer.Argument(help="Profile; or a stage, such as 01_depth@quick.")],
    notebook: Annotated[str | None, typer.Argument(help="Notebook, such as 01_depth; none with a stage.")] = None,
    no_train: NoTrain = False,
) -> None:
    """Check what a notebook needs and execute it with Papermill, as `dvc repro` does.

    Its output goes to notebook.log next to the executed notebook, in results/PROFILE/NOTEBOOK.
    """
    from highways.pipeline.stage import run_stage

    if notebook is None:  # DVC puts the file before it when it runs in another folder
        notebook, _, profile = profile.rpartition(":")[2].partition("@")
    run_stage(profile, notebook, train=not no_train)


@top.command("repro")
def repro_command(
    stages: Annotated[list[str] | None, typer.Argument(help="Stages, such as 01_depth@quick; by default all.")] = None,
    no_train: NoTrain = False,
) -> None:
    """Run the pipeline on the active profiles, as `dvc repro` does, with one line per stage and a summary.

    Where a stage fails, the others are still made.
    """
    from highways.pipeline.repro import repro

    repro(stages or (), train=not no_train)
