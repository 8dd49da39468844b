"""The report and README: everything in them comes from files, and stands where it can be read."""

import json
import math
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import matplotlib
import pandas as pd
import pytest
from browser import in_browser, probed, run_browser
from bs4 import BeautifulSoup
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.text import Text
from toolbox import read_table

from highways.claims.history import summary
from highways.claims.sources import numbers_of, spoken
from highways.cli import shown
from highways.config.profiles import profile_path
from highways.errors import HighwaysError
from highways.experiments import DEPTH, EXPERIMENTS
from highways.experiments.depth import outcome_panel
from highways.report import html, readme
from highways.report.html import write_report
from highways.report.pages import cost
from highways.report.render import cell
from highways.report.verdicts import judge_all
from highways.show.figures import STYLE, alone, svg
from highways.show.tables import number, plain


@pytest.fixture(scope="module")
def reported(made: Path, tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """The tiny quick profile and its verdicts, with its report as a file and as a page, once for all tests."""
    root = tmp_path_factory.mktemp("report") / "project"
    shutil.copytree(made, root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HIGHWAYS_ROOT", str(root))
        judged = judge_all("quick")
        report = write_report(judged)
    page = BeautifulSoup(report.read_text(), "html.parser")
    return SimpleNamespace(root=root, judged=judged, report=report, page=page)


@pytest.fixture
def small(reported: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    monkeypatch.setenv("HIGHWAYS_ROOT", str(reported.root))
    return reported


def test_report_is_made_by_a_command_answers_first_and_links_to_what_is_there(small: SimpleNamespace, says) -> None:
    path, judgements = small.report, small.judged.judgements
    text = path.read_text()
    first = text[: text.index("Contents")]
    assert first.count("<b>Do ") == first.count("Not judged yet: runs that the claim needs are missing.") == 2
    assert "What did not replicate?" in first
    assert first.count('role="img"') == 1
    page = small.page
    identifiers = [tag["id"] for tag in page.select("[id]")]
    assert len(identifiers) == len(set(identifiers))
    links = [str(link["href"]) for link in page.select("a")]
    assert {"../../notebooks/01_depth.ipynb", "01_depth/runs", "01_depth/tables/depth.csv"} <= set(links)
    for link in links:
        there = link[1:] in identifiers if link.startswith("#") else (path.parent / link).exists()
        assert there, link
    assert len([link for link in links if link.startswith("#claim-")]) >= len(judgements) / 10
    assert str(small.root) not in text
    before = small.report.read_text()
    small.report.unlink()
    assert says("report", "--profile", "quick") == "results/quick/report.html\n"
    assert small.report.read_text() == before


def test_report_needs_nothing_else(small: SimpleNamespace) -> None:
    text = re.sub(r"<svg.*?</svg>|data:image/svg\+xml;base64,[\w+/=]+", "", small.report.read_text(), flags=re.DOTALL)
    assert "//" not in re.sub(r"<script>.*</script>", "", text, flags=re.DOTALL), "no address of a server"
    page = small.page
    assert not page.select("link, iframe, object, script[src]")
    assert "@import" not in text
    assert "url(" not in text
    panels = [panel for draw in DEPTH.figures.values() for panel in draw(DEPTH.of("quick").records()).panels]
    drawn = page.select("img[alt], [role=img]")
    assert all(attributes.get("src", "data:image/svg+xml").startswith("data:image/svg+xml") for attributes in drawn)
    assert {attributes.get("alt", attributes.get("aria-label")) for attributes in drawn} == {one.alt for one in panels}
    assert all(any(sign.isdigit() for sign in one.alt) and one.title not in one.alt for one in panels)


def test_claims_filter_and_their_counts_are_those_of_the_table(small: SimpleNamespace) -> None:
    page = small.page
    rows = page.select("tr[id^=claim-]")
    written = read_table(small.root / "results" / "quick" / "claims.csv")
    assert [row["id"] for row in rows] == [f"claim-{row['claim_id']}" for row in written]
    assert Counter(row["data-verdict"] for row in rows) == Counter(row["verdict"] for row in written)
    assert Counter(row["data-scope"] for row in rows) == Counter(row["scope"] for row in written)
    assert {choice["name"] for choice in page.select("select")} == {"source", "verdict", "scope"}
    assert len(page.select("th[data-sort]")) == 4


@pytest.fixture
def without_figures(monkeypatch: pytest.MonkeyPatch) -> str:
    """A wicked text, which is all that the figures of reports consist of, so that they take no time."""
    evil = '<script>alert(1)</script>"&'
    monkeypatch.setattr(html, "panel_view", lambda *_: {"title": evil, "alt": evil, "image": "data:,"})
    return evil


def test_what_stands_in_records_and_claims_is_escaped(small: SimpleNamespace, without_figures: str) -> None:
    evil = {"statement": without_figures, "source": f"our {without_figures}", "criterion": without_figures}
    changed = [replace(row, **evil) for row in small.judged.judgements]
    text = html.page(replace(small.judged, judgements=changed))
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert text.count("<script>") == 1


def test_claims_for_machines_say_what_the_table_says(small: SimpleNamespace) -> None:
    found = json.loads((small.root / "results" / "quick" / "claims.json").read_text())
    assert found["schema"] == "highways-claims/4"
    verdicts = [(row["id"], row["verdict"]) for row in found["claims"]]
    assert verdicts == [(row.claim_id, row.verdict) for row in small.judged.judgements]
    first = found["claims"][0]
    differs = first["differs"]
    assert differs["data"] == {"required": "mnist", "is": "digits"}
    assert differs["trials"] == {"required": "40", "is": "2"}
    assert "ranges of the search" in found["notes"]["01_depth"]
    assert first["unit"] == "nats"
    assert first["measured"]["text"].startswith(f"{first['measured']['low']:.4g} to ")
    assert first["measured"]["each"] == [first["measured"]["low"]], "the best of the search, and of any draw of it"
    evidence = first["evidence"]
    assert all((small.root / name).exists() for name in evidence["tables"] + evidence["figures"][:1])
    (records,) = evidence["records"]
    assert records["number"] == 2
    assert (small.root / records["folder"]).is_dir()


def test_not_replicated_is_counted_of_the_sources_alone(small: SimpleNamespace, without_figures: str) -> None:
    judgements = small.judged.judgements
    claim, own = judgements[0], next(row for row in judgements if row.own)
    failed = [replace(row, verdict="not replicated", scope="full") for row in (claim, own)]
    text = html.page(replace(small.judged, judgements=failed))
    assert "1 of the sources' 1 claims, 1 of them the papers'" in text
    theirs = len([row for row in judgements if not row.own])
    assert f"None of the sources' {theirs} claims" in small.report.read_text()


@pytest.mark.parametrize(
    ("measured", "unit", "said"),
    [
        ("0.03352", "nats", "0.0335 nats"),
        ("1.0192e-12", "nats", "1.02e-12 nats"),
        ("-2", "correlation", "-2"),
        ("2256838", "parameters", "2,256,838 parameters"),
        ("-0.01226 to -0.007342", "points", "-1.2 to -0.7 points"),
        ("0.1565 to 0.1583 (0.1569, 0.1581)", "points", "+15.7, +15.8 points (interval +15.7 to +15.8 points)"),
        ("0.6984", "share", "69.8 %"),
        ("inf", "ratio", "infinite"),
        ("inf", "share", "infinite"),
        ("nan", "points", "not a number"),
        ("8.836e-06", "share", "0.0009 %"),
        ("3.661e-05", "points", "+0.004 points"),
        ("-0", "share", "0.0 %"),
        ("", "nats", ""),
    ],
)
def test_numbers_are_said_with_units_and_three_digits(measured: str, unit: Any, said: str) -> None:
    assert spoken(measured, unit) == said


def test_cells_are_plain_numbers_with_three_digits() -> None:
    numbers = {2.654e-5: "2.65e-5", 0.0123456: "0.0123", 1137.4: "1,137", 38990.0: "38,990", -0.0: "0", 1e20: "1e20"}
    assert {number: cell(number) for number in numbers} == numbers
    assert cell(math.nan) == cell(None) == ""
    assert cell(math.inf) == "infinite"


def test_panels_are_the_same_bytes_each_time_and_legible_on_a_phone(small: SimpleNamespace) -> None:
    panel = outcome_panel(DEPTH.of("quick").records())
    text, _ = svg(panel)
    assert text == svg(panel)[0]
    assert panel.title not in text, "the page has the title"
    (width,) = re.findall(r'<svg[^>]* width="([0-9.]+)pt"', text)
    sizes = [float(size) for size in re.findall(r"font-size: ([0-9.]+)px", text)]
    exponents = [size for size in sizes if any(abs(size - 0.7 * other) < 0.01 for other in sizes)]  # matplotlib's
    assert min(set(sizes) - set(exponents)) * (390 - 32) / float(width) >= 8


PARTS = ["Verdicts", "Numbers", "How to run it", "Where our set-up differs", "What is open"]
"""Of a page, before what was easy and difficult."""


def test_committed_pages_show_figure_first_verdicts_by_signs_and_the_rows_that_matter(repository: Path) -> None:
    for path in (repository / "results").glob("*/[0-9]*/README.md"):
        before, figure, rest = path.read_text().partition("![")
        assert figure, path
        assert len(before.splitlines()) <= 10, path
        assert len(before) < 2000, path
        heads = re.findall(r"^## (.*)$", rest, flags=re.MULTILINE)
        assert heads == [part for part in [*PARTS, "What was easy", "What was difficult"] if part in heads], path
        for table in re.findall(r"(?:^\|.*\n)+", rest.partition("## Numbers")[2], flags=re.MULTILINE):
            assert table.count("\n") < 50, path
    page = (repository / "results/laptop/06_very_deep/README.md").read_text()
    assert "does not stall for networks of more than 1,000 layers. | 3.7 % | **consistent** (reduced)" in page
    page = (repository / "results/laptop/01_depth/README.md").read_text()
    assert (
        "| A plain layer of 71 units has about 5,000 parameters. | 5,112 parameters | **by construction** (full)"
        in page
    )
    page = (repository / "results/weekend/08_initialisation/README.md").read_text()
    rows = re.findall(r"^\| (plain|highway) \| (\d+) \|", page, flags=re.MULTILINE)
    assert rows == [(kind, str(depth)) for kind in ("plain", "highway") for depth in (1, 2, 10, 20, 50, 100)]


@pytest.fixture(scope="module")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the committed profile, in a folder of its own."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(html.page(judge_all("laptop")))
    return path


@in_browser
def test_report_prints_on_at_most_25_pages_and_shuts_no_reader_out(laptop: Path) -> None:
    printed = laptop.with_name("report.pdf")
    run_browser(laptop.parent, f"--print-to-pdf={printed}", "--no-pdf-header-footer", laptop.as_uri())
    pages = len(re.findall(rb"/Type\s*/Page[^s]", printed.read_bytes()))
    assert 5 <= pages <= 25
    passed, faults = probed(laptop, "return axe();")
    assert faults == []
    assert passed > 20


FIRST_SCREEN = """
const form = page.getElementById("filters"), wide = page.documentElement.scrollWidth;
const answer = page.querySelector(".first").getBoundingClientRect().bottom;
form.elements.verdict.value = "not replicated";
form.dispatchEvent(new Event("input"));
const shown = parseInt(page.getElementById("shown").textContent);
const rows = [...page.querySelectorAll("#claims-table tbody tr")].filter(row => !row.hidden).length;
page.querySelectorAll("#claims-table th button")[2].click();
return [wide, answer, shown, rows, page.querySelectorAll("#claims-table th")[2].getAttribute("aria-sort")];
"""


@in_browser
@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844)])
def test_first_screen_answers_and_the_page_does_not_scroll_sideways(laptop: Path, width: int, height: int) -> None:
    wide, answer, shown, rows, order = probed(laptop, FIRST_SCREEN, width, height)
    assert wide <= width
    assert answer <= height, "three sentences and the figure"
    assert shown == rows == laptop.read_text().count('data-verdict="not replicated"')
    assert order == "ascending"


POINTED = """
const plot = page.querySelector(".plot"), said = plot.nextElementSibling, svg = plot.querySelector("svg");
const [first, second] = JSON.parse(plot.dataset.curves)[0].points;
const at = svg.createSVGPoint(); [at.x, at.y] = second;
const { x, y } = at.matrixTransform(svg.getScreenCTM());
svg.dispatchEvent(new frame.PointerEvent("pointermove", { clientX: x, clientY: y }));
const pointed = said.textContent;
const press = key => plot.dispatchEvent(new frame.KeyboardEvent("keydown", { key }));
press("ArrowLeft"); press("Enter");
const marked = () => page.querySelectorAll(".plot [stroke='#ffd84d']").length;
const button = page.querySelector("tr[data-claim='depth-plain-degrades'] button");
button.click();
const on = marked();
button.click();
return [pointed, said.textContent, said.querySelector("a").getAttribute("href"), on, marked()];
"""


@in_browser
def test_curves_answer_to_a_pointer_and_claims_show_what_they_rest_on(laptop: Path, repository: Path) -> None:
    pointed, read, record, on, off = probed(laptop, POINTED)
    rows = read_table(repository / "results/laptop/01_depth/tables/depth.csv")
    ten, twenty = [row for row in rows if row["network"] == "plain"][:2]
    for said, row, layers in ((pointed, twenty, 20), (read, ten, 10)):
        assert said.startswith(f"plain, ours, epoch 10; layers {layers}: {float(row['best_train_cross_entropy']):.3g}")
    assert pointed.endswith(" (record: click)")
    assert record == f"01_depth/runs/{ten['best_run_key']}.json"
    assert (repository / "results/laptop" / record).exists()
    assert on == 6, "two points of two panels of outcomes, two training curves"
    assert off == 0


def test_each_claim_counts_where_its_scope_is_best() -> None:
    laptop = {"a": "full", "b": "reduced", "c": "", "d": "stand-in", "e": "full"}
    weekend = {"a": "", "b": "pruned", "c": "", "d": "reduced", "e": "full"}
    paper = {"a": "reduced", "b": "", "c": "", "d": "", "e": ""}
    profiles = {"laptop": laptop, "weekend": weekend, "paper": paper}
    rows = [
        {"claim_id": name, "scope": scope, "profile": profile}
        for profile, scopes in profiles.items()
        for name, scope in scopes.items()
    ]
    found = {name: row["profile"] for name, row in readme.best_of(rows).items()}
    assert found == {"a": "laptop", "b": "weekend", "c": "paper", "d": "weekend", "e": "weekend"}


def test_text_of_records_is_no_markup_in_pages_and_steers_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    wicked = "<script>x</script> | [a](javascript:x) ![b](http://evil/b.png)\n# head\x1b[2J"
    assert plain(wicked) == "&lt;script>x&lt;/script> | [a]\\(javascript:x) ![b]\\(http://evil/b.png)\\n# head\\x1b[2J"
    assert plain("Xeon(R) @ 2.10GHz") == "Xeon(R) @ 2.10GHz"
    shown.line(wicked)
    shown.table(["a"], [[wicked]])
    assert "\x1b" not in capsys.readouterr().out
    assert str(HighwaysError(wicked)).endswith("b.png)\\n# head\\x1b[2J")
    head = "process_seconds,processor,device,threads,workers"
    assert cost([f'{head}\n60,"<img src=x> [a](b)\n\n# c",cpu,1,1\n']) == (
        "60 seconds of process time (processor &lt;img src=x> [a]\\(b)\\n\\n# c, device cpu, threads 1, workers 1)."
    )


def test_readme_and_pages_have_the_committed_numbers(repository: Path) -> None:
    text = " ".join((repository / "README.md").read_text().split())
    rows = {row["claim_id"]: row for row in read_table(repository / "results/weekend/claims.csv")}
    for claim, said in (
        ("depth-plain-degrades", "the loss is {point} times that with 10 (other draws: {low} to {high} times)"),
        ("depth-highway-two-orders-better", "11,417 in P1, 456 in P2 and {point} here"),
    ):
        (low, high), (point,) = numbers_of(rows[claim]["measured"])
        assert said.format(point=number(point), low=f"{low:.0f}", high=number(high)) in text
    table = pd.read_csv(repository / "results/paper/02_bilstm_depth/tables/bilstm_depth.csv")
    units = table.set_index(["variant", "depth"]).sort_index()["accuracy_test_best_dev"]
    plain, released, article = (units[name] for name in ("plain", "highway-released", "highway-article"))
    assert f"plain stacks reach {plain.loc[:3].min():.2f} to {plain.loc[:3].max():.2f} up to 3 layers" in text
    guessing = pd.concat([plain.loc[5:], article.loc[3:], released.loc[10:], units["plain-matched"].loc[12:]])
    assert guessing.between(0.477, 0.523).all(), "chance"
    one, *deep = units.loc["highway"]
    assert f"it reaches {one:.3f} with one layer and {min(deep):.3f} to {max(deep):.3f} with 5 to 20 (one seed)" in text
    three, five = released.loc[3], released.loc[5].max()
    assert f"{three.min():.2f} to {three.max():.2f} with 3, {five:.2f} with 5 in one seed of three" in text
    assert "| the Highway BiLSTM article: 6 | 2 | 4 | | | | | |" in text
    inside = [row["verdict"] for name, row in rows.items() if name.startswith(("gates-mnist", "lesion-mnist"))]
    words = ("zero", "one", "two", "three", "four", "five")
    held, failed = (words[inside.count(verdict)] for verdict in ("replicated", "not replicated"))
    assert f"on MNIST {held} claims replicate and {failed} do not" in text
    replicated, failed = re.search(r"the four web documents: \d+ \| (\d+) \| (\d+)", text).groups()  # type: ignore[union-attr]
    assert f"**The web documents**: {replicated} claims replicate, {failed} do not" in text
    before, judged, _, after, _ = re.findall(r"\d+", summary(row["fixed"] for row in rows.values()))
    said = f"Of the {judged} criteria judged in `weekend`, {before} were fixed before the first of their runs"
    assert f"{said} and {after} after" in text
    assert not readme.stale(), "run `make readme`"


def cut(figure: Figure) -> Iterator[str]:
    """Name what reaches over a figure's canvas, or touches its edge."""
    with matplotlib.rc_context(STYLE):
        canvas = FigureCanvasAgg(figure)
        figure.draw_without_rendering()
    inside = figure.bbox.padded(-figure.dpi / 220)  # half a pixel of a PNG
    axes = figure.findobj(Axis)
    ticks = {text for axis in axes for text in axis.findobj(Text)}  # most of which are not drawn: the axis knows
    shown = [text for text in figure.findobj(Text) if text not in ticks and text.get_visible() and text.get_text()]
    for artist in [*shown, *figure.findobj(Legend), *axes]:
        box = artist.get_tightbbox(canvas.get_renderer())
        if box is not None and not (inside.contains(*box.min) and inside.contains(*box.max)):
            over = (box.x0, box.y0, figure.bbox.x1 - box.x1, figure.bbox.y1 - box.y1)
            yield f"{artist}: {[round(float(side)) for side in over]}"


@pytest.mark.pipeline
@pytest.mark.parametrize("profile", ["laptop", "weekend", "paper"])
@pytest.mark.parametrize("experiment", [one for one in EXPERIMENTS if one.figures], ids=lambda one: one.name)
def test_no_text_reaches_over_the_canvas(repository: Path, experiment, profile: str) -> None:
    if not profile_path(profile, experiment.name).exists() or (records := experiment.of(profile).records()).empty:
        pytest.skip("no records")
    for name, draw in experiment.figures.items():
        drawing = draw(records)
        figures = {name: drawing.whole()}
        if profile == "weekend":  # the report's panels; those of the other profiles differ in numbers
            figures |= {f"{name}, {panel.title}": alone(panel) for panel in drawing.panels}
        assert not [f"{where}: {what}" for where, figure in figures.items() for what in cut(figure)]
