"""What is made of the records: `highways tables`, `claims`, `verify`, `seal`, `readme`, `pipeline`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from highways.cli.options import ProfileOption, profiles_given, relative
from highways.errors import HighwaysError

app = typer.Typer()


@app.command("tables")
def tables_command(
    names: Annotated[list[str] | None, typer.Argument(help="Tables; by default all there are runs for.")] = None,
    from_: Annotated[str, typer.Option("--from", help="records or mlflow: both give the same bytes.")] = "records",
    profile: ProfileOption = None,
    output: Annotated[Path | None, typer.Option(help="Folder; by default results/PROFILE/EXPERIMENT/tables.")] = None,
) -> None:
    """Build the comparison tables from the runs that the profile lists."""
    from highways.report.tables import write_tables

    for name in profiles_given(profile):
        written = write_tables(name, names or (), from_, output)  # type: ignore[arg-type]
        for path in written:
            print(relative(path))
        if not written:
            print(f"{name}: no finished runs, no tables")


@app.command("claims")
def claims_command(
    profile: ProfileOption = None,
    from_: Annotated[str, typer.Option("--from", help="records or mlflow.")] = "records",
) -> None:
    """Judge the claims on the tracked runs; write claims.csv and the pages of the results."""
    from highways.claims.judge import headline
    from highways.report.pages import write_pages
    from highways.report.verdicts import write_claims

    for name in profiles_given(profile):
        path, judgements = write_claims(name, from_)  # type: ignore[arg-type]
        write_pages(name, judgements)
        for row in judgements:
            scope = f" ({row.scope})" if row.scope else ""
            print(f"{row.verdict + scope:27} {row.claim_id}: {row.criterion}; measured {row.measured or 'nothing'}")
        print(f"{name}: {headline(judgements)}; written to {relative(path)}")


@app.command("verify")
def verify_command(profile: ProfileOption = None) -> None:
    """Check records, figures, tables, claims and pages; name each file that is not intact and exit with status 1."""
    from highways import paths
    from highways.report.verify import faults

    chosen = profiles_given(profile) if profile else paths.profiles_with_results()
    found, checked = [], 0
    for name in chosen:
        number, bad = faults(name)
        checked += number
        found += bad
    for fault in found:
        print(fault)
    if found:
        raise HighwaysError(f"{len(found)} of {checked} files are not intact")
    if not checked:
        raise HighwaysError(f"there are no results to verify{f' of {profile}' if profile else ''}")
    print(f"{checked} files are intact")


@app.command("seal")
def seal_command(
    profile: Annotated[str | None, typer.Option(help="Name of the profile; by default all that have results.")] = None,
) -> None:
    """Make the MANIFEST anew of the records and figures that are there: what is gone or altered is so on purpose."""
    from highways import paths
    from highways.report.verify import seal

    for name in profiles_given(profile) if profile else paths.profiles_with_results():
        manifest, changes = seal(name)
        for what, files in (("new", changes.new), ("changed", changes.changed), ("gone", changes.gone)):
            for file in files:
                print(f"{what:7} {relative(manifest.folder / file)}")
        print(f"{relative(manifest.path)}: {len(manifest.read())} records and figures")


@app.command("readme")
def readme_command(
    check: Annotated[bool, typer.Option("--check", help="Only tell whether it is current.")] = False,
) -> None:
    """Write README's numbers, the pages of the committed profiles and the benchmarks' from what is committed."""
    from highways.report import readme

    if check and (stale := readme.stale()):
        raise HighwaysError(f"{', '.join(stale)}: not what the committed results give; run `make readme`")
    if not check:
        readme.update()
    print("README.md and the pages are current")


@app.command("pipeline")
def pipeline_command() -> None:
    """Write dvc.yaml from the experiments."""
    from highways.report import pipeline

    print(f"{relative(pipeline.write())} is written")
