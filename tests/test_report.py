"""The report and README: everything in them comes from files, and stands where it can be read."""

from __future__ import annotations

import csv
import itertools
import json
import math
import re
from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from browser import in_browser, probed, run_browser
from checkout import lay_out
from toolbox import written_table

from highways.claims.history import summary
from highways.claims.judge import Judgement
from highways.claims.sources import documents, number, numbers_of, spoken
from highways.cli import shown
from highways.errors import HighwaysError
from highways.experiments import DEPTH
from highways.experiments.depth import DepthProfile, depth_figure
from highways.experiments.initialisation import initialisation_figure
from highways.report import html, readme
from highways.report.html import write_report
from highways.report.pages import cost, write_pages
from highways.report.render import cell
from highways.report.verdicts import Judged, judge_all, write_claims
from highways.show.figures import Drawing, Panel, save, svg
from highways.show.tables import markdown_text
from highways.tracking import Listed
from highways.training import sweep


@dataclass
class Made:
    """A project with a small depth study of 20 trials, trained and reported once for all tests."""

    root: Path
    settings: DepthProfile
    runs: Listed
    judged: Judged

    @property
    def report(self) -> Path:
        """Where the report lies."""
        return self.root / "results" / "quick" / "report.html"

    @cached_property
    def page(self) -> Page:
        """The report, parsed."""
        return Page(self.report.read_text())


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Train and report."""
    root = lay_out(tmp_path_factory.mktemp("project"))
    settings = DepthProfile.model_validate(
        {"profile": "quick", "data": "digits", "depths": [2, 10], "trials": 20, "epochs": 2, "batch_size": 200}
        | {"plain_width": 6, "highway_width": 5}
    )
    (root / "profiles" / "quick" / "01_depth.yaml").write_text(settings.model_dump_json())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HIGHWAYS_ROOT", str(root))
        patch.setenv("HIGHWAYS_OFFLINE", "1")
        runs = Listed(sweep(settings.runs(), experiment="01_depth", profile="quick", mlflow=False))
        written_table("depth", settings)
        save(depth_figure(runs), root / "results" / "quick" / "01_depth" / "depth.png")
        judged = judge_all("quick")
        write_claims(judged)
        write_pages(judged)
        write_report(judged)
    return Made(root, settings, runs, judged)


@pytest.fixture
def small(made: Made, monkeypatch: pytest.MonkeyPatch) -> Made:
    """The project, as the one that is worked in."""
    monkeypatch.setenv("HIGHWAYS_ROOT", str(made.root))
    return made


class Page(HTMLParser):
    """What a page has: tags with their attributes, and the text of each table's rows."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep a tag."""
        self.tags.append((tag, dict(attrs)))

    def of(self, *tags: str) -> list[dict[str, str | None]]:
        """The attributes of every tag of a kind."""
        return [attributes for tag, attributes in self.tags if tag in tags]


def test_report_answers_first_and_links_to_what_is_there(small: Made) -> None:
    path, judgements = small.report, small.judged.judgements
    text = path.read_text()
    first = text[: text.index("Contents")]
    assert first.count("<b>Do ") == 2
    assert "What did not replicate?" in first
    assert first.count("Not judged yet: runs that the claim needs are missing.") == 2
    assert first.count("<img") == 1
    page = small.page
    identifiers = [attributes["id"] for _, attributes in page.tags if attributes.get("id")]
    assert len(identifiers) == len(set(identifiers))
    links = [str(attributes["href"]) for attributes in page.of("a")]
    assert {"../../notebooks/01_depth.ipynb", "01_depth/runs", "01_depth/tables/depth.csv"} <= set(links)
    for link in links:
        there = link[1:] in identifiers if link.startswith("#") else (path.parent / link).exists()
        assert there, link
    assert len([link for link in links if link.startswith("#claim-")]) >= len(judgements) / 10
    assert str(small.root) not in text


def test_report_needs_nothing_else(small: Made) -> None:
    text = re.sub(r"data:image/svg\+xml;base64,[A-Za-z0-9+/=]+", "", small.report.read_text())
    assert "//" not in re.sub(r"<script>.*</script>", "", text, flags=re.DOTALL), "no address of a server"
    page = small.page
    assert not [tag for tag, _ in page.tags if tag in ("link", "iframe", "object")]
    assert not [attributes for attributes in page.of("script") if "src" in attributes]
    assert all(str(attributes["src"]).startswith("data:image/svg+xml") for attributes in page.of("img"))
    assert "@import" not in text
    assert "url(" not in text
    assert small.report.stat().st_size < 5_000_000


def test_claims_filter_and_their_counts_are_those_of_the_table(small: Made) -> None:
    page = small.page
    rows = [attributes for attributes in page.of("tr") if str(attributes.get("id", "")).startswith("claim-")]
    with (small.root / "results" / "quick" / "claims.csv").open() as file:
        written = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == [f"claim-{row['claim_id']}" for row in written]
    assert Counter(row["data-verdict"] for row in rows) == Counter(row["verdict"] for row in written)
    assert Counter(row["data-scope"] for row in rows) == Counter(row["scope"] for row in written)
    assert {attributes["name"] for attributes in page.of("select")} == {"source", "verdict", "scope"}
    assert len([attributes for attributes in page.of("th") if "data-sort" in attributes]) == 4
    named = {name for row in small.judged.judgements for name in documents(row.source)}
    assert named <= {str(attributes.get("value")) for attributes in page.of("option")}


def test_page_can_be_read_without_seeing_it(small: Made) -> None:
    page = small.page
    assert page.of("html")[0]["lang"] == "en"
    assert all(page.of(tag) for tag in ("header", "nav", "main", "footer"))
    levels = [int(tag[1]) for tag, _ in page.tags if tag in ("h1", "h2", "h3")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in itertools.pairwise(levels))
    assert len(page.of("caption")) == len(page.of("table"))
    assert all(attributes.get("scope") in ("col", "row") for attributes in page.of("th"))
    panels = [panel for draw in DEPTH.figures.values() for panel in draw(small.runs).panels]
    alts = {str(attributes["alt"]) for attributes in page.of("img")}
    assert alts == {panel.alt for panel in panels}
    assert all(any(sign.isdigit() for sign in alt) and panel.title not in alt for panel in panels for alt in alts)


@pytest.fixture
def without_figures(monkeypatch: pytest.MonkeyPatch) -> str:
    """A wicked text, which is all that the figures of reports consist of, so that they take no time."""
    evil = '<script>alert(1)</script>"&'
    monkeypatch.setattr(html, "panel_view", lambda *_: {"title": evil, "alt": evil, "image": "data:,"})
    return evil


def test_what_stands_in_records_and_claims_is_escaped(small: Made, without_figures: str) -> None:
    evil = {"statement": without_figures, "source": f"our {without_figures}", "criterion": without_figures}
    changed = [replace(row, **evil) for row in small.judged.judgements]
    text = html.page(replace(small.judged, judgements=changed))
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert text.count("<script>") == 1


def test_claims_for_machines_say_what_the_table_says(small: Made) -> None:
    place = small.root / "results" / "quick" / "claims.json"
    found = json.loads(place.read_text())
    assert found["schema"] == "highways-claims/3"
    assert [row["id"] for row in found["claims"]] == [row.claim_id for row in small.judged.judgements]
    assert [row["verdict"] for row in found["claims"]] == [row.verdict for row in small.judged.judgements]
    first = found["claims"][0]
    differs = first["faithfulness"]["differs"]
    assert differs["data"] == {"required": "mnist", "is": "digits"}
    assert differs["epochs"] == {"required": "400", "is": "2"}
    assert differs["trials"] == {"required": "40", "is": "20"}
    assert first["unit"] == "nats"
    assert first["measured"]["text"].startswith(f"{first['measured']['low']:.4g} to ")
    assert first["measured"]["each"] == [first["measured"]["low"]], "the best of the search, and of any draw of it"
    evidence = first["evidence"]
    assert all((small.root / name).exists() for name in evidence["tables"] + evidence["figures"][:1])
    (records,) = evidence["records"]
    assert records["number"] == 20
    assert (small.root / records["folder"]).is_dir()


def test_not_replicated_is_counted_of_the_sources_alone(small: Made, without_figures: str) -> None:
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
        ("1.0192e-12", "nats", "1.0 × 10⁻¹² nats"),
        ("-2", "correlation", "−2"),
        ("2256838", "parameters", "2,256,838 parameters"),
        ("-0.01226 to -0.007342", "points", "−1.2 to −0.7 points"),
        ("0.1565 to 0.1583 (0.1569, 0.1581)", "points", "+15.7, +15.8 points (interval +15.7 to +15.8 points)"),
        ("0.6984", "share", "69.8 %"),
        ("inf", "ratio", "infinite"),
        ("inf", "share", "infinite"),
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


def test_pages_show_the_rows_that_an_experiment_chooses(repository: Path) -> None:
    page = (repository / "results/weekend/08_initialisation/README.md").read_text()
    rows = re.findall(r"^\| (plain|highway) \| (\d+) \|", page, flags=re.MULTILINE)
    assert rows == [(kind, str(depth)) for kind in ("plain", "highway") for depth in (1, 2, 10, 20, 50, 100)]
    for page in (repository / "results").glob("*/*/README.md"):
        numbers = page.read_text().partition("## Numbers")[2]
        for table in re.findall(r"(?:^\|.*\n)+", numbers, flags=re.MULTILINE):
            assert table.count("\n") < 50, page


def test_report_is_made_by_a_command(small: Made, call, capsys) -> None:
    small.report.unlink()
    assert call("report", "--profile", "quick") == 0
    assert capsys.readouterr().out == "results/quick/report.html\n"
    assert small.report.read_text() == html.page(small.judged)


def test_panels_stand_alone_and_in_a_grid(tmp_path: Path) -> None:
    drawing = Drawing(
        [Panel(f"title {n}", f"alt {n}", lambda axes: axes.plot([1, 2], [1, 3])) for n in range(3)], columns=2
    )
    one, two = svg(drawing.panels[0]), svg(drawing.panels[0])
    assert one == two
    assert "title 0" not in one, "the page has the title"
    assert "<dc:date>" not in one
    assert len(drawing.axes) == 3
    pictures = [save(drawing, tmp_path / f"{n}.png").read_bytes() for n in range(2)]
    assert pictures[0] == pictures[1]


def test_text_of_figures_is_eight_pixels_high_on_a_phone(small: Made) -> None:
    drawn = depth_figure(small.runs)
    for panel in drawn.panels:
        text = svg(panel)
        (width,) = re.findall(r'<svg[^>]* width="([0-9.]+)pt"', text)
        sizes = [float(size) for size in re.findall(r"font-size: ([0-9.]+)px", text)]
        assert sizes
        exponents = {0.7 * size for size in sizes if size >= 8}  # matplotlib shrinks them so
        plain = [size for size in sizes if not any(abs(size - raised) < 0.01 for raised in exponents)]
        assert min(plain) * (390 - 32) / float(width) >= 8


def test_initialisations_are_drawn_before_their_analyses_are_made(small: Made) -> None:
    drawn = initialisation_figure(small.runs)
    assert [panel.title for panel in drawn.panels] == [
        f"{kind}, digits: what training makes of it" for kind in ("plain", "highway")
    ]
    assert drawn.axes
    assert initialisation_figure(Listed()).panels, "and with nothing at all"


def test_readme_and_pages_show_the_committed_numbers() -> None:
    assert not readme.stale(), "run `make readme`"


@pytest.mark.parametrize("content", ["", "claim_id,source\na\x00"])
def test_verdicts_that_are_not_a_table_of_them_are_named(
    content: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "results/laptop").mkdir(parents=True)
    (project / "results/laptop/claims.csv").write_text(content)
    with pytest.raises(HighwaysError, match=r"^results/laptop/claims.csv: .*`highways claims --profile laptop`"):
        readme.stale()


def test_page_goes_from_the_question_to_what_is_open(small: Made) -> None:
    results = small.root / "results" / "quick"
    page = (results / "01_depth" / "README.md").read_text()
    parts = [
        "**Do plain networks train worse the deeper they are",
        "At **2 layers** the best plain network reaches",
        "The sources' claims: ",
        "![Plain and highway networks of 10 to 100 layers](depth.png)\n\n*Best training cross-entropy",
        "## Verdicts",
        "|  | claim | ours | verdict | criterion | source |",
        "## Numbers",
        "training cross-entropy, nats, ours",
        "4 of 4 rows; all rows and columns: [depth.md](tables/depth.md)",
        "## How to run it",
        "dvc repro 01_depth@quick",
        "of processes' time",
        "## Where our set-up differs",
        "Less than the claims require: data: digits for mnist; 2 of 400 epochs; 20 of 40 trials",
        "(../../../src/highways/experiments/depth.py)",
        "## What is open",
        "not run in this profile",
        "## What was difficult",
    ]
    places = [page.find(part) for part in parts]
    assert -1 not in places, parts[places.index(-1)]
    assert places == sorted(places)
    assert "(01_depth/README.md)" in (results / "README.md").read_text()


def test_a_page_shows_its_figure_on_the_first_screen_and_a_verdict_by_its_sign(repository: Path) -> None:
    for path in (repository / "results").glob("*/[0-9]*/README.md"):
        before, figure, _ = path.read_text().partition("![")
        assert figure, path
        assert len(before.splitlines()) <= 10, path
        assert len(before) < 2000, path
    page = (repository / "results/laptop/01_depth/README.md").read_text()
    assert "| ~ | Highway networks always converge significantly faster than plain ones. | yes | **consist" in page
    assert "| \N{CHECK MARK} | A plain layer of 71 units has about 5,000 parameters. | 5,112 parameters | " in page


@pytest.fixture(scope="module")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the committed profile, in a folder of its own."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(html.page(judge_all("laptop")))
    return path


@in_browser
def test_report_prints_on_at_most_25_pages(laptop: Path) -> None:
    printed = laptop.with_name("report.pdf")
    run_browser(laptop.parent, f"--print-to-pdf={printed}", "--no-pdf-header-footer", laptop.as_uri())
    pages = len(re.findall(rb"/Type\s*/Page[^s]", printed.read_bytes()))
    assert 5 <= pages <= 25


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
    rows = csv.DictReader((repository / "results/laptop/01_depth/tables/depth.csv").read_text().splitlines())
    ten, twenty = [row for row in rows if row["network"] == "plain"][:2]
    assert (
        pointed == f"plain, ours, epoch 10; layers 20: {float(twenty['best_train_cross_entropy']):.3g} (record: click)"
    )
    assert read.startswith(f"plain, ours, epoch 10; layers 10: {float(ten['best_train_cross_entropy']):.3g}, ")
    assert record == f"01_depth/runs/{ten['best_run_key']}.json"
    assert (repository / "results/laptop" / record).exists()
    assert on == 6, "two points of two panels of outcomes, two training curves"
    assert off == 0


@in_browser
def test_axe_finds_nothing_that_shuts_a_reader_out(laptop: Path) -> None:
    passed, faults = probed(laptop, "return axe();")
    assert faults == []
    assert passed > 20


def test_each_claim_counts_where_its_scope_is_best() -> None:
    def judged(profile: str, **scopes: str) -> Judged:
        verdict = {"": "not run"}
        rows = [
            Judgement(name, "P1", "s", "c", "r", "m", verdict.get(scope, "replicated"), scope, "mnist", profile)  # type: ignore[arg-type]
            for name, scope in scopes.items()
        ]
        return Judged(profile, {}, {}, rows)

    found = readme.best_of(
        [
            judged("laptop", a="full", b="reduced", c="", d="stand-in", e="full"),
            judged("weekend", a="", b="pruned", c="", d="reduced", e="full"),
            judged("paper", a="reduced", b="", c="", d="", e=""),
        ]
    )
    assert {row.claim_id: (row.scope, row.profile) for row, _ in found} == {
        "a": ("full", "laptop"),
        "b": ("pruned", "weekend"),
        "c": ("", "paper"),
        "d": ("reduced", "weekend"),
        "e": ("full", "weekend"),
    }


def test_text_of_records_is_no_markup_in_pages_and_steers_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    wicked = "<script>x</script> | [a](javascript:x) ![b](http://evil/b.png)\n# head\x1b[2J"
    frame = pd.DataFrame([[wicked, "Xeon(R) @ 2.10GHz"]], columns=["processor", "other"])
    (_, _, row) = markdown_text(frame).splitlines()
    shown_text = "&lt;script>x&lt;/script> \\| [a]\\(javascript:x) ![b]\\(http://evil/b.png)\\n# head\\x1b[2J"
    assert row == f"| {shown_text} | Xeon(R) @ 2.10GHz |"
    shown.line(wicked)
    shown.table(["a"], [[wicked]])
    assert "\x1b" not in capsys.readouterr().out
    assert str(HighwaysError(wicked)).endswith("b.png)\\n# head\\x1b[2J")
    head = "process_seconds,processor,device,threads,workers"
    assert cost([f'{head}\n60,"<img src=x> [a](b)\n\n# c",cpu,1,1\n']) == (
        "60 seconds of processes' time (processor &lt;img src=x> [a]\\(b)\\n\\n# c, device cpu, threads 1, workers 1)."
    )


def test_sentences_of_readme_have_the_committed_numbers(repository: Path) -> None:
    text = " ".join((repository / "README.md").read_text().split())
    table = (repository / "results/weekend/claims.csv").read_text()
    rows = {row["claim_id"]: row for row in csv.DictReader(table.splitlines())}
    for claim, said in (
        ("depth-plain-degrades", "the loss is {point} times that with 10 (other draws: {low} to {high} times)"),
        ("depth-highway-two-orders-better", "11,417 in P1, 456 in P2 and {point} here"),
    ):
        (low, high), (point,) = numbers_of(rows[claim]["measured"])
        assert said.format(point=number(point), low=f"{low:.0f}", high=number(high)) in text
    inside = [row["verdict"] for name, row in rows.items() if name.startswith(("gates-mnist", "lesion-mnist"))]
    counts = [
        ("zero", "one", "two", "three", "four", "five")[inside.count(v)] for v in ("replicated", "not replicated")
    ]
    assert f"on MNIST {counts[0]} claims replicate and {counts[1]} do not" in text
    replicated, failed = re.search(r"the four web documents: \d+ \| (\d+) \| (\d+)", text).groups()  # type: ignore[union-attr]
    assert f"**The web documents**: {replicated} claims replicate, {failed} do not" in text
    before, judged, _, after, _ = re.findall(r"\d+", summary(row["fixed"] for row in rows.values()))
    said = f"Of the {judged} criteria judged in `weekend`, {before} were fixed before the first of their runs"
    said += f" and {after} after"
    assert said in text
