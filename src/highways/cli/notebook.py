"""`highways notebook`, `highways repro`: the pipeline and its stages."""

from typing import Annotated

import typer

app = typer.Typer(help="Notebooks: run one as a stage of the pipeline.", no_args_is_help=True)
top = typer.Typer()

NoTrain = Annotated[
    bool, typer.Option("--no-train", help="Draw from the records that exist: train nothing, ask for no data.")
]


@app.command("run")
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
