"""Devices, threads, and the settings that make a run repeat to the bit."""

import ctypes
import os
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

# Read by cuBLAS when CUDA starts; without it its products may differ from call to call.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

import torch

from highways.errors import HighwaysError


@lru_cache(maxsize=8)
def resolve(device: str) -> torch.device:
    """Return the device that `auto`, `cpu` or `cuda` means here; says so once where `auto` finds no GPU."""
    if device == "cuda" and not torch.cuda.is_available():
        raise HighwaysError("device 'cuda' was asked for, but no CUDA device is available; use 'cpu' or 'auto'")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
        if device == "cpu":
            print("no CUDA device: training runs on the CPU", flush=True)
    return torch.device(device)


def prepare(threads: int) -> None:
    """Set what a training process needs: threads, memory that is kept, true float32, no denormal numbers.

    The gradients of deep plain networks vanish into denormals, on which some processors are a
    hundred times slower. At 1e-38 they change no weight.
    """
    torch.set_num_threads(threads)
    _keep_memory()
    torch.backends.cudnn.allow_tf32 = False  # float32 is float32, in convolutions and LSTMs, too
    torch.set_flush_denormal(True)


def _keep_memory() -> None:
    """Tell the GNU C library to keep freed memory, which the next step needs: an eighth of a BiLSTM's time."""
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return
    trim_threshold, top_pad, mmap_threshold = -1, -2, -3  # from malloc.h
    mallopt(mmap_threshold, 32 << 20)  # the highest that is allowed
    mallopt(trim_threshold, (1 << 31) - 1)
    mallopt(top_pad, 64 << 20)


CONTROL_GROUP = Path("/sys/fs/cgroup")
"""Where Linux says what a container may have (control groups, version 2)."""


def cores() -> int:
    """Return the number of cores this process may use, of the machine or a container, `OMP_NUM_THREADS` at most."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError, ValueError):  # microseconds in each period, or "max"
        quota, period = map(int, (CONTROL_GROUP / "cpu.max").read_text().split())
        count = min(count, max(1, quota // period))
    with suppress(ValueError):
        count = min(count, max(1, int(os.environ.get("OMP_NUM_THREADS", count))))
    return count
