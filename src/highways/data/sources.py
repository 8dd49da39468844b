"""Source files: where they come from, checked to the byte before anything reads them.

`data/sources.yaml` lists them. A file is looked for in `data/raw/`, then in the folder that
`HIGHWAYS_DATA_MIRROR` names, then at its address; `HIGHWAYS_OFFLINE=1` rules the last one out.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import shutil
import sys
import tarfile
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urljoin

import pooch
from pydantic import Field, model_validator

from highways import paths
from highways.config import DataConfig, Strict, read_yaml, validate
from highways.data.synthetic import GENERATORS
from highways.errors import HighwaysError


class SourceFile(Strict):
    """One file of a source; `path` is relative to `data/raw/`, to a mirror, or to the package that ships it."""

    path: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    url: str | None = None
    """Address on the web, where it is not the source's with the file's name."""


class Archive(Strict):
    """A tar archive that holds all files of a source under their paths."""

    url: str
    md5: str = Field(pattern=r"^[0-9a-f]{32}$")
    """As its publisher states it; the members have sha256 sums of their own."""

    @property
    def name(self) -> str:
        """The archive's file name, here and in a mirror."""
        return Path(self.url).name


class Source(Strict):
    """One entry of `data/sources.yaml`."""

    title: str
    publisher: str
    licence: str
    examples: dict[Literal["train", "dev", "test"], int]
    """How many there are, by part."""
    classes: int = Field(ge=2)
    majority: int | None = None
    """Test examples of the most frequent class."""
    preparation: int = Field(ge=1)
    """Version of the code that turns the files into tensors."""
    package: str | None = None
    """An installed Python package that ships the files; such a source is never fetched."""
    address: str | None = None
    """Folder on the web; a file's name is appended."""
    archive: Archive | None = None
    """What is fetched, and unpacked, where the files are neither here nor in the mirror."""
    generated: bool = False
    """The project makes the data itself; there are no files."""
    files: list[SourceFile] = Field(default_factory=list)

    @model_validator(mode="after")
    def _from_somewhere(self) -> Source:
        if self.generated == bool(self.files):
            raise ValueError("either 'generated' or 'files' must be given")
        return self

    def url(self, file: SourceFile) -> str:
        """Return the address of one file."""
        return file.url or urljoin(self.address or "", Path(file.path).name)


@lru_cache(maxsize=4)
def _read(path: Path) -> dict[str, Source]:
    where = "data/sources.yaml"
    return {name: validate(Source, entry, f"{where}: {name}") for name, entry in read_yaml(path).items()}


def sources() -> dict[str, Source]:
    """Return all sources by name."""
    return _read(paths.root() / "data" / "sources.yaml")


def _source(name: str) -> Source:
    try:
        return sources()[name]
    except KeyError:
        raise HighwaysError(f"no data set {name!r}; there are: {', '.join(sources())}") from None


def fingerprint(data: DataConfig | str) -> str:
    """Return the fingerprint of a data set: a sha256 of what its content depends on.

    That is its files' checksums (of generated data, the generator's name, parameters and version), its
    preparation's version and the word vectors' content. It is computed from `data/sources.yaml` and the
    word vectors alone; the source files need not be there.

    Raises:
        HighwaysError: There is no such data set, or no such file of word vectors.
    """
    config = data if isinstance(data, DataConfig) else None
    name = config.name if config else str(data)
    source = _source(name)
    content: dict[str, Any] = {
        "files": {file.path: file.sha256 for file in source.files},
        "preparation": source.preparation,
    }
    if source.generated:
        content["generator"] = GENERATORS[name] | {"examples": source.examples}
    if config and (vectors := vectors_path(config)) is not None:
        content["vectors"] = file_sha256(vectors)
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def vectors_path(config: DataConfig) -> Path | None:
    """Return the file of word vectors that a configuration names, `None` where it names none."""
    return None if config.vectors is None else paths.root() / Path(config.vectors).expanduser()


def file_sha256(path: Path) -> str:
    """Return a file's sha256.

    Raises:
        HighwaysError: It cannot be read.
    """
    try:
        status = path.stat()
        return _file_sha256(path, status.st_mtime_ns, status.st_size)
    except OSError as error:
        raise HighwaysError(f"{path}: {error.strerror or 'cannot be read'}") from None


@lru_cache(maxsize=16)
def _file_sha256(path: Path, changed: int, size: int) -> str:
    return pooch.file_hash(str(path))


def examples(name: str, part: Literal["train", "dev", "test"]) -> int:
    """Return the number of examples of a part of a data set, without loading it."""
    try:
        return _source(name).examples[part]
    except KeyError:
        raise HighwaysError(f"{name} has no {part} part") from None


def classes(name: str) -> int:
    """Return the number of classes of a data set, without loading it."""
    return _source(name).classes


def majority(name: str) -> float:
    """Return the accuracy on the test part of always answering its most frequent class.

    Raises:
        HighwaysError: `sources.yaml` does not say.
    """
    if (count := _source(name).majority) is None:
        raise HighwaysError(f"data/sources.yaml does not say how frequent the test part's classes are: {name}")
    return count / examples(name, "test")


def _home(source: Source, file: SourceFile) -> Path:
    if source.package is None:
        return paths.root() / "data" / "raw" / file.path
    found = importlib.util.find_spec(source.package)
    if found is None or found.origin is None:
        raise HighwaysError(f"the package {source.package!r}, which ships {file.path}, is not installed")
    return Path(found.origin).parent / file.path


def locate(name: str) -> dict[str, Path]:
    """Return the checked source files of a data set by file name, fetching what is missing.

    Raises:
        HighwaysError: A file cannot be had or is not what it must be; one line with the address and
            the expected and found checksums.
    """
    source, found = _source(name), {}
    _unpack_missing(source)
    for file in source.files:
        home = _home(source, file)
        if not home.exists():
            _obtain(source, file, home)
        elif (actual := pooch.file_hash(str(home))) != file.sha256:
            origin = source.archive.url if source.archive else source.url(file)
            cure = "" if source.package else f"; `highways data fetch {name}` replaces it from {origin}"
            raise HighwaysError(_mismatch(home, file, actual) + cure)
        found[home.name] = home
    return found


def state(name: str) -> dict[str, str]:
    """Return, for every file of a data set, `ok`, `missing` or `altered`, without fetching anything."""
    source, states = _source(name), {}
    for file in source.files:
        home = _home(source, file)
        if not home.exists():
            states[file.path] = "missing"
        else:
            states[file.path] = "ok" if pooch.file_hash(str(home)) == file.sha256 else "altered"
    return states


def fetch(name: str, say: Callable[[str], None] = print) -> None:
    """Fetch what is missing or altered of a data set.

    Raises:
        HighwaysError: As `locate`.
    """
    source, states = _source(name), state(name)
    for file in source.files:
        if states[file.path] == "altered" and source.package is None:
            _home(source, file).unlink()
    if _unpack_missing(source):
        say(f"{name}: {source.archive.name if source.archive else ''} unpacked")
    for file in source.files:
        if not (home := _home(source, file)).exists():
            _obtain(source, file, home)
            say(f"{name}: {file.path} fetched")
    locate(name)
    say(f"{name}: complete")


def _obtain(source: Source, file: SourceFile, home: Path) -> None:
    """Put a checked copy of `file` at `home`; on any failure, leave nothing there."""
    if source.package is not None or (source.address is None and file.url is None):
        raise HighwaysError(f"{home} is missing: reinstall the package {source.package!r}, which ships it")
    with _part(home) as part:
        origin = _bring(file.path, source.url(file), f"sha256 {file.sha256}", part)
        actual = pooch.file_hash(str(part))
        if actual != file.sha256:
            raise HighwaysError(_mismatch(origin, file, actual))
        part.replace(home)


def _unpack_missing(source: Source) -> bool:
    """Unpack the files that are missing here, all or none; tell whether there was anything to do.

    A file that the mirror has is copied instead.
    """
    missing = [file for file in source.files if not _home(source, file).exists()]
    if source.archive is None or not missing:
        return False
    with contextlib.ExitStack() as stack:
        parts = {file: stack.enter_context(_part(_home(source, file))) for file in missing}
        mirrored = {file: _mirrored(file.path) for file in missing}
        packed = {file: part for file, part in parts.items() if mirrored[file] is None}
        for file, path in mirrored.items():
            if path is not None:
                shutil.copyfile(path, parts[file])
        if packed:
            _unpack(source.archive, packed, stack)
        for file, part in parts.items():
            actual = pooch.file_hash(str(part))
            if actual != file.sha256:
                place = mirrored[file] or f"{source.archive.url}: its member {file.path}"
                raise HighwaysError(_mismatch(place, file, actual))
        for file, part in parts.items():
            part.replace(_home(source, file))
    return True


def _unpack(archive: Archive, packed: dict[SourceFile, Path], stack: contextlib.ExitStack) -> None:
    """Write members of an archive, which is fetched and checked first, to files."""
    fetched = stack.enter_context(_part(paths.root() / "data" / "raw" / archive.name))
    origin = _bring(archive.name, archive.url, f"md5 {archive.md5}", fetched)
    if (actual := pooch.file_hash(str(fetched), alg="md5")) != archive.md5:
        raise HighwaysError(f"{origin} is not the file it should be: expected md5 {archive.md5}, found {actual}")
    try:
        with tarfile.open(fetched) as content:
            for file, part in packed.items():
                member = content.extractfile(file.path)
                if member is None:
                    raise HighwaysError(f"{origin}: its member {file.path} is no file")
                with member, part.open("wb") as target:
                    shutil.copyfileobj(member, target)
    except (tarfile.TarError, KeyError, EOFError, OSError) as error:
        reason = str(error).strip("'\"")
        raise HighwaysError(f"{origin}: cannot be unpacked: {reason}") from None


@contextlib.contextmanager
def _part(home: Path) -> Iterator[Path]:
    """Yield a place to write a file to before it is put at `home`; nothing is left there."""
    home.parent.mkdir(parents=True, exist_ok=True)
    part = home.with_name(f"{home.name}.{os.getpid()}.part")
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)


def _mirrored(path: str) -> Path | None:
    mirror = os.environ.get("HIGHWAYS_DATA_MIRROR")
    found = Path(mirror) / path if mirror else None
    return found if found is not None and found.exists() else None


def _bring(path: str, url: str, expected: str, part: Path) -> str:
    """Copy a file from the mirror or fetch it, unchecked, and return where it came from."""
    if (mirrored := _mirrored(path)) is not None:
        shutil.copyfile(mirrored, part)
        return str(mirrored)
    mirror = os.environ.get("HIGHWAYS_DATA_MIRROR")
    looked = f"it is not in HIGHWAYS_DATA_MIRROR={mirror} either" if mirror else "HIGHWAYS_DATA_MIRROR is not set"
    help_ = f"put it at {path} in a folder and set HIGHWAYS_DATA_MIRROR to that folder ({looked})"
    if os.environ.get("HIGHWAYS_OFFLINE") == "1":
        needed = f"{url} (expected {expected}, found nothing)"
        raise HighwaysError(f"{needed} is needed, and HIGHWAYS_OFFLINE=1 forbids fetching it; {help_}")
    try:
        pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), timeout=30)(url, str(part), None)
    except (OSError, ValueError) as error:  # every error of requests is an OSError
        reason = str(error).splitlines()[0][:200]
        raise HighwaysError(
            f"{url} (expected {expected}, found nothing) cannot be fetched: {reason}; {help_}"
        ) from None
    return url


def _mismatch(place: Path | str, file: SourceFile, actual: str) -> str:
    return f"{place} is not the file it should be: expected sha256 {file.sha256}, found {actual}"
