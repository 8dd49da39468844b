"""Engines: where the groups of a sweep are trained; the one of this machine stands here."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
import time
import traceback
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from typing import Any, Protocol

from highways.data import DataSet, load
from highways.errors import HighwaysError
from highways.tracking.events import Event, Listener
from highways.tracking.records import RunRecord
from highways.training import device as devices
from highways.training.checkpoints import ResumePoint
from highways.training.execute import Job, Save, Trained, train
from highways.training.storing import POLL_S, complete, say_waiting, train_here

RETRIES, CRASHES = 1, 2
"""How often a failed job is tried again, and how often more if its process was lost, counted from its last state."""
Message = Event | bytes | Exception | list[Trained]
"""What a process that trains says: what happens, the state that it has reached, and at the end the outcome."""


class Failed(Exception):
    """A training failed elsewhere; the reason in one line."""


class Lost(Exception):
    """The process that trained is gone, or its machine."""


class Engine(Protocol):
    """Trains jobs, between `open` and `close`."""

    def open(self, device: str, threads: int) -> str:
        """Get ready for jobs of so many threads on `auto`, `cpu` or `cuda`; return the device that they are to have.

        Raises:
            HighwaysError: There is no such device, or nothing to train on.
        """
        ...

    def stop(self) -> None:
        """End all training at once."""
        ...

    def close(self) -> None:
        """Give back what `open` took."""
        ...

    def executor(self) -> Executor:
        """Return an executor that calls `train` for several jobs side by side."""
        ...

    def room(self, job: Job) -> int:
        """Return how many jobs like this one may be under way at the same time."""
        ...

    def train(self, job: Job, point: ResumePoint | None, save: Save, listener: Listener) -> list[Trained]:
        """Train a job; see `highways.training.execute.train`.

        Raises:
            HighwaysError: Of the user's making: to try again is of no use.
            Failed: It failed elsewhere.
            Lost: Its process is gone.
        """
        ...


def train_all(engine: Engine, jobs: Sequence[Job], listener: Listener) -> list[tuple[Job, str]]:
    """Complete all jobs; return those that failed again and again, each with the reason in one line.

    Jobs that other processes train are passed over, and waited for when all others are done.

    Args:
        engine: Open.
        jobs: In the order in which they should start.
        listener: Called by one thread at a time.
    """
    waiting, elsewhere, failures = deque(jobs), list[Job](), list[tuple[Job, str]]()
    tries, said, look_at = Counter[str](), set[str](), 0.0
    running: dict[Future[list[RunRecord] | None], Job] = {}

    def train(job: Job, point: ResumePoint | None, save: Save, listener: Listener) -> list[Trained]:
        def saved(state: bytes) -> None:
            save(state)
            tries.pop(job.group, None)

        return engine.train(job, point, saved, listener)

    with engine.executor() as pool:
        try:
            while waiting or elsewhere or running:
                while waiting and len(running) < engine.room(waiting[0]):
                    job = waiting.popleft()
                    running[pool.submit(complete, job, train, listener)] = job
                if elsewhere and not running:
                    say_waiting(elsewhere, said)
                for future in wait(running, POLL_S, FIRST_COMPLETED).done:
                    job, error = running.pop(future), future.exception()
                    if isinstance(error, HighwaysError):
                        raise error
                    if error is None:
                        elsewhere += [job] if future.result() is None else []
                        continue
                    tries[job.group] += 1
                    if tries[job.group] <= RETRIES + (CRASHES if isinstance(error, Lost) else 0):
                        waiting.appendleft(job)
                    else:
                        failures.append((job, reason_of(error)))
                if elsewhere and not waiting and time.monotonic() - look_at > POLL_S:
                    waiting, elsewhere, look_at = deque(elsewhere), [], time.monotonic()
        except BaseException:  # an interrupt, or bad input: do not wait for hours of training
            engine.stop()
            raise
    return failures


def reason_of(error: BaseException) -> str:
    """Return what happened, and where, in one line."""
    if isinstance(error, Failed | Lost):
        return str(error)
    last = traceback.extract_tb(error.__traceback__)[-1:] or [None]
    place = f" ({last[0].name}, line {last[0].lineno})" if last[0] is not None else ""
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}{place}"


# Training elsewhere: what both sides do


def serve(job: Job, data: Callable[[], DataSet], point: ResumePoint | None, send: Callable[[Message], None]) -> None:
    """Train a job where it was sent to, and send all messages; see `follow`."""
    try:
        outcome: Message = train(job, data(), point, send, send)
    except HighwaysError as error:
        outcome = HighwaysError(str(error))
    except Exception as error:
        outcome = Failed(reason_of(error))
    send(outcome)


def follow(messages: Iterable[Message], save: Save, listener: Listener) -> list[Trained]:
    """Take all messages of a training elsewhere, and return its outcome; see `Engine.train`."""
    for message in messages:
        if isinstance(message, bytes):
            save(message)
        elif isinstance(message, Exception):
            raise message
        elif isinstance(message, list):
            return message
        else:
            listener(message)
    raise Lost("the process that trained ended")


# This machine


class LocalEngine:
    """Trains on this machine: in this process, or in `workers` processes side by side.

    A process that dies (killed, out of memory) costs its job what was trained since its last state.
    """

    def __init__(self, workers: int = 1):
        self.workers = workers
        self._workers: list[_Worker] = []
        self._idle: list[_Worker] = []
        self._lock = threading.Lock()
        self._stopped = False

    def open(self, device: str, threads: int) -> str:
        """See `Engine`."""
        return devices.resolve(device).type

    def stop(self) -> None:
        """See `Engine`."""
        with self._lock:
            self._stopped = True
            for worker in self._workers:
                worker.process.kill()  # it writes no files
                worker.process.join()

    def close(self) -> None:
        """See `Engine`."""
        self.stop()

    def executor(self) -> Executor:
        """See `Engine`."""
        return ThreadPoolExecutor(self.workers) if self.workers > 1 else _Here()

    def room(self, job: Job) -> int:
        """See `Engine`."""
        return self.workers

    def train(self, job: Job, point: ResumePoint | None, save: Save, listener: Listener) -> list[Trained]:
        """See `Engine`."""
        if self.workers == 1:
            return train_here(job, point, save, listener)
        with self._lock:
            if self._stopped:
                raise Lost("stopped")
            if not self._idle:
                self._idle.append(_Worker())
                self._workers.append(self._idle[-1])
            worker = self._idle.pop()
        try:
            trained = worker.train(job, point, save, listener)
        except (Failed, HighwaysError):
            self._idle.append(worker)
            raise
        except (EOFError, OSError) as error:
            raise Lost("the process that trained was killed, perhaps for want of memory") from error
        self._idle.append(worker)
        return trained


class _Here(Executor):
    """Calls at once, in this thread; an interrupt is not kept for later."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class _Worker:
    """A process that trains one job after the other."""

    def __init__(self):
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs,), daemon=True)
        self.process.start()
        theirs.close()

    def train(self, job: Job, point: ResumePoint | None, save: Save, listener: Listener) -> list[Trained]:
        self.connection.send_bytes(pickle.dumps((job, point)))
        return follow(iter(lambda: pickle.loads(self.connection.recv_bytes()), None), save, listener)


def _work(connection: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that started this one ends it
    die_with_parent()

    def send(message: Message) -> None:
        connection.send_bytes(pickle.dumps(message))  # not `send`, which would share tensors' memory

    with suppress(EOFError, OSError, KeyboardInterrupt):
        while True:
            job, point = pickle.loads(connection.recv_bytes())
            serve(job, lambda config=job.configs[0].data: load(config), point, send)


def die_with_parent() -> None:
    """End this process when the one that started it is gone, be it killed; else it would go on unseen."""

    def watch() -> None:
        parent = multiprocessing.parent_process()
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _ray(workers: int) -> Engine:
    try:
        from highways.training.on_ray import RayEngine
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        raise HighwaysError(
            "engine 'ray': Ray is not installed; `pip install -e '.[ray]'` in the project's folder installs it"
        ) from None
    return RayEngine(workers)


ENGINES: dict[str, Callable[[int], Engine]] = {"local": LocalEngine, "ray": _ray}
"""By name: makes one for a number of workers."""


def engine_named(name: str, workers: int) -> Engine:
    """Return an engine for a number of processes side by side.

    Raises:
        HighwaysError: There is none of that name, or what it needs is not installed.
    """
    if name not in ENGINES:
        raise HighwaysError(f"no engine {name!r}; there are: {', '.join(ENGINES)}")
    return ENGINES[name](workers)
