"""Engines: where the groups of a sweep are trained; the one of this machine stands here."""

from __future__ import annotations

import multiprocessing
import os
import queue
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.managers import SyncManager
from typing import Any, Protocol

from highways.errors import HighwaysError
from highways.tracking.events import Event, Listener
from highways.training import device as devices
from highways.training.checkpoints import POLL_S, Claim, is_claimed
from highways.training.execute import Job
from highways.training.memory import limit, of_this_machine
from highways.training.storing import attempt, say_waiting, wait_for

Failure = tuple[Job, str]


class Engine(Protocol):
    """Trains jobs, between `open` and `close`."""

    def open(self, device: str, threads: int) -> str:
        """Get ready to train, and return what the jobs are trained on: `cpu` or `cuda`.

        Args:
            device: What was asked for: `auto`, `cpu` or `cuda`.
            threads: Of each job.

        Raises:
            HighwaysError: There is no such device, or nothing to train on.
        """
        ...

    def close(self) -> None:
        """Give back what `open` took; without it there is nothing to give back."""
        ...

    def memory(self, device: str, threads: int) -> int:
        """Return the bytes that a job may hold where it is trained; see `open` for the arguments, resolved."""
        ...

    def train(self, jobs: Sequence[Job], listener: Listener) -> list[Failure]:
        """Train all jobs; return those that failed, each with the reason in one line.

        Args:
            jobs: In the order in which they should start.
            listener: Called in this process, one call at a time.
        """
        ...


class LocalEngine:
    """Trains on this machine, in this process or in `workers` processes beside each other.

    A worker that dies (killed, out of memory) costs its job a start from the resume point; a job that
    fails `retries` times more is reported as failed, and the others go on. Jobs that other processes train
    are passed over, and waited for when all others are done; this is said.

    Args:
        workers: Processes; 1 trains in this one.
        retries: How often a failed job is tried again.
    """

    def __init__(self, workers: int = 1, retries: int = 1):
        self.workers, self.retries = workers, retries

    def open(self, device: str, threads: int) -> str:
        """See `Engine`."""
        return devices.resolve(device).type

    def close(self) -> None:
        """See `Engine`."""

    def memory(self, device: str, threads: int) -> int:
        """See `Engine`."""
        return limit(of_this_machine(device), self.workers)

    def train(self, jobs: Sequence[Job], listener: Listener) -> list[Failure]:
        """See `Engine`."""
        if self.workers == 1:
            return self._train_here(jobs, listener)
        return self._train_in_processes(jobs, listener)

    def _train_here(self, jobs: Sequence[Job], listener: Listener) -> list[Failure]:
        failures, left = [], list(jobs)
        said: set[Claim] = set()
        while left:
            elsewhere: dict[Job, Claim] = {}
            for job in left:
                for tried in range(self.retries + 1):
                    try:
                        outcome = attempt(job, listener)
                        if isinstance(outcome, Claim):
                            elsewhere[job] = outcome
                        break
                    except HighwaysError:
                        raise  # of the user's making: no use in trying again
                    except Exception as error:
                        if tried == self.retries:
                            failures.append((job, reason_of(error)))
            left = list(elsewhere)
            if left:
                wait_for(elsewhere, said)
        return failures

    def _train_in_processes(self, jobs: Sequence[Job], listener: Listener) -> list[Failure]:
        attempts = dict.fromkeys((job.keys for job in jobs), 0)
        left, failures = list(jobs), []
        said: set[Claim] = set()
        while left:
            lost = self._round(left, listener, said)
            left = []
            # When a worker dies, the pool breaks and every job in it is lost, the waiting ones too:
            # all of them start again, each from its resume point. SIGTERM is an interrupt in a worker that trains.
            for job, error in lost:
                attempts[job.keys] += 1
                is_lost = isinstance(error, BrokenProcessPool | RelayLost | KeyboardInterrupt)
                allowed = self.retries + (self.workers if is_lost else 0)
                if attempts[job.keys] <= allowed:
                    left.append(job)
                else:
                    failures.append((job, reason_of(error)))
        return failures

    def _round(self, jobs: Sequence[Job], listener: Listener, said: set[Claim]) -> list[tuple[Job, BaseException]]:
        """Start processes, train jobs in them, and return those that were lost, with what happened."""
        context = multiprocessing.get_context("spawn")
        manager = SyncManager(ctx=context)
        try:
            manager.start(initializer=_die_with_parent)
            with manager, _Relay(manager.Queue(), listener) as relay:
                size = min(self.workers, len(jobs))
                with ProcessPoolExecutor(size, mp_context=context, initializer=_die_with_parent) as pool:
                    try:
                        lost = _collect(pool, jobs, relay, said)
                    except BaseException:  # an interrupt, or bad input: do not wait for hours of training
                        workers = list(pool._processes.values())
                        pool.shutdown(wait=False, cancel_futures=True)
                        for worker in workers:
                            worker.kill()  # records and checkpoints are written atomically
                        raise
            if not relay.lost.is_set():
                return lost
        except (RelayLost, EOFError, ConnectionError):
            pass
        # Events of finished jobs may be lost, too: these jobs are gone through again, their records stand.
        return [(job, RelayLost("the process that carries the events was lost")) for job in jobs]


def _collect(
    pool: ProcessPoolExecutor, jobs: Sequence[Job], relay: _Relay, said: set[Claim]
) -> list[tuple[Job, BaseException]]:
    """Train all jobs and return those that failed.

    Raises:
        HighwaysError: Of the user's making; it is raised at once.
        RelayLost: The process that carries the events is gone.
    """
    lost: list[tuple[Job, BaseException]] = []
    futures: dict[Future[Claim | None], Job] = {}
    elsewhere: dict[Job, Claim] = {}

    def submit(job: Job) -> None:
        try:
            futures[pool.submit(_attempt_in_worker, job, relay.queue)] = job
        except BrokenProcessPool as error:
            lost.append((job, error))

    for job in jobs:
        submit(job)
    while futures or elsewhere:
        done, _ = wait(futures, timeout=POLL_S, return_when=FIRST_COMPLETED)
        for future in done:
            job, error = futures.pop(future), future.exception()
            if isinstance(error, HighwaysError | RelayLost):
                raise error
            if error is not None:
                lost.append((job, error))
            elif (claim := future.result()) is not None:
                elsewhere[job] = claim
        if relay.lost.is_set():
            raise RelayLost("the process that carries the events is gone")
        if elsewhere and not futures:
            say_waiting(elsewhere.values(), said)
            time.sleep(POLL_S)
        for job in [job for job in elsewhere if not done and not is_claimed(job.keys)]:
            del elsewhere[job]
            submit(job)
    return lost


def reason_of(error: BaseException) -> str:
    """Return what happened, and where, in one line."""
    last = traceback.extract_tb(error.__traceback__)[-1:] or [None]
    place = f" ({last[0].name}, line {last[0].lineno})" if last[0] is not None else ""
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}{place}"


def _die_with_parent() -> None:
    """End this process when the one that started it is gone, be it killed; else it would go on unseen."""

    def watch() -> None:
        parent = multiprocessing.parent_process()
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


class RelayLost(Exception):
    """The process that carries events from the workers is gone, killed perhaps; see `LocalEngine` on workers."""


def _attempt_in_worker(job: Job, events: Any) -> Claim | None:
    """Train a job; return the claim of another process that trains it."""

    def send(event: Event) -> None:
        try:
            events.put(event)
        except (EOFError, OSError) as error:
            raise RelayLost(f"{type(error).__name__} in a worker") from None

    outcome = attempt(job, send)
    return outcome if isinstance(outcome, Claim) else None


class _Relay:
    """Carries events from the workers' queue to the listener, in a thread of this process."""

    def __init__(self, events: queue.Queue[Event | None], listener: Listener):
        self.queue = events
        self.lost = threading.Event()
        """Set when the queue's process is gone."""
        self._thread = threading.Thread(target=self._carry, args=(listener,), daemon=True)

    def _carry(self, listener: Callable[[Event], None]) -> None:
        while (event := self._next()) is not None:
            listener(event)

    def _next(self) -> Event | None:
        try:
            return self.queue.get()
        except (EOFError, OSError):
            self.lost.set()
            return None

    def __enter__(self) -> _Relay:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.queue.put(None)
        except (EOFError, OSError):
            self.lost.set()
        self._thread.join()


def _ray(workers: int) -> Engine:
    """Return the engine `ray`.

    Raises:
        HighwaysError: Ray is not installed.
    """
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
"""By name: how to make one for a number of workers."""


def engine_named(name: str, workers: int) -> Engine:
    """Return an engine.

    Args:
        name: Its name.
        workers: Processes that train beside each other.

    Raises:
        HighwaysError: There is none of that name, or what it needs is not installed.
    """
    if name not in ENGINES:
        raise HighwaysError(f"no engine {name!r}; there are: {', '.join(ENGINES)}")
    return ENGINES[name](workers)
