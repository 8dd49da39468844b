"""Trained networks: `highways weights keep` puts them into the repository, `highways touch` into a page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from highways.cli.options import run_given
from highways.errors import HighwaysError
from highways.paths import shown

app = typer.Typer()
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

    for path in keep([run_given(key).stem for key in run_keys]):
        print(shown(path))


@app.command("touch")
def touch_command(
    run_key: Annotated[str, typer.Argument(help="Key of the record of a highway network, or the beginning of it.")],
    plain_key: Annotated[str | None, typer.Argument(help="Key of a plain network to compare it with.")] = None,
    output: Annotated[Path | None, typer.Option(help="The page; by default docs/touch.html.")] = None,
) -> None:
    """Make a page of a trained network: draw a digit, watch its gates, close some of them.

    The page is one file that needs no network. It takes dense networks of MNIST or digits whose weights are kept.
    """
    from highways.report.touch import touch, touchable_line

    try:
        records = [run_given(key) for key in (run_key, plain_key) if key is not None]
    except HighwaysError as error:
        raise HighwaysError(f"{error}; {touchable_line()}") from None
    print(shown(touch(*records, output=output)))
