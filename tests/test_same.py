"""`make same`: the committed results come out of the committed records, and a difference is named."""

from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
import same
from checkout import CLONED

pytestmark = CLONED


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    return same.clone(tmp_path / "highways")


def test_what_differs_is_named_and_a_picture_is_its_pixels(clone: Path) -> None:
    table, picture = "results/laptop/01_depth/tables/depth.csv", "results/laptop/01_depth/depth.png"
    (clone / table).write_text((clone / table).read_text() + "\n")
    pixels = np.array(matplotlib.image.imread(clone / picture))
    before = {name for name in same.differing(clone) if name != table}
    matplotlib.image.imsave(clone / picture, pixels, metadata={"Software": "another"})
    assert set(same.differing(clone)) - before == {table}
    pixels[0, 0, 0] = 1 - pixels[0, 0, 0]
    matplotlib.image.imsave(clone / picture, pixels)
    assert set(same.differing(clone)) - before == {table, picture}


@pytest.mark.pipeline
def test_a_committed_profile_is_made_again_from_its_records(clone: Path, call, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three notebooks through DVC, everything else by the command line; `make same` executes all notebooks."""
    results = clone / "results/laptop"
    for pattern in ("*/tables/*", "*/*.png", "*/README.md", "*.*"):
        for path in results.glob(pattern):
            path.unlink()
    monkeypatch.setenv("HIGHWAYS_ROOT", str(clone))
    monkeypatch.setenv("HIGHWAYS_OFFLINE", "1")
    monkeypatch.chdir(clone)
    exec(same.KEYS, {})
    for command in ("tables", "figures", "claims"):
        assert call(command, "--profile", "laptop") == 0
    same.highways(clone, "profile", "use", "laptop")
    same.highways(clone, "repro", *(f"{name}@laptop" for name in ("02_bilstm_depth", "09_l2_parity", "10_foundations")))
    assert same.differing(clone) == []
