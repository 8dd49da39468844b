"""`highways run`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from highways.cli.options import check_device, complete_devices, complete_runs, run_given
from highways.errors import HighwaysError
from highways.paths import shown

app = typer.Typer()

SHOWN = ("gates", "lesions", "signal")
"""Bytes of a record: it has a number an epoch."""


@app.command("run")
def run_command(
    config: Annotated[
        str | None,
        typer.Argument(
            help="YAML file of a run, a run's record (JSON), or the key of a record: all of it, how it begins, or how "
            "the hash at its end begins.",
            autocompletion=complete_runs,
        ),
    ] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="key=value, such as network.depth=20.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.", autocompletion=complete_devices)] = "auto",
    weights: Annotated[bool, typer.Option("--weights", help="Train again if the weights are not kept here.")] = False,
    show: Annotated[
        str | None,
        typer.Option(help="Draw gates, lesions or signal of a trained run.", autocompletion=lambda: list(SHOWN)),
    ] = None,
    training_example: Annotated[
        int, typer.Option(min=0, help="With --show gates: number of the training example.")
    ] = 0,
    classes: Annotated[
        list[int] | None,
        typer.Option("--class", help="With --show gates: a class to draw the routing of; twice."),
    ] = None,
    output: Annotated[Path | None, typer.Option(help="With --show: the figure's file (PNG).")] = None,
    example: Annotated[bool, typer.Option("--example", help="Print an example of a run's YAML, and stop.")] = False,
    family: Annotated[str, typer.Option(help="With --example: dense, conv, bilstm or bag-of-words.")] = "dense",
) -> None:
    """Train one run, or show its record if it is finished; with --show, draw what is inside its network."""
    from highways.config import RunConfig, validate

    if example:
        _print_example(family)
        return
    if config is None:
        raise HighwaysError("run what? Give a YAML file or a run's key; `highways run --example` prints such a file")
    check_device(device)
    if show is None and (training_example or classes or output):
        raise HighwaysError("--training-example, --class and --output belong to --show")
    content, where = _run_content(config)
    settings = validate(RunConfig, _with_settings(content, set_ or []), where)
    if show is None:
        _train(settings, device, weights)
        return
    from highways.report.inside import draw_inside

    asked: Any = (device, weights, training_example, classes or [], output)
    print(shown(draw_inside(settings, show, *asked)))


def _print_example(family: str) -> None:
    from highways.cli.examples import FAMILIES, example_of

    if family not in FAMILIES:
        raise HighwaysError(f"--family {family}: there are {', '.join(FAMILIES)}")
    print(example_of(family), end="")


def _train(settings: Any, device: str, weights: bool) -> None:
    """Train a run and show its record; torch and Lightning are imported here, once all is known to be right."""
    from highways.tracking.events import EpochEnded, Event
    from highways.training import run

    def tell(event: Event) -> None:
        if isinstance(event, EpochEnded):
            metrics = event.metrics[0]
            values = "diverged" if metrics is None else "  ".join(f"{k} {v:.4g}" for k, v in metrics.items())
            print(f"epoch {event.epoch}/{event.epochs}  {values}  {event.seconds:.1f} s", flush=True)

    record = run(settings, device=device, weights=weights, on_event=tell)  # type: ignore[arg-type]
    print(f"{record.run_key}: {record.status} after {record.epochs} epochs, {record.parameters} parameters")
    for name in record.curves:
        print(f"  {name}: {record.last(name):.6g}")


def _run_content(given: str) -> tuple[Any, str]:
    """Return the settings of a run from a file or from the record of a key, and the file's name for messages."""
    from highways.config import read_yaml
    from highways.config.reading import read_text

    path = Path(given)
    if not (_exists(path) or path.suffix in (".yaml", ".yml", ".json")):
        path = run_given(given)
    if path.suffix != ".json":
        return read_yaml(path), str(path)
    text = read_text(path)
    from highways.tracking.records import RunRecord

    return RunRecord.loads(text, shown(path)).config.model_dump(mode="json"), shown(path)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name that is too long for a file
        return False


def _with_settings(content: Any, settings: list[str]) -> Any:
    from highways.config import parse_yaml

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
        place[last] = parse_yaml(value, f"--set {setting}:")
    return content
