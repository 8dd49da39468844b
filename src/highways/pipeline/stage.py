"""A pipeline stage: check a notebook's inputs, execute it with Papermill, and print the outcome on one line."""

import logging
import os
import re
import shutil
import signal
import sys
import threading
import time
from pathlib import Path
from typing import IO, Any

import psutil
from ipykernel.kernelspec import get_kernel_dict
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import DeadKernelError
from papermill import execute_notebook
from papermill.exceptions import PapermillExecutionError

from highways import paths
from highways.claims.verdicts import counted
from highways.config.profiles import PACKAGE, STAGE, STAGE_CODE
from highways.errors import HighwaysError
from highways.experiments.base import NO_TRAINING, Experiment
from highways.pipeline.readiness import check
from highways.quantities import duration

LINE_EVERY_S = 20.0
"""Without a terminal, print at most one line of progress in this many seconds."""
ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


def run_stage(profile: str, notebook: str, train: bool = True) -> None:
    """Check a notebook's inputs and execute it with a profile's parameters.

    With `train`, train and analyse whatever has no record yet; without, read everything from existing records.
    """
    if "DVC_STAGE" in os.environ:
        _end_with_parent()
    began, stage = time.monotonic(), f"{notebook}@{profile}"
    experiment = check(profile, notebook, train)
    if not train and experiment.tables:
        records = experiment.of(profile).records()
        if records.empty:
            print(f"{stage}: there are no records to show", flush=True)
            return
        if records.shortfall:
            print(f"{stage}: {records.shortfall}", flush=True)
    print(f"{stage}: {experiment.title}", flush=True)
    try:
        _execute(profile, experiment, train)
    except BrokenPipeError:  # for other commands a closed pipe is a normal end; this one is unfinished
        raise HighwaysError(f"{stage}: stopped, its output is no longer read; the same command resumes") from None
    except OSError as error:
        place = paths.shown(paths.Results(profile).of(notebook).folder)
        raise HighwaysError(f"{stage}: {place} cannot be written: {error.strerror or error}") from None
    verdicts = counted(judgement.verdict for judgement in experiment.of(profile).judgements())
    print(f"{stage}: done in {duration(time.monotonic() - began)}{f'; {verdicts}' if verdicts else ''}", flush=True)


def _execute(profile: str, experiment: Experiment, train: bool) -> None:
    logging.getLogger("papermill").setLevel(logging.ERROR)
    results, stage = paths.Results(profile).of(experiment.name), f"{experiment.name}@{profile}"
    results.folder.mkdir(parents=True, exist_ok=True)
    log = f"(the log is {paths.shown(results.log)})"
    environment = {STAGE: profile, STAGE_CODE: PACKAGE, "HIGHWAYS_PROGRESS": "lines"}
    environment |= {} if train else {NO_TRAINING: "1"}
    with results.log.open("w", encoding="utf-8", buffering=1) as file:
        output = Output(file, experiment.name)
        try:
            execute_notebook(
                os.path.relpath(paths.root() / "notebooks" / f"{experiment.name}.ipynb"),
                os.path.relpath(results.notebook),
                experiment.of(profile).settings.model_dump(mode="json"),  # all: the notebook's cell may differ
                progress_bar=False,
                request_save_on_cell_execute=False,
                stdout_file=output,
                stderr_file=output,
                kernel_manager_class=kernel_of_this_interpreter(file, environment),
                shutdown_kernel="immediate",
            )
        except PapermillExecutionError as error:
            file.write(ESCAPES.sub("", "\n".join(error.traceback)) + "\n")
            message = (ESCAPES.sub("", error.evalue).strip().splitlines() or [""])[0]
            ours = error.ename in {HighwaysError.__name__, *(kind.__name__ for kind in HighwaysError.__subclasses__())}
            raise HighwaysError(f"{stage}: {message if ours else f'{error.ename}: {message}'} {log}") from None
        except DeadKernelError:
            killed = "its kernel was killed, perhaps because memory ran out"
            raise HighwaysError(f"{stage}: {killed}; the same command resumes from the last checkpoint {log}") from None
        finally:
            output.clear()


def kernel_of_this_interpreter(log: IO[str], environment: dict[str, str]) -> type[AsyncKernelManager]:
    """Return a kernel manager that starts this very interpreter, regardless of the kernels Jupyter has installed.

    Output of the kernel and its processes that bypasses Jupyter goes to the log; `environment` extends this process's.
    """

    class Kernel(AsyncKernelManager):
        @property
        def kernel_spec(self) -> KernelSpec:
            return KernelSpec(**get_kernel_dict())

        async def start_kernel(self, **options: Any) -> None:
            options["env"] = (options.get("env") or os.environ) | environment
            await super().start_kernel(**options, stdout=log, stderr=log)

    return Kernel


class Output:
    """A notebook's output: all of it goes to the log; warnings and training progress also go to the terminal.

    The notebook's name begins a progress line; on a terminal the next one replaces it.
    """

    def __init__(self, log: IO[str], notebook: str):
        self.log, self.notebook = log, notebook
        self._last, self._replace = time.monotonic(), ""

    def write(self, text: str) -> None:
        """Write text to the log, and relevant lines to the terminal."""
        self.log.write(text)
        for line in text.splitlines():
            if warning := re.search(r"\b(?:User|Runtime)Warning: (.*)", line):
                print(f"{self._replace}warning: {warning[1]}", flush=True)
                self._replace = ""
            elif line.startswith((f"{self.notebook}: ", "no CUDA device")):
                self._show(line)

    def _show(self, line: str) -> None:
        if sys.stdout.isatty():
            print(f"{self._replace}{line[: shutil.get_terminal_size().columns - 1]}", end="", flush=True)
            self._replace = "\r\x1b[K"
        elif time.monotonic() - self._last >= LINE_EVERY_S:
            self._last = time.monotonic()
            print(line, flush=True)

    def clear(self) -> None:
        """Remove the progress line from the terminal."""
        print(self._replace, end="", flush=True)

    def flush(self) -> None:
        """Flush the log."""
        self.log.flush()


def _end_with_parent() -> None:
    """End this process and its kernel when the process that runs the pipeline has ended.

    DVC starts a stage through a shell, which may outlive DVC. A parent in another POSIX session is a system process
    that adopted the stage: DVC had ended before this process looked.
    """
    shells = ("sh", "bash", "dash", "zsh", "fish")
    parents = psutil.Process().parents()
    parent = next((process for process in parents if Path(process.name()).name not in shells), None)
    if parent is None or os.getsid(parent.pid) != os.getsid(0):
        raise SystemExit(128 + signal.SIGTERM)

    def watch() -> None:
        while parent.is_running() and parent.status() != psutil.STATUS_ZOMBIE:
            time.sleep(1)
        for child in psutil.Process().children(recursive=True):
            child.kill()
        os._exit(128 + signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()
