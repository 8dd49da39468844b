"""The engine `ray`: groups are trained on a cluster of machines, or on this one's cores, and written here.

A group is a task of the cluster. This process, the driver, holds the locks, prepares data, and writes records, weights
and resume points; workers need no file of the project. States travel to the driver as they are made, so that a group
whose process or node is lost goes on elsewhere from the last one. Importing this module needs Ray.
"""

# pyright: reportMissingImports=false
# Ray is an extra: it need not be there.

from __future__ import annotations

import json
import logging
import math
import os
import queue
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from highways.config import DataConfig, RunConfig
from highways.data import DataSet, load
from highways.errors import HighwaysError
from highways.tracking.events import Listener
from highways.tracking.records import RecordStore, RunRecord
from highways.training.checkpoints import ResumePoint
from highways.training.engines import Lost, Message, follow, reason_of, serve
from highways.training.execute import PEAK, Job, Save, Trained
from highways.training.groups import FREE

CONNECT_S, ANSWER_S, START_S = 4, 10, 120
"""Seconds that a machine has to accept a connection, a cluster to say that it is one, and a node to start a process."""
LOOK_S, PATIENCE_S = 2.0, 60.0
"""Seconds between two looks at the nodes, and those that a cluster without room for a group has to bring a new node."""
CONTEXT_MEBIBYTES, MARGIN = 600, 1.1
"""Memory of a GPU that CUDA itself takes for a process; and the factor on what a group was measured to reserve."""

# Asked in a process of its own: Ray itself tries for 80 seconds, and then ends the process that asks.
ASK = "import sys; from ray._raylet import GcsClient; GcsClient(address=sys.argv[1])"


# The cluster


@dataclass(frozen=True)
class Node:
    """A machine of the cluster: Ray's name for it, host and address, and its processors and GPUs."""

    id: str
    name: str
    has: Mapping[str, float]

    def room(self, need: Mapping[str, float]) -> int:
        """Return how many jobs that need so much would fit if it were idle."""
        return min(int(self.has[name] / amount + 1e-9) for name, amount in need.items() if amount)


def nodes() -> list[Node]:
    """Return the nodes that are alive and have processors to train on."""
    return [
        Node(
            id=node["NodeID"],
            name=f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})",
            has={name: float(node["Resources"].get(name, 0)) for name in ("CPU", "GPU")},
        )
        for node in ray.nodes()
        if node["Alive"] and node["Resources"].get("CPU", 0) >= 1
    ]


def _amounts(amounts: Mapping[str, float]) -> str:
    return ", ".join(f"{value:.3g} {name}" for name, value in amounts.items() if value or name == "CPU")


def there_is(there: Sequence[Node]) -> str:
    """Return what nodes there are, in words."""
    counted = Counter(_amounts(node.has) for node in there)
    nodes = "; ".join(f"{count} with {has}" for has, count in counted.items()) or "none with a processor"
    return f"there are {len(there)} nodes ({nodes})"


def connect(cpus: int) -> bool:
    """Connect to the cluster at `RAY_ADDRESS`, else start Ray on `cpus` of this machine; tell whether it did so.

    Raises:
        HighwaysError: No cluster answers there, or it cannot be used.
    """
    if ray.is_initialized():
        return False
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # tasks hide GPUs themselves; no warning then
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    address = os.environ.get("RAY_ADDRESS") or "local"
    if address == "local":
        # It listens on all interfaces, and lets in only who has this user's token: Ray's default from 2.60 on.
        ray.init(address, num_cpus=cpus, include_dashboard=False, **quiet)
        return True
    if address != "auto":
        _check_answers(address)
    try:
        ray.init(address, **quiet)
    except (ConnectionError, RuntimeError, ValueError, RayError) as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise HighwaysError(f"RAY_ADDRESS {address}: {reason}") from error
    return True


def _check_answers(address: str) -> None:
    host, _, port = address.rpartition(":")
    if "/" in address or not host or not port.isdigit():
        form = "it must be host:port of the cluster's head, or auto; start from a machine of the cluster"
        raise HighwaysError(f"RAY_ADDRESS {address!r}: {form}")
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_S).close()
        subprocess.run([sys.executable, "-c", ASK, address], timeout=ANSWER_S, capture_output=True, check=True)
    except (OSError, OverflowError, subprocess.SubprocessError):
        raise HighwaysError(f"RAY_ADDRESS {address}: no Ray cluster answers there") from None


def check_versions(there: Sequence[Node]) -> int | None:
    """Return the least memory of a GPU, in MiB, of nodes that all run this version of highways and torch.

    Raises:
        HighwaysError: One does not, or starts no process.
    """
    look = ray.remote(num_cpus=0, max_retries=0)(looker())
    at = [NodeAffinitySchedulingStrategy(node.id, soft=False) for node in there]
    answers = [look.options(scheduling_strategy=node).remote() for node in at]
    memories = []
    for node, answer in zip(there, answers, strict=True):
        try:
            found = ray.get(answer, timeout=START_S)
        except GetTimeoutError:
            raise HighwaysError(f"node {node.name}: it starts no process within {START_S} seconds") from None
        except RayError:  # it is gone again
            continue
        check_same(versions(), found, node.name)
        memories += [found["gpu_mebibytes"]] if found["gpu_mebibytes"] else []
    return min(memories, default=None)


def check_same(here: Mapping[str, Any], there: Mapping[str, Any], name: str) -> None:
    """Compare what `looker` found here and on another node.

    Raises:
        HighwaysError: Versions differ; the line has both.
    """
    for package, mark in (("highways", "source"), ("torch", "torch")):
        if here[mark] != there[mark]:
            found = f"{package} {there[package]}" if there[package] else f"no {package}"
            differ = f"node {name} has {found}, and here is {package} {here[package]}"
            raise HighwaysError(f"{differ}: results would differ; install the same on all nodes")


def looker() -> Callable[[], dict[str, Any]]:
    """Return a function that returns a node's versions and the memory of its smallest GPU in MiB.

    Ray sends it as a whole: a node that lacks this package can run it.
    """

    def look() -> dict[str, Any]:
        import contextlib
        import hashlib
        import importlib.metadata
        import pathlib
        import subprocess

        found: dict[str, Any] = dict.fromkeys(("highways", "source", "torch", "gpu_mebibytes"))
        with contextlib.suppress(ImportError, importlib.metadata.PackageNotFoundError):
            import highways

            digest = hashlib.sha256()
            folder = pathlib.Path(next(iter(highways.__path__)))
            for path in sorted(folder.rglob("*.py")):
                digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
            found["source"] = digest.hexdigest()
            found["highways"] = f"{highways.__version__} (source {found['source'][:8]})"
            found["torch"] = importlib.metadata.version("torch").partition("+")[0]  # of builds for CPU and CUDA
        query = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
        with contextlib.suppress(OSError, ValueError, subprocess.SubprocessError):
            said = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True).stdout
            found["gpu_mebibytes"] = min(map(int, said.split()), default=None)
        return found

    return look


@lru_cache(maxsize=1)
def versions() -> dict[str, Any]:
    """Return what `looker` finds here."""
    return looker()()


# A worker


def train_there(job: Job, data: DataSet, point: ResumePoint | None, driver: Mapping[str, Any]) -> Iterator[Message]:
    """Train a job on a worker, and yield its messages; see `highways.training.engines.serve`.

    `driver` is what the driver runs: this node may have come later than its look at all of them.
    """
    messages: queue.SimpleQueue[Message] = queue.SimpleQueue()
    try:
        check_same(driver, versions(), ray.util.get_node_ip_address())
    except HighwaysError as error:
        yield error
        return
    threading.Thread(target=serve, args=(job, lambda: data, point, messages.put), daemon=True).start()
    message: Message = b""
    while not isinstance(message, list | Exception):
        yield (message := messages.get())


def surroundings(device: str, threads: int) -> dict[str, Any]:
    """Return the environment of a worker: OpenMP's as in the local engine, for the last bit, and no GPU for the CPU."""
    variables = {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(threads))}
    return {"env_vars": variables | ({"CUDA_VISIBLE_DEVICES": ""} if device == "cpu" else {})}


# The driver


class RayEngine:
    """Trains on a Ray cluster, or in `workers` processes of this machine where `RAY_ADDRESS` is not set."""

    def __init__(self, workers: int):
        self.workers = workers
        self._connected_here = self._stopped = False
        self._lock = threading.Lock()
        self._running: set[Any] = set()
        self._data: dict[DataConfig, Any] = {}
        self._shares = Shares(None)
        self._slots = 0

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

    def stop(self) -> None:
        """See `Engine`."""
        with self._lock:
            self._stopped = True
            for running in list(self._running):
                with suppress(RayError, ValueError):
                    ray.cancel(running, force=True)

    def close(self) -> None:
        """Disconnect, where `open` connected; Ray on this machine alone ends."""
        if self._connected_here:
            ray.shutdown()
            self._connected_here = False

    def executor(self) -> Executor:
        """See `Engine`."""
        return ThreadPoolExecutor(1000)  # threads that wait, as many as there are jobs under way

    def room(self, job: Job) -> int:
        """Return what fits on the nodes that are there now, and a few that wait for the first to end."""
        fit = sum(node.room(self._need(job)) for node in nodes())
        self._slots = self._slots or fit
        return fit + max(1, fit // 4)

    def _need(self, job: Job) -> dict[str, float]:
        return {"CPU": job.threads, "GPU": self._shares.of(job)}

    def train(self, job: Job, point: ResumePoint | None, save: Save, listener: Listener) -> list[Trained]:
        """See `Engine`."""
        need = self._need(job)
        with self._lock:
            if self._stopped:
                raise Lost("stopped")
            if (data := job.configs[0].data) not in self._data:
                self._data[data] = ray.put(load(data))
            task = ray.remote(train_there).options(
                num_cpus=need["CPU"],
                num_gpus=need["GPU"],
                max_retries=0,  # Ray would begin again from the state that was sent: here it is from the last one
                num_returns="streaming",
                scheduling_strategy="SPREAD",
                runtime_env=surroundings(job.device, job.threads),
            )
            running = task.remote(replace(job, workers=max(1, self._slots)), self._data[data], point, versions())
            self._running.add(running)
        try:
            trained = follow(self._messages(running, need), save, listener)
        except RayError as error:
            if not self._stopped:
                print(f"{job.keys[0]} x{len(job.keys)}: lost with its process or node", flush=True)
            raise Lost(reason_of(error)) from error
        finally:
            self._running.discard(running)
        self._shares.learn(one.record for one in trained)
        return trained

    def _messages(self, running: Any, need: Mapping[str, float]) -> Iterator[Message]:
        """Yield the messages of a task.

        Raises:
            RayError: Its process or node is gone.
            HighwaysError: No node has room for it, from the start or for a while.
        """
        patience = 0.0 if not self._slots else PATIENCE_S
        lacking_since: float | None = None
        while True:
            if ray.wait([running], timeout=LOOK_S)[0]:
                try:
                    yield ray.get(next(running))
                except StopIteration:
                    return
                continue
            there = nodes()
            if any(node.room(need) for node in there):
                lacking_since = None
            elif patience and lacking_since is None:
                lacking_since = time.monotonic()
                print(f"no node has room for a group any more; waiting {patience:.0f} s for another", flush=True)
            elif time.monotonic() - (lacking_since or -math.inf) > patience:
                asked = f"a group of runs needs {_amounts(need)}, which no node of the Ray cluster has"
                raise HighwaysError(f"{asked}: {there_is(there)}")


class Shares:
    """Shares of a GPU of so many MiB, by what groups of one shape reserved; a whole one where nothing is known."""

    def __init__(self, gpu_mebibytes: int | None):
        self.gpu_mebibytes = gpu_mebibytes
        self._known: dict[str, tuple[int, int]] | None = None
        """By shape, the largest measured group: MiB reserved, and its size."""

    def of(self, job: Job) -> float:
        """Return the share that a group needs, 0 on a CPU."""
        if job.device == "cpu" or self.gpu_mebibytes is None:
            return float(job.device != "cpu")
        if self._known is None:
            self._known = {}
            self.learn(RecordStore(job.records).readable(lambda fault: print(f"left out: {fault}", flush=True)))
        reserved, size = self._known.get(_shape(job.configs[0], job.population), (math.inf, 1))
        need = MARGIN * reserved * max(1.0, len(job.keys) / size) + CONTEXT_MEBIBYTES
        return 1.0 if need > self.gpu_mebibytes else math.ceil(100 * need / self.gpu_mebibytes) / 100

    def learn(self, records: Iterable[RunRecord]) -> None:
        """Take what records say of the memory that their groups had reserved."""
        for record in records:
            if (reserved := record.environment.get(PEAK)) is not None:
                shape, known = _shape(record.config, record.engine["population"]), self._known or {}
                self._known = known | {shape: max(known.get(shape, (0, 0)), (reserved, record.engine["group"]))}


def _shape(config: RunConfig, population: bool) -> str:
    left = FREE | {"order_seed": True, "budget": {"epochs"}}
    return json.dumps([population, config.model_dump(mode="json", exclude=left)], sort_keys=True)
