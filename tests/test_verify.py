"""`highways verify`: what is damaged, altered or stale is named, honest work is not."""

from pathlib import Path

import pytest
from toolbox import OF_MLFLOW

from highways.pipeline.verify import faults
from highways.report.pages import write_pages
from highways.report.verdicts import judge_all, write_claims

pytestmark = OF_MLFLOW


@pytest.fixture
def published(study: Path) -> Path:
    """The results of a published quick profile."""
    return study / "results" / "quick"


def named(text: str) -> str:
    """The line about a file."""
    (line,) = [line for line in faults("quick")[1] if line.startswith(f"results/quick/{text}")]
    return line


def test_published_results_are_intact(published: Path, call, capsys) -> None:
    assert call("verify") == 0
    assert "15 files are intact" in capsys.readouterr().out  # 8 records, a table in 3 files, claims in 2, 2 pages


def test_damaged_records_are_named_and_what_is_made_of_them_is_not_judged(published: Path, call, capsys) -> None:
    damaged = sorted((published / "01_depth" / "runs").glob("*.json"))[:2]
    for path in damaged:
        path.write_text(path.read_text().replace("1", "2"))
    assert call("verify") == 1
    out = capsys.readouterr().out
    assert all(path.name in out for path in damaged)
    assert named("01_depth/tables/depth.csv").endswith("cannot be checked: its records are not intact")
    assert named("claims.csv").endswith("cannot be checked: its records are not intact")


def test_nothing_is_not_intact(project: Path, call, capsys) -> None:
    assert call("verify") == 1
    assert capsys.readouterr().err == "error: there are no results to verify\n"
    assert call("verify", "--profile", "quick") == 1
    assert capsys.readouterr().err == "error: no records of a profile 'quick'; there are: none\n"
    (project / "results" / "quick" / "01_depth" / "runs").mkdir(parents=True)
    assert call("verify", "--profile", "quick") == 1
    assert capsys.readouterr().err == "error: there are no results to verify of quick\n"


def test_deleted_and_altered_claims_pages_and_records_are_named(published: Path) -> None:
    (published / "claims.csv").unlink()
    (published / "01_depth" / "README.md").unlink()
    file = published / "claims.json"
    file.write_text(file.read_text().replace('"inconclusive"', '"replicated"'))
    assert "missing; " in named("claims.csv")
    assert "not what the records give" in named("claims.json")
    judged = judge_all("quick")
    write_claims(judged)
    write_pages(judged)
    (published / "README.md").unlink()
    assert "missing; " in named("README.md")
    next((published / "01_depth" / "runs").glob("*.json")).unlink()
    assert "not what the records give" in named("01_depth/tables/depth.csv")


@pytest.mark.parametrize(
    ("name", "content"), [("depth.csv", b""), ("depth_cost.csv", b"\xff\xfe"), ("depth.csv", None)]
)
def test_damaged_table_is_named_and_no_page_shows_it(
    published: Path, call, capsys, name: str, content: bytes | None
) -> None:
    page = (published / "01_depth" / "README.md").read_bytes()
    table = published / "01_depth" / "tables" / name
    table.write_bytes(table.read_bytes().replace(b"1", b"2") if content is None else content)
    assert "not what the records give" in named(f"01_depth/tables/{name}")
    assert call("claims", "--profile", "quick") == 1
    (error,) = capsys.readouterr().err.splitlines()
    assert error.startswith(f"error: results/quick/01_depth/tables/{name}: not what the records give; `highways tab")
    assert (published / "01_depth" / "README.md").read_bytes() == page
