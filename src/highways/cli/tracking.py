"""`highways tracking`."""

from __future__ import annotations

from typing import Annotated

import typer

from highways.cli.options import ProfileOption, profiles_given
from highways.errors import HighwaysError

app = typer.Typer(help="MLflow: rebuild, address.", no_args_is_help=True)


@app.command("rebuild")
def tracking_rebuild(profile: ProfileOption = None) -> None:
    """Bring all records, tables and figures to MLflow; what it has already stays."""
    from highways import paths
    from highways.report.rebuild import rebuild

    faults = []
    for name in profiles_given(profile) if profile else paths.profiles_with_results():
        try:
            for line in rebuild(name):
                print(line, flush=True)
        except HighwaysError as error:
            faults.append(f"{name}: {error}")
    if faults:
        raise HighwaysError("; ".join(faults))


@app.command("address")
def tracking_address(
    whole: Annotated[bool, typer.Option("--whole", help="With a password, where the address has one.")] = False,
) -> None:
    """Print where MLflow's runs are kept: MLFLOW_TRACKING_URI, by default the database in mlruns/."""
    from highways.tracking.mlflow_address import shown_uri, tracking_uri

    print(tracking_uri() if whole else shown_uri())
