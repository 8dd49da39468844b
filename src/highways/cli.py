"""The `highways` command line."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from highways.errors import HighwaysError, NotYet

app = typer.Typer(
    name="highways",
    help="Highway Networks, replicated: data, profiles, runs, tables, claims.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
data_app = typer.Typer(help="Data sets: list, fetch, verify.", no_args_is_help=True)
profile_app = typer.Typer(help="Profiles: show, check, use.", no_args_is_help=True)
tracking_app = typer.Typer(help="MLflow.", no_args_is_help=True)
app.add_typer(data_app, name="data")
app.add_typer(profile_app, name="profile")
app.add_typer(tracking_app, name="tracking")

ProfileOption = Annotated[str | None, typer.Option(help="Name of the profile; by default those active in params.yaml.")]


@app.callback()
def options(debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False) -> None:
    """Options of every command; `main` looks for `--debug` itself."""


def _profiles(given: str | None) -> list[str]:
    from highways.config import active_profiles
    from highways.config.profiles import profile_names

    if given is None:
        return active_profiles()
    if given not in profile_names():
        raise HighwaysError(f"no profile {given!r}; there are: {', '.join(profile_names())}")
    return [given]


def _relative(path: Path) -> str:
    from highways import paths

    return str(path.relative_to(paths.root()) if path.is_relative_to(paths.root()) else path)


# Data


@data_app.command("list")
def data_list() -> None:
    """List the data sets, and whether their files are here."""
    from highways.data.sources import sources, state

    for name, source in sources().items():
        states = list(state(name).values())
        here = "complete" if set(states) <= {"ok"} else f"{states.count('ok')} of {len(states)} files"
        here = "generated" if source.generated else here
        print(f"{name:17} {here:15} {source.title} ({source.publisher}; licence: {source.licence})")


@data_app.command("fetch")
def data_fetch(names: Annotated[list[str], typer.Argument(help="Data sets.")]) -> None:
    """Fetch what is missing or altered, from HIGHWAYS_DATA_MIRROR or the network."""
    from highways.data import fetch

    for name in names:
        fetch(name)


@data_app.command("verify")
def data_verify(names: Annotated[list[str] | None, typer.Argument(help="Data sets; by default all.")] = None) -> None:
    """Check the checksums of the files that are here; exit status 1 if one is altered."""
    from highways.data.sources import sources, state

    altered = 0
    for name in names or sources():
        for path, found in state(name).items():
            print(f"{found:8} {name}: {path}")
            altered += found == "altered"
    if altered:
        raise HighwaysError(f"{altered} files are altered; `highways data fetch NAME` replaces them")


# Profiles


@profile_app.command("show")
def profile_show(
    name: Annotated[str | None, typer.Argument(help="Profile; by default the active ones.")] = None,
) -> None:
    """Show the parameters of every notebook in a profile, checked."""
    from highways.config import active_profiles
    from highways.config.profiles import profile_path
    from highways.experiments import EXPERIMENTS

    for profile in _profiles(name):
        print(f"{profile}{' (active)' if profile in active_profiles() else ''}")
        for experiment in EXPERIMENTS:
            notebook = experiment.name
            if profile_path(profile, notebook).exists():
                settings = experiment.of(profile).settings
                try:
                    print(f"  {notebook}: {len(settings.runs())} runs")
                except NotYet as error:
                    print(f"  {notebook}: its runs follow from an earlier notebook ({error})")
                for key, value in settings.model_dump().items():
                    print(f"    {key}: {value}")


@profile_app.command("check")
def profile_check(
    name: Annotated[str, typer.Argument(help="Profile.")],
    notebook: Annotated[str, typer.Argument(help="Notebook, such as 01_depth.")],
) -> None:
    """Check all that a notebook needs before it runs: parameters, and device and data if there is training to do.

    Papermill itself takes unknown parameters without a word, and shows errors as tracebacks.
    """
    from highways.report.readiness import check

    check(name, notebook)


@profile_app.command("use")
def profile_use(names: Annotated[list[str], typer.Argument(help="Profiles.")]) -> None:
    """Make profiles the active ones: `dvc repro` runs these."""
    from highways.config import use_profiles

    use_profiles(names)
    print(f"active: {', '.join(names)}")


# Runs


@app.command("run")
def run_command(
    config: Annotated[str, typer.Argument(help="YAML file of a run, a run's record (JSON), or the key of a record.")],
    set_: Annotated[list[str] | None, typer.Option("--set", help="key=value, such as network.depth=20.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    weights: Annotated[bool, typer.Option("--weights", help="Train again if the weights are not kept here.")] = False,
    show: Annotated[str | None, typer.Option(help="Draw gates, lesions or signal of a trained run.")] = None,
    example: Annotated[int, typer.Option(min=0, help="With --show gates: number of the training example.")] = 0,
    classes: Annotated[
        list[int] | None,
        typer.Option("--class", help="With --show gates: a class to draw the routing of; twice."),
    ] = None,
    output: Annotated[Path | None, typer.Option(help="With --show: the figure's file (PNG).")] = None,
) -> None:
    """Train one run, or show its record if it is finished; with --show, draw what is inside its network."""
    from highways.config import RunConfig, validate
    from highways.tracking.events import EpochEnded, Event
    from highways.training import run

    if device not in ("auto", "cpu", "cuda"):
        raise HighwaysError(f"--device must be auto, cpu or cuda, found {device!r}")
    if show is None and (example or classes or output):
        raise HighwaysError("--example, --class and --output belong to --show")
    content, where = _run_content(config)
    settings = validate(RunConfig, _with_settings(content, set_ or []), where)

    if show is not None:
        from highways.report.inside import draw_inside

        path = draw_inside(settings, show, device, weights, example, classes or [], output)  # type: ignore[arg-type]
        print(_relative(path))
        return

    def tell(event: Event) -> None:
        if isinstance(event, EpochEnded):
            metrics = event.metrics[0]
            shown = "diverged" if metrics is None else "  ".join(f"{k} {v:.4g}" for k, v in metrics.items())
            print(f"epoch {event.epoch}/{event.epochs}  {shown}  {event.seconds:.1f} s", flush=True)

    record = run(settings, device=device, weights=weights, on_event=tell)  # type: ignore[arg-type]
    print(f"{record.run_key}: {record.status} after {record.epochs} epochs, {record.parameters} parameters")
    for name in record.curves:
        print(f"  {name}: {record.last(name):.6g}")


def _run_content(given: str) -> tuple[Any, str]:
    """Return the settings of a run from a file or from the record of a key, and the file's name for messages."""
    from highways.config import read_yaml
    from highways.tracking.records import RecordStore, close_keys

    path = Path(given)
    if not path.exists() and path.suffix not in (".yaml", ".yml", ".json"):
        found = RecordStore.find(given)
        if found is None:
            near = close_keys(given)
            hint = f"; the nearest are: {', '.join(near)}" if near else "; there are no records yet"
            raise HighwaysError(f"no file and no record of a run {given!r}{hint}")
        path = found
    content = read_yaml(path)
    if isinstance(content, dict) and "run_key" in content:
        content = content.get("config")
    return content, str(path)


def _with_settings(content: Any, settings: list[str]) -> Any:
    import yaml

    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise HighwaysError(f"--set {setting}: expected key=value")
        place = content
        *sections, last = key.split(".")
        for section in sections:
            place = place.get(section) if isinstance(place, dict) else None
        if not isinstance(place, dict):
            raise HighwaysError(f"--set {setting}: there is no section {'.'.join(sections)!r}")
        try:
            place[last] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise HighwaysError(f"--set {setting}: the value is not valid YAML") from None
    return content


# Results


@app.command("tables")
def tables_command(
    names: Annotated[list[str] | None, typer.Argument(help="Tables; by default all there are runs for.")] = None,
    from_: Annotated[str, typer.Option("--from", help="records or mlflow: both give the same bytes.")] = "records",
    profile: ProfileOption = None,
    output: Annotated[Path | None, typer.Option(help="Folder; by default results/PROFILE/EXPERIMENT/tables.")] = None,
) -> None:
    """Build the comparison tables from the runs that the profile lists."""
    from highways.report.tables import write_tables

    for name in _profiles(profile):
        written = write_tables(name, names or (), from_, output)  # type: ignore[arg-type]
        for path in written:
            print(_relative(path))
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

    for name in _profiles(profile):
        path, judgements = write_claims(name, from_)  # type: ignore[arg-type]
        write_pages(name, judgements)
        for row in judgements:
            scope = f" ({row.scope})" if row.scope else ""
            print(f"{row.verdict + scope:27} {row.claim_id}: {row.criterion}; measured {row.measured or 'nothing'}")
        print(f"{name}: {headline(judgements)}; written to {_relative(path)}")


@app.command("verify")
def verify_command(profile: ProfileOption = None) -> None:
    """Check records, tables, claims and pages; name each file that is not intact and exit with status 1."""
    from highways import paths
    from highways.report.verify import faults

    chosen = _profiles(profile) if profile else paths.profiles_with_results()
    found, checked = [], 0
    for name in chosen:
        number, bad = faults(name)
        checked += number
        found += bad
    for fault in found:
        print(fault)
    if found:
        raise HighwaysError(f"{len(found)} of {checked} files are not intact")
    print(f"{checked} files are intact")


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

    print(f"{_relative(pipeline.write())} is written")


@tracking_app.command("rebuild")
def tracking_rebuild(profile: ProfileOption = None) -> None:
    """Bring all records, tables and figures to MLflow; what it has already stays."""
    from highways import paths
    from highways.report.rebuild import rebuild

    faults = []
    for name in _profiles(profile) if profile else paths.profiles_with_results():
        try:
            for line in rebuild(name):
                print(line, flush=True)
        except HighwaysError as error:
            faults.append(f"{name}: {error}")
    if faults:
        raise HighwaysError("; ".join(faults))


@tracking_app.command("address")
def tracking_address(
    whole: Annotated[bool, typer.Option("--whole", help="With a password, where the address has one.")] = False,
) -> None:
    """Print where MLflow's runs are kept: MLFLOW_TRACKING_URI, by default the database in mlruns/."""
    from highways.tracking.mlflow_address import shown_uri, tracking_uri

    print(tracking_uri() if whole else shown_uri())


def main() -> None:
    """Run the command line; errors of the user's making are one line and exit status 1."""
    debug = "--debug" in sys.argv
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    status: Any = None
    try:
        status = app(arguments, prog_name="highways", standalone_mode=False)
    except HighwaysError as error:
        if debug:
            raise
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        if debug:
            raise
        print("interrupted; the same command goes on from here", file=sys.stderr)
        raise SystemExit(130) from None
    except Exception as error:
        if debug or not hasattr(error, "format_message"):
            raise
        _show_usage_error(error)
    raise SystemExit(status if isinstance(status, int) else 0)


def _show_usage_error(error: Any) -> None:
    """Show a wrong option or argument as one line; a group called without a command has its help."""
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
    else:
        command = context.command_path if context is not None else "highways"
        print(f"error: {error.format_message()} `{command} --help` says more.", file=sys.stderr)
    raise SystemExit(error.exit_code)


if __name__ == "__main__":
    main()
