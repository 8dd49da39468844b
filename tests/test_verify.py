"""`highways verify`: what is damaged, altered or stale is named, and recorded runs are trained again and compared."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from toolbox import HERE, OF_MLFLOW, record_of

from highways import paths
from highways.config import DataConfig, DenseConfig
from highways.pipeline import verify as rerunning
from highways.pipeline.verify import PLAIN, Outcome, at_hand, compared, faults, read_records, sampled
from highways.report.verdicts import judge_all, write_claims
from highways.tracking.records import RecordStore, RunRecord, run_keys
from highways.training import sweep

pytestmark = OF_MLFLOW


@pytest.fixture
def published(study: Path) -> Path:
    return study / "results" / "quick"


def named(text: str) -> str:
    (line,) = [line for line in faults("quick")[1] if line.startswith(f"results/quick/{text}")]
    return line


def test_published_results_are_intact_and_nothing_is_not(published: Path, says, fails) -> None:
    assert "14 files are intact" in says("verify")  # 8 records, a table in 2 files, claims in 2, 2 pages
    shutil.rmtree(published)
    assert fails("verify") == "there are no results to verify"
    assert fails("verify", "--profile", "quick") == "no records of a profile 'quick'; there are: none"
    (published / "01_depth" / "runs").mkdir(parents=True)
    assert fails("verify", "--profile", "quick") == "there are no results to verify of quick"


def test_damaged_records_are_named_and_what_is_made_of_them_is_not_judged(published: Path, call, capsys) -> None:
    damaged = sorted((published / "01_depth" / "runs").glob("*.json"))[:2]
    for path in damaged:
        path.write_text(path.read_text().replace("1", "2"))
    assert call("verify") == 1
    out = capsys.readouterr().out
    assert all(path.name in out for path in damaged)
    for place in ("01_depth/tables", "claims.csv"):
        assert f"cannot be checked: results/quick/01_depth/runs/{damaged[0].name}: " in named(place)


def test_deleted_and_altered_claims_pages_and_records_are_named(published: Path) -> None:
    (published / "claims.csv").unlink()
    file = published / "claims.json"
    file.write_text(file.read_text().replace('"inconclusive"', '"replicated"'))
    assert "missing; " in named("claims.csv")
    assert "not what the records give" in named("claims.json")
    write_claims(judge_all("quick"))
    (published / "README.md").unlink()
    assert "missing; " in named("README.md")
    (paths.root() / "profiles" / "quick" / "99_report.yaml").unlink()
    next((published / "01_depth" / "runs").glob("*.json")).unlink()
    assert "not what the records give" in named("01_depth/tables/depth.csv")


@pytest.mark.parametrize(
    ("name", "content"), [("depth.csv", b""), ("depth_cost.csv", b"\xff\xfe"), ("depth.csv", None)]
)
def test_damaged_table_is_named_and_no_page_shows_it(published: Path, fails, name: str, content: bytes | None) -> None:
    page = (published / "01_depth" / "README.md").read_bytes()
    table = published / "01_depth" / "tables" / name
    table.write_bytes(table.read_bytes().replace(b"1", b"2") if content is None else content)
    assert "not what the records give" in named(f"01_depth/tables/{name}")
    said = f"results/quick/01_depth/tables/{name}: not what the records give; `highways tab"
    assert fails("claims", "--profile", "quick").startswith(said)
    assert (published / "01_depth" / "README.md").read_bytes() == page


@pytest.fixture
def trained(project: Path, run_config: Callable, monkeypatch: pytest.MonkeyPatch) -> list[RunRecord]:
    """Two populations, of three and of two networks, with records in the profile x, which lists them."""
    (project / "profiles" / "x").mkdir()
    configs = [run_config(seed=seed) for seed in range(3)] + [run_config(kind="plain", seed=seed) for seed in range(2)]
    listed = {key: tuple(configs[:3] if number < 3 else configs[3:]) for number, key in enumerate(run_keys(configs))}
    monkeypatch.setattr(rerunning, "listed_groups", lambda profiles: listed)
    return sweep(configs, **HERE | {"profile": "x"}, device="cpu")


@pytest.mark.pipeline
def test_runs_come_out_to_the_bit_or_are_named_and_nothing_is_touched(trained, project: Path, call, capfd) -> None:
    def contents() -> dict[Path, bytes]:
        folders = (project / "results", project / "checkpoints")
        return {path: path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()}

    for record in trained[3:]:
        curve = [value * 1.001 for value in record.curves["train_cross_entropy"]]
        altered = record.model_copy(update={"curves": record.curves | {"train_cross_entropy": curve}})
        RecordStore(paths.Results("x").of("e").runs).write(altered)
    before, drawn = contents(), read_records(["x"])
    samples = {seed: sampled(drawn, 2, seed) for seed in range(20)}
    seed = next(seed for seed, (one, other) in samples.items() if one.config.network != other.config.network)
    assert call("verify", "--rerun", "2", "--profile", "x", "--seed", str(seed), "--device", "cpu") == 1
    out, error = capfd.readouterr()
    assert f"2 of 5 records, drawn with seed {seed}" in out
    assert "largest relative difference 0; as expected: equal to the bit" in out
    assert "with the " in out, "it is trained again with its group"
    assert "largest relative difference 0.001 (train_cross_entropy, epoch " in out
    assert "NOT as expected: equal to the bit" in out
    assert "error: 1 runs did not come out as expected" in error
    assert contents() == before


def test_under_other_conditions_the_first_epoch_counts_within_a_tolerance(trained) -> None:
    def outcome(record: RunRecord, first: float, second: float) -> Outcome:
        """Of a run elsewhere whose curves are so many times as high in its first and second epoch."""
        there = record.model_copy(update={"environment": record.environment | {"processor": "another", "threads": 7}})
        curves = {name: [a * first, b * second] for name, (a, b) in record.curves.items()}
        return compared(there, record.model_copy(update={"curves": curves}))

    record, plain = trained[0], trained[-1]
    late = outcome(record, 1, 2)
    assert late.passed
    assert late.expected == "1e-05 after one epoch (another processor, other threads)"
    early = outcome(record, 1 + 3 * DenseConfig.tolerance, 1)
    assert not early.passed
    assert early.difference == pytest.approx(3 * DenseConfig.tolerance, rel=1e-3)
    assert outcome(plain, 1 + 0.9 * PLAIN, 1).passed
    alone = record.model_copy(update={"engine": record.engine | {"group": 1}})
    assert "another grouping" in compared(record, alone).expected
    diverged = record.model_copy(update={"status": "diverged", "diverged_epoch": 1, "curves": {}})
    assert not compared(record, diverged).passed


def test_runs_whose_data_are_not_here_are_left_out_which_is_said(monkeypatch, project: Path, repository: Path) -> None:
    monkeypatch.delenv("HIGHWAYS_DATA_MIRROR", raising=False)
    paths_ = sorted((repository / "results" / "laptop" / "07_keras_vs_lasagne" / "runs").glob("*.json"))
    records = [RunRecord.read(path) for path in paths_[:3] + paths_[-3:]]
    said: list[str] = []
    left = at_hand(records, said.append)
    assert {record.config.data.name for record in left} == {"weak-signal"}
    assert len(said) == 1
    assert said[0].startswith("mnist-4-9 is not here, its ")
    (project / "own.csv").write_text("a,kind\n" + "".join(f"{number},{number % 2}\n" for number in range(20)))
    own = record_of(
        records[0].config.model_copy(update={"data": DataConfig.of({"file": "own.csv", "label": "kind"})}), {}
    )
    assert at_hand([own], said.append) == [own]
    (project / "own.csv").write_text("a,kind\n1,0\n2,1\n")
    assert at_hand([own], said.append) == []
    assert said[1] == "own.csv is not here, its 1 runs are left out: the content is another now"
