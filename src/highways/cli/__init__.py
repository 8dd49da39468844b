"""The `highways` command line, one module per group of commands; each imports what it needs when it is called."""

import gc
import os
import sys
from typing import Annotated, Any

import typer

from highways.cli import data, doctor, profile, results, run, runs, tracking
from highways.errors import HighwaysError

app = typer.Typer(
    name="highways",
    help="Highway Networks, replicated: data, profiles, runs, tables, claims.",
    pretty_exceptions_enable=False,
)
WELCOME = """Highway Networks, replicated so that you can check it. Start with:

  highways doctor                    check that everything needed is here
  make repro                         train, draw and judge the quick profile in about ten minutes,
                                     then open results/quick/report.html
  highways claims --profile laptop   judge the claims on MNIST, CIFAR-10 and sentiment from the committed records

`make lab` opens the notebooks, `make ui` opens MLflow, `highways --help` lists all commands.\
"""

app.add_typer(data.app, name="data")
app.add_typer(profile.app, name="profile")
app.add_typer(tracking.app, name="tracking")
app.add_typer(profile.notebooks, name="notebook")
app.add_typer(run.weights, name="weights")
app.add_typer(profile.top)
app.add_typer(run.app)
app.add_typer(runs.app)
app.add_typer(doctor.app)
app.add_typer(results.app)


@app.callback(invoke_without_command=True)
def every_command(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    version: Annotated[bool, typer.Option("--version", help="Show the versions of highways and torch.")] = False,
) -> None:
    """Define the options of every command; `main` looks for `--debug` itself."""
    if version:
        from highways import __version__, installed

        print(f"highways {__version__}, torch {installed('torch') or 'not installed'}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(WELCOME)


def main() -> None:
    """Run the command line; an error that the user can mend is one line and exit status 1."""
    gc.set_threshold(50_000)  # a million objects of imported modules stay: looking through them takes up to a second
    debug = "--debug" in sys.argv
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by who started the command
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
    try:
        status: Any = app(arguments, prog_name="highways", standalone_mode=False)
        if status == 130:  # Typer's for KeyboardInterrupt
            print("interrupted; the same command resumes from here", file=sys.stderr)
        sys.stdout.flush()
    except HighwaysError as error:
        if debug:
            raise
        print(f"error: {error}", file=sys.stderr)
        status = 1
    except BrokenPipeError:  # `head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        status = 0
    except Exception as error:
        if debug or not hasattr(error, "format_message"):
            raise
        usage: Any = error  # of Typer
        status = usage.exit_code
        if type(error).__name__ == "NoArgsIsHelpError":  # a group that was called without a command
            usage.show()
        else:
            command = usage.ctx.command_path if getattr(usage, "ctx", None) else "highways"
            reason = usage.format_message().replace("Value error, ", "").rstrip(".")
            print(f"error: {reason}; see `{command} --help`", file=sys.stderr)
    raise SystemExit(status if isinstance(status, int) else 0)
