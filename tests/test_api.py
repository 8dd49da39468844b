"""What `from highways import ...` has, and README's figure of one's own."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from toolbox import refused

import highways

SLOW = {"pytorch_lightning", "lightning_fabric", "sklearn", "mlflow", "torch._dynamo"}
SCRIPT = f"""
import sys, highways
assert not {{"torch", "pandas"}} & set(sys.modules)
from highways import RunConfig, records, run, sweep
import highways.training as training
assert (run, sweep) == (training.run, training.sweep)
from highways.experiments import DEPTH
study = DEPTH.of("quick")
sweep(study.settings.runs(), experiment="01_depth", profile="quick", mlflow=False)
study.figure(); study.table(); study.conclusion()
assert not {SLOW} & set(sys.modules), sys.modules
"""


def test_what_takes_seconds_to_import_is_imported_when_it_is_needed(study: Path) -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with pytest.raises(AttributeError, match=r"^module 'highways' has no attribute 'runs'$"):
        _ = highways.runs


def test_readmes_code_runs(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIGHWAYS_ROOT", str(repository))
    monkeypatch.setenv("MPLBACKEND", "agg")
    code = "\n".join(re.findall(r"```python\n(.*?)```", (repository / "README.md").read_text(), flags=re.DOTALL))
    *before, last = code.splitlines()
    names: dict[str, Any] = {}
    exec("\n".join([*before, f"drawn = {last}"]), names)
    assert names["layer"](torch.randn(3, 50)).shape == (3, 50)
    assert [one.get_label() for one in names["drawn"].lines] == ["highway", "plain"]


def test_records_are_a_table_to_draw_from(study: Path) -> None:
    runs = highways.records("quick", "01")
    assert len(runs) == 8
    best = runs.pivot_table(index="depth", columns="network", values="train_cross_entropy", aggfunc="min")
    assert best.notna().to_numpy().all()
    assert best.shape == (2, 2)
    assert [len(curves["train_cross_entropy"]) for curves in runs.curves] == [1] * 8
    assert set(runs.run) == {path.stem for path in (study / "results/quick/01_depth/runs").glob("*.json")}
    with refused("no experiment '12'; there are: 01_depth, "):
        highways.records("quick", "12")
