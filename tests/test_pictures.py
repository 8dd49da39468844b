"""Images as bytes: read and checked, prepared and augmented on the device."""

from pathlib import Path

import numpy as np
import pytest
import torch
from toolbox import config_of, refused

from highways.config import DataConfig, PicturesConfig, RunConfig
from highways.data import Pictures, load
from highways.data.images import read_cifar
from highways.data.pictures import cropped
from highways.experiments.conv import recipe


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


def test_contrast_and_mean_image(project: Path) -> None:
    data = pictures(contrast=True)
    x = data.prepared(data.images["train"])
    torch.testing.assert_close(x.mean(dim=(1, 2, 3)), torch.zeros(len(x)), atol=1e-5, rtol=0)
    torch.testing.assert_close(x.square().mean(dim=(1, 2, 3)), torch.ones(len(x)), atol=1e-4, rtol=0)
    centred = pictures(contrast=True, mean_image=True)
    y = centred.prepared(centred.images["train"])
    torch.testing.assert_close(y.mean(dim=0), torch.zeros(1, 8, 8), atol=1e-4, rtol=0)
    assert centred.mean is not None
    torch.testing.assert_close(y + centred.mean, x)


def test_crops_are_windows_of_the_padded_image() -> None:
    x = torch.arange(2 * 3 * 4 * 4.0).view(2, 3, 4, 4)
    out = cropped(x, 2, torch.tensor([[2, 2], [0, 3]]))
    assert torch.equal(out[0], x[0]), "the middle is the image"
    assert torch.equal(out[1, :, 2:, :3], x[1, :, :2, 1:])
    assert (out[1, :, :2] == 0).all()
    assert (out[1, :, :, 3] == 0).all()


def run(seed: int = 0) -> RunConfig:
    network = {"family": "conv", "name": "x", "kind": "plain", "stages": [{"width": 2, "blocks": 0}]}
    return config_of(network, {"name": "digits", "pictures": {}}, order_seed=seed)


def test_batches_are_a_permutation_that_seed_and_epoch_decide(project: Path) -> None:
    data = pictures(pad=1, mirror=True)

    def epoch(number: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
        batches = list(data.training_batches(run(seed), lambda: number))
        assert [len(y) for _, y in batches] == [100] * 14 + [38]
        x, y = (torch.cat(tensors) for tensors in zip(*batches, strict=True))
        return x, y

    first, again, other, seeded = epoch(0), epoch(0), epoch(1), epoch(0, seed=1)
    assert torch.equal(first[0], again[0])
    for different in (other, seeded):
        assert not torch.equal(first[0], different[0])
        assert torch.equal(first[1].sort().values, different[1].sort().values)


def test_mirrors_are_half_of_the_images(project: Path) -> None:
    plain, mirrored = (
        torch.cat([x for x, _ in data.training_batches(run(), lambda: 0)])
        for data in (pictures(), pictures(mirror=True))
    )
    same, flipped = ((mirrored == x).all(dim=(1, 2, 3)) for x in (plain, plain.flip(3)))
    assert (same | flipped).all()
    assert 600 < same.sum() < 840


def test_evaluation_is_not_augmented_and_sees_a_part_of_the_training_images(project: Path) -> None:
    data = pictures(pad=2, mirror=True)
    x = torch.cat([x for x, _ in data.evaluation_batches(run(), "test")])
    assert torch.equal(x, data.images["test"].float() / 256)
    assert data.size("train") == 1438, "all, where there are fewer than 10,000"
    cut = pictures(training_images=50)
    assert (cut.size("train"), cut.size("test")) == (50, data.size("test"))
    assert torch.equal(cut.images["train"], data.images["train"][:50])
    with refused("data.pictures.training_images is 9999, but digits has"):
        pictures(training_images=9999)


def test_enlarged_pixels_are_squares(project: Path) -> None:
    small, large = pictures(), pictures(enlarge=3)
    assert large.shape == (1, 24, 24)
    assert torch.equal(large.images["test"], small.images["test"].repeat_interleave(3, 2).repeat_interleave(3, 3))


def test_networks_of_the_tables_are_shown_what_the_papers_say() -> None:
    def shown(name: str) -> tuple[bool, int | None]:
        pictures = recipe(name, "cifar10")[1]
        return pictures.mirror, pictures.training_images

    assert shown("highway-b") == shown("highway-all-conv") == (True, None)  # as released
    assert shown("highway-a") == shown("plain-a") == shown("highway-c") == shown("fitnet-1") == (False, None)
    assert shown("highway-3") == shown("plain-4") == (False, 40_000)
