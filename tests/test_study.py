"""What a notebook's study says: sentences computed from records, what is kept when it is interrupted, whole tables."""

import re
from pathlib import Path

import pytest

from highways.errors import HighwaysError
from highways.experiments import DEPTH, base
from highways.experiments.base import Interrupted, Study
from highways.nn import Highway
from highways.show.tables import Scrolled
from highways.show.teaching import code


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
    with pytest.raises(Interrupted) as raised:
        one_trial_more().train()
    (text,) = raised.value._render_traceback_()
    assert "8 of 12 runs have their records in results/quick/01_depth/runs" in text
    assert "Run this cell again" in text


def test_an_error_of_the_users_making_is_one_line_in_a_notebook_too() -> None:
    assert HighwaysError("no such data")._render_traceback_() == ["error: no such data"]


def test_tables_are_shown_whole() -> None:
    html = Scrolled({f"column {number}": ["x" * 100] * 200 for number in range(30)})._repr_html_()
    assert html.count("<tr") == 201
    assert all(part in html for part in ("x" * 100, "column 29", "overflow: auto"))


def test_code_is_shown_as_it_is_run_without_its_docstring() -> None:
    shown = code(Highway.transform_gate, Highway.forward).data
    assert "def transform_gate(self, x: Tensor) -> Tensor:\n    return torch.sigmoid(self.gate(x))" in shown
    assert '"""' not in shown
