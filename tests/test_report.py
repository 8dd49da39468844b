"""The report and README: everything in them comes from files."""

from __future__ import annotations

from pathlib import Path

import pytest

from highways.claims import load_claims, write_claims
from highways.experiments.depth.profile import DepthProfile
from highways.report import figures, readme, write_tables
from highways.report.html import write_report
from highways.training import sweep


@pytest.fixture
def small(project: Path) -> DepthProfile:
    """A small depth study with 20 trials, trained."""
    chosen = DepthProfile.model_validate(
        {"profile": "quick", "data": "digits", "depths": [2, 10], "trials": 20, "epochs": 2, "batch_size": 200}
        | {"plain_width": 6, "highway_width": 5}
    )
    sweep(chosen.runs(), experiment="01_depth", profile="quick", mlflow=False)
    return chosen


def test_report_has_figure_table_and_claims(small: DepthProfile, project: Path) -> None:
    from highways import paths

    results = paths.Results("quick")
    runs = sweep(small.runs(), experiment="01_depth", profile="quick", mlflow=False)
    path = figures.save(figures.depth_figure(runs), results.figures / "depth.png")
    again = figures.save(figures.depth_figure(runs), results.figures / "again.png")
    assert path.read_bytes() == again.read_bytes()
    write_tables("quick", ["depth"], settings=small)
    _, judgements = write_claims("quick")
    page = write_report("quick", judgements).read_text()
    assert "data:image/png;base64," in page
    assert f"{len(load_claims())} claims" in page
    assert "Plain networks of 10 layers train well" in page
    assert "best_train_cross_entropy" in page
    assert str(project) not in page
    assert "http" not in page.replace("http-equiv", ""), "the page needs nothing else"


def test_readme_shows_the_committed_numbers() -> None:
    assert readme.is_current(), "run `make readme`"
