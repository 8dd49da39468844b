"""`highways data`."""

from __future__ import annotations

from typing import Annotated

import typer

from highways.cli import shown
from highways.cli.options import complete_data
from highways.errors import HighwaysError

app = typer.Typer(help="Data sets: list, fetch, verify.", no_args_is_help=True)


@app.command("list")
def data_list() -> None:
    """List the data sets, and whether their files are here."""
    from highways.data.sources import sources, state

    rows = []
    for name, source in sources().items():
        states = list(state(name).values())
        here = "complete" if set(states) <= {"ok"} else f"{states.count('ok')} of {len(states)} files"
        here = "generated" if source.generated else here
        rows.append((name, here, f"{source.title} ({source.publisher}; licence: {source.licence})"))
    shown.table(("data set", "files", "what it is"), rows)


@app.command("fetch")
def data_fetch(names: Annotated[list[str], typer.Argument(help="Data sets.", autocompletion=complete_data)]) -> None:
    """Fetch what is missing or altered, from HIGHWAYS_DATA_MIRROR or the network."""
    from highways.data import fetch

    for name in names:
        fetch(name)


@app.command("verify")
def data_verify(
    names: Annotated[
        list[str] | None, typer.Argument(help="Data sets; by default all.", autocompletion=complete_data)
    ] = None,
) -> None:
    """Check the checksums of the files that are here; exit status 1 if one is altered."""
    from highways.data.sources import sources, state

    altered = 0
    for name in names or sources():
        for path, found in state(name).items():
            print(f"{found:8} {name}: {path}")
            altered += found == "altered"
    if altered:
        raise HighwaysError(f"{altered} files are altered; `highways data fetch NAME` replaces them")
