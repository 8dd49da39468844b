"""A stage of the pipeline: what a notebook needs is checked, Papermill executes it, one line says what came out.

All that the notebook prints, and its kernel and the libraries, goes to a log beside the executed notebook; on the
screen there is a line when it starts, the progress of its training, and a line when it is done.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType, ModuleType
from typing import IO, cast

import psutil

from highways import paths
from highways.claims.verdicts import counted
from highways.config import read_yaml
from highways.config.profiles import profile_path
from highways.errors import HighwaysError
from highways.experiments import EXPERIMENTS, Experiment
from highways.experiments.base import INTERRUPTED
from highways.pipeline.readiness import check
from highways.pipeline.screen import NO_READER, RELAY, Screen
from highways.quantities import duration

WATCH_S = 1.0
"""Seconds between two looks at whether the process that started this one lives."""
GRACE_S = 20.0
"""Seconds that an interrupted notebook has to end by itself."""
KERNEL = "python3"
ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


def run_stage(profile: str, notebook: str) -> None:
    """Check and execute a notebook with a profile's parameters.

    The process ends with the one that started it, be that killed, and its kernel with it.

    Args:
        profile: Name of the profile.
        notebook: Name of the notebook.

    Raises:
        HighwaysError: Something is missing, or a cell failed; one line that names the log.
        KeyboardInterrupt: The notebook was interrupted; it has stopped.
    """
    began = time.monotonic()
    _end_with_parent()
    stage = f"{notebook}@{profile}"
    check(profile, notebook)
    experiment = next(one for one in EXPERIMENTS if one.name == notebook)
    try:
        with os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8") as stream:
            screen = Screen(stream)
            screen.line(f"{stage}: {experiment.title}")
            _execute(profile, experiment, screen)
            verdicts = _verdicts(profile, experiment)
            screen.line(f"{stage}: done in {duration(time.monotonic() - began)}{f'; {verdicts}' if verdicts else ''}")
    except BrokenPipeError:  # not the end of a reader that has seen enough: the notebook has not run to its end
        raise HighwaysError(f"{stage}: {NO_READER}") from None


def _verdicts(profile: str, experiment: Experiment) -> str:
    return counted(judgement.verdict for judgement in experiment.of(profile).judgements())


def _execute(profile: str, experiment: Experiment, screen: Screen) -> None:
    # jsonschema reads a grammar of addresses when it is imported, for a second; nothing here asks for that format.
    sys.modules.setdefault("rfc3987_syntax", cast(ModuleType, None))
    from nbclient.exceptions import DeadKernelError  # with Papermill, a second
    from papermill import execute_notebook
    from papermill.exceptions import PapermillExecutionError

    results = paths.Results(profile).of(experiment.name)
    source = paths.root() / "notebooks" / f"{experiment.name}.ipynb"
    log, stage = paths.shown(results.log), f"{experiment.name}@{profile}"
    os.environ["HIGHWAYS_PROGRESS"] = "lines"
    with results.log.open("w", encoding="utf-8", buffering=1) as file, _all_output_into(file), _interrupts_its_kernel():
        out = _Output(file, screen, experiment.name)
        try:
            execute_notebook(
                os.path.relpath(source),
                os.path.relpath(results.notebook),
                read_yaml(profile_path(profile, experiment.name)),
                kernel_name=KERNEL,
                progress_bar=False,
                request_save_on_cell_execute=False,  # at its end, and in long cells, is enough
                shutdown_kernel="immediate",  # all is written when its last cell is done; unloading takes a second
                stdout_file=out,
                stderr_file=out,
            )
        except PapermillExecutionError as error:
            file.write(ESCAPES.sub("", "\n".join(error.traceback)) + "\n")
            if error.ename in (KeyboardInterrupt.__name__, INTERRUPTED):
                raise KeyboardInterrupt from None
            message = (ESCAPES.sub("", error.evalue).strip().splitlines() or [""])[0]
            ours = error.ename in {HighwaysError.__name__, *(one.__name__ for one in HighwaysError.__subclasses__())}
            raise HighwaysError(
                f"{stage}: {message if ours else f'{error.ename}: {message}'} (the log is {log})"
            ) from None
        except DeadKernelError:
            raise HighwaysError(
                f"{stage}: its kernel was killed, for want of memory perhaps; the same command goes on from the last "
                f"checkpoint (the log is {log})"
            ) from None
        finally:
            out.end()
            screen.clear()


class _Output:
    """What a notebook prints: all of it into the log, whole lines to the screen.

    Lines of progress, which begin with the notebook's name, replace each other there. Of warnings the message is
    shown, without the line of code.
    """

    def __init__(self, log: IO[str], screen: Screen, notebook: str):
        self._log, self._screen, self._notebook, self._rest = log, screen, notebook, ""

    def write(self, text: str) -> None:
        """Take some text."""
        self._log.write(text)
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            if found := re.search(r"\b(?:User|Runtime)Warning: (.*)", line):
                self._screen.line(f"warning: {found[1]}")
            elif line.startswith((f"{self._notebook}: ", "no CUDA device")):
                self._screen.live(line)
            elif line.strip() and not line.startswith(" "):
                self._screen.line(line)

    def flush(self) -> None:
        """Write what is there."""
        self._log.flush()

    def end(self) -> None:
        """Take what has come after the last whole line as one."""
        if self._rest:
            self.write("\n")


@contextlib.contextmanager
def _all_output_into(file: IO[str]) -> Iterator[None]:
    """Send standard output and errors of this process and of those that it starts to a file."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = os.dup(1), os.dup(2)
    os.dup2(file.fileno(), 1)
    os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for place, one in enumerate(kept, start=1):
            os.dup2(one, place)
            os.close(one)


@contextlib.contextmanager
def _interrupts_its_kernel() -> Iterator[None]:
    """Hand an interrupt on to the kernel, so that the cell that runs puts things in order and the notebook is saved.

    Where the kernel does not stop by it within `GRACE_S`, or at a second interrupt, this process stops with it.
    """
    before = signal.getsignal(signal.SIGINT)

    def interrupt(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, before)
        signal.signal(signal.SIGALRM, signal.default_int_handler)
        signal.alarm(int(GRACE_S))
        for child in psutil.Process().children():
            with contextlib.suppress(psutil.Error):
                child.send_signal(signal.SIGINT)

    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGINT, before)


def _end_with_parent() -> None:
    """End this process, and those that it has started, when the one that runs the pipeline is gone or at SIGTERM.

    DVC starts a shell that may stay between: that one counts with DVC, and so does `highways repro` above it. A stage
    that is started by hand goes on.
    """

    def end(*_: object) -> None:
        for child in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):
                child.kill()
        os._exit(128 + signal.SIGTERM)

    def watch() -> None:
        while all(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in above):
            time.sleep(WATCH_S)
        end()

    signal.signal(signal.SIGTERM, end)
    if "DVC_STAGE" in os.environ:
        parents = psutil.Process().parents()
        shell = bool(parents) and Path(parents[0].name()).name in ("sh", "bash", "dash", "zsh", "fish")
        above = parents[: (2 if shell else 1) + (RELAY in os.environ)]
        threading.Thread(target=watch, daemon=True).start()
