"""`highways tracking`: MLflow."""

import sys
from typing import Annotated

import typer

from highways.cli.options import AnyProfileOption, ProfileOption, profiles_given, recorded_profiles
from highways.errors import HighwaysError

app = typer.Typer(help="MLflow: rebuild it from the records, add models, open its page.", no_args_is_help=True)


@app.command("rebuild")
def tracking_rebuild(
    profile: AnyProfileOption = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Delete MLflow's database in mlruns/ first.")] = False,
) -> None:
    """Write all records, tables and figures to MLflow; what it already has stays."""
    from highways.tracking.mlflow_store import remove

    profiles = recorded_profiles(profile)  # one that is not there deletes nothing
    if fresh:
        remove()
    if faults := _rebuild(profiles):
        raise HighwaysError("; ".join(faults))


def _rebuild(profiles: list[str], only_missing: bool = False) -> list[str]:
    """Rebuild some profiles; return one line per profile that failed."""
    from highways.report.mlflow_results import rebuild

    faults = []
    for name in profiles:
        try:
            for line in rebuild(name, only_missing):
                print(line, flush=True)
        except HighwaysError as error:
            faults.append(f"{name}: {error}")
    return faults


@app.command("models")
def tracking_models(profile: ProfileOption = None) -> None:
    """Export the best networks to MLflow as models, if their weights are kept."""
    from highways.report.mlflow_results import models

    for name in profiles_given(profile):
        for line in models(name):
            print(line, flush=True)


@app.command("ui")
def tracking_ui(port: Annotated[int, typer.Option(min=1, max=65535, help="Or the next free port.")] = 5000) -> None:
    """Write missing records to MLflow, print links to its views, and serve its page on this machine."""
    from highways.tracking.mlflow_page import serve

    print("MLflow: looking for missing records (a minute or two on a fresh clone, seconds later)", flush=True)
    for fault in _rebuild(recorded_profiles(None), only_missing=True):
        print(f"warning: {fault}", file=sys.stderr, flush=True)
    for line in serve(port):
        print(line, flush=True)
