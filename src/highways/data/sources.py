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
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urljoin

import pooch
from pydantic import Field, model_validator

from highways import paths
from highways.config import DataConfig, Strict, read_mapping, validate
from highways.data.synthetic import GENERATORS
from highways.errors import CannotWrite, HighwaysError, writing
from highways.files import FULL, part_of, remove_strays


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
    return {name: validate(Source, entry, f"{where}: {name}") for name, entry in read_mapping(path).items()}


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

    Files of one name in two folders are told apart by their paths.

    Raises:
        HighwaysError: A file cannot be had or is not what it must be; one line with the address and
            the expected and found checksums.
    """
    source = _source(name)
    homes = {file: _home(source, file) for file in source.files}
    missing = [file for file, home in homes.items() if not home.exists()]
    _get(source, missing, lambda line: None)
    for file, home in homes.items():
        if file not in missing and (actual := _sha256(home)) != file.sha256:
            origin = source.archive.url if source.archive else source.url(file)
            cure = "" if source.package else f"; `highways data fetch {name}` replaces it from {origin}"
            raise HighwaysError(_mismatch(home, file, actual) + cure)
    times = Counter(home.name for home in homes.values())
    return {home.name if times[home.name] == 1 else file.path: home for file, home in homes.items()}


def _sha256(path: Path) -> str:
    try:
        return pooch.file_hash(str(path))
    except OSError as error:
        raise HighwaysError(f"{path}: cannot be read: {error.strerror or error}") from None


def state(name: str) -> dict[str, str]:
    """Return, for every file of a data set, `ok`, `missing` or `altered`, without fetching anything.

    What cannot be read, a folder for one, is altered.
    """
    source, states = _source(name), {}
    for file in source.files:
        home = _home(source, file)
        if not home.exists():
            states[file.path] = "missing"
        else:
            with contextlib.suppress(HighwaysError):
                states[file.path] = "ok" if _sha256(home) == file.sha256 else "altered"
            states.setdefault(file.path, "altered")
    return states


def fetch(name: str, say: Callable[[str], None] = print) -> None:
    """Fetch what is missing or altered of a data set; an altered file stays until its replacement is there.

    Raises:
        HighwaysError: As `locate`.
    """
    source, states = _source(name), state(name)
    remove_strays(paths.root() / "data" / "raw")
    wanted = [
        file
        for file in source.files
        if states[file.path] == "missing" or (states[file.path] == "altered" and source.package is None)
    ]
    _get(source, wanted, lambda line: say(f"{name}: {line}"))
    locate(name)
    say(f"{name}: complete")


def _get(source: Source, wanted: Sequence[SourceFile], say: Callable[[str], None]) -> None:
    """Put checked copies of files in their places, those of an archive all or none.

    Args:
        source: The source.
        wanted: Those of its files that are to be had; what is in their places is replaced.
        say: Told what was done.

    Raises:
        HighwaysError: A file cannot be had or is not what it must be; what is in its place stays.
    """
    if source.archive is not None and wanted:
        _get_packed(source, source.archive, wanted, say)
        return
    for file in wanted:
        if source.package is not None or (source.address is None and file.url is None):
            place = _home(source, file)
            raise HighwaysError(f"{place} is missing: reinstall the package {source.package!r}, which ships it")
    nowhere = [file for file in wanted if _mirrored(file.path) is None]
    if nowhere and os.environ.get("HIGHWAYS_OFFLINE") == "1":
        needed = [f"{source.url(file)} (expected sha256 {file.sha256}, found nothing)" for file in nowhere]
        raise HighwaysError(_offline(needed, [file.path for file in nowhere]))
    for file in wanted:
        home = _home(source, file)
        with part_of(home) as part:
            origin = _bring(file.path, source.url(file), f"sha256 {file.sha256}", part, home)
            if (actual := _sha256(part)) != file.sha256:
                raise HighwaysError(_mismatch(origin, file, actual))
            with writing(home):
                part.replace(home)
        say(f"{file.path} {'fetched' if origin == source.url(file) else f'copied from {origin}'}")


def _get_packed(source: Source, archive: Archive, wanted: Sequence[SourceFile], say: Callable[[str], None]) -> None:
    """See `_get`; what the mirror has of an archive's members is copied, the others are unpacked."""
    with contextlib.ExitStack() as stack:
        parts = {file: stack.enter_context(part_of(_home(source, file))) for file in wanted}
        mirrored = {file: _mirrored(file.path) for file in wanted}
        packed = {file: part for file, part in parts.items() if mirrored[file] is None}
        for file, path in mirrored.items():
            if path is not None:
                _copy(path, parts[file], _home(source, file))
        if packed:
            _unpack(archive, packed, stack)
        for file, part in parts.items():
            if (actual := _sha256(part)) != file.sha256:
                place = mirrored[file] or f"{archive.url}: its member {file.path}"
                raise HighwaysError(_mismatch(place, file, actual))
        for file, part in parts.items():
            with writing(_home(source, file)):
                part.replace(_home(source, file))
    for file, path in mirrored.items():
        if path is not None:
            say(f"{file.path} copied from {path}")
    if packed:
        say(f"{archive.name} unpacked")


def _unpack(archive: Archive, packed: dict[SourceFile, Path], stack: contextlib.ExitStack) -> None:
    """Write members of an archive, which is fetched and checked first, to files."""
    home = paths.root() / "data" / "raw" / archive.name
    fetched = stack.enter_context(part_of(home))
    members = [file.path for file in packed]
    origin = _bring(archive.name, archive.url, f"md5 {archive.md5}", fetched, home, members)
    if (actual := pooch.file_hash(str(fetched), alg="md5")) != archive.md5:
        raise HighwaysError(f"{origin} is not the file it should be: expected md5 {archive.md5}, found {actual}")
    try:
        with tarfile.open(fetched) as content:
            for file, part in packed.items():
                member = content.extractfile(file.path)
                if member is None:
                    raise HighwaysError(f"{origin}: its member {file.path} is no file")
                with member, writing(paths.root() / "data" / "raw" / file.path), part.open("wb") as target:
                    shutil.copyfileobj(member, target)
    except (tarfile.TarError, KeyError, EOFError, OSError, zlib.error) as error:
        reason = str(error).strip("'\"")
        raise HighwaysError(f"{origin}: cannot be unpacked: {reason}") from None


# Files that are whole or not there


def _mirrored(path: str) -> Path | None:
    mirror = os.environ.get("HIGHWAYS_DATA_MIRROR")
    found = Path(mirror) / path if mirror else None
    return found if found is not None and found.exists() else None


def _copy(mirrored: Path, part: Path, home: Path) -> None:
    """Copy a file of the mirror to `part`, on its way to `home`.

    Raises:
        HighwaysError: It is no file, or cannot be read.
        CannotWrite: The copy cannot be written.
    """
    if not mirrored.is_file():
        raise HighwaysError(f"{mirrored}: {'a folder' if mirrored.is_dir() else 'something'} where a file should be")
    try:
        with mirrored.open("rb") as source, writing(home), part.open("wb") as target:
            shutil.copyfileobj(source, target)
    except OSError as error:
        raise HighwaysError(f"{mirrored}: cannot be read: {error.strerror or error}") from None


def _help(missing: Sequence[str], members: Sequence[str] = ()) -> str:
    """Say how files that are missing are brought by hand.

    Args:
        missing: Their paths in a mirror.
        members: Paths of what is needed of an archive, which would do in its place.
    """
    mirror = os.environ.get("HIGHWAYS_DATA_MIRROR")
    one = len(missing) == 1
    looked = f"{'it is' if one else 'they are'} not in HIGHWAYS_DATA_MIRROR={mirror} either"
    instead = f", or its members {', '.join(members)}," if members else ""
    return (
        f"put {'it' if one else 'them'} at {', '.join(missing)}{instead} in a folder and set HIGHWAYS_DATA_MIRROR "
        f"to that folder ({looked if mirror else 'HIGHWAYS_DATA_MIRROR is not set'})"
    )


def _offline(needed: Sequence[str], missing: Sequence[str], members: Sequence[str] = ()) -> str:
    verb, them = ("is", "it") if len(needed) == 1 else ("are", "them")
    forbidden = f"{' and '.join(needed)} {verb} needed, and HIGHWAYS_OFFLINE=1 forbids fetching {them}"
    return f"{forbidden}; {_help(missing, members)}"


def _bring(path: str, url: str, expected: str, part: Path, home: Path, members: Sequence[str] = ()) -> str:
    """Copy a file from the mirror or fetch it, unchecked, and return where it came from.

    Args:
        path: Where it would be in the mirror.
        url: Its address.
        expected: Its checksum, to be named.
        part: Where to write it.
        home: Where it will be put, for messages.
        members: Of an archive, what is needed of it.
    """
    if (mirrored := _mirrored(path)) is not None:
        _copy(mirrored, part, home)
        return str(mirrored)
    needed = f"{url} (expected {expected}, found nothing)"
    if os.environ.get("HIGHWAYS_OFFLINE") == "1":
        raise HighwaysError(_offline([needed], [path], members))
    try:
        pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), timeout=30)(url, str(part), None)
    except (OSError, ValueError) as error:  # every error of requests is an OSError
        if isinstance(error, OSError) and error.errno in FULL:
            raise CannotWrite(f"{home}: cannot be written: {error.strerror}") from None
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise HighwaysError(f"{needed} cannot be fetched: {reason}; {_help([path], members)}") from None
    return url


def _mismatch(place: Path | str, file: SourceFile, actual: str) -> str:
    return f"{place} is not the file it should be: expected sha256 {file.sha256}, found {actual}"
