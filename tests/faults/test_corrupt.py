"""Damage to every kind of file: it is named in one line, or made anew and said; it is never used in silence."""

from __future__ import annotations

import random
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from toolbox import FORKED, Stopped, stop_at

from highways.config import BudgetConfig, DataConfig, DenseConfig, RunConfig, SGDConfig
from highways.errors import HighwaysError
from highways.experiments import DEPTH
from highways.pipeline.verify import faults
from highways.report.rebuild import rebuild
from highways.tracking.events import EpochEnded
from highways.tracking.reading import Source
from highways.tracking.records import RunRecord
from highways.training import load_network, run, sweep
from highways.training.checkpoints import weights_path

from . import tiny
from .conftest import new_project

pytestmark = [
    pytest.mark.pipeline,
    pytest.mark.filterwarnings(
        "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning", "ignore::UserWarning"
    ),
]

Damage = Callable[[Path], None]


def few_or_many(few: int, many: int) -> pytest.MarkDecorator:
    """A few tries in `make test`, many where the long tries are asked for."""
    return pytest.mark.parametrize("flips", [few, pytest.param(many, marks=pytest.mark.faults)])


CUT_OFF = RunConfig(
    data=DataConfig(name="digits"),
    network=DenseConfig(kind="plain", depth=2, width=5),
    optimiser=SGDConfig(learning_rate=0.05, momentum=0.9, decay=0.9),
    budget=BudgetConfig(epochs=4, batch_size=200),
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published tiny project, and a run in it that was cut off after two epochs; it is copied, never changed."""
    root = new_project(tmp_path_factory.mktemp("whole") / "project")
    tiny.shrink(root)
    process = FORKED.Process(target=tiny.pipeline, args=(root,))
    process.start()
    process.join(300)
    assert process.exitcode == 0, (root / "said.txt").read_text()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HIGHWAYS_ROOT", str(root))
        patch.setenv("HIGHWAYS_CHECKPOINT_EVERY_S", "0")
        with pytest.raises(Stopped):
            run(CUT_OFF, profile="p", experiment="e", threads=1, mlflow=False, on_event=stop_at(3))
    return root


@pytest.fixture
def root(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    copied = tiny.copy_of(whole, tmp_path / "project")
    monkeypatch.setenv("HIGHWAYS_ROOT", str(copied))
    monkeypatch.setenv("HIGHWAYS_OFFLINE", "1")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return copied


def flipped(random_: random.Random) -> Damage:
    def damage(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[random_.randrange(len(content))] ^= 1 << random_.randrange(8)
        path.write_bytes(content)

    return damage


def cut(random_: random.Random) -> Damage:
    return lambda path: path.write_bytes(path.read_bytes()[: random_.randrange(1, path.stat().st_size)])


def damages(random_: random.Random, other: bytes | None, flips: int) -> Iterator[tuple[str, Damage]]:
    """All ways of damage to a file.

    Args:
        random_: Where a byte is flipped, and what is cut off.
        other: The content of another file of its kind.
        flips: How many bytes are flipped, one at a time.
    """
    yield "emptied", lambda path: path.write_bytes(b"")
    yield "missing", lambda path: path.unlink()
    yield "other JSON", lambda path: path.write_text('{"a": [1, 2], "b": null}\n')
    yield "foreign", lambda path: path.write_bytes(bytes(range(256)) * 8)
    if other is not None:
        yield "swapped", lambda path: path.write_bytes(other)
    for _ in range(flips):
        yield "flipped", flipped(random_)
        yield "truncated", cut(random_)


def of_results(root: Path) -> dict[str, list[Path]]:
    folder = root / "results" / "quick"
    kinds = {
        "record": "*/runs/*.json",
        "table": "*/tables/*.csv",
        "table as Markdown": "*/tables/*.md",
        "claims": "claims.csv",
        "page": "*/README.md",
        "page of the profile": "README.md",
    }
    return {kind: sorted(folder.glob(pattern)) for kind, pattern in kinds.items()}


def named(root: Path, path: Path) -> list[str]:
    """What `highways verify` says of a file, each fault one line."""
    found = faults("quick")[1]
    assert all(line and "\n" not in line for line in found)
    return [line for line in found if path.name in line]


def try_results(root: Path, random_: random.Random, flips: int, kinds: list[str] | None = None) -> int:
    tries = 0
    for kind, paths in of_results(root).items():
        if kinds is not None and kind not in kinds:
            continue
        path = random_.choice(paths)
        before = path.read_bytes()
        others = [one.read_bytes() for one in paths if one != path and one.read_bytes() != before]
        for how, damage in damages(random_, others[0] if others else None, flips):
            damage(path)
            if path.exists() and path.read_bytes() == before:
                continue
            if kind == "record" and how == "missing":  # its table is named
                assert faults("quick")[1]
            else:
                assert named(root, path), f"{how} {kind}"
            path.write_bytes(before)
            tries += 1
    assert not faults("quick")[1]
    return tries


@few_or_many(1, 4)
def test_damage_to_results_is_named(root: Path, seeded: random.Random, count, flips: int) -> None:
    kinds = ["record", "table", "claims"] if flips == 1 else None
    count("corrupt", "records, tables, claims, pages", try_results(root, seeded, flips, kinds))


def try_resume(root: Path, random_: random.Random, flips: int, capsys: pytest.CaptureFixture[str]) -> int:
    folder = root / "checkpoints" / "resume"
    kept = tiny.copy_of(folder, root / "kept")
    (state,) = folder.glob("*/*.ckpt")
    weights = None
    tries = 0
    for how, damage in damages(random_, None, flips):
        damage(state)
        capsys.readouterr()
        epochs: list[int] = []

        def watch(event: object, epochs: list[int] = epochs) -> None:
            if isinstance(event, EpochEnded):
                epochs.append(event.epoch)

        record = run(CUT_OFF, profile="p", experiment="e", threads=1, mlflow=False, on_event=watch)
        said = [line for line in capsys.readouterr().out.splitlines() if "damaged, renamed" in line]
        assert epochs == [1, 2, 3, 4], how
        assert len(said) == (how != "missing"), how
        assert state.with_suffix(".damaged").exists() == (how != "missing"), how
        assert record.weights_sha256 == (weights := weights or record.weights_sha256)
        shutil.rmtree(root / "results" / "p")
        shutil.rmtree(folder)
        tiny.copy_of(kept, folder)
        tries += 1
    return tries


@few_or_many(1, 15)
def test_damaged_resume_point_is_renamed_and_not_resumed_from(
    root: Path, seeded: random.Random, capsys, count, flips: int
) -> None:
    count("corrupt", "resume points", try_resume(root, seeded, flips, capsys))


def try_weights(root: Path, random_: random.Random, flips: int) -> int:
    first, second = (RunRecord.read(path) for path in sorted((root / "results/quick/01_depth/runs").glob("*.json"))[:2])
    path, other = weights_path(first.run_key), weights_path(second.run_key).read_bytes()
    before, tries = path.read_bytes(), 0
    network = load_network(first)
    expected = [tensor.clone() for tensor in network.state_dict().values()]
    for how, damage in damages(random_, other, flips):
        damage(path)
        try:
            state = load_network(first).state_dict().values()
        except HighwaysError as error:
            said = str(error)
        else:  # a byte that is not read
            said = str(path)
            assert how == "flipped"
            assert all(one.equal(two) for one, two in zip(expected, state, strict=True))
        assert str(path) in said
        assert "\n" not in said
        path.write_bytes(before)
        tries += 1
    return tries


@few_or_many(3, 60)
def test_damage_to_weights_is_named(root: Path, seeded: random.Random, count, flips: int) -> None:
    count("corrupt", "weights", try_weights(root, seeded, flips))


def depth_table_text(source: Source = "records") -> str:
    study = DEPTH.of("quick")
    return DEPTH.tables[0].texts(study.records(source), study.settings)["depth.csv"]


@pytest.mark.faults
def test_every_damage_to_mlflow_is_mended_by_rebuild(root: Path, seeded: random.Random, monkeypatch, count) -> None:
    from highways.tracking import mlflow_log
    from highways.tracking.mlflow_store import remove

    path, tries = root / "mlruns" / "mlflow.db", 0
    before, expected = path.read_bytes(), depth_table_text()
    runs = DEPTH.of("quick").settings.runs()

    def page(place: Path) -> None:  # a byte of a database is seldom one that is read: a whole page
        content = bytearray(place.read_bytes())
        start = 4096 * seeded.randrange(len(content) // 4096)
        content[start : start + 4096] = bytes(4096)
        place.write_bytes(content)

    ways = [*list(damages(seeded, None, 1)), ("page", page), ("page", page), ("page", page)]
    for how, damage in ways:
        if how == "flipped":
            continue
        monkeypatch.setattr(mlflow_log, "WARNED", set())
        damage(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            sweep(runs, experiment="01_depth", profile="quick", threads=1)  # training goes on
        remove()
        list(rebuild("quick"))
        assert depth_table_text("mlflow") == expected, how
        remove()
        path.write_bytes(before)
        tries += 1
    count("corrupt", "MLflow's database, then `tracking rebuild --fresh`", tries)
