"""The cluster: connecting to it, what its nodes have, and whether they run the code that runs here."""

# pyright: reportMissingImports=false
# Ray is an extra: it need not be there.

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from highways.errors import HighwaysError

CONNECT_S, ANSWER_S = 4, 10
"""Seconds that a machine has to accept a connection, and the cluster on it to say that it is one."""
START_S = 120
"""Seconds that a node has to start a process."""
UNITS = {"CPU": "CPU", "GPU": "GPU", "memory": "GiB of memory"}
"""What is asked of nodes, by Ray's name, and how it is shown."""

# Asked in a process of its own: Ray itself tries for 80 seconds, and then ends the process that asks.
ASK = "import sys; from ray._raylet import GcsClient; GcsClient(address=sys.argv[1])"


@dataclass(frozen=True)
class Node:
    """A node that is there.

    Attributes:
        id: Ray's name for it.
        name: Host and address.
        has: How much of each resource, by Ray's name; memory in bytes.
    """

    id: str
    name: str
    has: Mapping[str, float]

    def room(self, need: Mapping[str, float]) -> int:
        """Return how many jobs that need so much would fit if it were idle."""
        return min(int(self.has.get(name, 0) / amount + 1e-9) for name, amount in need.items() if amount)


def connect(cpus: int) -> bool:
    """Connect to the cluster at `RAY_ADDRESS`, or start Ray on this machine, and tell whether that was to be done.

    Args:
        cpus: How many of this machine's to use where no address is given.

    Raises:
        HighwaysError: No cluster answers there, or it is not to be had.
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
    _check_answers(address)
    try:
        ray.init(address, **quiet)
    except (ConnectionError, RuntimeError, ValueError, RayError) as error:
        raise HighwaysError(f"RAY_ADDRESS {address}: {_first_line(error)}") from error
    return True


def _check_answers(address: str) -> None:
    """Find out within some seconds whether a cluster answers.

    Raises:
        HighwaysError: None does, or it is no address.
    """
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    if "/" in address or not host or not port.isdigit():
        form = "it must be host:port of the cluster's head, or auto; start from a machine of the cluster"
        raise HighwaysError(f"RAY_ADDRESS {address!r}: {form}")
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_S).close()
        subprocess.run([sys.executable, "-c", ASK, address], timeout=ANSWER_S, capture_output=True, check=True)
    except (OSError, OverflowError, subprocess.SubprocessError):
        raise HighwaysError(f"RAY_ADDRESS {address}: no Ray cluster answers there") from None


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def nodes() -> list[Node]:
    """Return the nodes that are there and have processors to train on."""
    return [
        Node(
            id=node["NodeID"],
            name=f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})",
            has={name: float(node["Resources"].get(name, 0)) for name in UNITS},
        )
        for node in ray.nodes()
        if node["Alive"] and node["Resources"].get("CPU", 0) >= 1
    ]


def room(there: Iterable[Node], need: Mapping[str, float]) -> int:
    """Return how many jobs that need so much fit on nodes beside each other."""
    return sum(node.room(need) for node in there)


def there_is(there: Sequence[Node]) -> str:
    """Say what there is, for a message: nodes that have the same, to two digits, together."""
    if not there:
        return "there are no nodes with a processor"
    counted = Counter(_amounts(node.has, digits=2) for node in there)
    shown = "; ".join(f"{count} with {has}" for has, count in counted.items())
    return f"there are {len(there)} nodes ({shown})" if len(there) > 1 else f"there is one node ({shown})"


def no_room(need: Mapping[str, float], there: Sequence[Node]) -> HighwaysError:
    """Return the error of a job that no node has room for."""
    asked = _amounts(need, digits=3)
    return HighwaysError(f"a group of runs needs {asked}, which no node of the Ray cluster has: {there_is(there)}")


def _amounts(amounts: Mapping[str, float], digits: int) -> str:
    scaled = {name: value / 2**30 if name == "memory" else value for name, value in amounts.items()}
    return ", ".join(f"{value:.{digits}g} {UNITS[name]}" for name, value in scaled.items() if value or name == "CPU")


def surroundings(device: str, threads: int) -> dict[str, Any]:
    """Return what the processes of the nodes see of the system.

    What OpenMP reads is what it reads in a process of the local engine; else results may differ in the last bit. Ray
    leaves GPUs visible to a task that asks for none: they are hidden.

    Args:
        device: `cpu` or `cuda`.
        threads: Of each process.
    """
    variables = {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(threads))}
    return {"env_vars": variables | ({"CUDA_VISIBLE_DEVICES": ""} if device == "cpu" else {})}


def check_versions(there: Sequence[Node]) -> int | None:
    """Check that all nodes run this version of highways and torch; return the least memory of a GPU, in MiB.

    Raises:
        HighwaysError: One does not, or starts no process.
    """
    look = looker()
    here, memories = look(), []
    task = ray.remote(num_cpus=0, max_retries=0)(look)
    at = [NodeAffinitySchedulingStrategy(node.id, soft=False) for node in there]
    asked = [task.options(scheduling_strategy=strategy).remote() for strategy in at]
    for node, answer in zip(there, asked, strict=True):
        try:
            found = ray.get(answer, timeout=START_S)
        except GetTimeoutError:
            raise HighwaysError(f"node {node.name}: it starts no process within {START_S} seconds") from None
        except RayError:  # it is gone again
            continue
        check_same(here, found, node.name)
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
            raise HighwaysError(
                f"node {name} has {found}, and here is {package} {here[package]}: results would differ; "
                "install the same on all nodes"
            )


def looker() -> Callable[[], dict[str, Any]]:
    """Return a function that says what a node has: versions, and the memory of its smallest GPU in MiB.

    It is one that Ray sends as a whole: a node that lacks this package can run it.
    """

    def look() -> dict[str, Any]:
        import hashlib
        import importlib.metadata
        import pathlib
        import subprocess

        found: dict[str, Any] = dict.fromkeys(("highways", "source", "torch", "gpu_mebibytes"))
        try:
            import highways

            digest = hashlib.sha256()
            folder = pathlib.Path(next(iter(highways.__path__)))
            for path in sorted(folder.rglob("*.py")):
                digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
            found["source"] = digest.hexdigest()
            found["highways"] = f"{highways.__version__} (source {found['source'][:8]})"
            found["torch"] = importlib.metadata.version("torch").partition("+")[0]  # of builds for CPU and CUDA
        except (ImportError, importlib.metadata.PackageNotFoundError):
            pass
        query = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
        try:
            said = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True).stdout
            found["gpu_mebibytes"] = min(map(int, said.split()), default=None)
        except (OSError, ValueError, subprocess.SubprocessError):
            pass
        return found

    return look
