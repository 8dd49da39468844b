"""What a notebook's study says and shows: sentences computed from records, and tables of exactly the listed runs."""

import math
import re
from pathlib import Path
from typing import Any

import pytest
from toolbox import OF_MLFLOW, texts_of

from highways.errors import HighwaysError
from highways.experiments import DEPTH, base
from highways.experiments.base import Study
from highways.inside.statistics import difference_interval, mean_interval, student_interval, top_mean, wilson_interval
from highways.show.tables import Scrolled
from highways.training import sweep

pytestmark = OF_MLFLOW


def one_trial_more() -> Study:
    return Study(DEPTH, DEPTH.of("quick").settings.model_copy(update={"trials": 3}))


def test_the_conclusion_is_computed(study: Path) -> None:
    quick = DEPTH.of("quick")
    said = quick.conclusion().data
    for loss in quick.table()["best_train_cross_entropy"]:
        assert f"{float(loss):.3g}" in said
    assert "At **2 layers**" in said
    assert "claims and questions: " in said
    assert "no record" not in said
    assert re.search(r"4 of the listed runs have no record: plain-d002-\S+, ", one_trial_more().conclusion().data)


def test_an_interrupted_cell_says_what_is_kept(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(base, "train", interrupt)
    kept = "interrupted; 8 of 12 runs have their records in results/quick/01_depth/runs; .* Run this cell again"
    with pytest.raises(HighwaysError, match=kept):
        one_trial_more().train()


def test_notebook_shows_tables_whole_and_errors_in_one_line() -> None:
    html = Scrolled({f"column {number}": ["x" * 100] * 200 for number in range(30)})._repr_html_()
    assert html.count("<tr") == 201
    assert all(part in html for part in ("x" * 100, "column 29", "overflow: auto"))
    assert HighwaysError("no such data")._render_traceback_() == ["error: no such data"]


def test_table_holds_the_listed_runs_only(study: Path) -> None:
    small = DEPTH.of("quick").settings
    before = texts_of("depth", small)
    more = small.model_copy(update={"trials": 3})
    sweep(more.runs(), experiment="01_depth", profile="quick", mlflow=False)
    assert texts_of("depth", small) == before != texts_of("depth", more)
    assert texts_of("depth", small.model_copy(update={"depths": [2]}))["depth.csv"].count("\n") == 3


def test_intervals_of_means_and_differences() -> None:
    def around(middle: float, half: float) -> tuple[Any, Any]:
        return pytest.approx(middle - half, rel=1e-6), pytest.approx(middle + half, rel=1e-6)

    assert mean_interval([0.9], 100) == wilson_interval(0.9, 100) == (pytest.approx(0.825634), pytest.approx(0.944771))
    assert all(map(math.isnan, mean_interval([0.992, 0.993, 0.994], 10_000))), "fewer than five stand for themselves"
    two, four = 4.302653, 2.776445  # Student's quantiles by degrees of freedom
    assert student_interval([0.992, 0.993, 0.994]) == around(0.993, two * 0.001 / 3**0.5)
    assert mean_interval([0.5, 1.0, 1.0, 1.0, 1.0], 100)[1] == 1, "no accuracy is above 1"
    assert mean_interval([0.0, 0.0, 0.0, 0.0, 0.5], 100)[0] == 0
    found = difference_interval((0.992, 0.001, 3), (0.994, 0.001, 3), 10_000)
    assert found == around(-0.002, four * (2 * 0.001**2 / 3) ** 0.5)
    found = difference_interval((0.9, math.nan, 1), (0.92, math.nan, 1), 10_000)
    assert found == around(-0.02, 1.959964 * (0.9 * 0.1 / 1e4 + 0.92 * 0.08 / 1e4) ** 0.5)
    assert top_mean(range(100), 10) == (4.5, pytest.approx(3.02765, rel=1e-5))
    assert math.isnan(top_mean([1.0], 10)[0])
