"""Tables: one builder, two readers, exactly the listed runs, the same bytes."""

import math
from pathlib import Path
from typing import Any

import pytest
from toolbox import OF_MLFLOW, texts_of

from highways.errors import HighwaysError
from highways.experiments import DEPTH
from highways.experiments.depth import DepthProfile
from highways.inside.statistics import difference_interval, mean_interval, student_interval, top_mean, wilson_interval
from highways.report.tables import write_tables
from highways.tracking import Listed
from highways.training import sweep

pytestmark = OF_MLFLOW


def test_records_and_mlflow_give_the_same_bytes(tracked_project: Path) -> None:
    content = {"profile": "quick", "data": "digits", "depths": [2, 10], "trials": 2, "epochs": 2, "batch_size": 200}
    small = DepthProfile.model_validate(content | {"plain_width": 6, "highway_width": 5})
    sweep(small.runs(), experiment="01_depth", profile="quick")
    assert texts_of("depth", small, "records") == texts_of("depth", small, "mlflow")


def test_table_holds_the_listed_runs_only(study: Path) -> None:
    small = DEPTH.of("quick").settings
    before = texts_of("depth", small)
    more = small.model_copy(update={"trials": 3})
    sweep(more.runs(), experiment="01_depth", profile="quick", mlflow=False)
    assert texts_of("depth", small) == before != texts_of("depth", more)
    assert texts_of("depth", small.model_copy(update={"depths": [2]}))["depth.csv"].count("\n") == 3


def test_unknown_table_and_source_are_one_line(project: Path) -> None:
    with pytest.raises(HighwaysError, match="no table 'depht'; there are: depth"):
        write_tables("quick", ["depht"])
    with pytest.raises(HighwaysError, match="no source 'csv' of records; there are: records, mlflow"):
        write_tables("quick", ["depth"], source="csv")  # type: ignore[arg-type]


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


def test_very_deep_networks_are_drawn_without_costs_and_without_a_finished_epoch(project: Path, run_config) -> None:
    from highways.experiments.very_deep import very_deep_figure
    from highways.show.figures import save

    records = sweep([run_config(learning_rate=1e12, epochs=1)], profile="p", experiment="e", mlflow=False)
    figure = very_deep_figure(Listed(records))
    assert figure.panels[0].title == "digits: training"
    assert not any("a training step" in panel.title for panel in figure.panels)
    assert save(figure, project / "figure.png").stat().st_size > 5_000
