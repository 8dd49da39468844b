"""Devices, threads, and the settings that make runs reproducible to the bit."""

import ctypes
import os
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

# cuBLAS reads this when CUDA starts; without it, its products may differ from call to call.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

import torch

from highways.errors import HighwaysError


@lru_cache(maxsize=8)
def resolve(device: str) -> torch.device:
    """Return the device that `auto`, `cpu` or `cuda` means here; print a message, once, if `auto` finds no GPU."""
    if device == "cuda" and not torch.cuda.is_available():
        raise HighwaysError("device 'cuda' was asked for, but no CUDA device is available; use 'cpu' or 'auto'")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
        if device == "cpu":
            print("no CUDA device: training runs on the CPU", flush=True)
    return torch.device(device)


def prepare(threads: int) -> None:
    """Configure a training process: threads, memory that is kept, true float32, no denormal numbers.

    Gradients of deep plain networks vanish into denormals, which slow some processors down a hundredfold. They are
    below 1e-38, and flushing them to zero changes no weight. That the GNU C library keeps freed memory for the next
    step saves an eighth of a BiLSTM's time.
    """
    torch.set_num_threads(threads)
    torch.backends.cudnn.allow_tf32 = False  # true float32 in convolutions and LSTMs, too
    torch.set_flush_denormal(True)
    with suppress(OSError, AttributeError):  # another C library
        mallopt = ctypes.CDLL("libc.so.6").mallopt
        trim_threshold, top_pad, mmap_threshold = -1, -2, -3  # from malloc.h
        mallopt(mmap_threshold, 32 << 20)  # the maximum allowed
        mallopt(trim_threshold, (1 << 31) - 1)
        mallopt(top_pad, 64 << 20)


def cores() -> int:
    """Return how many cores this process may use: those of the machine or container, at most `OMP_NUM_THREADS`."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError, ValueError):  # a container's quota in microseconds per period, or "max" (cgroups, version 2)
        quota, period = map(int, Path("/sys/fs/cgroup/cpu.max").read_text().split())
        count = min(count, max(1, quota // period))
    with suppress(ValueError):
        count = min(count, max(1, int(os.environ.get("OMP_NUM_THREADS", count))))
    return count
