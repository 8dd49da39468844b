"""What `from highways import ...` has, and README's figure of one's own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import highways
from highways.errors import HighwaysError


def test_public_names_are_imported_when_they_are_asked_for() -> None:
    code = (
        "import sys, highways; assert not {'torch', 'pandas'} & set(sys.modules); "
        "from highways import RunConfig, records, run, sweep; import highways.training as training; "
        "assert (run, sweep) == (training.run, training.sweep)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
    with pytest.raises(AttributeError, match=r"^module 'highways' has no attribute 'runs'$"):
        _ = highways.runs


def test_records_are_a_table_to_draw_from(study: Path) -> None:
    runs = highways.records("quick", "01")
    assert len(runs) == 8
    best = runs.pivot_table(index="depth", columns="network", values="train_cross_entropy", aggfunc="min")
    assert best.notna().to_numpy().all()
    assert best.shape == (2, 2)
    assert [len(curves["train_cross_entropy"]) for curves in runs.curves] == [1] * 8
    assert set(runs.run) == {path.stem for path in (study / "results/quick/01_depth/runs").glob("*.json")}


def test_unknown_experiment_is_one_line() -> None:
    with pytest.raises(HighwaysError, match=r"^no experiment '12'; there are: 01_depth, "):
        highways.records("quick", "12")
