"""`highways data`: which data sets are here, fetch them, verify them."""

from typing import Annotated

import typer

from highways.cli import shown
from highways.errors import HighwaysError

app = typer.Typer(help="List, fetch and verify data sets.", no_args_is_help=True)


@app.command("list")
def data_list() -> None:
    """List the data sets and say whether their files are here."""
    from highways.data.sources import sources

    rows = []
    for name, source in sources().items():
        states = list(source.states().values())
        here = "complete" if set(states) <= {"ok"} else f"{states.count('ok')} of {len(states)} files"
        here = here if states else "generated"
        rows.append((name, here, f"{source.title} ({source.publisher}; licence: {source.licence})"))
    shown.table(("data set", "files", "description"), rows)


@app.command("fetch")
def data_fetch(names: Annotated[list[str], typer.Argument(help="Data sets.")]) -> None:
    """Fetch missing and altered files, from HIGHWAYS_DATA_MIRROR or from the network."""
    from highways.data import locate

    for name in names:
        locate(name)
        print(f"{name}: complete")


@app.command("verify")
def data_verify(names: Annotated[list[str] | None, typer.Argument(help="Data sets; by default all.")] = None) -> None:
    """Verify the checksums of the files that are here; exit with status 1 if one is altered."""
    from highways.data.sources import source, sources

    altered = []
    for name in names or sources():
        for path, status in source(name).states().items():
            print(f"{status:8} {name}: {path}")
            if status == "altered":
                altered.append(name)
    if altered:
        files = "1 file is" if len(altered) == 1 else f"{len(altered)} files are"
        raise HighwaysError(f"{files} altered; `highways data fetch {' '.join(dict.fromkeys(altered))}` replaces them")
