"""Weights, locks and resume points in `checkpoints/`: only plain types, which load with `weights_only=True`."""

import contextlib
import hashlib
import io
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from filelock import FileLock, Timeout
from torch import Tensor

from highways import paths
from highways.errors import HighwaysError, writing
from highways.files import write_whole


def weights_sha256(state: Mapping[str, Tensor]) -> str:
    """Return the sha256 over every tensor's name, shape, dtype and bytes, sorted by name."""
    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


def weights_path(run_key: str) -> Path:
    """Return the path of a run's final weights."""
    return paths.root() / "checkpoints" / run_key / "final.pt"


def save_weights(run_key: str, state: Mapping[str, Tensor], retrained: bool = False) -> None:
    """Save the final weights of a run; note that `retrained` ones may stand in for the record's, if they differ."""
    content = io.BytesIO()
    torch.save(dict(state), content)
    if retrained:
        write_whole(weights_path(run_key).with_name("retrained.sha256"), f"{weights_sha256(state)}\n")
    write_whole(weights_path(run_key), content.getvalue())


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read weights from a file, and convert float16 to float32."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    return {name: tensor.float() if tensor.dtype == torch.float16 else tensor for name, tensor in state.items()}


def load_weights(run_key: str, expected_sha256: str | None) -> dict[str, Tensor] | None:
    """Return the final weights of a run, or `None` if they are neither in `checkpoints/` nor in git.

    `expected_sha256` is the record's hash; the one from `accepted_sha256` passes as well, and `None` accepts any. Print
    a line if weights from git differ from the record's; the card next to them explains why.
    """
    path, remedy = weights_path(run_key), "delete it"
    if not path.exists():
        if (path := weights_in_git(run_key)) is None:
            return None
        remedy = "restore it from git"
    try:
        state = read_weights(path)
        actual = weights_sha256(state)
    except Exception as error:  # torch.load raises many kinds of error for a damaged file
        raise HighwaysError(f"{path}: not readable as weights ({type(error).__name__}); {remedy}") from None
    if expected_sha256 is not None and actual not in (expected_sha256, accepted_sha256(run_key)):
        raise HighwaysError(f"{path}: expected weights of sha256 {expected_sha256}, found {actual}; {remedy}")
    if path == weights_in_git(run_key) and expected_sha256 not in (None, actual):
        card = paths.shown(path.with_name("README.md"))
        print(f"{run_key}: these weights are not the record's to the bit (trained again, or float16); see {card}")
    return state


def accepted_sha256(run_key: str) -> str | None:
    """Return the sha256 accepted in place of the record's: from `save_weights`, else from a card in git."""
    path = weights_path(run_key)
    note = path.with_name("retrained.sha256")
    if path.exists() and note.exists():
        return note.read_text().strip()
    if (kept := weights_in_git(run_key)) is None or not (card := kept.with_name("README.md")).exists():
        return None
    rows = [line for line in card.read_text(encoding="utf-8").splitlines() if f"[{run_key}]" in line]
    return next((word for row in rows for word in row.split() if len(word) == 64 and word.isalnum()), None)


def weights_in_git(run_key: str) -> Path | None:
    """Return the path of a run's final weights in git, `results/<profile>/weights/<run_key>.pt`, or `None`."""
    return min((paths.root() / "results").glob(f"*/weights/{run_key}.pt"), default=None)


# Locks

POLL_S = 1.0
"""Seconds to wait for a lock before turning to other groups."""


@contextlib.contextmanager
def locked(group: str) -> Iterator[bool]:
    """Lock a group of runs for the block, and yield `True`; yield `False` if another process keeps it locked.

    The lock ends with its process, even if that is killed. A process waits for a lock only while it holds none, so no
    two processes wait for each other. `highways.training.execute.group_name` names the groups.
    """
    path = paths.root() / "checkpoints" / "locks" / f"{group}.lock"
    lock = FileLock(path)
    with writing(path), contextlib.suppress(Timeout):
        lock.acquire(timeout=POLL_S)  # creates the folder
    try:
        yield lock.is_locked
    finally:
        if lock.is_locked:
            path.unlink(missing_ok=True)  # before the release: a waiting process creates another file
            lock.release()


# Resume points


class ResumePoint(NamedTuple):
    """The state, after an epoch, of runs that are trained as one: their keys, in the state's order, and its bytes."""

    keys: tuple[str, ...]
    state: bytes


class ResumePoints:
    """The resume points of a group's runs, in `checkpoints/resume/<group>`; used only under the group's lock.

    A file is named `<runs>-<sha256>.ckpt`. `<runs>` hashes the keys of the runs and whether they are a population,
    whose state differs from a single run's; `<sha256>` is the beginning of the content's hash. A new file is complete
    before the old one is removed, so that there always is one.
    """

    def __init__(self, group: str, population: bool):
        self.folder = paths.root() / "checkpoints" / "resume" / group
        self.population = population

    def _runs(self, keys: Sequence[str]) -> str:
        return hashlib.sha256("\n".join([*keys, str(self.population)]).encode()).hexdigest()[:16]

    def __iter__(self) -> Iterator[ResumePoint]:
        """Read all resume points, newest first; rename and skip a damaged one, with a message."""
        for path in sorted(self.folder.glob("*.ckpt"), key=lambda file: file.stat().st_mtime_ns, reverse=True):
            point = self._read(path)
            if point is not None and path.stem.startswith(self._runs(point.keys)):
                yield point

    def _read(self, path: Path) -> ResumePoint | None:
        state = path.read_bytes()
        if hashlib.sha256(state).hexdigest()[:16] != path.stem.partition("-")[2]:
            aside = path.replace(path.with_suffix(".damaged"))
            print(f"{path}: damaged, renamed to {aside.name}; its runs are trained from the start", flush=True)
            return None
        content = torch.load(io.BytesIO(state), map_location="cpu", weights_only=True)
        return ResumePoint(tuple(content["trials"]["keys"]), state)

    def save(self, keys: Sequence[str], state: bytes) -> None:
        """Save the state of runs atomically, in place of their earlier one."""
        runs = self._runs(keys)
        path = self.folder / f"{runs}-{hashlib.sha256(state).hexdigest()[:16]}.ckpt"
        write_whole(path, state)
        for other in set(self.folder.glob(f"{runs}-*.ckpt")) - {path}:
            other.unlink()

    def remove(self, finished: Collection[str]) -> None:
        """Remove the states whose runs all have records, and the folder if it is then empty."""
        for path in list(self.folder.glob("*.ckpt")):
            if (point := self._read(path)) is not None and set(point.keys) <= set(finished):
                path.unlink()
        for part in self.folder.glob(".*.part"):  # left by a process that was killed while writing
            part.unlink()
        with contextlib.suppress(OSError):
            self.folder.rmdir()
