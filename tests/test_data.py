"""Source files: checked to the byte, fetched from mirror or network, never half there."""

from __future__ import annotations

import functools
import gzip
import hashlib
import http.server
import io
import os
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import yaml

from highways.data import Batches, Images, fetch, fingerprint, load, locate, sources
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


def nothing_half_written(project: Path) -> bool:
    return not [path for path in (project / "data" / "raw").rglob("*") if path.is_file()]


def test_file_comes_from_the_mirror(toy: Path, project: Path) -> None:
    assert locate("toy")["file.bin"] == project / "data" / "raw" / "toy" / "file.bin"
    assert locate("toy")["file.bin"].read_bytes() == CONTENT


@pytest.mark.parametrize("damage", [CONTENT.replace(b"some", b"same"), b""])
def test_damaged_mirror_file_is_refused(toy: Path, project: Path, damage: bytes) -> None:
    (toy / "toy" / "file.bin").write_bytes(damage)
    with pytest.raises(HighwaysError) as caught:
        locate("toy")
    message = str(caught.value)
    assert str(toy / "toy" / "file.bin") in message
    assert f"expected sha256:{SHA256} but got {hashlib.sha256(damage).hexdigest()}" in message
    assert "\n" not in message
    assert nothing_half_written(project)


@pytest.mark.parametrize("offline", [True, False])
def test_no_network_is_one_line_that_names_address_and_mirror(toy: Path, project: Path, monkeypatch, offline) -> None:
    monkeypatch.delenv("HIGHWAYS_DATA_MIRROR")
    if not offline:
        monkeypatch.delenv("HIGHWAYS_OFFLINE")
    with pytest.raises(HighwaysError) as caught:
        locate("toy")
    for part in ("http://127.0.0.1:9/toy/file.bin", SHA256, "HIGHWAYS_DATA_MIRROR"):
        assert part in str(caught.value)
    assert ("HIGHWAYS_OFFLINE=1" in str(caught.value)) is offline
    assert "\n" not in str(caught.value)
    assert nothing_half_written(project)


@pytest.fixture
def server(toy: Path, project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The mirror folder behind the address, over HTTP, and no mirror."""
    monkeypatch.delenv("HIGHWAYS_OFFLINE")
    monkeypatch.delenv("HIGHWAYS_DATA_MIRROR")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(toy))
    handler.log_message = lambda *_: None  # type: ignore[attr-defined]
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        address = f"http://127.0.0.1:{running.server_port}/toy/"
        edit(project, "http://127.0.0.1:9/toy/", address)
        yield address
        running.shutdown()


def test_file_comes_from_its_address_and_a_damaged_one_leaves_nothing(toy: Path, project: Path, server: str) -> None:
    (toy / "toy" / "file.bin").write_bytes(CONTENT[:50])
    with pytest.raises(HighwaysError, match=rf"{server}file.bin: .* expected sha256:{SHA256} but got"):
        locate("toy")
    assert nothing_half_written(project)
    (toy / "toy" / "file.bin").write_bytes(CONTENT)
    assert locate("toy")["file.bin"].read_bytes() == CONTENT


def test_altered_file_is_replaced_and_stays_until_its_replacement_is_there(toy: Path, capsys) -> None:
    path, mirrored = locate("toy")["file.bin"], toy / "toy" / "file.bin"
    path.write_bytes(b"other")
    mirrored.rename(toy / "elsewhere")
    with pytest.raises(HighwaysError, match="HIGHWAYS_OFFLINE=1 forbids fetching it"):
        fetch("toy")
    assert path.read_bytes() == b"other"
    assert state("toy") == {"toy/file.bin": "altered"}
    (toy / "elsewhere").rename(mirrored)
    fetch("toy")
    assert path.read_bytes() == CONTENT
    assert capsys.readouterr().out == f"toy: toy/file.bin from {mirrored}\ntoy: complete\n"


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_folder_pipe_or_device_where_a_file_should_be_is_one_line(toy: Path, project: Path, make) -> None:
    home, mirrored = project / "data" / "raw" / "toy" / "file.bin", toy / "toy" / "file.bin"
    home.parent.mkdir(parents=True)
    make(home)
    assert state("toy") == {"toy/file.bin": "altered"}
    with pytest.raises(HighwaysError, match=f"^{home}: a folder, a pipe or a device where a file should be$"):
        fetch("toy")
    home.rmdir() if home.is_dir() else home.unlink()
    mirrored.unlink()
    make(mirrored)
    with pytest.raises(HighwaysError, match=f"^{mirrored}: a folder, a pipe or a device where a file should be$"):
        locate("toy")
    assert nothing_half_written(project)


def test_path_that_leaves_its_folder_is_refused(toy: Path, project: Path) -> None:
    edit(project, "toy/file.bin", "toy/../../x")
    with pytest.raises(HighwaysError, match=r"^data/sources.yaml: toy: key 'files.0.path': the path must stay inside"):
        locate("toy")


def test_fingerprint_needs_no_files_and_covers_the_preparation(toy: Path, project: Path) -> None:
    before = fingerprint("toy")
    edit(project, "preparation: 1", "preparation: 2")
    assert fingerprint("toy") != before


def test_digits_need_no_network_and_have_the_stated_sizes(project: Path) -> None:
    digits = load("digits")
    assert isinstance(digits, Images)
    assert {part: digits.size(part) for part in digits.parts} == sources()["digits"].examples
    assert (digits.features, digits.train_x.min(), digits.train_x.max()) == (64, 0, 1)
    assert set(digits.train_y.tolist()) == set(digits.test_y.tolist()) == set(range(10))


HEADER = bytes([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3])
IDX = gzip.compress(HEADER + bytes(range(6)), mtime=0)


def test_idx_file_is_read_and_one_at_fault_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    path.write_bytes(IDX)
    assert read_idx(path, dimensions=2).tolist() == [[0, 1, 2], [3, 4, 5]]
    short = (HEADER[:6], HEADER + bytes(5), bytes(20))
    for content in (b"", b"plain", IDX[:-9], *(gzip.compress(part, mtime=0) for part in short)):
        path.write_bytes(content)
        with pytest.raises(HighwaysError, match=rf"^{path}: cannot be read: .+$"):
            read_idx(path, dimensions=2)


def test_mnist_has_the_stated_sizes(project: Path) -> None:
    try:
        mnist = load("mnist")
    except HighwaysError as error:
        pytest.skip(f"MNIST is not at hand: {error}")
    assert isinstance(mnist, Images)
    assert (len(mnist.train_x), len(mnist.test_x), mnist.features) == (60_000, 10_000, 784)
    assert mnist.train_y.bincount().tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]


def test_batches_are_a_permutation_that_seed_and_epoch_decide() -> None:
    x, epoch = torch.arange(23), [0]
    batches = Batches(x, x, 5, order_seed=1, epoch=lambda: epoch[0])
    assert len(batches) == 5

    def order() -> list[int]:
        return torch.cat([part for part, _ in batches]).tolist()

    first = order()
    assert sorted(first) == list(range(23))
    assert order() == first
    epoch[0] = 1
    assert order() != first
    assert torch.equal(torch.cat([part for part, _ in Batches(x, x, 5)]), x)


# Archives


@pytest.fixture
def packed(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a source `toy` of two files in an archive, and a mirror folder that has the archive."""
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    members = {"toy/one.bin": CONTENT, "toy/two.bin": CONTENT * 2}
    with tarfile.open(mirror / "toy.tar.gz", "w:gz") as archive:
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


def test_archive_is_unpacked_and_not_kept_and_an_altered_member_is_unpacked_again(packed, project, capsys) -> None:
    (one, two) = locate("toy").values()
    assert (one.read_bytes(), two.read_bytes()) == (CONTENT, CONTENT * 2)
    kept = {path.name for path in (project / "data" / "raw").rglob("*") if path.is_file()}
    assert kept == {"one.bin", "two.bin"}
    one.write_bytes(b"other")
    fetch("toy")
    assert one.read_bytes() == CONTENT
    assert capsys.readouterr().out == f"toy: toy/one.bin from {packed / 'toy.tar.gz'}\ntoy: complete\n"


def test_members_in_the_mirror_need_no_archive(packed: Path, capsys) -> None:
    (packed / "toy.tar.gz").unlink()
    (packed / "toy").mkdir()
    (packed / "toy" / "one.bin").write_bytes(CONTENT)
    (packed / "toy" / "two.bin").write_bytes(CONTENT * 2)
    fetch("toy")
    said = [f"toy: toy/{name} from {packed / 'toy' / name}" for name in ("one.bin", "two.bin")]
    assert capsys.readouterr().out.splitlines() == [*said, "toy: complete"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("", "", r"toy.tar.gz: MD5 hash .* does not match .*: expected .* but got"),
        (hashlib.sha256(CONTENT).hexdigest(), "0" * 63 + "a", "its member toy/one.bin has sha256 .*, expected 0000"),
        ("toy/one.bin", "toy/three.bin", "toy.tar.gz: cannot be unpacked: .*toy/three.bin"),
    ],
)
def test_archive_at_fault_is_one_line_and_leaves_nothing(packed, project: Path, old, new: str, message: str) -> None:
    edit(project, old, new) if old else (packed / "toy.tar.gz").write_bytes(b"other")
    with pytest.raises(HighwaysError, match=message) as caught:
        locate("toy")
    assert "\n" not in str(caught.value)
    assert nothing_half_written(project)
