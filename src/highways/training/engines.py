"""Completing groups of runs: an engine trains them, here or elsewhere; this process stores them, under a lock.

The engines of this machine are in this module, Ray's is in `on_ray`.
"""

import importlib.util
import multiprocessing
import os
import pickle
import signal
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from highways.data import DataSet
from highways.errors import HighwaysError, writing
from highways.files import part_of
from highways.tracking import Event, Finished, Listener, RecordStore, RunRecord
from highways.training import device as devices
from highways.training.checkpoints import POLL_S, ResumePoint, ResumePoints, load_weights, locked, save_weights
from highways.training.execute import Job, Save, Trained, train_job

TRIES = 3
"""Attempts at a job whose process is lost; every saved state resets the count."""
Trainer = Callable[[Job, ResumePoint | None, Save, Listener], list[Trained]]
"""Trains a job, here or elsewhere; see `highways.training.execute.train_job`."""


def complete(job: Job, trainer: Trainer, listener: Listener) -> list[RunRecord] | None:
    """Train the runs of a group that have no record, and return all records in the order of the group's keys.

    Runs that were interrupted together resume together, even if the group has gained runs since. The listener receives
    every record, including those that existed. If the training process is lost, training continues from the last state.
    Return `None` if another process has locked the group.
    """
    tries, portion = TRIES, job

    def save(state: bytes) -> None:
        nonlocal tries
        points.save(portion.keys, state)
        tries = TRIES

    with locked(job.group) as free:
        if not free:
            return None
        store, points = RecordStore(job.records), ResumePoints(job.group, job.population)
        with part_of(home := store.path(job.keys[0])) as part, writing(home):
            part.touch()  # a folder that cannot be written is an error before the training, not after it
        records = {key: record for key in job.keys if (record := store.adopt(key)) is not None}
        for record in records.values():
            listener(Finished(record))
        lacking = [key for key in job.keys if (load_weights(key, None) is None if job.weights else key not in records)]
        while lacking:
            usable = (p for p in points if set(p.keys) <= set(job.keys) and not set(p.keys).isdisjoint(lacking))
            point = next(usable, None)
            portion = job.only(lacking if point is None else point.keys)
            try:
                trained = trainer(portion, point, save, listener)
            except Lost:
                if not (tries := tries - 1):
                    raise
                continue
            for one in trained:
                records[one.record.run_key] = _store(one, store, job.weights, listener)
            lacking = [key for key in lacking if key not in portion.keys]
        points.remove(records)
        return [records[key] for key in job.keys]


def _store(trained: Trained, store: RecordStore, for_weights: bool, listener: Listener) -> RunRecord:
    """Store the weights and the record of a run, and return the record that counts.

    A record that exists, from an attempt that was cut off between two records, is left as it is, and so are its
    weights. Only a run trained `for_weights` saves its weights then, and its new record is returned, not written.
    """
    record, standing = trained.record, store.adopt(trained.record.run_key)
    if trained.weights is not None and (for_weights or standing is None):
        save_weights(record.run_key, trained.weights, retrained=standing is not None)
    if standing is None:
        store.write(record)  # last: a record implies that its weights have been saved
    listener(Finished(standing or record))
    return record if standing is None or for_weights else standing


def say_waiting(job: Job, said: set[str]) -> None:
    """Print, once per group, that this process waits for it."""
    if job.group not in said:
        said.add(job.group)
        first, *others = job.keys
        more = f" and {len(others)} more" if others else ""
        print(f"waiting for {first}{more}, in training by another process", flush=True)


# Where jobs are trained


Message = Event | bytes | Exception | list[Trained]
"""What a training process sends: events, the states that it reaches, and finally the outcome."""


class Failed(Exception):
    """Training failed in another process; the message is the reason, in one line."""


class Lost(Exception):
    """The training process, or its machine, is gone."""


class Engine:
    """Trains the jobs of a sweep in this process, one after another; the other engines are derived from it."""

    most = 1
    """Upper limit on the jobs under way at the same time."""

    def open(self, device: str, threads: int) -> str:
        """Prepare for jobs of `threads` threads on `auto`, `cpu` or `cuda`, and return the device that they get."""
        return devices.resolve(device).type

    def room(self) -> int:
        """Return how many jobs may be under way now."""
        return self.most

    def train(self, job: Job, point: ResumePoint | None, save: Save, listener: Listener) -> list[Trained]:
        """Train a job; see `highways.training.execute.train_job`.

        Raises:
            HighwaysError: The user has to fix something; all other jobs end as well.
            Lost: The training process is gone; the job may be tried again.
        """
        return train_job(job, point, save, listener)

    def stop(self) -> None:
        """Stop all training immediately."""

    def close(self) -> None:
        """Release what `open` acquired."""
        self.stop()


class _Here(Executor):
    """Runs each call immediately, in this thread, where an interrupt arrives."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


def train_all(engine: Engine, jobs: Sequence[Job], listener: Listener) -> list[tuple[Job, str]]:
    """Complete all jobs; return those that failed, each with the reason in one line.

    Jobs start in the given order; those that other processes have locked are retried after all others. The listener is
    called from several threads.
    """
    waiting, failures, said = deque(jobs), list[tuple[Job, str]](), set[str]()
    running: dict[Future[list[RunRecord] | None], Job] = {}
    with _Here() if engine.most == 1 else ThreadPoolExecutor(engine.most) as pool:
        try:
            while waiting or running:
                room = engine.room()
                while waiting and len(running) < room:
                    job = waiting.popleft()
                    running[pool.submit(complete, job, engine.train, listener)] = job
                for future in wait(running, POLL_S, FIRST_COMPLETED).done:
                    job = running.pop(future)
                    try:
                        if future.result() is None:
                            say_waiting(job, said)
                            waiting.append(job)
                    except HighwaysError:
                        raise
                    except Exception as error:
                        failures.append((job, reason_of(error)))
        except BaseException:  # an interrupt, or bad input: do not wait for hours of training
            engine.stop()
            raise
    return failures


def reason_of(error: BaseException) -> str:
    """Describe an error and its place in one line."""
    if isinstance(error, Failed | Lost):
        return str(error)
    text = f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"
    places = traceback.extract_tb(error.__traceback__)
    return f"{text} ({places[-1].name}, line {places[-1].lineno})" if places else text


# Training in another process: the code of both sides


def serve(job: Job, point: ResumePoint | None, send: Callable[[Message], None], data: DataSet | None = None) -> None:
    """Train a job received from another process, and send it all messages; see `follow`."""
    try:
        outcome: Message = train_job(job, point, send, send, data)
    except HighwaysError as error:
        outcome = HighwaysError(str(error))
    except Exception as error:
        outcome = Failed(reason_of(error))
    send(outcome)


def follow(messages: Iterable[Message], save: Save, listener: Listener) -> list[Trained]:
    """Receive all messages of a job trained elsewhere, and return its outcome; see `Engine.train`."""
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


class Processes(Engine):
    """Trains in parallel processes of this machine; they write no files.

    If a process dies (killed, out of memory), its job loses what was trained since the last saved state.
    """

    def __init__(self, workers: int):
        if getattr(multiprocessing.current_process(), "_inheriting", False):  # a worker runs its parent's script
            raise HighwaysError("a script that trains in several processes needs `if __name__ == '__main__':`")
        self.most = workers
        self._processes: list[BaseProcess] = []
        self._idle: list[Connection] = []
        self._lock = threading.Lock()
        self._stopped = False

    def train(self, job: Job, point: ResumePoint | None, save: Save, listener: Listener) -> list[Trained]:
        with self._lock:
            if self._stopped:
                raise Lost("stopped")
            connection = self._idle.pop() if self._idle else self._start()
        try:
            trained = follow(_messages(connection, job, point), save, listener)
        except Failed:
            self._idle.append(connection)
            raise
        self._idle.append(connection)
        return trained

    def _start(self) -> Connection:
        """Start a process that trains one job after another."""
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        self._processes.append(context.Process(target=_work, args=(theirs,), daemon=True))
        self._processes[-1].start()
        theirs.close()
        return ours

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
            for process in self._processes:
                process.kill()
                process.join()


def _messages(connection: Connection, job: Job, point: ResumePoint | None) -> Iterator[Message]:
    try:
        connection.send_bytes(pickle.dumps((job, point)))
        while True:
            yield pickle.loads(connection.recv_bytes())
    except (EOFError, OSError) as error:
        raise Lost("the process that trained was killed, perhaps because memory ran out") from error


def _work(connection: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles the interrupt and ends this process
    die_with_parent()

    def send(message: Message) -> None:
        connection.send_bytes(pickle.dumps(message))  # not `connection.send`, which would share tensors' memory

    with suppress(EOFError, OSError, KeyboardInterrupt):
        while True:
            job, point = pickle.loads(connection.recv_bytes())
            serve(job, point, send)


def die_with_parent() -> None:
    """End this process when its parent ends or is killed; otherwise it would run on unnoticed."""

    def watch() -> None:
        parent = multiprocessing.parent_process()
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def engine_named(name: str, workers: int) -> Engine:
    """Return the engine `local` or `ray` for a number of parallel processes."""
    if name == "local":
        return Processes(workers) if workers > 1 else Engine()
    if name != "ray":
        raise HighwaysError(f"no engine {name!r}; there are: local, ray")
    if importlib.util.find_spec("ray") is None:
        how = "`pip install -e '.[ray]'` in the project's folder installs it"
        raise HighwaysError(f"engine 'ray': Ray is not installed; {how}")
    from highways.training.on_ray import RayEngine

    return RayEngine(workers)
