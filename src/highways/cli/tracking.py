"""`highways tracking`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from highways.cli.options import AnyProfileOption, ProfileOption, profiles_given, recorded_profiles
from highways.errors import HighwaysError

app = typer.Typer(help="MLflow: rebuild, models, ui, links, address.", no_args_is_help=True)


@app.command("rebuild")
def tracking_rebuild(profile: AnyProfileOption = None) -> None:
    """Bring all records, tables and figures to MLflow; what it has already stays."""
    if faults := _rebuilt(profile, only_missing=False):
        raise HighwaysError("; ".join(faults))


def _rebuilt(profile: str | None, only_missing: bool) -> list[str]:
    """Rebuild one profile or all that have results; return what went wrong, a line a profile."""
    from highways.report.rebuild import rebuild

    faults = []
    for name in recorded_profiles(profile):
        try:
            for line in rebuild(name, only_missing):
                print(line, flush=True)
        except HighwaysError as error:
            faults.append(f"{name}: {error}")
    return faults


@app.command("models")
def tracking_models(profile: ProfileOption = None) -> None:
    """Make the best networks models in MLflow, as far as their weights are kept here."""
    from highways.report.models import models

    for name in profiles_given(profile):
        for line in models(name):
            print(line, flush=True)


@app.command("ui")
def tracking_ui(
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="By default 5000; where it is taken, the next free one.")
    ] = None,
) -> None:
    """Open MLflow's page on this machine: what it lacks of the records is brought to it, and links are printed."""
    from highways.tracking.mlflow_ui import serve

    print("MLflow: looking for what it lacks of the records (minutes on a fresh clone, seconds later)", flush=True)
    for fault in _rebuilt(None, only_missing=True):
        print(f"warning: {fault}", file=sys.stderr, flush=True)
    for line in serve(port):
        print(line, flush=True)


@app.command("links")
def tracking_links(
    server: Annotated[str | None, typer.Option(help="Address of the server that shows them.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Also those of all runs and of every compared depth.")] = False,
) -> None:
    """Print the addresses at which MLflow's page opens on the views of each experiment."""
    from highways.tracking.mlflow_ui import read_links, shown_links

    found = read_links(server)
    if not found:
        raise HighwaysError("MLflow has no views yet; `highways tracking rebuild` makes them")
    for line in shown_links(found, every):
        print(line)


@app.command("address")
def tracking_address(
    whole: Annotated[bool, typer.Option("--whole", help="With a password, where the address has one.")] = False,
) -> None:
    """Print where MLflow's runs are kept: MLFLOW_TRACKING_URI, by default the database in mlruns/."""
    from highways.tracking.mlflow_address import shown_uri, tracking_uri

    print(tracking_uri() if whole else shown_uri())
