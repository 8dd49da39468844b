"""What has been published of a profile: the checksums of its records and figures, in `results/<profile>/MANIFEST`.

Records have a seal of their own, and tables, claims and pages are checked by making them again. That a record is
gone, or that a figure is another, only a list can tell. It has one line a file, sorted by path, so that two branches
that add runs merge line by line (`.gitattributes`); where a merge leaves two lines for a file, either holds.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from highways import paths
from highways.errors import HighwaysError, writing
from highways.tracking.analyses import AnalysisStore
from highways.tracking.records import RecordStore, write_atomically

HEAD = "# Records and figures as they were published: `sha256sum --check MANIFEST`. See docs/reliability.md.\n"
LINE = re.compile(r"([0-9a-f]{64})  ([^/\0]+(?:/[^/\0]+){1,2})")
STORES = (RecordStore, AnalysisStore)
Lines = dict[str, list[str]]
"""By path below the profile's folder, the checksums that a file may have: one, or two after a merge."""


@dataclass(frozen=True)
class Changes:
    """What a new manifest has otherwise than the one before: paths below the profile's folder."""

    new: list[str]
    changed: list[str]
    gone: list[str]


def file_sha256(path: Path) -> str | None:
    """Return a file's sha256, `None` where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


class Manifest:
    """The manifest of a profile.

    Args:
        profile: Its name.
    """

    def __init__(self, profile: str):
        self.profile, self.folder = profile, paths.Results(profile).folder
        self.path = paths.Results(profile).manifest

    def exists(self) -> bool:
        """Tell whether the profile has one: something of it has been published."""
        return self.path.exists()

    def read(self) -> Lines:
        """Return its lines; none where there is no manifest.

        Raises:
            HighwaysError: It cannot be read, or a line is none of a manifest; with its number.
        """
        try:
            text = self.path.read_text(encoding="utf-8") if self.exists() else ""
        except (OSError, UnicodeDecodeError):
            raise HighwaysError(f"{self._shown}: cannot be read; {self._again}") from None
        lines: Lines = {}
        for number, line in enumerate(text.split("\n")[:-1] if text.endswith("\n") else text.split("\n"), start=1):
            if line == HEAD.rstrip("\n") or (not line and not text):
                continue
            found = LINE.fullmatch(line)
            if found is None or ".." in found[2].split("/"):
                raise HighwaysError(f"{self._shown}, line {number}: not a checksum and a path; {self._again}")
            if found[1] not in lines.setdefault(found[2], []):
                lines[found[2]].append(found[1])
        return lines

    def there(self) -> list[Path]:
        """Return the files that a manifest lists: the records and figures that are there, by path."""
        found = [path for store in STORES for path in self.folder.glob(f"*/{store.kind}/*.json")]
        return sorted([*found, *self.folder.glob("*/*.png")])

    def publish(self) -> None:
        """Take in the records and figures that it does not list yet.

        What it lists already stays as it is: a record that is gone or is another, and an altered figure, are not
        forgotten by publishing the rest. Records that are at fault are not taken in.

        Raises:
            HighwaysError: The manifest is at fault, or cannot be written.
        """
        with self._alone():
            lines = self.read()
            for path in self.there():
                name = self.name(path)
                if name in lines:
                    found = file_sha256(path)
                    lines[name] = [one for one in lines[name] if one == found] or lines[name]
                elif (found := file_sha256(path)) is not None and self._fault(path) is None:
                    lines[name] = [found]
            self._write(lines)

    def drawn(self, figure: Path) -> None:
        """Note that a figure was drawn anew, where the manifest lists it.

        Raises:
            HighwaysError: See `publish`.
        """
        if not self.exists():
            return
        with self._alone():
            lines, name = self.read(), self.name(figure)
            if name in lines and (found := file_sha256(figure)) is not None:
                lines[name] = [found]
                self._write(lines)

    def seal(self) -> Changes:
        """Make the manifest anew of what is there, whatever it was, and return what is changed by that.

        Raises:
            HighwaysError: A record is at fault, or the manifest cannot be written.
        """
        with self._alone():
            try:
                before = self.read()
            except HighwaysError:
                before = {}
            after: Lines = {}
            for path in self.there():
                if (fault := self._fault(path)) is not None:
                    raise fault
                if (found := file_sha256(path)) is None:
                    raise HighwaysError(f"{paths.shown(path)}: cannot be read")
                after[self.name(path)] = [found]
            self._write(after)
        return Changes(
            new=sorted(after.keys() - before.keys()),
            changed=sorted(name for name in after.keys() & before.keys() if after[name][0] not in before[name]),
            gone=sorted(before.keys() - after.keys()),
        )

    def name(self, path: Path) -> str:
        """Return how the manifest names a file."""
        return path.relative_to(self.folder).as_posix()

    @property
    def _shown(self) -> str:
        return paths.shown(self.path)

    @property
    def _again(self) -> str:
        return f"bring it back, or `highways seal --profile {self.profile}` makes it anew of what is there"

    @staticmethod
    def _fault(path: Path) -> HighwaysError | None:
        for store in STORES:
            if path.parent.name == store.kind:
                try:
                    store.record.read(path)
                except HighwaysError as error:
                    return error
        return None

    def _write(self, lines: Lines) -> None:
        content = "".join(f"{one}  {name}\n" for name in sorted(lines) for one in lines[name])
        text = HEAD + content
        if lines and (not self.exists() or self.path.read_bytes() != text.encode()):
            write_atomically(self.path, text)
        elif not lines and self.exists():
            self.path.unlink()

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Let one process at a time change the manifest, where the file system has locks."""
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            gate = os.open(self.folder, os.O_RDONLY)
        try:
            with contextlib.suppress(OSError):
                fcntl.flock(gate, fcntl.LOCK_EX)
            yield
        finally:
            os.close(gate)
