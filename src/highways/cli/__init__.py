"""The `highways` command line: a module a group of commands; what does the work is imported when it is asked for."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from highways.cli import data, notebook, profile, results, run, tracking
from highways.errors import HighwaysError

app = typer.Typer(
    name="highways",
    help="Highway Networks, replicated: data, profiles, runs, tables, claims.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(data.app, name="data")
app.add_typer(profile.app, name="profile")
app.add_typer(tracking.app, name="tracking")
app.add_typer(notebook.app, name="notebook")
app.add_typer(notebook.top)
app.add_typer(run.app)
app.add_typer(results.app)


@app.callback()
def options(debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False) -> None:
    """Options of every command; `main` looks for `--debug` itself."""


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
