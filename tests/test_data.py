"""Source files: checked to the byte, fetched from mirror or network, never half there."""

from __future__ import annotations

import errno
import functools
import gzip
import hashlib
import http.server
import io
import math
import os
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import yaml

from highways.data import Batches, fetch, fingerprint, load, locate, sources
from highways.data.images import LOADERS, _idx, raw_mnist
from highways.data.sources import state
from highways.errors import HighwaysError
from highways.files import HOST

CONTENT = b"some data\n" * 100
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def toy(project: Path, tmp_path: Path) -> Path:
    """A project with a source `toy` of one file, and a mirror folder that has it."""
    entry = {
        "title": "Toy",
        "publisher": "nobody",
        "licence": "none",
        "examples": {"train": 1, "test": 1},
        "classes": 2,
        "preparation": 1,
        "address": "http://127.0.0.1:9/toy/",
        "files": [{"path": "toy/file.bin", "sha256": SHA256}],
    }
    (project / "data" / "sources.yaml").write_text(yaml.safe_dump({"toy": entry}))
    mirror = tmp_path / "mirror"
    (mirror / "toy").mkdir(parents=True)
    (mirror / "toy" / "file.bin").write_bytes(CONTENT)
    return mirror


def nothing_half_written(project: Path) -> bool:
    return not [path for path in (project / "data" / "raw").rglob("*") if path.is_file()]


def test_file_comes_from_the_mirror(toy: Path, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIGHWAYS_DATA_MIRROR", str(toy))
    assert locate("toy")["file.bin"].read_bytes() == CONTENT
    assert locate("toy")["file.bin"] == project / "data" / "raw" / "toy" / "file.bin"


@pytest.mark.parametrize("damage", [CONTENT[:-1], CONTENT.replace(b"some", b"same"), b""])
def test_damaged_mirror_file_is_refused(toy: Path, project: Path, monkeypatch, damage: bytes) -> None:
    (toy / "toy" / "file.bin").write_bytes(damage)
    monkeypatch.setenv("HIGHWAYS_DATA_MIRROR", str(toy))
    with pytest.raises(HighwaysError) as caught:
        locate("toy")
    message = str(caught.value)
    assert str(toy / "toy" / "file.bin") in message
    assert f"expected sha256 {SHA256}, found {hashlib.sha256(damage).hexdigest()}" in message
    assert "\n" not in message
    assert nothing_half_written(project)


def test_offline_names_address_and_mirror(toy: Path, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HIGHWAYS_DATA_MIRROR", raising=False)
    with pytest.raises(HighwaysError) as caught:
        locate("toy")
    for part in ("http://127.0.0.1:9/toy/file.bin", SHA256, "HIGHWAYS_OFFLINE=1", "HIGHWAYS_DATA_MIRROR"):
        assert part in str(caught.value)
    assert nothing_half_written(project)


def test_no_network_is_one_line(toy: Path, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HIGHWAYS_OFFLINE")
    monkeypatch.delenv("HIGHWAYS_DATA_MIRROR", raising=False)
    with pytest.raises(HighwaysError) as caught:
        locate("toy")
    for part in ("http://127.0.0.1:9/toy/file.bin", SHA256, "HIGHWAYS_DATA_MIRROR"):
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)
    assert nothing_half_written(project)


@pytest.fixture
def server(toy: Path) -> Iterator[str]:
    """An HTTP server of the mirror folder."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(toy))
    handler.log_message = lambda *_: None  # type: ignore[attr-defined]
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}/toy/"
        running.shutdown()


def serve(project: Path, address: str) -> None:
    path = project / "data" / "sources.yaml"
    path.write_text(path.read_text().replace("http://127.0.0.1:9/toy/", address))


def test_file_comes_from_its_address(toy, project: Path, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(project, server)
    monkeypatch.delenv("HIGHWAYS_OFFLINE")
    monkeypatch.delenv("HIGHWAYS_DATA_MIRROR", raising=False)
    assert locate("toy")["file.bin"].read_bytes() == CONTENT


def test_damaged_download_leaves_nothing(toy: Path, project: Path, server: str, monkeypatch) -> None:
    serve(project, server)
    (toy / "toy" / "file.bin").write_bytes(CONTENT[:50])
    monkeypatch.delenv("HIGHWAYS_OFFLINE")
    monkeypatch.delenv("HIGHWAYS_DATA_MIRROR", raising=False)
    with pytest.raises(HighwaysError, match=f"{server}file.bin is not the file it should be: expected sha256 {SHA256}"):
        locate("toy")
    assert nothing_half_written(project)


def test_file_altered_later_is_noticed_and_replaced(toy: Path, project: Path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("HIGHWAYS_DATA_MIRROR", str(toy))
    path = locate("toy")["file.bin"]
    path.write_bytes(b"other")
    with pytest.raises(HighwaysError, match="`highways data fetch toy` replaces it"):
        locate("toy")
    fetch("toy")
    assert path.read_bytes() == CONTENT
    mirrored = toy / "toy" / "file.bin"
    assert capsys.readouterr().out == f"toy: toy/file.bin copied from {mirrored}\ntoy: complete\n"


def test_altered_file_stays_until_its_replacement_is_there(toy: Path, project: Path, monkeypatch) -> None:
    monkeypatch.setenv("HIGHWAYS_DATA_MIRROR", str(toy))
    path = locate("toy")["file.bin"]
    path.write_bytes(b"other")
    (toy / "toy" / "file.bin").unlink()
    with pytest.raises(HighwaysError, match="HIGHWAYS_OFFLINE=1 forbids fetching it"):
        fetch("toy")
    assert path.read_bytes() == b"other"


def test_folder_where_a_file_should_be_is_one_line(toy: Path, project: Path, monkeypatch) -> None:
    monkeypatch.setenv("HIGHWAYS_DATA_MIRROR", str(toy))
    mirrored = toy / "toy" / "file.bin"
    mirrored.unlink()
    mirrored.mkdir()
    for ask in (locate, fetch):
        with pytest.raises(HighwaysError, match=f"^{mirrored}: a folder where a file should be$"):
            ask("toy")
    assert nothing_half_written(project)
    mirrored.rmdir()
    mirrored.write_bytes(CONTENT)
    home = locate("toy")["file.bin"]
    home.unlink()
    home.mkdir()
    assert state("toy") == {"toy/file.bin": "altered"}
    with pytest.raises(HighwaysError, match=f"^{home}: cannot be read: Is a directory$"):
        locate("toy")
    with pytest.raises(HighwaysError, match=f"^{home}: cannot be written: "):
        fetch("toy")


def test_unreadable_file_in_the_mirror_is_one_line(toy: Path, project: Path, monkeypatch) -> None:
    monkeypatch.setenv("HIGHWAYS_DATA_MIRROR", str(toy))
    mirrored, opened = toy / "toy" / "file.bin", Path.open

    def refuse(self: Path, *arguments, **keywords):
        if self == mirrored:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return opened(self, *arguments, **keywords)

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(HighwaysError, match=f"^{mirrored}: cannot be read: Permission denied$"):
        locate("toy")
    assert nothing_half_written(project)


@pytest.fixture
def twins(toy: Path, project: Path) -> Path:
    """As `toy`, with a second file of the same name in another folder, and a third one."""
    path = project / "data" / "sources.yaml"
    content = yaml.safe_load(path.read_text())
    more = [("other/file.bin", CONTENT * 2), ("other/third.bin", CONTENT * 3)]
    content["toy"]["files"] += [{"path": name, "sha256": hashlib.sha256(text).hexdigest()} for name, text in more]
    path.write_text(yaml.safe_dump(content))
    (toy / "other").mkdir()
    for name, text in more:
        (toy / name).write_bytes(text)
    return toy


def test_files_of_one_name_in_two_folders_are_told_apart(twins: Path, project: Path, monkeypatch) -> None:
    monkeypatch.setenv("HIGHWAYS_DATA_MIRROR", str(twins))
    found = {name: len(path.read_bytes()) for name, path in locate("toy").items()}
    assert found == {"toy/file.bin": 1000, "other/file.bin": 2000, "third.bin": 3000}


def test_offline_names_all_that_is_missing(twins: Path, project: Path, monkeypatch) -> None:
    monkeypatch.setenv("HIGHWAYS_DATA_MIRROR", str(twins))
    (twins / "other/file.bin").unlink()
    (twins / "other/third.bin").unlink()
    with pytest.raises(HighwaysError) as caught:
        locate("toy")
    message = str(caught.value)
    assert "\n" not in message
    for name, times in (("other/file.bin", 2), ("other/third.bin", 3), ("toy/file.bin", 1)):
        told = f"expected sha256 {hashlib.sha256(CONTENT * times).hexdigest()}" in message and name in message
        assert told == (times > 1)
    assert nothing_half_written(project)


@pytest.mark.parametrize("ending", ["", "@{host}"])
def test_unfinished_files_of_the_dead_are_swept(toy: Path, project: Path, monkeypatch, ending: str) -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    monkeypatch.setenv("HIGHWAYS_DATA_MIRROR", str(toy))
    folder = project / "data" / "raw" / "toy"
    folder.mkdir(parents=True)
    ending = ending.format(host=HOST)
    gone, here = folder / f".x.{dead.pid}{ending}.part", folder / f".x.{os.getppid()}{ending}.part"
    gone.touch()
    here.touch()
    fetch("toy")
    assert {path.name for path in folder.iterdir()} == {"file.bin", here.name}


def test_fingerprint_needs_no_files_and_covers_the_preparation(toy: Path, project: Path) -> None:
    before = fingerprint("toy")
    path = project / "data" / "sources.yaml"
    path.write_text(path.read_text().replace("preparation: 1", "preparation: 2"))
    from highways.data.sources import _read

    _read.cache_clear()
    assert fingerprint("toy") != before
    _read.cache_clear()


def test_digits_need_no_network_and_have_the_stated_sizes(project: Path) -> None:
    digits = load("digits")
    assert len(digits.train_x) == sources()["digits"].examples["train"]
    assert len(digits.test_x) == sources()["digits"].examples["test"]
    assert digits.features == 64
    assert digits.train_x.min() == 0
    assert digits.train_x.max() == 1
    assert set(digits.train_y.tolist()) == set(digits.test_y.tolist()) == set(range(10))


def test_idx_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(bytes([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3]) + bytes(range(6))))
    assert _idx(path, dimensions=2).tolist() == [[0, 1, 2], [3, 4, 5]]
    with pytest.raises(HighwaysError, match="not an idx file"):
        _idx(path, dimensions=3)
    path.write_bytes(gzip.compress(bytes([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3]) + bytes(5)))
    with pytest.raises(HighwaysError, match="5 bytes of data where the header announces 6"):
        _idx(path, dimensions=2)


HEADER = bytes([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3])
IDX = gzip.compress(HEADER + bytes(range(6)), mtime=0)


def test_idx_file_at_fault_is_one_line_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    changed = [
        IDX[:place] + bytes([IDX[place] ^ 1 << bit]) + IDX[place + 1 :] for place in range(len(IDX)) for bit in range(8)
    ]
    contents = [b"", b"plain", *(IDX[:length] for length in range(len(IDX))), *changed]
    contents += [gzip.compress(HEADER[:length]) for length in range(len(HEADER))]
    contents += [gzip.compress(HEADER[:4] + bytes([255] * 8) + bytes(6)), gzip.compress(HEADER[:4] + bytes(8))]
    refused = 0
    for content in contents:
        path.write_bytes(content)
        try:
            found = _idx(path, dimensions=2).tolist()
        except HighwaysError as error:
            refused, message = refused + 1, str(error)
        else:
            message = f"{path}: " * (found == [[0, 1, 2], [3, 4, 5]])  # what does not matter was changed
        assert message.startswith(f"{path}: ")
        assert "\n" not in message
    assert refused > 0.8 * len(contents)
    for missing in (tmp_path / "nowhere.gz", tmp_path):
        with pytest.raises(HighwaysError, match=f"^{missing}: cannot be read"):
            _idx(missing, dimensions=2)


def test_no_more_is_unpacked_than_the_header_announces(tmp_path: Path) -> None:
    import resource

    path = tmp_path / "bomb.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(HEADER)
        for _ in range(300):
            file.write(bytes(2**20))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(HighwaysError, match="more than 6 bytes of data where the header announces 6"):
        _idx(path, dimensions=2)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024


def idx(*shape: int, value: int = 0) -> bytes:
    head = bytes([0, 0, 8, len(shape)]) + b"".join(n.to_bytes(4, "big") for n in shape)
    return gzip.compress(head + bytes([value]) * math.prod(shape))


@pytest.mark.parametrize(
    ("labels", "message"),
    [(idx(3), "3 labels of 2 images"), (idx(2, value=10), "image 1: the label must be below 10, found 10")],
)
def test_labels_that_do_not_fit_the_images_are_one_line(tmp_path: Path, labels: bytes, message: str) -> None:
    files = {}
    for part in ("train", "t10k"):
        for kind, content in (("images-idx3", idx(2, 4, 4)), ("labels-idx1", labels)):
            path = files[f"{part}-{kind}-ubyte.gz"] = tmp_path / f"{part}-{kind}-ubyte.gz"
            path.write_bytes(content)
    with pytest.raises(HighwaysError, match=f"train-labels-idx1-ubyte.gz: {message}"):
        raw_mnist(files)


def test_digits_at_fault_are_one_line(tmp_path: Path) -> None:
    path = tmp_path / "digits.csv.gz"
    for content in (
        b"",
        b"1,2",
        gzip.compress(b""),
        gzip.compress(b"1,2\n"),
        gzip.compress(b"1,2\n1,x\n"),
        gzip.compress(b"1,2\n" * 9)[:-9],
    ):
        path.write_bytes(content)
        with pytest.raises(HighwaysError, match=f"^{path}: not a table of 65 columns of numbers: ") as caught:
            LOADERS["digits"]({"digits.csv.gz": path})
        assert "\n" not in str(caught.value)


def test_data_set_without_a_loader_is_an_error(project: Path, monkeypatch) -> None:
    from highways.data import loading

    loading._load.cache_clear()
    monkeypatch.setattr(loading, "LOADERS", {})
    with pytest.raises(HighwaysError, match=r"^nothing loads the data set 'digits'$"):
        load("digits")


def test_mnist_has_the_stated_sizes(project: Path, repository: Path) -> None:
    try:
        mnist = load("mnist")
    except HighwaysError as error:
        pytest.skip(f"MNIST is not at hand: {error}")
    assert len(mnist.train_x) == 60_000
    assert len(mnist.test_x) == 10_000
    assert mnist.features == 784
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
def packed(project: Path, tmp_path: Path) -> Path:
    """A project with a source `toy` of two files in an archive, and a mirror folder that has the archive."""
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    members = {"toy/one.bin": CONTENT, "toy/two.bin": CONTENT * 2}
    with tarfile.open(mirror / "toy.tar.gz", "w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    entry = {
        "title": "Toy",
        "publisher": "nobody",
        "licence": "none",
        "examples": {"train": 1, "test": 1},
        "classes": 2,
        "preparation": 1,
        "archive": {
            "url": "http://127.0.0.1:9/toy.tar.gz",
            "md5": hashlib.md5((mirror / "toy.tar.gz").read_bytes()).hexdigest(),
        },
        "files": [{"path": path, "sha256": hashlib.sha256(text).hexdigest()} for path, text in members.items()],
    }
    (project / "data" / "sources.yaml").write_text(yaml.safe_dump({"toy": entry}))
    return mirror


def edit(project: Path, old: str, new: str) -> None:
    from highways.data.sources import _read

    path = project / "data" / "sources.yaml"
    path.write_text(path.read_text().replace(old, new))
    _read.cache_clear()


def test_archive_is_unpacked_and_not_kept(packed: Path, project: Path, monkeypatch) -> None:
    monkeypatch.setenv("HIGHWAYS_DATA_MIRROR", str(packed))
    assert {path.name: len(path.read_bytes()) for path in locate("toy").values()} == {"one.bin": 1000, "two.bin": 2000}
    kept = {path.name for path in (project / "data" / "raw").rglob("*") if path.is_file()}
    assert kept == {"one.bin", "two.bin"}


def test_members_in_the_mirror_need_no_archive(packed: Path, project: Path, monkeypatch, capsys) -> None:
    (packed / "toy.tar.gz").unlink()
    (packed / "toy").mkdir()
    (packed / "toy" / "one.bin").write_bytes(CONTENT)
    (packed / "toy" / "two.bin").write_bytes(CONTENT * 2)
    monkeypatch.setenv("HIGHWAYS_DATA_MIRROR", str(packed))
    fetch("toy")
    said = [f"toy: toy/{name} copied from {packed / 'toy' / name}" for name in ("one.bin", "two.bin")]
    assert capsys.readouterr().out.splitlines() == [*said, "toy: complete"]
    assert set(locate("toy")) == {"one.bin", "two.bin"}


def test_archive_of_the_wrong_checksum_is_refused(packed: Path, project: Path, monkeypatch) -> None:
    monkeypatch.setenv("HIGHWAYS_DATA_MIRROR", str(packed))
    (packed / "toy.tar.gz").write_bytes(b"other")
    with pytest.raises(
        HighwaysError, match=r"toy.tar.gz is not the file it should be: expected md5 .*, found"
    ) as caught:
        locate("toy")
    assert "\n" not in str(caught.value)
    assert nothing_half_written(project)


def test_member_of_the_wrong_checksum_leaves_nothing_half_unpacked(packed: Path, project: Path, monkeypatch) -> None:
    monkeypatch.setenv("HIGHWAYS_DATA_MIRROR", str(packed))
    edit(project, hashlib.sha256(CONTENT * 2).hexdigest(), "0" * 63 + "a")
    with pytest.raises(
        HighwaysError, match=r"its member toy/two.bin is not the file it should be: expected sha256 0000"
    ):
        locate("toy")
    assert nothing_half_written(project)


def test_missing_member_is_named(packed: Path, project: Path, monkeypatch) -> None:
    monkeypatch.setenv("HIGHWAYS_DATA_MIRROR", str(packed))
    edit(project, "toy/two.bin", "toy/three.bin")
    with pytest.raises(HighwaysError, match=r"toy.tar.gz: cannot be unpacked: .*toy/three.bin"):
        locate("toy")
    assert nothing_half_written(project)


def test_altered_member_is_unpacked_again(packed: Path, project: Path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("HIGHWAYS_DATA_MIRROR", str(packed))
    path = locate("toy")["one.bin"]
    path.write_bytes(b"other")
    with pytest.raises(HighwaysError, match="`highways data fetch toy` replaces it"):
        locate("toy")
    fetch("toy")
    assert path.read_bytes() == CONTENT
    assert "toy: toy.tar.gz unpacked" in capsys.readouterr().out


def test_offline_names_the_archive(packed: Path, project: Path, monkeypatch) -> None:
    monkeypatch.delenv("HIGHWAYS_DATA_MIRROR", raising=False)
    with pytest.raises(HighwaysError) as caught:
        locate("toy")
    for part in ("http://127.0.0.1:9/toy.tar.gz", "md5", "HIGHWAYS_OFFLINE=1", "HIGHWAYS_DATA_MIRROR"):
        assert part in str(caught.value)
    assert "or its members toy/one.bin, toy/two.bin" in str(caught.value)
    assert nothing_half_written(project)
