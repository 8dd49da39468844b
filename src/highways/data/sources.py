"""Source files: where they come from, and checksums that are verified before anything reads them.

`data/sources.yaml` lists them. A file is searched for in `data/raw/`, then in the folder `HIGHWAYS_DATA_MIRROR`, then
at its web address, unless `HIGHWAYS_OFFLINE=1` is set.
"""

import hashlib
import importlib.util
import os
import shutil
import sys
import tarfile
from functools import lru_cache
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Literal
from urllib.parse import urljoin

import pooch
from pydantic import AfterValidator, Field

from highways import paths
from highways.config import DataConfig, Part, Strict, read_mapping, validate
from highways.errors import HighwaysError
from highways.files import check_is_file, write_whole


def _inside(path: str) -> str:
    if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        raise ValueError("the path must stay inside its folder")
    return path


class SourceFile(Strict):
    """One file of a source."""

    path: Annotated[str, AfterValidator(_inside)]
    """Path relative to `data/raw/`, to a mirror, or to the package that ships the file."""
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    url: str | None = None
    """Web address, if it is not the source's address plus the file name."""


class Archive(Strict):
    """A tar archive that holds all files of a source under their paths."""

    url: str
    md5: str = Field(pattern=r"^[0-9a-f]{32}$")
    """Checksum stated by the publisher; the members have sha256 checksums of their own."""


class Source(Strict):
    """One entry of `data/sources.yaml`."""

    title: str
    publisher: str
    licence: str
    examples: dict[Part, int]
    """Number of examples, by part."""
    classes: int = Field(ge=2)
    majority: int | None = None
    """Number of test examples of the most frequent class."""
    preparation: int = Field(ge=1)
    """Version of the code that converts the files to tensors."""
    package: str | None = None
    """An installed Python package that ships the files; such a source is never fetched."""
    address: str | None = None
    """Web address of a folder; a file's name is appended."""
    archive: Archive | None = None
    """Archive to fetch and unpack if the files are neither here nor in the mirror."""
    files: list[SourceFile] = Field(default_factory=list)
    """Empty if the project generates the data."""

    def home(self, file: SourceFile) -> Path:
        """Return the path of a file, which need not exist yet."""
        if self.package is None:
            return paths.root() / "data" / "raw" / file.path
        return Path(importlib.util.find_spec(self.package).origin).parent / file.path  # type: ignore[union-attr,arg-type]

    def state(self, file: SourceFile) -> Literal["ok", "missing", "altered"]:
        """Return the state of a file; an unreadable file counts as altered."""
        try:
            check_is_file(self.home(file))
            return "ok" if pooch.file_hash(str(self.home(file))) == file.sha256 else "altered"
        except FileNotFoundError:
            return "missing"
        except (HighwaysError, OSError):
            return "altered"

    def states(self) -> dict[str, str]:
        """Return the state of every file, without fetching anything."""
        return {file.path: self.state(file) for file in self.files}


@lru_cache(maxsize=4)
def _read(path: Path) -> dict[str, Source]:
    where = "data/sources.yaml"
    return {name: validate(Source, entry, f"{where}: {name}") for name, entry in read_mapping(path).items()}


def sources() -> dict[str, Source]:
    """Return all sources by name."""
    return _read(paths.root() / "data" / "sources.yaml")


def source(data: DataConfig | str) -> Source:
    """Return the source of a data set, given its name or configuration."""
    name = data if isinstance(data, str) else data.name
    if name not in sources():
        raise HighwaysError(f"no data set {name!r}; there are: {', '.join(sources())}")
    return sources()[name]


def locate(name: str) -> dict[str, Path]:
    """Return a data set's checked source files by file name; fetch missing or altered ones and print their origin.

    Raise a `HighwaysError` if a file is not available or has the wrong checksum; the previous file then stays.
    """
    entry = source(name)
    for file in entry.files:
        home = entry.home(file)
        if entry.state(file) == "ok":
            continue
        if entry.package is not None:
            raise HighwaysError(f"{home} is missing or altered: reinstall the package {entry.package!r}")
        if entry.archive is None or _mirrored(file.path).exists():
            url = file.url or urljoin(entry.address or "", home.name)
            origin = _retrieve(url, file.path, f"sha256:{file.sha256}", home)
        else:
            origin = _unpack(entry, entry.archive)
        print(f"{name}: {file.path} from {origin}", flush=True)
    return {Path(file.path).name: entry.home(file) for file in entry.files}


def _unpack(entry: Source, archive: Archive) -> str:
    """Fetch an archive, check its members and move them into place; return where the archive came from."""
    with TemporaryDirectory() as folder:
        packed = Path(folder) / Path(archive.url).name
        origin = _retrieve(archive.url, packed.name, f"md5:{archive.md5}", packed)
        try:
            with tarfile.open(packed) as content:
                for file in entry.files:
                    member = content.extractfile(file.path).read()  # type: ignore[union-attr]
                    if (actual := hashlib.sha256(member).hexdigest()) != file.sha256:
                        raise ValueError(f"its member {file.path} has sha256 {actual}, expected {file.sha256}")
                    write_whole(entry.home(file), member)
        except (OSError, ValueError, KeyError, AttributeError, tarfile.TarError) as error:
            raise HighwaysError(f"{origin}: cannot be unpacked: {error}") from None
    return origin


def _mirrored(path: str) -> Path:
    """Return the path of a file in the mirror; a relative mirror is relative to the project's root."""
    mirror = os.environ.get("HIGHWAYS_DATA_MIRROR")
    return paths.given(mirror) / path if mirror else Path("/nowhere")


def _retrieve(url: str, path: str, checksum: str, home: Path) -> str:
    """Copy or download a file, check it and move it to `home`, where an old one stays until then; return its origin.

    `path` is the path in a mirror; `checksum` has pooch's format, `sha256:...`.
    """
    check_is_file(mirrored := _mirrored(path))
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
