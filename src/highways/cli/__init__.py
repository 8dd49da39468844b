"""The `highways` command line: a module a group of commands; what does the work is imported when it is asked for."""

from __future__ import annotations

import contextlib
import os
import select
import sys
from collections.abc import Iterator
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from highways.cli import data, doctor, notebook, profile, results, run, runs, tracking
from highways.errors import HighwaysError


class Stopped(Exception):
    """Something from outside ended a command; its cause says what."""


@contextlib.contextmanager
def _stops_shown() -> Iterator[None]:
    """Raise `Stopped` for what Typer would make an exit status of, without a word, before `main` could see it."""
    try:
        yield
    except (KeyboardInterrupt, BrokenPipeError) as error:
        raise Stopped from error
    except SystemExit as error:  # rich's, where nobody reads the help that it prints
        raise SystemExit(0 if isinstance(error.__context__, BrokenPipeError) else error.code) from None


class Group(TyperGroup):
    """The commands; all that ends one reaches `main`."""

    def make_context(self, *arguments: Any, **more: Any) -> typer.Context:
        """Read the arguments; some options print, and are done."""
        with _stops_shown():
            return super().make_context(*arguments, **more)  # type: ignore[return-value]

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        with _stops_shown():
            return super().invoke(ctx)


app = typer.Typer(
    name="highways",
    cls=Group,
    help="Highway Networks, replicated: data, profiles, runs, tables, claims.",
    pretty_exceptions_enable=False,
)
WELCOME = """Highway Networks, replicated so that you can check it. What to do next:

  highways doctor                  is all there that is needed? It says what to do where it is not
  make repro                       train, draw and judge the small profile, in about ten minutes;
                                   results/quick/report.html then says what came out
  highways claims --profile laptop what came out on MNIST, CIFAR-10 and sentiment, judged anew from the records

`make lab` opens the notebooks, `make ui` MLflow. All commands: `highways --help`.\
"""

app.add_typer(data.app, name="data")
app.add_typer(profile.app, name="profile")
app.add_typer(tracking.app, name="tracking")
app.add_typer(notebook.app, name="notebook")
app.add_typer(notebook.top)
app.add_typer(run.app)
app.add_typer(runs.app)
app.add_typer(doctor.app)
app.add_typer(results.app)


def _version(asked: bool) -> None:
    if asked:
        from highways import __version__
        from highways.packages import installed

        print(f"highways {__version__}, torch {installed('torch') or 'not installed'}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def options(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the versions of highways and torch."),
    ] = False,
) -> None:
    """Options of every command; `main` looks for `--debug` itself."""
    if context.invoked_subcommand is None:
        print(WELCOME)


def main() -> None:
    """Run the command line; errors of the user's making are one line and exit status 1."""
    debug = "--debug" in sys.argv
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    status: Any = None
    try:
        status = app(arguments, prog_name="highways", standalone_mode=False)
        sys.stdout.flush()
    except HighwaysError as error:
        if debug:
            raise
        print(f"error: {error}", file=sys.stderr)
        _has_reader()
        raise SystemExit(1) from None
    except (Stopped, BrokenPipeError) as stopped:
        interrupted, has_reader = isinstance(stopped.__cause__, KeyboardInterrupt), _has_reader()
        if debug or (has_reader and not interrupted):  # it was another pipe that broke
            raise
        if interrupted:
            print("interrupted; the same command goes on from here", file=sys.stderr)
        raise SystemExit(130 if interrupted else 0) from None  # 0: `head`, for one, has read enough of our lines
    except Exception as error:
        if debug or not hasattr(error, "format_message"):
            raise
        _show_usage_error(error)
    raise SystemExit(status if isinstance(status, int) else 0)


def _has_reader() -> bool:
    """Tell whether something reads what we print; if not, nothing more is written to it, not at the exit either."""
    try:
        stdout = sys.stdout.fileno()
    except OSError:  # no file of the system
        return True
    look = select.poll()
    look.register(stdout, 0)  # what is wrong with it comes unasked
    if not look.poll(0):
        return True
    os.dup2(os.open(os.devnull, os.O_WRONLY), stdout)
    return False


def _show_usage_error(error: Any) -> None:
    """Show a wrong option or argument as one line; a group called without a command has its help."""
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
    else:
        command = context.command_path if context is not None else "highways"
        print(f"error: {error.format_message()} `{command} --help` says more.", file=sys.stderr)
    raise SystemExit(error.exit_code)
