"""What is made of the records: `highways tables`, `figures`, `claims`, `report`, `verify`, `readme`, `pipeline`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from highways import paths
from highways.claims.verdicts import VERDICTS
from highways.cli import options, shown
from highways.errors import HighwaysError
from highways.files import write_all, write_whole

if TYPE_CHECKING:
    from highways.claims.judge import Judgement

app = typer.Typer()


@app.command("tables")
def tables_command(
    names: Annotated[list[str] | None, typer.Argument(help="Tables; by default all whose runs are recorded.")] = None,
    from_: options.SourceOption = "records",
    profile: options.ProfileOption = None,
    output: Annotated[Path | None, typer.Option(help="Folder; by default results/PROFILE/EXPERIMENT/tables.")] = None,
) -> None:
    """Build the comparison tables from the runs that the profile lists."""
    from highways.report.verdicts import write_tables

    if output and len(chosen := options.profiles_given(profile)) > 1:
        raise HighwaysError(f"--output: one folder for the tables of {' and '.join(chosen)}; --profile chooses one")
    for name in options.profiles_given(profile):
        for path in (written := write_tables(name, names or (), from_, output)):
            print(paths.shown(path))
        if not written:
            print(f"{name}: no finished runs, no tables")


@app.command("figures")
def figures_command(profile: options.ProfileOption = None, experiment: options.ExperimentOption = None) -> None:
    """Draw the figures of the experiments that have records."""
    from highways.experiments import EXPERIMENTS, Study, settings_of

    name = options.experiment_given(experiment)
    for one in options.profiles_given(profile):
        requested = [(known, settings_of(one, known.name)) for known in EXPERIMENTS if name in (None, known.name)]
        studies = [Study(known, settings) for known, settings in requested if settings is not None]
        recorded = [study for study in studies if not study.records().empty]
        for study in recorded:
            for figure in study.experiment.figures:
                study.figure(figure)
                print(paths.shown(study.results.figures / f"{figure}.png"), flush=True)
        if not recorded:
            print(f"{one}: no finished runs, no figures")


@app.command("claims")
def claims_command(
    profile: options.ProfileOption = None,
    from_: options.SourceOption = "records",
    history: Annotated[
        bool, typer.Option("--history", help="Show when each criterion was fixed; write references/history.csv.")
    ] = False,
) -> None:
    """Judge all claims on the recorded runs and write claims.csv and the pages of the results."""
    if history:
        return _show_history(profile)
    from highways.claims.judge import headline
    from highways.report.pages import write_pages
    from highways.report.verdicts import judge_all, write_claims

    for name in options.profiles_given(profile):
        judged = judge_all(name, from_)
        path = write_claims(judged)
        write_pages(judged)
        shown.wrapped(f"{name}: {headline(judged.judgements)}. All claims are in {paths.shown(path)}")
        _show(judged.judgements)
        if altered := [path for path, text in judged.tables.items() if path.read_bytes() != text.encode()]:
            named, cure = ", ".join(map(paths.shown, altered)), f"`highways tables --profile {name}` makes it again"
            raise HighwaysError(f"{named}: not what the records give; {cure}")


STYLES = {"replicated": "green", "not replicated": "red", "inconclusive": "yellow", "not run": "dim"}


def _show(judgements: Sequence[Judgement]) -> None:
    """Show judgements by verdict; of claims not run only the names."""
    for verdict in VERDICTS:
        rows = [row for row in judgements if row.verdict == verdict]
        if not rows:
            continue
        shown.line(f"\n{verdict} ({len(rows)})", STYLES.get(verdict, "yellow"))
        if verdict == "not run":
            shown.wrapped(", ".join(row.claim_id for row in rows), "  ")
            continue
        for row in rows:
            scope = f", {row.scope} scope" if row.scope else ""
            shown.line(f"  {row.claim_id}", "bold")
            shown.wrapped(f"{row.source}{scope}: {row.criterion}", "    ")
            shown.wrapped(f"measured {row.measured or 'nothing'}", "    ")


def _show_history(profile: str | None) -> None:
    """Bring `references/history.csv` up to date from git, and show when each criterion was fixed.

    With each claim stands when that was before or after the runs of a profile, or of all that have verdicts.
    """
    import pandas as pd

    from highways.claims import history

    path, note = paths.root() / history.HISTORY, ""
    if (forms := history.forms_of_claims()) is None:
        note = f"no full clone: what git knows cannot be read, this is {history.HISTORY} as it is committed"
    else:
        text = history.history_text(history.fixed_by_git(forms))
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            write_whole(path, text)
            note = f"{history.HISTORY} is written; `highways claims` brings it into the verdicts"
    rows = history.read_history().values()
    table = pd.DataFrame(rows, columns=pd.Index(history.Fixed._fields)).drop(columns="rest_fixed_at")
    table["commit"] = table["commit"].str[:7]
    compared = [name for name in options.recorded_profiles(profile) if paths.Results(name).claims.exists()]
    for name in compared:
        judged = pd.read_csv(paths.Results(name).claims, index_col="claim_id", keep_default_na=False)
        table[name] = table["claim_id"].map(judged.to_dict()["fixed"])
    shown.table([*table], table.itertuples(index=False))
    for name in compared:
        shown.wrapped(f"{name}: {history.summary(table[name].dropna())}.")
    if note:
        shown.wrapped(note)


@app.command("report")
def report_command(profile: options.ProfileOption = None) -> None:
    """Write report.html from what a profile has so far."""
    from highways.report.html import write_report
    from highways.report.verdicts import judge_all

    for name in options.profiles_given(profile):
        print(paths.shown(write_report(judge_all(name))))


@app.command("verify")
def verify_command(
    profile: options.AnyProfileOption = None,
    rerun: Annotated[
        int | None, typer.Option("--rerun", min=1, help="Train this many sampled runs again and compare them instead.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="With --rerun: seed of the sample.")] = 0,
    device: options.DeviceOption = "auto",
) -> None:
    """Check records, tables, claims and pages; name each file that is not intact and exit with status 1.

    With --rerun, train sampled runs again in a temporary place and compare them with their records.
    """
    from highways.pipeline import verify

    chosen = options.recorded_profiles(profile)
    if rerun is not None:
        if bad := verify.rerun(chosen, rerun, seed, device):
            raise HighwaysError(f"{bad} runs did not come out as expected")
        return
    if seed or device != "auto":
        raise HighwaysError("--seed and --device need --rerun")
    results = [verify.faults(name) for name in chosen]
    checked, found = sum(number for number, _ in results), [fault for _, bad in results for fault in bad]
    for fault in found:
        print(fault)
    if found:
        raise HighwaysError(f"{len(found)} of {checked} files are not intact")
    if not checked:
        raise HighwaysError(f"there are no results to verify{f' of {profile}' if profile else ''}")
    print(f"{checked} files are intact")


@app.command("readme")
def readme_command(
    check: Annotated[bool, typer.Option("--check", help="Check that they are current, and write nothing.")] = False,
) -> None:
    """Write README's numbers and the pages of profiles and benchmarks from the committed results."""
    from highways.report import readme

    if check and (stale := readme.stale()):
        raise HighwaysError(f"{', '.join(stale)}: not what the committed results give; run `make readme`")
    if not check:
        write_all(dict(readme.current()))
    print("README.md and the pages are current")


@app.command("pipeline")
def pipeline_command() -> None:
    """Write dvc.yaml and references/claims.schema.json from the experiments."""
    from highways.pipeline.generated import dvc_text, schema_text

    made = {paths.root() / "dvc.yaml": dvc_text(), paths.root() / "references" / "claims.schema.json": schema_text()}
    for path in write_all(made):
        print(paths.shown(path))


new = typer.Typer(help="Write something new, to be changed into one's own.", no_args_is_help=True)
app.add_typer(new, name="new")


@new.command("experiment")
def new_experiment_command(
    name: Annotated[str, typer.Argument(help="Two digits and a word, such as 11_width.")],
) -> None:
    """Write an experiment's module, notebook, quick parameters, claim and test, and register it."""
    from highways.pipeline.new_experiment import new_experiment

    for path in new_experiment(name):
        print(paths.shown(path))
    then = f"`dvc repro {name}@quick` and `highways claims`"
    print(f"next: `highways pipeline`, then {then}; change the module as you like")
