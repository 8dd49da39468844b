"""The engine `ray`: trains groups on a cluster, or on the cores of this machine, and stores the results here.

Each group is a task of the cluster. This process, the driver, holds the locks, prepares data, and writes records,
weights and resume points; workers need no file of the project. Workers send every state to the driver as it is made, so
that a group whose process or node is lost resumes elsewhere from the last one. Importing this module requires Ray.
"""

# pyright: reportMissingImports=false
# Ray is an optional extra and may be missing.

import hashlib
import logging
import math
import os
import queue
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import ray
import torch
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from highways import __version__
from highways.config import DataConfig
from highways.data import DataSet, load
from highways.errors import HighwaysError
from highways.tracking.events import Listener
from highways.training.checkpoints import ResumePoint
from highways.training.engines import Engine, Lost, Message, follow, reason_of, serve
from highways.training.execute import Job, Save, Trained

CONNECT_S, START_S = 4, 120
"""Seconds that a machine may take to accept a connection, and a node to start a process."""
PATIENCE_S = 60.0
"""Seconds that a cluster may take to add a node after the last node with room for a group has gone."""


# The cluster


class Node(NamedTuple):
    """A node of the cluster: its Ray ID, its host name and address, and its numbers of CPUs and GPUs."""

    id: str
    name: str
    has: Mapping[str, float]

    def room(self, need: Mapping[str, float]) -> int:
        """Return how many jobs with these needs would fit on the node if it were idle."""
        return min(int(self.has[name] / amount + 1e-9) for name, amount in need.items() if amount)


def nodes() -> list[Node]:
    """Return the nodes that are alive and have a CPU to train on."""
    return [
        Node(
            id=node["NodeID"],
            name=f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})",
            has={name: float(node["Resources"].get(name, 0)) for name in ("CPU", "GPU")},
        )
        for node in ray.nodes()
        if node["Alive"] and node["Resources"].get("CPU", 0) >= 1
    ]


def there_is(there: Sequence[Node]) -> str:
    """Describe the cluster's nodes in words."""
    counted = Counter(f"{node.has['CPU']:g} CPU, {node.has['GPU']:g} GPU" for node in there)
    return "; ".join(f"{count} with {has}" for has, count in counted.items()) or "none with a processor"


def connect(cpus: int) -> bool:
    """Connect to the cluster at `RAY_ADDRESS`, or start Ray on `cpus` CPUs here; return `False` if it was connected."""
    if ray.is_initialized():
        return False
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # tasks hide GPUs themselves: no warning needed
    address = os.environ.get("RAY_ADDRESS") or "local"
    # Ray started here listens on all interfaces and admits only holders of this user's token: the default since 2.60.
    here = {"num_cpus": cpus, "include_dashboard": False} if address == "local" else {}
    try:
        if address not in ("local", "auto"):  # first: Ray itself would try for 80 seconds and then end this process
            host, _, port = address.rpartition(":")
            socket.create_connection((host.strip("[]"), int(port)), CONNECT_S).close()
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR, **here)
    except (OSError, OverflowError, RuntimeError, ValueError, RayError) as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        form = "it must be host:port of the cluster's head, or auto; start from a machine of the cluster"
        raise HighwaysError(f"RAY_ADDRESS {address}: cannot be used ({reason}); {form}") from error
    return True


@lru_cache(maxsize=1)
def versions() -> str:
    """Return this machine's versions of highways, with the sha256 of its source, and of torch."""
    source = hashlib.sha256()
    for path in sorted(Path(__file__).parents[1].rglob("*.py")):
        source.update(path.read_bytes())
    built = torch.__version__.partition("+")[0]  # equal for CPU and CUDA builds
    return f"highways {__version__} (source {source.hexdigest()[:8]}) and torch {built}"


def check_versions(there: Sequence[Node]) -> None:
    """Check that all nodes have the versions of this machine."""

    def look() -> str:
        return versions()

    ask = ray.remote(num_cpus=0, max_retries=0)(look)
    at = [NodeAffinitySchedulingStrategy(node.id, soft=False) for node in there]
    for node, answer in zip(there, [ask.options(scheduling_strategy=one).remote() for one in at], strict=True):
        try:
            found = ray.get(answer, timeout=START_S)
        except RayError as error:
            found = f"another highways, or none ({type(error).__name__})"
        if found != versions():
            differ = f"node {node.name} has {found}, and here is {versions()}"
            raise HighwaysError(f"{differ}: results would differ; install the same on all nodes")


# A worker


def train_there(job: Job, data: DataSet, point: ResumePoint | None) -> Iterator[Message]:
    """Train a job on a worker and yield its messages; see `highways.training.engines.serve`."""
    messages: queue.SimpleQueue[Message] = queue.SimpleQueue()
    threading.Thread(target=serve, args=(job, point, messages.put, data), daemon=True).start()
    message: Message = b""
    while not isinstance(message, list | Exception):
        yield (message := messages.get())


def surroundings(device: str, threads: int) -> dict[str, Any]:
    """Return a worker's environment: OpenMP threads as in the local engine, for equal bits, and no GPU for CPU jobs."""
    variables = {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(threads))}
    return {"env_vars": variables | ({"CUDA_VISIBLE_DEVICES": ""} if device == "cpu" else {})}


# The driver


class RayEngine(Engine):
    """Trains on a Ray cluster, or in `workers` processes of this machine if `RAY_ADDRESS` is not set.

    On a cluster, `workers` is the number of jobs that share a GPU.
    """

    most = 1000

    def __init__(self, workers: int):
        self.workers = workers
        self._connected_here = self._stopped = False
        self._lock = threading.Lock()
        self._running: set[Any] = set()
        self._data: dict[DataConfig, Any] = {}
        self._need: dict[str, float] = {}
        self._slots, self._had_room_at = 1, -math.inf

    def open(self, device: str, threads: int) -> str:
        """Connect, check the nodes' versions, and return the device, `cuda` if a node has a GPU; see `Engine`."""
        self._connected_here = connect(self.workers * threads)
        there = nodes()
        has_gpu = any(node.has["GPU"] for node in there)
        if device == "cuda" and not has_gpu:
            raise HighwaysError(f"device 'cuda' was asked for, but no node has a GPU; nodes: {there_is(there)}")
        if device == "auto" and not has_gpu:
            print("no GPU in the Ray cluster: training runs on CPUs", flush=True)
        check_versions(there)
        on_gpu = has_gpu and device != "cpu"
        self._need = {"CPU": threads, "GPU": 1 / self.workers if on_gpu else 0}
        return "cuda" if on_gpu else "cpu"

    def room(self) -> int:
        """Return how many jobs fit on the current nodes, plus a few that queue for the first free place."""
        there, now = nodes(), time.monotonic()
        if fit := sum(node.room(self._need) for node in there):
            self._slots, self._had_room_at = fit, now
        elif now - self._had_room_at > PATIENCE_S:
            asked = f"a group of runs needs {self._need['CPU']:g} CPU and {self._need['GPU']:.3g} GPU"
            raise HighwaysError(f"{asked}, which no node of the Ray cluster has; nodes: {there_is(there)}")
        return fit + max(1, fit // 4)

    def train(self, job: Job, point: ResumePoint | None, save: Save, listener: Listener) -> list[Trained]:
        with self._lock:
            if self._stopped:
                raise Lost("stopped")
            if (data := job.configs[0].data) not in self._data:
                self._data[data] = ray.put(load(data))
            task = ray.remote(train_there).options(
                num_cpus=self._need["CPU"],
                num_gpus=self._need["GPU"],
                max_retries=0,  # Ray would retry from the state that was sent; we retry from the last one
                num_returns="streaming",
                scheduling_strategy="SPREAD",
                runtime_env=surroundings(job.device, job.threads),
            )
            running: Any = task.remote(replace(job, workers=self._slots), self._data[data], point)
            self._running.add(running)
        try:
            return follow((ray.get(message) for message in running), save, listener)
        except RayError as error:
            if not self._stopped:
                print(f"{job.keys[0]} x{len(job.keys)}: lost with its process or node", flush=True)
            raise Lost(reason_of(error)) from error
        finally:
            self._running.discard(running)

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
            for running in list(self._running):
                with suppress(RayError, ValueError):
                    ray.cancel(running, force=True)

    def close(self) -> None:
        """Disconnect if `open` connected; Ray started on this machine ends with it."""
        if self._connected_here:
            ray.shutdown()
