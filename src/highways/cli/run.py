"""`highways run`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from highways.cli.options import relative
from highways.errors import HighwaysError

app = typer.Typer()


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

    if device not in ("auto", "cpu", "cuda"):
        raise HighwaysError(f"--device must be auto, cpu or cuda, found {device!r}")
    if show is None and (example or classes or output):
        raise HighwaysError("--example, --class and --output belong to --show")
    content, where = _run_content(config)
    settings = validate(RunConfig, _with_settings(content, set_ or []), where)

    if show is not None:
        from highways.report.inside import draw_inside

        path = draw_inside(settings, show, device, weights, example, classes or [], output)  # type: ignore[arg-type]
        print(relative(path))
        return

    from highways.tracking.events import EpochEnded, Event  # with torch, after what is given has been checked
    from highways.training import run

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

    path = Path(given)
    if not path.exists() and path.suffix not in (".yaml", ".yml", ".json"):
        from highways.tracking.records import RecordStore, close_keys

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
