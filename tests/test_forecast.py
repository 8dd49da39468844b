"""What a profile has left to run, and a rough estimate of its core hours."""

from pathlib import Path

import pytest

from highways.report.forecast import forecast, seconds_per_unit, units
from highways.training import sweep


def test_finished_runs_are_not_left_and_count_in_the_first_stage_that_lists_them(repository, monkeypatch) -> None:
    monkeypatch.setenv("HIGHWAYS_ROOT", str(repository))
    stages = {stage.name: stage for stage in forecast("laptop")}
    assert sum(stage.runs for stage in stages.values()) > 1000
    assert all(stage.left == stage.core_seconds == 0 for stage in stages.values())
    assert stages["04_gates"].runs == 6
    assert stages["05_lesion"].runs == 0, "its runs are those of 04_gates"


def test_recorded_seconds_are_scaled_by_layers_units_examples_and_epochs(project: Path, run_config) -> None:
    trained = sweep([run_config(seed=seed, epochs=3) for seed in range(4)], experiment="x", profile="x", mlflow=False)
    records = [record.model_copy(update={"timing": {"seconds": 1.5}}) for record in trained]
    rate = seconds_per_unit(records)["dense"] / records[0].environment["threads"]
    assert rate * units(run_config(epochs=3), 3) == pytest.approx(1.5)
    assert rate * units(run_config(), 12) == pytest.approx(6.0)
    deeper = run_config(depth=2 * run_config().network.depth)
    assert rate * units(deeper, 3) == pytest.approx(3.0)


def test_what_is_not_estimated_is_said(project: Path, call, capsys) -> None:
    assert call("profile", "cost", "quick") == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "not estimated, as no CPU run of the family is recorded: dense" in out
    assert "what it runs follows from earlier records" in out
    assert call("profile", "cost", "weekend") == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "have later rungs, not counted before the first is done" in out
    assert call("profile", "cost", "huge") == 1
    assert "no profile 'huge'" in capsys.readouterr().err
