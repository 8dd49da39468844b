"""Single runs and their networks: `highways run`, `highways touch` and `highways weights keep`."""

import os
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from highways import paths
from highways.cli.options import DeviceOption, run_given
from highways.config import RunConfig, parse_yaml, read_text, read_yaml, validate
from highways.errors import HighwaysError

app = typer.Typer()
weights = typer.Typer(no_args_is_help=True, help="Final weights in the repository.")


@app.command("run")
def run_command(
    config: Annotated[
        str | None,
        typer.Argument(help="YAML file or record (JSON) of a run, or the beginning of its key or the key's hash."),
    ] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="key=value, such as network.depth=20.")] = None,
    device: DeviceOption = "auto",
    weights: Annotated[bool, typer.Option("--weights", help="Train again if the weights are not kept here.")] = False,
    show: Annotated[
        Literal["gates", "lesions", "signal"] | None, typer.Option(help="Draw the inside of a trained network.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="With --show: file of the figure (PNG).")] = None,
    example: Annotated[bool, typer.Option("--example", help="Print the YAML file of an example, and stop.")] = False,
    family: Annotated[str, typer.Option(help="With --example: family of the network.")] = "dense",
) -> None:
    """Train one run, or show its record if it has one; with --show, draw the inside of its network."""
    if example:
        examples = {path.stem: path for path in sorted((paths.root() / "examples").glob("*.yaml"))}
        if family not in examples:
            raise HighwaysError(f"no example of a family {family!r}; there are: {', '.join(examples)}")
        print(read_text(examples[family]), end="")
        return
    if config is None:
        raise HighwaysError("no run given; give a YAML file (`highways run --example` prints one) or a run's key")
    content, where = _run_content(config)
    for setting in set_ or ():
        key, equals, value = setting.partition("=")
        if not equals:
            raise HighwaysError(f"--set {setting}: must be key=value")
        *sections, last = key.split(".")
        try:
            reduce(getitem, sections, content)[last] = parse_yaml(value, f"--set {setting}:")
        except (LookupError, TypeError):
            raise HighwaysError(f"--set {setting}: there is no section {'.'.join(sections)!r}") from None
    settings = validate(RunConfig, content, where)
    if show is None:
        _train(settings, device, weights)
        return
    from highways.report.inside import draw_inside

    print(paths.shown(draw_inside(settings, show, device, weights, output)))


def _train(settings: Any, device: Any, weights: bool) -> None:
    """Train a run and show its record; torch is imported here, once the settings are valid."""
    from highways.tracking.events import EpochEnded, Event
    from highways.training import run

    def tell(event: Event) -> None:
        if isinstance(event, EpochEnded):
            metrics = event.metrics[0]
            values = "diverged" if metrics is None else "  ".join(f"{k} {v:.4g}" for k, v in metrics.items())
            print(f"epoch {event.epoch}/{event.epochs}  {values}  {event.seconds:.1f} s", flush=True)

    record = run(settings, device=device, weights=weights, on_event=tell)
    epochs = "1 epoch" if record.epochs == 1 else f"{record.epochs} epochs"
    print(f"{record.run_key}: {record.status} after {epochs}, {record.parameters} parameters")
    for name in record.curves:
        print(f"  {name}: {record.last(name):.6g}")


def _run_content(given: str) -> tuple[Any, str]:
    """Return a run's settings, from a file or from the record of a key, and the file's name for messages."""
    path = Path(given)
    if not (path.suffix in (".yaml", ".yml", ".json") or os.path.exists(given)):  # False of a name that is too long
        path = run_given(given)
    if path.suffix != ".json":
        return read_yaml(path), str(path)
    text = read_text(path)
    from highways.tracking.records import RunRecord  # imports torch

    where = paths.shown(path)
    return RunRecord.loads(text, where).config.model_dump(mode="json"), where


@weights.command("keep")
def keep_command(
    run_keys: Annotated[list[str], typer.Argument(help="Keys of runs whose weights are under checkpoints/.")],
    half: Annotated[bool, typer.Option("--half", help="Keep them as float16, in half the space.")] = False,
) -> None:
    """Copy weights from checkpoints/ into results/PROFILE/weights and write the card that lists them."""
    from highways.report.weights import keep

    for path in keep([run_given(key).stem for key in run_keys], half):
        print(paths.shown(path))


@app.command("touch")
def touch_command(
    run_key: Annotated[str, typer.Argument(help="Key of the record of a highway network, or the beginning of it.")],
    plain_key: Annotated[str | None, typer.Argument(help="Key of a plain network to compare it with.")] = None,
    output: Annotated[Path | None, typer.Option(help="The page; by default docs/touch.html.")] = None,
) -> None:
    """Make a page of a trained network: draw a digit, watch its gates, close some of them.

    The page is one file that needs no network. It takes dense networks of MNIST or digits whose weights are kept.
    """
    from highways.report.touch import touch, touchable_line

    try:
        records = [run_given(key) for key in (run_key, plain_key) if key is not None]
    except HighwaysError as error:
        raise HighwaysError(f"{error}; {touchable_line()}") from None
    print(paths.shown(touch(*records, output=output)))
