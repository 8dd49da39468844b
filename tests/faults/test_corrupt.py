"""Damage to every kind of file: it is named in one line, or made anew and said; it is never used in silence."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from toolbox import Stopped, stop_at

from highways.errors import HighwaysError
from highways.pipeline.verify import faults
from highways.tracking.events import EpochEnded
from highways.tracking.records import RunRecord
from highways.training import load_network, run
from highways.training.checkpoints import weights_path

from . import tiny

Damage = Callable[[Path], None]


def few_or_many(few: int, many: int) -> pytest.MarkDecorator:
    """A few tries in `make test`, many where the long tries are asked for."""
    return pytest.mark.parametrize("flips", [few, pytest.param(many, marks=pytest.mark.faults)])


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


def of_results(study: Path) -> dict[str, list[Path]]:
    folder = study / "results" / "quick"
    kinds = {
        "record": "*/runs/*.json",
        "table": "*/tables/*.csv",
        "table as Markdown": "*/tables/*.md",
        "claims": "claims.csv",
        "page": "*/README.md",
        "page of the profile": "README.md",
    }
    return {kind: sorted(folder.glob(pattern)) for kind, pattern in kinds.items()}


def named(study: Path, path: Path) -> list[str]:
    """What `highways verify` says of a file, each fault one line."""
    found = faults("quick")[1]
    assert all(line and "\n" not in line for line in found)
    return [line for line in found if path.name in line]


def try_results(study: Path, random_: random.Random, flips: int, kinds: list[str] | None = None) -> int:
    tries = 0
    for kind, paths in of_results(study).items():
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
                assert named(study, path), f"{how} {kind}"
            path.write_bytes(before)
            tries += 1
    assert not faults("quick")[1]
    return tries


@few_or_many(1, 4)
def test_damage_to_results_is_named(study: Path, seeded: random.Random, count, flips: int) -> None:
    kinds = ["record", "claims"] if flips == 1 else None
    count("corrupt", "records, tables, claims, pages", try_results(study, seeded, flips, kinds))


@few_or_many(1, 15)
def test_damaged_resume_point_is_renamed_and_not_resumed_from(
    study: Path, seeded: random.Random, run_config, monkeypatch, capsys, count, flips: int
) -> None:
    monkeypatch.setenv("HIGHWAYS_CHECKPOINT_EVERY_S", "0")
    more = {"profile": "p", "experiment": "e", "threads": 1, "mlflow": False}
    with pytest.raises(Stopped):
        run(run_config(epochs=4), on_event=stop_at(3), **more)
    folder = study / "checkpoints" / "resume"
    kept = tiny.copy_of(folder, study / "kept")
    (state,) = folder.glob("*/*.ckpt")
    weights = None
    tries = 0
    for how, damage in damages(seeded, None, flips):
        damage(state)
        capsys.readouterr()
        epochs: list[int] = []

        def watch(event: object, epochs: list[int] = epochs) -> None:
            if isinstance(event, EpochEnded):
                epochs.append(event.epoch)

        record = run(run_config(epochs=4), on_event=watch, **more)
        said = [line for line in capsys.readouterr().out.splitlines() if "damaged, renamed" in line]
        assert epochs == [1, 2, 3, 4], how
        assert len(said) == (how != "missing"), how
        assert state.with_suffix(".damaged").exists() == (how != "missing"), how
        assert record.weights_sha256 == (weights := weights or record.weights_sha256)
        shutil.rmtree(study / "results" / "p")
        shutil.rmtree(folder)
        tiny.copy_of(kept, folder)
        tries += 1
    count("corrupt", "resume points", tries)


def try_weights(study: Path, random_: random.Random, flips: int) -> int:
    first, second = (
        RunRecord.read(path) for path in sorted((study / "results/quick/01_depth/runs").glob("*.json"))[:2]
    )
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
def test_damage_to_weights_is_named(study: Path, seeded: random.Random, count, flips: int) -> None:
    count("corrupt", "weights", try_weights(study, seeded, flips))
