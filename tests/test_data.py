"""Source files: checked to the byte, fetched from mirror or network, never half there."""

import functools
import gzip
import hashlib
import http.server
import io
import os
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from toolbox import refused, write_idx

from highways.data import Batches, Sentences, examples, fingerprint, load, locate, majority
from highways.data.images import read_idx
from highways.data.sources import _read, state
from highways.errors import HighwaysError

CONTENT = b"some data\n" * 100
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def entry(**more: object) -> dict[str, object]:
    """What sources.yaml says of a toy data set."""
    said = {"title": "Toy", "publisher": "nobody", "licence": "none", "classes": 2, "preparation": 1}
    return {"toy": said | {"examples": {"train": 1, "test": 1}} | more}


@pytest.fixture
def toy(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a source `toy` of one file, and a mirror folder that has it."""
    files = [{"path": "toy/file.bin", "sha256": SHA256}]
    listed = entry(address="http://127.0.0.1:9/toy/", files=files)
    (project / "data" / "sources.yaml").write_text(yaml.safe_dump(listed))
    mirror = tmp_path / "mirror"
    (mirror / "toy").mkdir(parents=True)
    (mirror / "toy" / "file.bin").write_bytes(CONTENT)
    monkeypatch.setenv("HIGHWAYS_DATA_MIRROR", os.path.relpath(mirror, project))  # may be relative to the root
    monkeypatch.chdir("/")
    return mirror


def edit(project: Path, old: str, new: str) -> None:
    """Replace a text in sources.yaml."""
    path = project / "data" / "sources.yaml"
    path.write_text(path.read_text().replace(old, new))
    _read.cache_clear()


def fetched(project: Path) -> list[Path]:
    return [path for path in (project / "data" / "raw").rglob("*") if path.is_file()]


@pytest.mark.parametrize("damage", [CONTENT.replace(b"some", b"same"), b""])
def test_file_comes_from_the_mirror_and_a_damaged_one_is_refused(toy: Path, project: Path, damage: bytes) -> None:
    file = toy / "toy" / "file.bin"
    file.write_bytes(damage)
    with refused(f"{file}") as caught:
        locate("toy")
    assert f"expected sha256:{SHA256} but got {hashlib.sha256(damage).hexdigest()}" in str(caught.value)
    assert not fetched(project)
    file.write_bytes(CONTENT)
    assert locate("toy")["file.bin"] == project / "data" / "raw" / "toy" / "file.bin"
    assert locate("toy")["file.bin"].read_bytes() == CONTENT


@pytest.mark.parametrize("offline", [True, False])
def test_no_network_is_one_line_that_names_address_and_mirror(toy: Path, project: Path, monkeypatch, offline) -> None:
    monkeypatch.delenv("HIGHWAYS_DATA_MIRROR")
    if not offline:
        monkeypatch.delenv("HIGHWAYS_OFFLINE")
    with refused("http://127.0.0.1:9/toy/file.bin") as caught:
        locate("toy")
    assert all(part in str(caught.value) for part in (SHA256, "HIGHWAYS_DATA_MIRROR"))
    assert ("HIGHWAYS_OFFLINE=1" in str(caught.value)) is offline
    assert not fetched(project)


def test_file_comes_from_its_address_and_a_damaged_one_leaves_nothing(toy: Path, project: Path, monkeypatch) -> None:
    """The mirror folder is behind the address, over HTTP, and there is no mirror."""
    monkeypatch.delenv("HIGHWAYS_OFFLINE")
    monkeypatch.delenv("HIGHWAYS_DATA_MIRROR")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(toy))
    monkeypatch.setattr(http.server.SimpleHTTPRequestHandler, "log_message", lambda *_: None)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        edit(project, "127.0.0.1:9", f"127.0.0.1:{server.server_port}")
        (toy / "toy" / "file.bin").write_bytes(CONTENT[:50])
        with refused(f"http://127.0.0.1:{server.server_port}/toy/file.bin: ") as caught:
            locate("toy")
        assert f"expected sha256:{SHA256} but got" in str(caught.value)
        assert not fetched(project)
        (toy / "toy" / "file.bin").write_bytes(CONTENT)
        assert locate("toy")["file.bin"].read_bytes() == CONTENT
        server.shutdown()


def test_altered_file_is_replaced_and_stays_until_its_replacement_is_there(toy: Path, capsys) -> None:
    path, mirrored = locate("toy")["file.bin"], toy / "toy" / "file.bin"
    path.write_bytes(b"other")
    mirrored.rename(toy / "elsewhere")
    with pytest.raises(HighwaysError, match="HIGHWAYS_OFFLINE=1 forbids fetching it"):
        locate("toy")
    assert path.read_bytes() == b"other"
    assert state("toy") == {"toy/file.bin": "altered"}
    (toy / "elsewhere").rename(mirrored)
    locate("toy")
    assert path.read_bytes() == CONTENT
    assert capsys.readouterr().out.splitlines() == [f"toy: toy/file.bin from {mirrored}"] * 2


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_folder_pipe_or_device_where_a_file_should_be_is_one_line(toy: Path, project: Path, make) -> None:
    home, mirrored = project / "data" / "raw" / "toy" / "file.bin", toy / "toy" / "file.bin"
    home.parent.mkdir(parents=True)
    make(home)
    assert state("toy") == {"toy/file.bin": "altered"}
    with refused(f"{home}: a folder, a pipe or a device where a file should be"):
        locate("toy")
    home.rmdir() if home.is_dir() else home.unlink()
    mirrored.unlink()
    make(mirrored)
    with refused(f"{mirrored}: a folder, a pipe or a device where a file should be"):
        locate("toy")
    assert not fetched(project)


def test_path_that_leaves_its_folder_is_refused_and_the_fingerprint_covers_the_preparation(toy, project: Path) -> None:
    before = fingerprint("toy")
    edit(project, "preparation: 1", "preparation: 2")
    assert fingerprint("toy") != before, "and needs no files"
    edit(project, "toy/file.bin", "toy/../../x")
    with refused("data/sources.yaml: toy: key 'files.0.path': the path must stay inside"):
        locate("toy")


@pytest.mark.parametrize("name", ["digits", "mnist", "synthetic-tweets", "sst2", "sst5", "tweets"])
def test_sizes_and_majority_are_as_announced(project: Path, name: str) -> None:
    """Of the data sets that are at hand; digits and synthetic tweets need no network."""
    try:
        data = load(name)
    except HighwaysError as error:
        pytest.skip(f"{name} is not at hand: {error}")
    assert [data.size(part) for part in data.parts] == [examples(name, part) for part in data.parts]
    if isinstance(data, Sentences):
        assert majority(name) == pytest.approx(int(data.targets("test").bincount().max()) / data.size("test"))
        assert name != "sst2" or len(data.vocabulary) == 13838, "the article's network has this number"
    else:
        assert (data.features, data.train_x.min(), data.train_x.max()) == (64 if name == "digits" else 784, 0, 1)
        assert set(data.train_y.tolist()) == set(data.test_y.tolist()) == set(range(10))


def test_idx_file_is_read_and_one_at_fault_is_named(tmp_path: Path) -> None:
    path, head = tmp_path / "x.gz", bytes([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3])
    whole = write_idx(path, np.arange(6).reshape(2, 3))
    assert read_idx(path, dimensions=2).tolist() == [[0, 1, 2], [3, 4, 5]]
    for content in (b"", b"plain", whole[:-9], *map(gzip.compress, (head[:6], head + bytes(5), bytes(20)))):
        path.write_bytes(content)
        with refused(f"{path}: cannot be read: "):
            read_idx(path, dimensions=2)


def test_batches_are_a_permutation_that_seed_and_epoch_decide() -> None:
    x, epoch = torch.arange(23), [0]
    batches = Batches(x, x, 5, order_seed=1, epoch=lambda: epoch[0])
    first, again = ([part.tolist() for part, _ in batches] for _ in range(2))
    assert len(batches) == len(first) == 5
    assert sorted(row for part in first for row in part) == list(range(23))
    assert again == first
    epoch[0] = 1
    assert [part.tolist() for part, _ in batches] != first
    assert torch.equal(torch.cat([part for part, _ in Batches(x, x, 5)]), x)


# Archives


@pytest.fixture
def pack(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Lists a source `toy` of two files in an archive, and makes a mirror folder that has the archive."""

    def make(*others: tarfile.TarInfo) -> Path:
        mirror, members = tmp_path / "mirror", {"toy/one.bin": CONTENT, "toy/two.bin": CONTENT * 2}
        mirror.mkdir()
        with tarfile.open(mirror / "toy.tar.gz", "w:gz") as archive:
            for other in others:
                archive.addfile(other)
            for name, content in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        md5 = hashlib.md5((mirror / "toy.tar.gz").read_bytes()).hexdigest()
        files = [{"path": path, "sha256": hashlib.sha256(text).hexdigest()} for path, text in members.items()]
        listed = entry(archive={"url": "http://127.0.0.1:9/toy.tar.gz", "md5": md5}, files=files)
        (project / "data" / "sources.yaml").write_text(yaml.safe_dump(listed))
        monkeypatch.setenv("HIGHWAYS_DATA_MIRROR", str(mirror))
        return mirror

    return make


@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.SYMTYPE])
def test_no_archive_member_leaves_its_folder(pack: Callable[..., Path], tmp_path: Path, kind: bytes) -> None:
    """The archive has what was asked for under a harmless name, and what would escape next to it."""
    others = []
    for name in ("../escaped", "/tmp/escaped-from-highways", "a/../../escaped"):
        others.append(tarfile.TarInfo(name if kind == tarfile.REGTYPE else "toy/one.bin"))
        others[-1].type, others[-1].linkname = kind, name
    pack(*others)
    assert locate("toy")["one.bin"].read_bytes() == CONTENT
    assert not list(tmp_path.rglob("escaped"))
    assert not Path("/tmp/escaped-from-highways").exists()


def test_archive_is_unpacked_and_not_kept_and_an_altered_member_is_unpacked_again(pack, project, capsys) -> None:
    mirror = pack()
    (one, two) = locate("toy").values()
    assert (one.read_bytes(), two.read_bytes()) == (CONTENT, CONTENT * 2)
    assert {path.name for path in fetched(project)} == {"one.bin", "two.bin"}
    one.write_bytes(b"other")
    locate("toy")
    assert one.read_bytes() == CONTENT
    assert capsys.readouterr().out.splitlines() == [f"toy: toy/one.bin from {mirror / 'toy.tar.gz'}"] * 2
    for path in (one, two):  # members in the mirror need no archive
        (mirror / "toy").mkdir(exist_ok=True)
        path.rename(mirror / "toy" / path.name)
    (mirror / "toy.tar.gz").unlink()
    locate("toy")
    said = [f"toy: toy/{name} from {mirror / 'toy' / name}" for name in ("one.bin", "two.bin")]
    assert capsys.readouterr().out.splitlines() == said


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("", "", r"toy.tar.gz: MD5 hash .* does not match .*: expected .* but got"),
        (hashlib.sha256(CONTENT).hexdigest(), "0" * 63 + "a", "its member toy/one.bin has sha256 .*, expected 0000"),
        ("toy/one.bin", "toy/three.bin", "toy.tar.gz: cannot be unpacked: .*toy/three.bin"),
    ],
)
def test_archive_at_fault_is_one_line_and_leaves_nothing(pack, project: Path, old, new: str, message: str) -> None:
    mirror = pack()
    edit(project, old, new) if old else (mirror / "toy.tar.gz").write_bytes(b"other")
    with pytest.raises(HighwaysError, match=message) as caught:
        locate("toy")
    assert "\n" not in str(caught.value)
    assert not fetched(project)
