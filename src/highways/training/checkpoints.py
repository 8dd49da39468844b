"""Weights, resume state and claims under `checkpoints/`: plain types only, loaded with `weights_only=True`."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import io
import json
import os
import platform
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor

from highways import paths
from highways.errors import HighwaysError, writing
from highways.files import part_of, write_whole
from highways.tracking.records import write_atomically


def weights_sha256(state: Mapping[str, Tensor]) -> str:
    """Return the sha256 of weights: of every tensor's name, shape, type and bytes, in order of names."""
    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


def weights_path(run_key: str) -> Path:
    """Return where the final weights of a run are kept."""
    return paths.checkpoints() / run_key / "final.pt"


def save_weights(run_key: str, state: Mapping[str, Tensor]) -> str:
    """Keep the final weights of a run and return their sha256.

    Raises:
        CannotWrite: No space is left, or the place is read-only.
    """
    content = io.BytesIO()
    torch.save({name: tensor.detach().cpu() for name, tensor in state.items()}, content)
    write_whole(weights_path(run_key), content.getvalue())
    return weights_sha256(state)


def load_weights(run_key: str, expected_sha256: str | None) -> dict[str, Tensor] | None:
    """Return the final weights of a run, or `None` where they are not kept here.

    Args:
        run_key: The run.
        expected_sha256: What the record says; `None` accepts any. Weights that `accept_weights` named
            are accepted, too.

    Raises:
        HighwaysError: They are other weights, or damaged.
    """
    path = weights_path(run_key)
    if not path.exists():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        actual = weights_sha256(state)
    except Exception as error:  # torch.load raises many kinds for a damaged file
        raise HighwaysError(f"{path}: not readable as weights ({type(error).__name__}); delete it") from None
    known = {expected_sha256, accepted_sha256(run_key)}
    if expected_sha256 is not None and actual not in known:
        raise HighwaysError(f"{path}: expected weights of sha256 {expected_sha256}, found {actual}; delete it")
    return state


def accept_weights(run_key: str, sha256: str | None) -> None:
    """Note that weights made again may stand for the record's, although they differ from them."""
    write_atomically(weights_path(run_key).with_name("retrained.sha256"), f"{sha256}\n")


def accepted_sha256(run_key: str) -> str | None:
    """Return what `accept_weights` noted, `None` where it has not."""
    path = weights_path(run_key).with_name("retrained.sha256")
    return path.read_text().strip() if path.exists() else None


def _name(keys: Sequence[str], population: bool) -> str:
    """Return the name of a group of runs: of its claim and of its resume point."""
    return hashlib.sha256("\n".join([*keys, str(population)]).encode()).hexdigest()[:16]


# Claims

POLL_S = 1.0
"""Seconds between two looks at a claim that is waited for."""
WITHOUT_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS}
"""What the system says where a file system has no locks: all claims are granted there."""


@dataclass(frozen=True)
class Claim:
    """What the file of a claim says.

    Attributes:
        keys: The runs that are trained.
        host: The machine that trains them.
        pid: The process there.
        since: When it began, UTC.
    """

    keys: tuple[str, ...]
    host: str
    pid: int
    since: str

    def __str__(self) -> str:
        first, *others = self.keys
        more = f" and {len(others)} more" if others else ""
        return f"{first}{more}, in training by process {self.pid} on {self.host} since {self.since}"


@contextlib.contextmanager
def claimed(keys: Sequence[str], population: bool) -> Iterator[Claim | None]:
    """Claim a group of runs for the block, unless another process has claimed any of them.

    A claim is a file under `checkpoints/claims/`, named like the group, that its process has locked (`flock`):
    the kernel lifts the lock when the process ends, be it killed. A process waits for a claim only while it
    holds none, so that no two wait for each other. Some network file systems do not show locks to other
    machines: two machines may then train the same runs, which costs time, but the first record stands.

    Args:
        keys: Of the group's runs.
        population: Trained as a population.

    Yields:
        `None` where the claim is held; else the other claim.

    Raises:
        CannotWrite: A claim cannot be written down.
    """
    taken = _claim(keys, population)
    if isinstance(taken, Claim):
        yield taken
        return
    try:
        yield None
    finally:
        with contextlib.suppress(OSError):
            Path(taken.name).unlink(missing_ok=True)
        taken.close()


def is_claimed(keys: Sequence[str]) -> bool:
    """Tell whether a living process has claimed any of these runs."""
    with _gate() as folder:
        return any(not set(other.keys).isdisjoint(keys) for other in _living(folder).values())


def _claim(keys: Sequence[str], population: bool) -> Claim | IO[str]:
    """Return the locked file of a new claim, or the claim that is in its way."""
    name = _name(keys, population)
    with _gate() as folder:
        for other_name, other in _living(folder).items():
            if other_name == name or not set(other.keys).isdisjoint(keys):
                return other
        path = folder / f"{name}.lock"
        claim = Claim(tuple(keys), platform.node(), os.getpid(), datetime.now(UTC).isoformat(timespec="seconds"))
        with writing(path):
            file = path.open("x", encoding="utf-8")  # there is none: those of the dead have been removed
            try:
                _lock(file)
                file.write(json.dumps(asdict(claim)))
                file.flush()
            except BaseException:
                path.unlink(missing_ok=True)
                file.close()
                raise
        return file


@contextlib.contextmanager
def _gate() -> Iterator[Path]:
    """Yield the folder of the claims, at which one process at a time looks."""
    folder = paths.checkpoints() / "claims"
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        gate = os.open(folder, os.O_RDONLY)
    try:
        _lock(gate, wait=True)
        yield folder
    finally:
        os.close(gate)


def _living(folder: Path) -> dict[str, Claim]:
    """Return the claims of living processes by name, and remove the files of all others."""
    found = {}
    for path in sorted(folder.glob("*.lock")):
        # One may be removed meanwhile, or be another user's.
        with (
            contextlib.suppress(FileNotFoundError, PermissionError),
            path.open("r+", encoding="utf-8", errors="replace") as file,
        ):
            if _lock(file):
                path.unlink(missing_ok=True)
                continue
            try:
                content = json.loads(file.read())
                claim = Claim(**content | {"keys": (content["keys"][0], *content["keys"][1:])})
                found[path.stem] = claim
            except (ValueError, TypeError, KeyError, IndexError):  # not one that this release wrote
                found[path.stem] = Claim((path.stem,), "an unknown machine", 0, "an unknown time")
    return found


def _lock(file: IO[str] | int, wait: bool = False) -> bool:
    """Lock a file for as long as it is open, and tell whether that is done; where there are no locks, it is."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in WITHOUT_LOCKS:
            raise
    return True


# Resume points

STATE = "state.ckpt"
"""Name of a state, for the trainer and below `checkpoints/resume`."""
DAMAGED = ".damaged"
"""Behind the name of a resume point that has been put aside."""


class ResumePoint:
    """Where a group of runs is kept between epochs: a checkpoint, and beside it the keys of its runs and its seal.

    The seal, the sha256 of the state, is written before the state takes its place, and names the state before
    as well: whenever the process is killed, one of the two is there, whole.

    Args:
        keys: Of the group's runs, in the group's order.
        population: Trained as a population, not the textbook way: the two have different states.
    """

    def __init__(self, keys: Sequence[str], population: bool):
        self.keys, self.population = list(keys), population
        self.folder = paths.checkpoints() / "resume" / _name(keys, population)
        self.state = self.folder / STATE
        self.members = self.folder / "members.json"
        self._sha256: str | None = None
        """Of the state that is there, as far as it has been looked at."""

    @classmethod
    def all(cls) -> list[ResumePoint]:
        """Return all resume points; those whose list of runs is damaged are put aside, which is said.

        What a process left that was killed before its first state, or between the removal of the last one and that of
        its folder, is removed.
        """
        found = []
        for folder in sorted((paths.checkpoints() / "resume").glob("*/")):
            members = folder / "members.json"
            if folder.name.endswith(DAMAGED):
                continue
            if not (folder / STATE).exists():
                with _gate() as claims:
                    if folder.name not in _living(claims) and not (folder / STATE).exists():
                        shutil.rmtree(folder, ignore_errors=True)
                continue
            if not members.exists():
                continue
            content = _read_members(members)
            if content is not None:
                found.append(cls(content["keys"], content["population"]))
            elif members.exists():  # its process has not removed it meanwhile
                with _gate() as claims:
                    if folder.name not in _living(claims):
                        _put_aside(folder)
        return found

    def checked(self) -> bytes | None:
        """Return the state to go on from, `None` where there is none; for the process that has claimed the group.

        One that is damaged, or that has no seal, is put aside, which is said.
        """
        if not self.state.exists():
            return None
        content = _read_members(self.members)
        try:
            state = self.state.read_bytes()
        except OSError:
            state = b""
        found = hashlib.sha256(state).hexdigest()
        if content is None or found not in content["states"]:
            _put_aside(self.folder)
            return None
        self._sha256 = found
        return state

    def save(self, state: bytes) -> None:
        """Save a state, atomically.

        Raises:
            CannotWrite: No space is left, or the place is read-only; the state before is still there.
        """
        sha256 = hashlib.sha256(state).hexdigest()
        with part_of(self.state) as part:
            with writing(self.state), part.open("wb") as file:
                file.write(state)
                file.flush()
                os.fsync(file.fileno())
            states = [sha256] if self._sha256 is None else [sha256, self._sha256]
            content = {"keys": self.keys, "population": self.population, "states": states}
            write_atomically(self.members, json.dumps(content))
            with writing(self.state):
                part.replace(self.state)
        self._sha256 = sha256

    def remove(self) -> None:
        """Remove it; to be called when all the group's records stand."""
        with contextlib.suppress(OSError):
            self.state.unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)


def _read_members(path: Path) -> dict[str, Any] | None:
    """Return what `ResumePoint.save` wrote beside a state, `None` where it is damaged or has no seal."""
    try:
        content = json.loads(path.read_bytes())
        keys, population, states = content["keys"], content["population"], content["states"]
        whole = all(isinstance(value, str) for value in [*keys, *states]) and isinstance(population, bool)
        return content if whole and _name(keys, population) == path.parent.name else None
    except (OSError, ValueError, TypeError, KeyError, IndexError, RecursionError):
        return None


def _put_aside(folder: Path) -> None:
    aside = folder.with_name(folder.name + DAMAGED)
    with writing(aside):
        shutil.rmtree(aside, ignore_errors=True)
        folder.rename(aside)
    print(f"{folder}: damaged, put aside as {aside.name}; its runs are trained from the start", flush=True)
