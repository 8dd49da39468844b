"""Damage to every kind of file: it is named in one line, or made anew and said; it is never used in silence."""

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from toolbox import HERE, Stopped, stop_at

from highways.errors import HighwaysError
from highways.pipeline.verify import faults
from highways.tracking.events import EpochEnded
from highways.tracking.records import RunRecord
from highways.training import load_network, run
from highways.training.checkpoints import weights_path


def few_or_many(few: int, many: int) -> pytest.MarkDecorator:
    """A few tries in `make test`, many where the long tries are asked for."""
    return pytest.mark.parametrize("flips", [few, pytest.param(many, marks=pytest.mark.faults)])


def damaged(path: Path, chance: random.Random, other: bytes | None, flips: int) -> Iterator[str]:
    """Damage a file in every way, `flips` bits and the content of another file among them; whole again behind each."""
    whole = path.read_bytes()

    def flipped() -> bytes:
        content = bytearray(whole)
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        return bytes(content)

    contents = [("emptied", b""), ("other JSON", b'{"a": [1, 2], "b": null}\n'), ("foreign", bytes(range(256)) * 8)]
    contents += [("swapped", other)] if other not in (None, whole) else []
    for _ in range(flips):
        contents += [("flipped", flipped()), ("truncated", whole[: chance.randrange(1, len(whole))])]
    for how, content in [*contents, ("missing", None)]:
        path.unlink() if content is None else path.write_bytes(content)
        yield how
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(whole)


@pytest.mark.faults
def test_damage_to_results_is_named(study: Path, seeded: random.Random, count) -> None:
    tries = 0
    for kind in ("*/runs/*.json", "*/tables/*.csv", "*/README.md", "claims.csv", "README.md"):
        paths = sorted((study / "results" / "quick").glob(kind))
        path = seeded.choice(paths)
        other = next((one.read_bytes() for one in paths if one != path), None)
        for how in damaged(path, seeded, other, flips=4):
            said = faults("quick")[1]
            assert all(line and "\n" not in line for line in said)
            named = [line for line in said if path.name in line or (path.suffix == ".json" and how == "missing")]
            assert named, f"{how} {kind}; of a missing record its table is named"
            tries += 1
    assert not faults("quick")[1]
    count("corrupt", "records, tables, claims, pages", tries)


@few_or_many(1, 15)
def test_damaged_resume_point_is_renamed(project: Path, seeded, run_config, monkeypatch, capsys, count, flips) -> None:
    monkeypatch.setenv("HIGHWAYS_CHECKPOINT_EVERY_S", "0")
    with pytest.raises(Stopped):
        run(run_config(epochs=4), on_event=stop_at(3), **HERE)
    (state,) = (project / "checkpoints" / "resume").glob("*/*.ckpt")
    weights: list[str | None] = []
    for how in damaged(state, seeded, None, flips):
        capsys.readouterr()
        events: list = []
        record = run(run_config(epochs=4), on_event=events.append, **HERE)
        assert [event.epoch for event in events if isinstance(event, EpochEnded)] == [1, 2, 3, 4], how
        assert capsys.readouterr().out.count("damaged, renamed") == (how != "missing"), how
        assert state.with_suffix(".damaged").exists() == (how != "missing"), how
        weights.append(record.weights_sha256)
        shutil.rmtree(project / "results" / "p")
        shutil.rmtree(state.parent, ignore_errors=True)
    assert len(set(weights)) == 1
    count("corrupt", "resume points", len(weights))


@few_or_many(3, 60)
def test_damage_to_weights_is_named(study: Path, seeded: random.Random, count, flips: int) -> None:
    records = sorted((study / "results/quick/01_depth/runs").glob("*.json"))
    first, second = (RunRecord.read(path) for path in records[:2])
    path, tries = weights_path(first.run_key), 0
    expected = load_network(first).state_dict()
    for how in damaged(path, seeded, weights_path(second.run_key).read_bytes(), flips):
        try:
            state = load_network(first).state_dict()
        except HighwaysError as error:
            said = str(error)
        else:
            said = str(path)
            assert how == "flipped", "a byte that is not read"
            assert all(tensor.equal(state[name]) for name, tensor in expected.items())
        assert str(path) in said
        assert "\n" not in said
        tries += 1
    count("corrupt", "weights", tries)
