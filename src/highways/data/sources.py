"""Source files: where they come from, checked to the byte before anything reads them.

`data/sources.yaml` lists them. A file is looked for in `data/raw/`, then in the folder that
`HIGHWAYS_DATA_MIRROR` names, then at its address; `HIGHWAYS_OFFLINE=1` rules the last one out.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urljoin

import pooch
from pydantic import Field, model_validator

from highways import paths
from highways.config import DataConfig, Strict, read_yaml, validate
from highways.data.synthetic import GENERATOR
from highways.errors import HighwaysError


class SourceFile(Strict):
    """One file of a source; `path` is relative to `data/raw/`, to a mirror, or to the package that ships it."""

    path: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    url: str | None = None
    """Address on the web, where it is not the source's with the file's name."""


class Source(Strict):
    """One entry of `data/sources.yaml`."""

    title: str
    publisher: str
    licence: str
    examples: dict[Literal["train", "dev", "test"], int]
    """How many there are, by part."""
    majority: int | None = None
    """Test examples of the most frequent class."""
    preparation: int = Field(ge=1)
    """Version of the code that turns the files into tensors."""
    package: str | None = None
    """An installed Python package that ships the files; such a source is never fetched."""
    address: str | None = None
    """Folder on the web; a file's name is appended."""
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
    source = _source(config.name if config else str(data))
    content: dict[str, Any] = {
        "files": {file.path: file.sha256 for file in source.files},
        "preparation": source.preparation,
    }
    if source.generated:
        content["generator"] = GENERATOR | {"examples": source.examples}
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
    for file in source.files:
        home = _home(source, file)
        if not home.exists():
            _obtain(name, source, file, home)
        elif (actual := pooch.file_hash(str(home))) != file.sha256:
            cure = "" if source.package else f"; `highways data fetch {name}` replaces it"
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
        if states[file.path] != "ok" and source.package is None:
            _obtain(name, source, file, _home(source, file))
            say(f"{name}: {file.path} fetched")
    locate(name)
    say(f"{name}: complete")


def _obtain(name: str, source: Source, file: SourceFile, home: Path) -> None:
    """Put a checked copy of `file` at `home`; on any failure, leave nothing there."""
    if source.package is not None or source.address is None:
        raise HighwaysError(f"{home} is missing: reinstall the package {source.package!r}, which ships it")
    home.parent.mkdir(parents=True, exist_ok=True)
    part = home.with_name(f"{home.name}.{os.getpid()}.part")
    mirror = os.environ.get("HIGHWAYS_DATA_MIRROR")
    mirrored = Path(mirror) / file.path if mirror else None
    try:
        if mirrored is not None and mirrored.exists():
            origin = str(mirrored)
            shutil.copyfile(mirrored, part)
        else:
            origin = source.url(file)
            _download(name, origin, file, part, mirror)
        actual = pooch.file_hash(str(part))
        if actual != file.sha256:
            raise HighwaysError(_mismatch(origin, file, actual))
        part.replace(home)
    finally:
        part.unlink(missing_ok=True)


def _download(name: str, url: str, file: SourceFile, part: Path, mirror: str | None) -> None:
    looked = f"it is not in HIGHWAYS_DATA_MIRROR={mirror} either" if mirror else "HIGHWAYS_DATA_MIRROR is not set"
    help_ = f"put it at {file.path} in a folder and set HIGHWAYS_DATA_MIRROR to that folder ({looked})"
    if os.environ.get("HIGHWAYS_OFFLINE") == "1":
        needed = f"{url} (expected sha256 {file.sha256}, found nothing)"
        raise HighwaysError(f"{needed} is needed, and HIGHWAYS_OFFLINE=1 forbids fetching it; {help_}")
    try:
        pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), timeout=30)(url, str(part), None)
    except (OSError, ValueError) as error:  # every error of requests is an OSError
        reason = str(error).splitlines()[0][:200]
        raise HighwaysError(
            f"{url} (expected sha256 {file.sha256}, found nothing) cannot be fetched: {reason}; {help_}"
        ) from None


def _mismatch(place: Path | str, file: SourceFile, actual: str) -> str:
    return f"{place} is not the file it should be: expected sha256 {file.sha256}, found {actual}"
