"""Engines: where the groups of a sweep are trained. An engine is one method."""

from __future__ import annotations

import multiprocessing
import os
import queue
import threading
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.managers import SyncManager
from typing import Any, Protocol

from highways.errors import HighwaysError
from highways.tracking.events import Event, Listener
from highways.training.execute import Job, execute

Failure = tuple[Job, str]


class Engine(Protocol):
    """Trains jobs."""

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
    fails `retries` times more is reported as failed, and the others go on.

    Args:
        workers: Processes; 1 trains in this one.
        retries: How often a failed job is tried again.
    """

    def __init__(self, workers: int = 1, retries: int = 1):
        self.workers, self.retries = workers, retries

    def train(self, jobs: Sequence[Job], listener: Listener) -> list[Failure]:
        """See `Engine`."""
        if self.workers == 1:
            return self._train_here(jobs, listener)
        return self._train_in_processes(jobs, listener)

    def _train_here(self, jobs: Sequence[Job], listener: Listener) -> list[Failure]:
        failures = []
        for job in jobs:
            for attempt in range(self.retries + 1):
                try:
                    execute(job, listener)
                    break
                except HighwaysError:
                    raise  # of the user's making: no use in trying again
                except Exception as error:
                    if attempt == self.retries:
                        failures.append((job, _reason(error)))
        return failures

    def _train_in_processes(self, jobs: Sequence[Job], listener: Listener) -> list[Failure]:
        context = multiprocessing.get_context("spawn")
        attempts = dict.fromkeys((job.keys for job in jobs), 0)
        left, failures = list(jobs), []
        manager = SyncManager(ctx=context)
        manager.start(initializer=_die_with_parent)
        with manager, _Relay(manager.Queue(), listener) as relay:
            while left:
                size = min(self.workers, len(left))
                with ProcessPoolExecutor(size, mp_context=context, initializer=_die_with_parent) as pool:
                    futures: dict[Future[None], Job] = {
                        pool.submit(_execute_in_worker, job, relay.queue): job for job in left
                    }
                    try:
                        lost = _collect(futures)
                    except BaseException:  # an interrupt, or bad input: do not wait for hours of training
                        workers = list(pool._processes.values())
                        pool.shutdown(wait=False, cancel_futures=True)
                        for worker in workers:
                            worker.kill()  # records and checkpoints are written atomically
                        raise
                left = []
                # When a worker dies, the pool breaks and every job in it is lost, the waiting ones too:
                # all of them start again, each from its resume point.
                for job, error in lost:
                    attempts[job.keys] += 1
                    allowed = self.retries + (self.workers if isinstance(error, BrokenProcessPool) else 0)
                    if attempts[job.keys] <= allowed:
                        left.append(job)
                    else:
                        failures.append((job, _reason(error)))
        return failures


def _collect(futures: dict[Future[None], Job]) -> list[tuple[Job, BaseException]]:
    """Wait for all jobs and return those that failed; an error of the user's making is raised at once."""
    lost: list[tuple[Job, BaseException]] = []
    remaining = set(futures)
    while remaining:
        done, remaining = wait(remaining, return_when=FIRST_COMPLETED)
        for future in done:
            error = future.exception()
            if isinstance(error, HighwaysError):
                raise error
            if error is not None:
                lost.append((futures[future], error))
    return lost


def _reason(error: BaseException) -> str:
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


def _execute_in_worker(job: Job, events: Any) -> None:
    execute(job, events.put)


class _Relay:
    """Carries events from the workers' queue to the listener, in a thread of this process."""

    def __init__(self, events: queue.Queue[Event | None], listener: Listener):
        self.queue = events
        self._thread = threading.Thread(target=self._carry, args=(listener,), daemon=True)

    def _carry(self, listener: Callable[[Event], None]) -> None:
        while (event := self.queue.get()) is not None:
            listener(event)

    def __enter__(self) -> _Relay:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.queue.put(None)
        self._thread.join()


ENGINES: dict[str, Callable[[int], Engine]] = {"local": LocalEngine}
"""By name: how to make one for a number of workers."""
