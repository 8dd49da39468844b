"""Trained networks: `highways weights keep` puts them into the repository, `highways touch` into a page."""

from __future__ import annotations

from typing import Annotated

import typer

from highways.cli.options import run_given
from highways.paths import shown

weights = typer.Typer(no_args_is_help=True, help="Final weights in the repository.")


@weights.callback()
def _group() -> None:
    """Make `weights` a group of commands although it has one."""


@weights.command("keep")
def keep_command(
    run_keys: Annotated[list[str], typer.Argument(help="Keys of runs whose weights are under checkpoints/.")],
) -> None:
    """Copy weights from checkpoints/ into results/PROFILE/weights and write the card that lists them."""
    from highways.report.weights import keep

    for record in [run_given(key) for key in run_keys]:
        print(shown(keep(record.stem)))
