"""The example that is made to be copied: its size, and that it ends where it says."""

import importlib.util
import re
from pathlib import Path

import pytest


def test_the_example_needs_torch_alone_and_is_a_hundred_lines(repository: Path) -> None:
    text = (repository / "examples" / "highway.py").read_text()
    assert len(text.splitlines()) <= 100
    assert set(re.findall(r"^(?:from|import) (\w+)", text, re.MULTILINE)) == {"sklearn", "torch"}


@pytest.mark.pipeline
def test_the_example_ends_where_it_says(repository: Path, capsys: pytest.CaptureFixture) -> None:
    spec = importlib.util.spec_from_file_location("highway_example", repository / "examples" / "highway.py")
    assert spec is not None
    assert spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    assert "above 0.4 and below 0.25" in (example.__doc__ or "").replace("\n", " ")
    losses = example.main()
    assert losses["plain"] > 0.4
    assert losses["highway"] < 0.25
    printed = capsys.readouterr().out
    assert f"{losses['highway']:.3f}" in printed
    assert len(re.findall(r"layer +\d+: 0\.\d{3}", printed)) == 9
