"""The driver's side of the engine `ray`: it sends groups, takes what comes back, and alone writes files."""

# pyright: reportMissingImports=false
# Ray is an extra: it need not be there.

from __future__ import annotations

import contextlib
import itertools
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import ray
from ray.exceptions import RayError
from ray.experimental import get_object_locations
from ray.util.queue import Empty, Queue
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from highways.config import DataConfig
from highways.data import load
from highways.errors import HighwaysError
from highways.tracking.events import Event, Listener
from highways.training.checkpoints import POLL_S, Claim, ResumePoint, claimed, is_claimed
from highways.training.engines import Failure, reason_of
from highways.training.execute import Job
from highways.training.memory import PROCESS_BYTES, limit
from highways.training.on_ray.cluster import (
    check_versions,
    connect,
    looker,
    no_room,
    nodes,
    room,
    surroundings,
    there_is,
)
from highways.training.on_ray.order import InOrder
from highways.training.on_ray.sharing import Shares
from highways.training.on_ray.task import Failed, Order, fulfil
from highways.training.storing import begun, checkpoint_every_s, say_waiting, store

WAKE_S = 0.25
"""Seconds between two looks at the messages."""
LOOK_S = 2.0
"""Seconds between two looks at the nodes."""
PATIENCE_S = 60.0
"""Seconds that a cluster which has lost its last node with room for a group has to bring another."""
CRASHES = 2
"""How often more a group is tried again whose process or node was lost, if it got no further since."""
FULFIL = ray.remote(fulfil)


class RayEngine:
    """Trains on a Ray cluster, or on this machine's cores where `RAY_ADDRESS` is not set.

    A group is a task. The driver, this process, claims groups as it sends them, the longest first, and stores what
    comes back; no worker needs a file of the project. States travel to the driver as they are made, so that a group
    whose process or node is lost goes on elsewhere from the last one.

    Args:
        workers: Processes, where this machine alone trains.
        retries: How often a failed job is tried again.
    """

    def __init__(self, workers: int, retries: int = 1):
        self.workers, self.retries = workers, retries
        self._connected_here = False
        self._shares = Shares(None)

    def open(self, device: str, threads: int) -> str:
        """Connect, check the nodes' versions, and return `cuda` where a node has a GPU; see `Engine`."""
        self._connected_here = connect(self.workers * threads)
        there = nodes()
        has_gpu = any(node.has["GPU"] for node in there)
        if device == "cuda" and not has_gpu:
            raise HighwaysError(f"device 'cuda' was asked for, but no node has a GPU: {there_is(there)}")
        if device == "auto" and not has_gpu:
            print("no GPU in the Ray cluster: training runs on CPUs", flush=True)
        self._shares = Shares(check_versions(there))
        return "cuda" if has_gpu and device != "cpu" else "cpu"

    def close(self) -> None:
        """Disconnect, where `open` connected; Ray on this machine alone ends."""
        if self._connected_here:
            ray.shutdown()
            self._connected_here = False

    def memory(self, device: str, threads: int) -> int:
        """Return the bytes that a job may hold on the node or the GPU that has least; see `Engine`."""
        if device == "cuda" and self._shares.gpu_mebibytes is not None:
            return limit(self._shares.gpu_mebibytes * 2**20, 1)
        if not (there := nodes()):
            raise HighwaysError(f"the Ray cluster has nothing to train on: {there_is(there)}")
        return min(limit(node.has["memory"], int(node.has["CPU"]) // threads) for node in there)

    def train(self, jobs: Sequence[Job], listener: Listener) -> list[Failure]:
        """See `Engine`."""
        dispatch = _Dispatch(jobs, listener, self.retries, self._shares)
        try:
            return dispatch.run()
        except BaseException as error:
            dispatch.stop(said=isinstance(error, KeyboardInterrupt))
            raise
        finally:
            dispatch.messages.shutdown(force=True)


@dataclass(frozen=True)
class _Sent:
    """A group that has been sent.

    Attributes:
        job: The group.
        need: What it needs of a node.
        point: Its resume point.
        claim: To be closed when it has come back.
        result: What it will return.
        inbox: Puts its messages into their order.
    """

    job: Job
    need: Mapping[str, float]
    point: ResumePoint
    claim: contextlib.ExitStack
    result: ray.ObjectRef[Any]
    inbox: InOrder = field(default_factory=InOrder)


class _Dispatch:
    """One list of jobs on its way through the cluster; see `RayEngine` for the arguments."""

    def __init__(self, jobs: Sequence[Job], listener: Listener, retries: int, shares: Shares):
        self.listener, self.retries, self.shares = listener, retries, shares
        self.every_s, self.versions = checkpoint_every_s(), looker()()
        self.data = _Shipped()
        self.messages = Queue(actor_options=_beside_driver())
        self.there, self._looked_at = nodes(), time.monotonic()
        self._lacking_since: float | None = None
        slots = max(1, room(self.there, self._need(jobs[0])))
        self.waiting = deque(replace(job, workers=slots) for job in jobs)
        self.sent: dict[int, _Sent] = {}
        """By the number of the order: what is at work, or waits for a place."""
        self.landing: dict[int, _Sent] = {}
        """What has come back and is not stored yet."""
        self.elsewhere: dict[Job, Claim] = {}
        self.failures: list[Failure] = []
        self._tries: Counter[tuple[str, ...]] = Counter()
        self._numbers = itertools.count()
        self._said: set[Claim] = set()
        self._asked_at = 0.0

    def run(self) -> list[Failure]:
        """Train all jobs and return those that failed.

        Raises:
            HighwaysError: Of the user's making, or no node has room for a group; raised at once.
        """
        for job in self.waiting:
            if not room(self.there, need := self._need(job)):
                raise no_room(need, self.there)
        while self.waiting or self.sent or self.elsewhere:
            self._look_at_nodes()
            self._send()
            if self._come_back(WAKE_S):
                self._send()  # before storing, so that no worker waits for that
            while self.landing:
                self._land()
            self._look_elsewhere()
        return self.failures

    def stop(self, said: bool) -> None:
        """Store what has come back, and stop all that is still trained.

        Args:
            said: Say so in a line.
        """
        with contextlib.suppress(Exception):  # the error that led here is the one to be seen
            self._come_back(0)
        while self.landing:
            with contextlib.suppress(Exception):
                self._land()
        for sent in self.sent.values():
            with contextlib.suppress(RayError, ValueError):
                ray.cancel(sent.result, force=True)
            sent.claim.close()
        if said:
            print(f"stopped: {len(self.sent)} groups go on from their last states when started again", flush=True)

    # Sending

    def _need(self, job: Job) -> dict[str, float]:
        """Return what a job needs of a node."""
        memory = PROCESS_BYTES + self.data.bytes_of(job.configs[0].data)
        return {"CPU": job.threads, "GPU": self.shares.of(job), "memory": memory}

    def _has_place(self, job: Job) -> bool:
        """Tell whether to send a job: there is room, or few others wait on the cluster for the first to end."""
        fit = room(self.there, self._need(job))
        return len(self.sent) < fit + max(1, fit // 4)

    def _send(self) -> None:
        """Claim and send jobs, in their order, as long as they have a place."""
        while self.waiting and self._has_place(self.waiting[0]):
            job = self.waiting.popleft()
            with contextlib.ExitStack() as claim:
                other = claim.enter_context(claimed(job.keys, job.population))
                if other is not None:
                    self.elsewhere[job] = other
                    continue
                point = begun(job, self.listener)
                if isinstance(point, Job):
                    self.waiting.appendleft(point)
                if not isinstance(point, ResumePoint):
                    continue
                number, need, data = next(self._numbers), self._need(job), self.data.of(job.configs[0].data)
                order = Order(number, job, point.checked(), str(point.folder), self.every_s, self.versions)
                result = _remote(job, need).remote(order, data, self.messages)
                self.sent[number] = _Sent(job, need, point, claim.pop_all(), result)

    # What comes back

    def _come_back(self, seconds: float) -> bool:
        """Note what has come back, waiting a while for the first, take the messages, and tell whether any has."""
        results = {sent.result: number for number, sent in self.sent.items()}
        if not results:
            return False
        done, _ = ray.wait(list(results), timeout=seconds)
        if done and len(results) > 1:
            done, _ = ray.wait(list(results), num_returns=len(results), timeout=0)
        self.landing |= {results[result]: self.sent.pop(results[result]) for result in done}
        self._take_messages()
        return bool(done)

    def _take_messages(self) -> None:
        """Tell the listener what happened, and keep the last state of each group.

        All messages of what has come back are there: a worker returns when they have arrived.
        """
        try:
            messages = self.messages.get_nowait_batch(size) if (size := self.messages.size()) else []
        except Empty:  # the process that carries them was lost, and is there again
            messages = []
        new: dict[int, list[tuple[int, Event | bytes]]] = {}
        for number, *message in messages:
            new.setdefault(number, []).append(tuple(message))
        for number, sent in (self.sent | self.landing).items():  # others are of attempts that were given up
            state = None
            for content in sent.inbox.take(new.get(number, ()), last=number in self.landing):
                if isinstance(content, bytes):
                    state = content
                else:
                    self.listener(content)
            if state is not None:
                sent.point.save(state)
                self._tries.pop(sent.job.keys, None)

    def _land(self) -> None:
        """Store what came of a group that has come back, or try it again."""
        _, sent = self.landing.popitem()
        with sent.claim:
            try:
                outcome = ray.get(sent.result)
            except RayError as error:
                first = sent.job.keys[0]
                print(
                    f"{first} x{len(sent.job.keys)}: lost with its process or node ({type(error).__name__})", flush=True
                )
                self._failed(sent.job, reason_of(error), self.retries + CRASHES)
                return
            if not isinstance(outcome, Failed):
                self.shares.learn(store(sent.job, outcome, self.listener))
            elif outcome.for_good:
                raise HighwaysError(outcome.reason)
            else:
                self._failed(sent.job, outcome.reason, self.retries)

    def _failed(self, job: Job, reason: str, allowed: int) -> None:
        self._tries[job.keys] += 1
        if self._tries[job.keys] <= allowed:
            self.waiting.appendleft(job)
        else:
            self.failures.append((job, reason))

    # What others do

    def _look_at_nodes(self) -> None:
        """Look what there is now.

        Raises:
            HighwaysError: No node has had room for one of the groups for a while.
        """
        now = time.monotonic()
        if now - self._looked_at < LOOK_S:
            return
        self.there, self._looked_at = nodes(), now
        needs = [sent.need for sent in self.sent.values()] + [self._need(job) for job in self.waiting]
        lacking = next((need for need in needs if not room(self.there, need)), None)
        if lacking is None:
            self._lacking_since = None
        elif self._lacking_since is None:
            self._lacking_since = now
            print(f"no node has room for a group any more; waiting {PATIENCE_S:.0f} s for another", flush=True)
        elif now - self._lacking_since > PATIENCE_S:
            raise no_room(lacking, self.there)

    def _look_elsewhere(self) -> None:
        """Take up jobs that another process has claimed and left; wait for them where nothing else is to be done."""
        if not self.elsewhere:
            return
        if not self.sent and not self.waiting:
            say_waiting(self.elsewhere.values(), self._said)
            time.sleep(POLL_S)
        if (now := time.monotonic()) - self._asked_at < POLL_S:
            return
        self._asked_at = now
        for job in [job for job in self.elsewhere if not is_claimed(job.keys)]:
            del self.elsewhere[job]
            self.waiting.append(job)


class _Shipped:
    """Data sets that have been prepared here and sent, each once; Ray copies them to the nodes that need them."""

    def __init__(self):
        self._sent: dict[DataConfig, ray.ObjectRef[Any]] = {}

    def of(self, data: DataConfig) -> ray.ObjectRef[Any]:
        """Return the data set as it was sent."""
        if data not in self._sent:
            self._sent[data] = ray.put(load(data))
        return self._sent[data]

    def bytes_of(self, data: DataConfig) -> int:
        """Return its size."""
        sent = self.of(data)
        return get_object_locations([sent])[sent]["object_size"]


def _remote(job: Job, need: Mapping[str, float]) -> Any:
    """Return the task of a job, with what it needs."""
    return FULFIL.options(
        num_cpus=need["CPU"],
        num_gpus=need["GPU"],
        memory=need["memory"],
        max_retries=0,  # Ray would begin again from the state that was sent: here it is from the last one
        scheduling_strategy="SPREAD",
        runtime_env=surroundings(job.device, job.threads),
    )


def _beside_driver() -> dict[str, Any]:
    """Return the options of the process that carries messages: on this machine, and started again if it is lost."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    return {"num_cpus": 0, "scheduling_strategy": here, "max_restarts": -1, "max_task_retries": -1}
