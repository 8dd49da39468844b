"""`highways verify` and the manifest: what is gone, altered, swapped or stale is named, honest work is not."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from layout import lay_out

from highways.config import load_profile
from highways.errors import HighwaysError
from highways.experiments import DEPTH
from highways.pipeline.verify import faults
from highways.report.readme import COMMITTED
from highways.report.tables import write_tables
from highways.report.verdicts import judge_all, write_claims
from highways.tracking.manifest import HEAD, Manifest
from highways.training import sweep

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning"
)


def write_profile(project: Path, trials: int) -> None:
    path = project / "profiles" / "quick" / "01_depth.yaml"
    content = yaml.safe_load(path.read_text())
    content |= {"depths": [2, 10], "trials": trials, "epochs": 1, "workers": 1, "plain_width": 6, "highway_width": 5}
    path.write_text(yaml.safe_dump(content))


def work(project: Path, trials: int) -> None:
    """What a notebook and the report do."""
    write_profile(project, trials)
    sweep(load_profile("quick", DEPTH.schema).runs(), experiment="01_depth", profile="quick", mlflow=False)
    DEPTH.of("quick").figure()
    write_tables("quick")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose quick profile is tiny, trained and published; it is copied, never changed."""
    folder = lay_out(tmp_path_factory.mktemp("made"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HIGHWAYS_ROOT", str(folder))
        work(folder, trials=1)
        publish()
    return folder


@pytest.fixture
def published(project: Path, made: Path) -> Path:
    """The results of a published quick profile."""
    shutil.copyfile(made / "profiles/quick/01_depth.yaml", project / "profiles/quick/01_depth.yaml")
    shutil.copytree(made / "results", project / "results")
    return project / "results" / "quick"


def publish() -> None:
    from highways.report.pages import write_pages

    judged = judge_all("quick")
    write_claims(judged)
    write_pages(judged)


def named(text: str) -> str:
    """The line about a file."""
    (line,) = [line for line in faults("quick")[1] if line.startswith(f"results/quick/{text}")]
    return line


def first_record(results: Path) -> Path:
    return min((results / "01_depth" / "runs").glob("*.json"))


def test_published_results_are_intact_and_other_tools_can_check_them(published: Path) -> None:
    checked, found = faults("quick")
    assert not found
    assert checked == 4 + 1 + 3 + 2 + 2 + 1  # records, figure, table, claims, pages, manifest
    command = ["sha256sum", "--check", "--strict", "--quiet", "MANIFEST"]
    assert subprocess.run(command, cwd=published, check=False).returncode == 0


def test_more_runs_need_nothing_but_publishing(project: Path, published: Path) -> None:
    before = (published / "MANIFEST").read_text().splitlines()
    work(project, trials=2)
    assert "not in the MANIFEST yet; `highways claims` takes it in" in "\n".join(faults("quick")[1])
    publish()
    assert not faults("quick")[1]
    after = (published / "MANIFEST").read_text().splitlines()
    records = [line for line in before if line.endswith(".json")]
    assert set(records) < set(after), "what was listed stays"
    assert after[1:] == sorted(after[1:], key=lambda line: line.split()[1])
    publish()
    assert (published / "MANIFEST").read_text().splitlines() == after


def test_deleted_record_is_named_whatever_is_published_after(published: Path) -> None:
    gone = first_record(published)
    text = gone.read_bytes()
    gone.unlink()
    line = named(f"01_depth/runs/{gone.name}")
    assert "missing, the MANIFEST lists it; bring it back or run its notebook" in line
    assert named("01_depth/tables/depth.csv").endswith("cannot be checked, its records are not intact")
    write_tables("quick")
    publish()
    assert named(f"01_depth/runs/{gone.name}") == line, "a poorer table is not intact"
    gone.write_bytes(text)
    write_tables("quick")
    publish()
    assert not faults("quick")[1]


def test_removed_folder_of_records_is_named_file_by_file(published: Path, call, capsys) -> None:
    shutil.rmtree(published / "01_depth" / "runs")
    assert call("verify") == 1
    said = capsys.readouterr()
    assert said.out.count("missing, the MANIFEST lists it") == 4
    assert "files are not intact" in said.err


def test_nothing_is_not_intact(project: Path, call, capsys) -> None:
    assert call("verify") == 1
    assert capsys.readouterr().err == "error: there are no results to verify\n"
    assert call("verify", "--profile", "quick") == 1
    assert capsys.readouterr().err == "error: no records of a profile 'quick'; there are: none\n"
    (project / "results" / "quick" / "01_depth" / "runs").mkdir(parents=True)
    assert call("verify", "--profile", "quick") == 1
    assert capsys.readouterr().err == "error: there are no results to verify of quick\n"


def test_deleted_claims_and_pages_are_named(published: Path) -> None:
    (published / "claims.csv").unlink()
    (published / "01_depth" / "README.md").unlink()
    assert "missing; " in named("claims.csv")
    publish()
    (published / "README.md").unlink()
    assert "missing; " in named("README.md")


def test_altered_figure_is_named_until_it_is_drawn_again(published: Path) -> None:
    figure = published / "01_depth" / "depth.png"
    content = bytearray(figure.read_bytes())
    content[len(content) // 2] ^= 1
    figure.write_bytes(content)
    assert "not the one that the MANIFEST lists; `highways figures` draws it anew" in named("01_depth/depth.png")
    publish()
    assert named("01_depth/depth.png"), "publishing the rest does not bless it"
    DEPTH.of("quick").figure()
    assert not faults("quick")[1]


def test_figure_of_something_else_and_foreign_files_are_named(published: Path) -> None:
    folder = published / "01_depth"
    shutil.copyfile(folder / "depth.png", folder / "lesion.png")
    (folder / "tables" / "other.csv").write_text("a,b\n")
    (folder / "runs" / "notes.txt").write_text("mine")
    (folder / "runs" / ".hidden").write_text("an editor's")
    found = faults("quick")[1]
    assert {line.split(": ", 1)[1] for line in found if "move it away" in line} == {
        "not a figure of 01_depth; move it away",
        "not a table of 01_depth; move it away",
        "not a record; move it away",
    }


def test_table_of_an_experiment_without_records_is_named(published: Path) -> None:
    tables = published / "04_gates" / "tables"
    tables.mkdir(parents=True)
    (tables / "gates.csv").write_text("a\n1\n")
    assert "there are no records that it could be made of" in named("04_gates/tables/gates.csv")


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"\xff\xfe", b"{}", b'"'])
@pytest.mark.parametrize("name", ["depth.csv", "depth_cost.csv"])
def test_damaged_table_is_one_line_for_all_who_read_it(
    published: Path, call, capsys, name: str, content: bytes
) -> None:
    (published / "01_depth" / "tables" / name).write_bytes(content)
    assert "not what the records give" in named(f"01_depth/tables/{name}")
    assert call("claims", "--profile", "quick") == 1
    error = capsys.readouterr().err
    assert error.startswith(f"error: results/quick/01_depth/tables/{name}: not ")
    assert error.count("\n") == 1


def test_record_trained_again_is_another_until_it_is_sealed(published: Path, call, capsys) -> None:
    path = first_record(published)
    gone = path.read_bytes()
    path.unlink()
    sweep(load_profile("quick", DEPTH.schema).runs(), experiment="01_depth", profile="quick", mlflow=False)
    assert path.read_bytes() != gone, "its clocks differ"
    assert "not the one that the MANIFEST lists" in named(f"01_depth/runs/{path.name}")
    assert call("seal", "--profile", "quick") == 0
    said = capsys.readouterr().out
    assert f"changed results/quick/01_depth/runs/{path.name}" in said
    assert "results/quick/MANIFEST: 5 records and figures" in said
    write_tables("quick")
    publish()
    assert not faults("quick")[1]


def test_damaged_record_is_not_sealed(published: Path, call, capsys) -> None:
    path = first_record(published)
    path.write_text(path.read_text().replace("1", "2"))
    before = (published / "MANIFEST").read_bytes()
    assert call("seal", "--profile", "quick") == 1
    assert path.name in capsys.readouterr().err
    publish_anyway = Manifest("quick")
    publish_anyway.publish()
    assert (published / "MANIFEST").read_bytes() == before


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda content: content[:-70], "line 6: not a checksum and a path"),
        (lambda content: content.replace(b"01_depth/runs", b"../../../runs", 1), "not a checksum and a path"),
        (lambda content: b"\xff" + content, "cannot be read"),
        (lambda content: b"{}", "line 1: not a checksum and a path"),
        (lambda content: b"", "not in the MANIFEST yet"),
        (lambda content: b"\n".join(content.split(b"\n")[:3]) + b"\n", "not in the MANIFEST yet"),
        (lambda content: content.replace(b"a", b"b"), "MANIFEST"),
    ],
)
def test_damaged_manifest_is_named(published: Path, damage, message: str) -> None:
    path = published / "MANIFEST"
    path.write_bytes(damage(path.read_bytes()))
    assert any(message in line for line in faults("quick")[1])


def test_missing_manifest_of_a_committed_profile_is_named(project: Path, published: Path) -> None:
    (published / "MANIFEST").unlink()
    assert not faults("quick")[1], "the quick profile's results are not committed, and may not be published yet"
    for name in COMMITTED:
        shutil.copytree(published, project / "results" / name)
        assert any("MANIFEST: missing; bring it back" in line for line in faults(name)[1])


def test_two_branches_that_add_runs_merge(tmp_path: Path, repository: Path) -> None:
    def git(*arguments: str) -> None:
        names = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main"]
        subprocess.run(["git", *names, *arguments], cwd=tmp_path, check=True, capture_output=True)

    def lines(*names: str) -> str:
        return HEAD + "".join(f"{hashlib.sha256(name.encode()).hexdigest()}  e/runs/{name}.json\n" for name in names)

    manifest = tmp_path / "results" / "laptop" / "MANIFEST"
    manifest.parent.mkdir(parents=True)
    shutil.copyfile(repository / ".gitattributes", tmp_path / ".gitattributes")
    git("init")
    for branch, names in (("base", "am"), ("one", "abm"), ("two", "acm")):
        git("checkout", "-B", branch, *([] if branch == "base" else ["base"]))
        manifest.write_text(lines(*names))
        git("add", "-A")
        git("commit", "-m", branch)
    git("merge", "one")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HIGHWAYS_ROOT", str(tmp_path))
        assert set(Manifest("laptop").read()) == {f"e/runs/{name}.json" for name in "abcm"}


def test_manifest_with_two_lines_for_a_figure_holds_either(published: Path) -> None:
    path = published / "MANIFEST"
    path.write_text(path.read_text() + f"{'0' * 64}  01_depth/depth.png\n")
    assert not faults("quick")[1]
    publish()
    assert "0" * 64 not in path.read_text()


def test_manifest_is_left_alone_where_it_is_at_fault(published: Path) -> None:
    path = published / "MANIFEST"
    path.write_text("nonsense\n")
    with pytest.raises(HighwaysError, match=r"^results/quick/MANIFEST, line 1: .*`highways seal --profile quick`"):
        Manifest("quick").publish()
    assert path.read_text() == "nonsense\n"
