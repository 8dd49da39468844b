"""The environment of a run: versions, machine, commit. No paths, no host names."""

import platform
import re
import subprocess
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from highways import __version__, installed


@lru_cache(maxsize=1)
def git_commit() -> str:
    """Return the commit of the checkout that this package was imported from, or `unknown`.

    It ends in `-dirty` if any file that decides results differs from the commit or is new.
    """

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(Path(__file__).parent), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", Path(__file__).name)  # an installed copy may lie in an unrelated checkout
        decisive = (f":/{folder}" for folder in ("src", "notebooks", "profiles", "references", "data"))
        changed = git("status", "--porcelain", "--", *decisive)
        return git("rev-parse", "HEAD") + ("-dirty" if changed else "")
    except (OSError, subprocess.SubprocessError):
        return "unknown"


@lru_cache(maxsize=1)
def processor() -> str:
    """Return the name of the processor."""
    cpuinfo = Path("/proc/cpuinfo")
    named = re.search(r"^model name\s*:(.*)", cpuinfo.read_text(), re.MULTILINE) if cpuinfo.exists() else None
    return named[1].strip() if named else platform.processor() or platform.machine()


EARLIER = "earlier"
"""Key in the environment of a run that was resumed elsewhere: the previous environments, in order, each with the
number of `epochs` that the run reached there."""


def describe(device: torch.device, commit: str | None = None) -> dict[str, Any]:
    """Return the environment of a run on `device` as plain values; `commit` defaults to this machine's."""
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
