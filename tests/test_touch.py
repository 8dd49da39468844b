"""The page of a network to touch: what its script computes is what torch computes, and its messages."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import pytest
import torch
from browser import in_browser, probed
from toolbox import HERE

from highways.config import RunConfig
from highways.data import load
from highways.inside.lesions import lesioned, lesions
from highways.report.touch import touch
from highways.tracking import RunRecord
from highways.training import load_network, run, sweep
from highways.training.checkpoints import weights_path

COMPUTED = """
const page = JSON.parse(require("fs").readFileSync(0));
(async () => {
  const pixels = Array.from(await inflate(page.pixels), pixel => Math.fround(pixel / page.steps));
  const area = page.side ** 2, found = [];
  for (const spec of page.networks) {
    const network = new Network(spec, halves(await inflate(spec.weights)), area);
    const shut = new Uint8Array(network.blocks.length * network.width).fill(1, network.width, 2 * network.width);
    found.push(page.labels.map((label, i) => {
      const x = pixels.slice(i * area, (i + 1) * area), { logits, gates } = network.run(x);
      const all = network.lesions(x), closed = network.run(x, 1, shut).logits, none = network.run(x, 0).logits;
      return { logits: [...logits], gates: [...gates], lesions: all.map(row => crossEntropy(row, label)),
        closed: [...closed], none: [...none] };
    }));
  }
  console.log(JSON.stringify(found));
})();
"""


def node(script: str, given: str = "") -> Any:
    """What a script prints, as JSON; without node the test is skipped."""
    if (found := shutil.which("node")) is None:
        pytest.skip("no node")
    done = subprocess.run([found, "-e", script], input=given, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def near(found: list[dict[str, list[float]]], name: str, expected: torch.Tensor) -> None:
    """Compare what the page has by example with torch's tensor, to 1e-3."""
    torch.testing.assert_close(torch.tensor([one[name] for one in found]), expected, atol=1e-3, rtol=0)


def part(page: str, name: str) -> str:
    (content,) = re.findall(rf'<script[^>]*id="{name}">(.*?)</script>', page, re.DOTALL)
    return content


@pytest.fixture
def trained(project: Path, run_config: Callable) -> list[Path]:
    """Records of a highway and a plain network of digits, trained for an epoch as populations, as searches are."""
    runs = sweep([run_config(kind, depth=6, epochs=1) for kind in ("highway", "plain")], **HERE)
    return [project / "results" / "p" / "e" / "runs" / f"{record.run_key}.json" for record in runs]


def test_the_page_computes_what_torch_computes(trained: list[Path], tmp_path: Path, says) -> None:
    says("touch", *(path.stem for path in trained), "--output", str(tmp_path / "touch.html"))
    page = (tmp_path / "touch.html").read_text()
    assert not re.search(r"https?://|src=|@import|fetch\(", page), "it needs no network"
    content = json.loads(part(page, "page"))
    highway, plain = node(part(page, "network") + COMPUTED, part(page, "page"))
    data = load("digits")
    assert content["labels"] == [digit for digit in range(10) for _ in range(4)]
    chosen = torch.cat([(data.y["test"] == digit).nonzero()[:4, 0] for digit in range(10)])
    x, y = data.x["test"][chosen], data.y["test"][chosen]
    networks: list[Any] = [load_network(RunRecord.read(path)) for path in trained]
    for network in networks:
        network.load_state_dict({name: weight.half().float() for name, weight in network.state_dict().items()})
    with torch.no_grad():
        near(plain, "logits", networks[1](x))
        network = networks[0]
        near(highway, "logits", network(x))
        first = network.first(x)
        near([{"gates": one["gates"][:8]} for one in highway], "gates", network.blocks[0].transform_gate(first))
        near(highway, "none", network.readout(first))
        with lesioned(network, 2):
            near(highway, "closed", network(x))
    found = torch.tensor([one["lesions"] for one in highway]).mean(dim=0).double()
    torch.testing.assert_close(found, lesions(network, [(x, y)])["cross_entropy"], atol=1e-3, rtol=0)


def test_the_page_says_whether_the_weights_are_the_records(trained: list[Path], tmp_path: Path, says) -> None:
    home, key = tmp_path / "touch.html", trained[0].stem
    sha256 = json.loads(trained[0].read_text())["weights_sha256"]
    touch(trained[0], output=home)
    assert re.search(rf"These weights are the record.s; their sha256\s+is <code>{sha256}", unescape(home.read_text()))
    state = torch.load(weights_path(key))
    torch.save({name: tensor + 1e-3 for name, tensor in state.items()}, weights_path(key))
    says("weights", "keep", key)
    weights_path(key).unlink()
    touch(trained[0], output=home)
    said = unescape(home.read_text())
    assert "not the record's to the bit (trained again, or float16) and end at" in said
    assert sha256 not in said


def test_what_cannot_be_touched_is_one_line_that_says_what_can(trained: list[Path], run_config, fails) -> None:
    highway, plain = (path.stem for path in trained)
    lost = run(run_config(depth=3, epochs=1), **HERE).run_key
    weights_path(lost).unlink()
    few = {"name": "weak-signal", "training_examples": 100}
    other = run(RunConfig.model_validate(run_config(epochs=1).model_dump() | {"data": few}), **HERE).run_key
    for keys, message in (
        (["nothing-like-it"], "no file and no record of a run"),
        ([plain], "a plain network where a highway one is wanted"),
        ([highway, highway], "a highway network where a plain one is wanted"),
        ([lost], "its weights are not kept here"),
        ([other], "no dense network of mnist or digits"),
    ):
        line = fails("touch", *keys)
        assert message in line
        assert f"these can be touched: {highway}, {plain}" in line


def test_drawn_digits_are_scaled_and_centred_as_mnist(trained: list[Path], tmp_path: Path) -> None:
    page = touch(trained[0], output=tmp_path / "touch.html").read_text()
    drawing = """
const ink = new Float32Array(112 * 112);
for (let y = 5; y < 75; y++) for (let x = 60; x < 74; x++) ink[y * 112 + x] = 1;
console.log(JSON.stringify([[...centred(ink, 112, 28, 20)], [...centred(new Float32Array(112 * 112), 112, 28, 20)]]));
"""
    drawn, blank = (torch.tensor(one).view(28, 28) for one in node(part(page, "network") + drawing))
    assert not blank.any()
    assert drawn.any(dim=1).sum() == 20, "high as the box"
    assert drawn.any(dim=0).sum() == 4, "as narrow as it was drawn"
    assert drawn.sum() == pytest.approx(80, abs=1e-3)
    middle = [float((drawn.sum(dim=axis) * torch.arange(28)).sum() / drawn.sum()) for axis in (0, 1)]
    assert middle == pytest.approx([13.5, 13.5], abs=0.5)


def test_the_committed_page_is_at_most_a_megabyte_and_a_half(repository: Path) -> None:
    assert (repository / "docs" / "touch.html").stat().st_size <= 1_500_000


CLOSE_A_GATE = """
const key = name => page.getElementById("grid").dispatchEvent(new frame.KeyboardEvent("keydown", { key: name }));
key("ArrowDown"); key(" ");
return [page.documentElement.scrollWidth, page.getElementById("here").textContent, ...await axe()];
"""


@in_browser
@pytest.mark.parametrize(("width", "scheme"), [(1400, "light"), (390, "dark")])
def test_axe_finds_nothing_and_the_page_does_not_scroll_sideways(trained: list[Path], tmp_path, width, scheme) -> None:
    page = touch(trained[0], trained[1], tmp_path / "touch.html")
    if scheme == "dark":
        page.write_text(page.read_text().replace("(prefers-color-scheme: dark)", "all"))
    wide, closed, passed, faults = probed(page, CLOSE_A_GATE, width, 900)
    assert wide <= width
    assert "closed" in closed
    assert faults == []
    assert passed > 15
