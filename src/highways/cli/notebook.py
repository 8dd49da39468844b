"""`highways notebook`, `highways repro`: the pipeline and its stages."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(help="Notebooks: run one as a stage of the pipeline.", no_args_is_help=True)
top = typer.Typer()


@app.command("run")
def notebook_run(
    profile: Annotated[str, typer.Argument(help="Profile.")],
    notebook: Annotated[str, typer.Argument(help="Notebook, such as 01_depth.")],
) -> None:
    """Check what a notebook needs and execute it by Papermill, as `dvc repro` does.

    Its output goes to notebook.log beside the executed notebook, in results/PROFILE/NOTEBOOK.
    """
    from highways.pipeline.stage import run_stage

    run_stage(profile, notebook)


@top.command("repro", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def repro_command(
    context: typer.Context,
) -> int:
    """Run the pipeline on the active profiles: `dvc repro`, with a line a stage and what came out; takes its options.

    Such as: highways repro 01_depth@quick
    """
    from highways.pipeline.repro import repro

    return repro(context.args)
