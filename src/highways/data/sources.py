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
import tarfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Literal
from urllib.parse import urljoin

import pooch
from pydantic import AfterValidator, Field, model_validator

from highways import paths
from highways.config import DataConfig, Strict, read_mapping, validate
from highways.data.own import own_files
from highways.data.synthetic import GENERATORS
from highways.errors import HighwaysError
from highways.files import check_is_file, file_sha256

Part = Literal["train", "dev", "test"]


def _inside(path: str) -> str:
    if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        raise ValueError("the path must stay inside its folder")
    return path


class SourceFile(Strict):
    """One file of a source."""

    path: Annotated[str, AfterValidator(_inside)]
    """Relative to `data/raw/`, to a mirror, or to the package that ships it."""
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
        """The archive's file name in a mirror."""
        return Path(self.url).name


class Source(Strict):
    """One entry of `data/sources.yaml`."""

    title: str
    publisher: str
    licence: str
    examples: dict[Part, int]
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
        if len({Path(file.path).name for file in self.files}) < len(self.files):
            raise ValueError("two files have one name")
        return self

    def url(self, file: SourceFile) -> str:
        """Return the address of one file."""
        return file.url or urljoin(self.address or "", Path(file.path).name)

    def home(self, file: SourceFile) -> Path:
        """Return where a file lies, or will."""
        if self.package is None:
            return paths.root() / "data" / "raw" / file.path
        package = importlib.util.find_spec(self.package)
        if package is None or package.origin is None:
            raise HighwaysError(f"the package {self.package!r}, which ships {file.path}, is not installed")
        return Path(package.origin).parent / file.path


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
    """Return a sha256 of what a data set's content depends on; the source files need not be there.

    That is its files' checksums (of generated data, the generator's name, parameters and version), its
    preparation's version and the word vectors' content.

    Raises:
        HighwaysError: There is no such data set, or no such file of one's own or of word vectors.
    """
    config = data if isinstance(data, DataConfig) else None
    content: dict[str, Any] = {}
    if config is not None and config.own is not None:
        content["own"] = config.own.model_dump(mode="json", exclude={"file"})
        content["files"] = {path: file_sha256(place) for path, place in own_files(config.own).items()}
    else:
        source = _source(config.name if config else str(data))
        content["files"] = {file.path: file.sha256 for file in source.files}
        content["preparation"] = source.preparation
        if source.generated:
            content["generator"] = GENERATORS[config.name if config else str(data)] | {"examples": source.examples}
    if config is not None and (vectors := vectors_path(config)) is not None:
        content["vectors"] = file_sha256(vectors)
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def vectors_path(config: DataConfig) -> Path | None:
    """Return the file of word vectors that a configuration names, `None` where it names none."""
    return None if config.vectors is None else paths.root() / os.path.expanduser(config.vectors)


def examples(name: str, part: Part) -> int:
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


def state(name: str) -> dict[str, Literal["ok", "missing", "altered"]]:
    """Return the state of every file of a data set, without fetching anything; what cannot be read is altered."""
    source = _source(name)
    return {file.path: _state(source.home(file), file) for file in source.files}


def _state(home: Path, file: SourceFile) -> Literal["ok", "missing", "altered"]:
    try:
        if home.is_file():
            return "ok" if pooch.file_hash(str(home)) == file.sha256 else "altered"
        return "altered" if home.exists() else "missing"
    except OSError:
        return "altered"


def locate(name: str, say: Callable[[str], object] = lambda line: None) -> dict[str, Path]:
    """Return the checked source files of a data set by file name, fetching what is missing or altered.

    Args:
        name: Of the data set.
        say: Is told where a file came from, in a line.

    Raises:
        HighwaysError: A file is not available, or is not what it must be; one line. What was there stays.
    """
    source = _source(name)
    for file in source.files:
        if _state(source.home(file), file) == "ok":
            continue
        if source.package is not None:
            raise HighwaysError(f"{source.home(file)} is missing or altered: reinstall the package {source.package!r}")
        if source.archive is None or _mirrored(file.path).exists():
            origin = _retrieve(source.url(file), file.path, f"sha256:{file.sha256}", source.home(file))
        else:
            origin = _unpack(source, source.archive)
        say(f"{name}: {file.path} from {origin}")
    return {Path(file.path).name: source.home(file) for file in source.files}


def fetch(name: str) -> None:
    """Fetch what is missing or altered of a data set, and say so; see `locate`."""
    locate(name, print)
    print(f"{name}: complete")


def _unpack(source: Source, archive: Archive) -> str:
    """Put an archive's members into their places and return where the archive came from."""
    raw = paths.root() / "data" / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=raw) as folder:
        packed = Path(folder) / archive.name
        origin = _retrieve(archive.url, archive.name, f"md5:{archive.md5}", packed)
        try:
            with tarfile.open(packed) as content:
                unpacked = {Path(folder) / str(number): file for number, file in enumerate(source.files)}
                for part, file in unpacked.items():
                    with content.extractfile(file.path) as member:  # type: ignore[union-attr]
                        part.write_bytes(member.read())
                    if (actual := pooch.file_hash(str(part))) != file.sha256:
                        raise ValueError(f"its member {file.path} has sha256 {actual}, expected {file.sha256}")
            for part, file in unpacked.items():
                source.home(file).parent.mkdir(parents=True, exist_ok=True)
                part.replace(source.home(file))
        except (OSError, ValueError, KeyError, TypeError, tarfile.TarError) as error:
            raise HighwaysError(f"{origin}: cannot be unpacked: {error}") from None
    return origin


def _mirrored(path: str) -> Path:
    """Return where a file is in the mirror, if it is there; a relative mirror is relative to the project's root."""
    mirror = os.environ.get("HIGHWAYS_DATA_MIRROR")
    return paths.root() / os.path.expanduser(mirror) / path if mirror else Path("/nowhere")


def _retrieve(url: str, path: str, checksum: str, home: Path) -> str:
    """Put a file into its place once its checksum is right, and return where it came from.

    Args:
        url: Its address.
        path: Its place in a mirror.
        checksum: As pooch writes it, `sha256:...`.
        home: Its place; what is there stays until the new file has been checked.
    """
    mirrored = _mirrored(path)
    check_is_file(mirrored)
    check_is_file(home)
    origin = str(mirrored) if mirrored.exists() else url

    def download(url: str, target: str, _: Any) -> None:
        if mirrored.exists():
            shutil.copyfile(mirrored, target)
        elif os.environ.get("HIGHWAYS_OFFLINE") == "1":
            raise ValueError("it is needed, and HIGHWAYS_OFFLINE=1 forbids fetching it")
        else:
            pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), timeout=30)(url, target, None)

    pooch.get_logger().setLevel("WARNING")
    try:
        pooch.retrieve(url, checksum, home.name, home.parent, downloader=download)  # type: ignore[arg-type]
    except (OSError, ValueError) as error:  # every error of requests is an OSError
        reason = (str(error).splitlines() or [type(error).__name__])[0].partition(". Deleted download")[0][:300]
        way = f"put {path} ({checksum}) into a folder and set HIGHWAYS_DATA_MIRROR to that folder"
        raise HighwaysError(f"{origin}: {reason}; {way}") from None
    return origin
