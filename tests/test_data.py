"""Source files: checked to the byte, fetched from mirror or network, never half there; images read and augmented."""

import functools
import gzip
import hashlib
import http.server
import io
import os
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from toolbox import config_of, refused, write_idx

from highways.config import DataConfig, PicturesConfig, RunConfig
from highways.data import Pictures, Sentences, examples, fingerprint, load, locate, majority
from highways.data.images import read_cifar, read_idx
from highways.data.pictures import cropped
from highways.data.sources import _read, source
from highways.errors import HighwaysError
from highways.experiments.conv import recipe

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
    path = project / "data" / "sources.yaml"
    path.write_text(path.read_text().replace(old, new))
    _read.cache_clear()


def fetched(project: Path) -> list[Path]:
    return [path for path in (project / "data" / "raw").rglob("*") if path.is_file()]


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


@pytest.fixture
def address(toy: Path, project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Where the mirror folder's file is to be had over HTTP, by the address in sources.yaml."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(toy))
    monkeypatch.setattr(http.server.SimpleHTTPRequestHandler, "log_message", lambda *_: None)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        edit(project, "127.0.0.1:9", f"127.0.0.1:{server.server_port}")
        yield f"http://127.0.0.1:{server.server_port}/toy/file.bin: "
        server.shutdown()


@pytest.mark.parametrize("damage", [CONTENT.replace(b"some", b"same"), b"", CONTENT[:50]])
@pytest.mark.parametrize("mirrored", [True, False])
def test_file_comes_from_mirror_or_address_if_it_is_whole(toy, address, project, monkeypatch, mirrored, damage) -> None:
    file = toy / "toy" / "file.bin"
    if not mirrored:
        monkeypatch.delenv("HIGHWAYS_OFFLINE")
        monkeypatch.delenv("HIGHWAYS_DATA_MIRROR")
    file.write_bytes(damage)
    with refused(str(file) if mirrored else address) as caught:
        locate("toy")
    assert f"expected sha256:{SHA256} but got {hashlib.sha256(damage).hexdigest()}" in str(caught.value)
    assert not fetched(project)
    file.write_bytes(CONTENT)
    assert locate("toy")["file.bin"] == project / "data" / "raw" / "toy" / "file.bin"
    assert locate("toy")["file.bin"].read_bytes() == CONTENT


def test_altered_file_is_replaced_and_stays_until_its_replacement_is_there(toy: Path, capsys) -> None:
    path, mirrored = locate("toy")["file.bin"], toy / "toy" / "file.bin"
    path.write_bytes(b"other")
    mirrored.rename(toy / "elsewhere")
    with pytest.raises(HighwaysError, match="HIGHWAYS_OFFLINE=1 forbids fetching it"):
        locate("toy")
    assert path.read_bytes() == b"other"
    assert source("toy").states() == {"toy/file.bin": "altered"}
    (toy / "elsewhere").rename(mirrored)
    locate("toy")
    assert path.read_bytes() == CONTENT
    assert capsys.readouterr().out.splitlines() == [f"toy: toy/file.bin from {mirrored}"] * 2


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_folder_pipe_or_device_where_a_file_should_be_is_one_line(toy: Path, project: Path, make) -> None:
    home, mirrored = project / "data" / "raw" / "toy" / "file.bin", toy / "toy" / "file.bin"
    home.parent.mkdir(parents=True)
    make(home)
    assert source("toy").states() == {"toy/file.bin": "altered"}
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
        assert majority(name) == pytest.approx(int(data.y["test"].bincount().max()) / data.size("test"))
        assert name != "sst2" or len(data.vocabulary) == 13838, "the article's network has this number"
    else:
        assert (data.features, data.x["train"].min(), data.x["train"].max()) == (64 if name == "digits" else 784, 0, 1)
        assert set(data.y["train"].tolist()) == set(data.y["test"].tolist()) == set(range(10))


def test_idx_file_is_read_and_one_at_fault_is_named(tmp_path: Path) -> None:
    path, head = tmp_path / "x.gz", bytes([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3])
    whole = write_idx(path, np.arange(6).reshape(2, 3))
    assert read_idx(path, dimensions=2).tolist() == [[0, 1, 2], [3, 4, 5]]
    for content in (b"", b"plain", whole[:-9], *map(gzip.compress, (head[:6], head + bytes(5), bytes(20)))):
        path.write_bytes(content)
        with refused(f"{path}: cannot be read: "):
            read_idx(path, dimensions=2)


ORDERED = {
    "features": config_of({"kind": "plain", "depth": 2, "width": 3}, optimiser={"learning_rate": 0.1}),
    "pictures": config_of(
        {"family": "conv", "name": "x", "kind": "plain", "stages": [{"width": 2, "blocks": 0}]},
        {"name": "digits", "pictures": {"pad": 1, "mirror": True}},
    ),
    "sentences": config_of({"family": "bag-of-words"}, "synthetic-tweets"),
}


@pytest.mark.parametrize("name", ORDERED)
def test_batches_are_a_permutation_that_seed_and_epoch_decide(project: Path, name: str) -> None:
    data = load(ORDERED[name].data)

    def epoch(number: int, seed: int = 0) -> list[torch.Tensor]:
        config = ORDERED[name].model_copy(update={"order_seed": seed})
        return [tensor for batch in data.training_batches(config, lambda: number) for tensor in batch]

    first, *others = epoch(0), epoch(1), epoch(0, seed=1)
    assert all(map(torch.equal, first, epoch(0)))
    for other in others:
        assert not all(one.shape == two.shape and torch.equal(one, two) for one, two in zip(first, other, strict=True))
    labels = [torch.cat(batches[1::2]).sort().values for batches in (first, *others)]
    assert len(labels[0]) == data.size("train")
    assert torch.equal(labels[0], labels[1])
    assert torch.equal(labels[0], labels[2])


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


def pictures(**changes: object) -> Pictures:
    data = load(DataConfig(name="digits", pictures=PicturesConfig.model_validate(changes)))
    assert isinstance(data, Pictures)
    return data


@pytest.mark.parametrize(("classes", "head"), [(10, 1), (100, 2)])
def test_cifar_file_is_read(tmp_path: Path, classes: int, head: int) -> None:
    table = np.random.default_rng(0).integers(0, 10, (5, head + 3072), dtype=np.uint8)
    table.tofile(tmp_path / "x.bin")
    images, labels = read_cifar(tmp_path / "x.bin", classes)
    assert labels.tolist() == table[:, head - 1].tolist()
    assert images.shape == (5, 3, 32, 32)
    assert images[2, 1, 4, 7] == table[2, head + 1024 + 4 * 32 + 7], "planes of red, green, blue, row by row"


def test_crops_are_windows_of_the_padded_image_contrast_and_mean_are_taken_out(project: Path) -> None:
    x = torch.arange(2 * 3 * 4 * 4.0).view(2, 3, 4, 4)
    out = cropped(x, 2, torch.tensor([[2, 2], [0, 3]]))
    assert torch.equal(out[0], x[0]), "the middle is the image"
    assert torch.equal(out[1, :, 2:, :3], x[1, :, :2, 1:])
    assert (out[1, :, :2] == 0).all()
    assert (out[1, :, :, 3] == 0).all()
    data = pictures(contrast=True)
    x = data.prepared(data.x["train"])
    torch.testing.assert_close(x.mean(dim=(1, 2, 3)), torch.zeros(len(x)), atol=1e-5, rtol=0)
    torch.testing.assert_close(x.square().mean(dim=(1, 2, 3)), torch.ones(len(x)), atol=1e-4, rtol=0)
    centred = pictures(contrast=True, mean_image=True)
    y = centred.prepared(centred.x["train"])
    torch.testing.assert_close(y.mean(dim=0), torch.zeros(1, 8, 8), atol=1e-4, rtol=0)
    assert centred.mean is not None
    torch.testing.assert_close(y + centred.mean, x)


def run(seed: int = 0) -> RunConfig:
    network = {"family": "conv", "name": "x", "kind": "plain", "stages": [{"width": 2, "blocks": 0}]}
    return config_of(network, {"name": "digits", "pictures": {}}, order_seed=seed)


def test_mirrors_are_half_of_the_images_and_evaluation_is_not_augmented(project: Path) -> None:
    plain, mirrored = (
        torch.cat([x for x, _ in data.training_batches(run(), lambda: 0)])
        for data in (pictures(), pictures(mirror=True))
    )
    same, flipped = ((mirrored == x).all(dim=(1, 2, 3)) for x in (plain, plain.flip(3)))
    assert (same | flipped).all()
    assert 600 < same.sum() < 840
    data = pictures(pad=2, mirror=True)
    x = torch.cat([x for x, _ in data.evaluation_batches(run(), "test")])
    assert torch.equal(x, data.x["test"].float() / 256)
    assert data.size("train") == 1438, "all, where there are fewer than 10,000"
    cut = pictures(training_images=50)
    assert (cut.size("train"), cut.size("test")) == (50, data.size("test"))
    assert torch.equal(cut.x["train"], data.x["train"][:50])
    with refused("data.pictures.training_images is 9999, but digits has"):
        pictures(training_images=9999)


def test_networks_of_the_tables_are_shown_what_the_papers_say() -> None:
    def shown(name: str) -> tuple[bool, int | None]:
        pictures = recipe(name, "cifar10")[1]
        return pictures.mirror, pictures.training_images

    assert shown("highway-b") == shown("highway-all-conv") == (True, None)  # as released
    assert shown("highway-a") == shown("plain-a") == shown("highway-c") == shown("fitnet-1") == (False, None)
    assert shown("highway-3") == shown("plain-4") == (False, 40_000)
