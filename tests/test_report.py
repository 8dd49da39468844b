"""The report and README: everything in them comes from files."""

from __future__ import annotations

from pathlib import Path

import pytest
from toolbox import written_table

from highways.experiments.depth.figure import depth_figure
from highways.experiments.depth.profile import DepthProfile
from highways.report import readme
from highways.report.html import write_report
from highways.report.pages import write_pages
from highways.report.verdicts import all_claims, write_claims
from highways.show.figures import save
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

    results = paths.Results("quick").of("01_depth")
    runs = sweep(small.runs(), experiment="01_depth", profile="quick", mlflow=False)
    path = save(depth_figure(runs), results.figures / "depth.png")
    again = save(depth_figure(runs), results.figures / "again.png")
    assert path.read_bytes() == again.read_bytes()
    written_table("depth", small)
    _, judgements = write_claims("quick")
    page = write_report("quick", judgements).read_text()
    assert "data:image/png;base64," in page
    theirs = [row for row in judgements if not row.own]
    assert f"{len(theirs)} claims of the sources" in page
    assert len(judgements) == len(all_claims())
    assert "Plain networks of 10 layers train well" in page
    assert "best_train_cross_entropy" in page
    assert str(project) not in page
    assert "http" not in page.replace("http-equiv", ""), "the page needs nothing else"


def test_readme_and_pages_show_the_committed_numbers() -> None:
    assert not readme.stale(), "run `make readme`"


def test_page_has_claims_figure_numbers_and_command(small: DepthProfile, project: Path) -> None:
    from highways import paths

    written_table("depth", small)
    folder = paths.Results("quick").of("01_depth")
    save(
        depth_figure(sweep(small.runs(), experiment="01_depth", profile="quick", mlflow=False)),
        folder.figures / "depth.png",
    )
    _, judgements = write_claims("quick")
    made = write_pages("quick", judgements)
    assert folder.page in made
    page = folder.page.read_text()
    assert "![Plain and highway networks of 10 to 100 layers](depth.png)" in page
    assert "| claim | source | criterion | measured | verdict | scope |" in page
    assert "training cross-entropy, ours" in page, "heads in words"
    assert "dvc repro 01_depth@quick" in page
    assert "minutes of processes' time" in page
    assert "(01_depth/README.md)" in paths.Results("quick").page.read_text()
