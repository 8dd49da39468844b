"""What a run was made with: versions, machine, commit. No paths, no host names."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from highways import __version__, paths
from highways.packages import installed


@lru_cache(maxsize=1)
def git_commit() -> str:
    """Return the checkout's commit, or `unknown`.

    It ends in `-dirty` where what decides results differs from the commit, new files counted.
    """

    def git(*arguments: str) -> str:
        command = ["git", *arguments]
        done = subprocess.run(command, cwd=paths.root(), capture_output=True, text=True, timeout=20, check=True)
        return done.stdout.strip()

    try:
        changed = git("status", "--porcelain", "--", "src", "notebooks", "profiles", "references", "data")
        return git("rev-parse", "HEAD") + ("-dirty" if changed else "")
    except (OSError, subprocess.SubprocessError):
        return "unknown"


@lru_cache(maxsize=1)
def processor() -> str:
    """Return the name of the processor."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


EARLIER = "earlier"
"""In a record's environment, of a run that was resumed elsewhere: those before, in order, each with the number of
`epochs` that it came to there."""


def moved(environment: Mapping[str, Any], names: Sequence[str]) -> bool:
    """Tell whether a run was trained in environments that differ in one of `names`."""
    return any(one.get(name) != environment.get(name) for one in environment.get(EARLIER, []) for name in names)


def describe(device: torch.device, commit: str | None = None) -> dict[str, Any]:
    """Return the environment of a run on `device`, as plain values.

    Args:
        device: Where it was trained.
        commit: Of the checkout that the run was sent from; by default that of this machine's.
    """
    return {
        "highways": __version__,
        "git_commit": git_commit() if commit is None else commit,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "lightning": installed("pytorch-lightning") or "not installed",
        "numpy": installed("numpy") or "not installed",
        "platform": f"{platform.system()} {platform.machine()}",
        "processor": processor(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
    }
