"""`make same`: the committed results come out of the committed records, and a difference is named."""

from __future__ import annotations

from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
import same


@pytest.fixture
def clone(tmp_path: Path, repository: Path) -> Path:
    if not (repository / ".git").exists():
        pytest.skip("not a git checkout")
    return same.clone(tmp_path / "highways")


def test_what_differs_is_named_and_a_picture_is_its_pixels(clone: Path) -> None:
    table = clone / "results/laptop/01_depth/tables/depth.csv"
    before = same.differing(clone)
    table.write_text(table.read_text() + "\n")
    picture = clone / "results/laptop/01_depth/depth.png"
    pixels = matplotlib.image.imread(picture)
    matplotlib.image.imsave(picture, pixels, metadata={"Software": "another"})
    name = "results/laptop/01_depth/tables/depth.csv"
    assert set(same.differing(clone)) - set(before) == {name}
    pixels = np.array(pixels)
    pixels[0, 0, 0] = 1 - pixels[0, 0, 0]
    matplotlib.image.imsave(picture, pixels)
    assert set(same.differing(clone)) - set(before) == {name, "results/laptop/01_depth/depth.png"}


@pytest.mark.pipeline
def test_notebooks_of_a_committed_profile_give_what_is_committed(clone: Path) -> None:
    """Those of the others take their turn in `make same`."""
    assert same.make(clone, ["laptop"]) == []
