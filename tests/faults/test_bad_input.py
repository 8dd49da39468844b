"""Input that is at fault, made by hypothesis: it is one line that names the file, or is taken for what it is."""

from __future__ import annotations

import contextlib
import gzip
import math
import resource
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from highways.config import RunConfig, read_yaml, validate
from highways.config.profiles import load_profile
from highways.data.images import read_idx
from highways.data.text import read_vectors
from highways.errors import HighwaysError
from highways.experiments import EXPERIMENTS

from .conftest import SEED

SECONDS, MEMORY = 20, 2**30
FEW = 40
"""Examples of each kind in `make test`."""


class Hang(BaseException):
    """An example took too long."""


@contextlib.contextmanager
def watched() -> Iterator[None]:
    """Let the block take a bounded time and memory."""

    def stop(*_: object) -> None:
        raise Hang

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < MEMORY


def taken(read: Callable[[], Any], names: str) -> Any:
    """Return what was read, `None` where it was refused, in one line that names the place."""
    with watched():
        try:
            return read()
        except HighwaysError as error:
            said = str(error)
    assert "\n" not in said, said
    assert names in said, said
    assert len(said) < 5_000
    return None


class Property:
    """A property of what hypothesis makes.

    Args:
        what: In words, for the counts.
        many: Examples of the long test.
        strategy: Makes the examples.
        function: Takes a folder and an example.
    """

    def __init__(self, what: str, many: int, strategy: st.SearchStrategy[Any], function: Callable[[Path, Any], None]):
        self.what, self.many, self.strategy, self.function = what, many, strategy, function

    def run(self, folder: Path, examples: int) -> int:
        """Try it, and return the number of examples."""
        made = 0

        def once(example: Any) -> None:
            nonlocal made
            made += 1
            self.function(folder, example)

        chosen = settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        seed(SEED)(chosen(given(self.strategy)(once)))()
        return made


# What is made

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 300),
    st.integers(),
    st.floats(allow_subnormal=False),
    st.text(max_size=20),
    st.sampled_from(["0", "1e999", ".nan", "highway", "plain", "digits", "../..", "a'b\"<b>", "\x1b[31m", "𝔘"]),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)),
    max_leaves=8,
)
RUN = {
    "data": {"name": "digits"},
    "network": {"kind": "highway", "depth": 4, "width": 8, "transform_bias": -2.0},
    "optimiser": {"learning_rate": 0.1, "momentum": 0.9, "decay": 0.9},
    "budget": {"epochs": 2, "batch_size": 50},
}


def places(content: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """All keys in a nested mapping."""
    found = []
    for key, value in content.items():
        found.append((*above, key))
        if isinstance(value, dict):
            found += places(value, (*above, key))
    return found


@st.composite
def altered(draw: Any, content: dict[str, Any]) -> dict[str, Any]:
    """A mapping with some values, or keys, that are others."""
    made = yaml.safe_load(yaml.safe_dump(content))
    for _ in range(draw(st.integers(1, 3))):
        options = places(made)
        *sections, last = draw(st.sampled_from(options)) if options else ("x",)
        place = made
        for section in sections:
            place = place[section]
        how = draw(st.sampled_from(["value", "value", "value", "gone", "more"]))
        if how == "value":
            place[last] = draw(values)
        elif how == "gone":
            del place[last]
        else:
            place[draw(st.text(max_size=10))] = draw(values)
    return made


def same(given_: Any, found: Any) -> bool:
    """Tell whether what was taken is what was given: no text for a number, no number cut off."""
    if isinstance(given_, dict):
        return isinstance(found, dict) and all(same(value, found.get(key)) for key, value in given_.items())
    if isinstance(given_, list):
        return isinstance(found, list) and len(given_) == len(found) and all(map(same, given_, found))
    if isinstance(given_, bool) or isinstance(found, bool):
        return given_ is found
    if isinstance(given_, int | float) and isinstance(found, int | float):
        return given_ == found
    return type(given_) is type(found) and given_ == found


def check_run(folder: Path, content: dict[str, Any]) -> None:
    config = taken(lambda: validate(RunConfig, content, "run.yaml"), "run.yaml")
    if config is not None:
        assert same(content, config.model_dump(mode="json")), f"taken for another: {content}"
        assert validate(RunConfig, config.model_dump(mode="json"), "x") == config
        config.key("0" * 64)


PROFILES = {experiment.name: experiment.schema for experiment in EXPERIMENTS if experiment.tables}


@st.composite
def profile_files(draw: Any) -> tuple[str, str]:
    """A name of a notebook, and a file that is nearly its parameters."""
    name = draw(st.sampled_from(sorted(PROFILES)))
    path = Path(__file__).resolve().parents[2] / "profiles" / "quick" / f"{name}.yaml"
    text = path.read_text()
    kind = draw(st.sampled_from(["values", "values", "text", "lines"]))
    if kind == "values":
        return name, yaml.safe_dump(draw(altered(yaml.safe_load(text))), allow_unicode=True)
    if kind == "lines":
        start, end = sorted(draw(st.tuples(*[st.integers(0, len(text))] * 2)))
        return name, text[:start] + draw(st.text(max_size=20)) + text[end:]
    nasty = ["2020-13-45", "0b_", "9" * 5000, "!!bool x", "!!python/object:os.system x", "[" * 3000, "&a [*a]", "1:30"]
    line = draw(st.one_of(st.text(max_size=40), st.sampled_from(nasty)))
    return name, f"{text}\nworkers: {line}\n"


def check_profile(folder: Path, example: tuple[str, str]) -> None:
    name, text = example
    path = folder / "profiles" / "quick" / f"{name}.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    found = taken(lambda: load_profile("quick", PROFILES[name]), f"profiles/quick/{name}.yaml")
    if found is not None:
        content = read_yaml(path)
        assert same({**content}, found.model_dump(mode="json")), f"taken for another: {content}"


lines = st.one_of(
    st.binary(max_size=60),
    st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.builds(
        lambda words, label: f"{words} ||| {label}".encode(), st.text("ab .'\t", max_size=20), st.integers(-1, 6)
    ),
    st.builds(
        lambda number, label, text: f"{number}\t{label}\t{text}".encode(),
        st.integers(0, 5),
        st.sampled_from(["positive", "negative", "neutral", "Positive", ""]),
        st.text("ab @#", max_size=20),
    ),
    st.builds(
        lambda word, numbers: " ".join([word, *map(str, numbers)]).encode(),
        st.text("abc", max_size=5),
        st.one_of(
            st.lists(st.floats(allow_subnormal=False), max_size=5),
            st.lists(st.floats(-9, 9, allow_subnormal=False), min_size=2, max_size=2),
        ),
    ),
)
texts = st.lists(lines, max_size=8).map(b"\n".join)


def check_vectors(folder: Path, content: bytes) -> None:
    path = folder / "vectors.txt"
    path.write_bytes(content)
    found = taken(lambda: read_vectors(path, ["a", "b", "abc"]), str(path))
    if found is not None:
        assert found.shape[0] == 3
        assert found.shape[1] >= 2
        for row, word in zip(found, ("a", "b", "abc"), strict=True):
            lines = [line.replace("\t", " ").split() for line in content.decode("utf-8-sig").split("\n")]
            given_ = [line[-len(row) :] for line in lines if " ".join(line[: -len(row)]) == word]
            if given_:
                assert torch.allclose(row, torch.tensor([float(field) for field in given_[-1]]))
            else:
                assert row.isnan().all()


@st.composite
def idx_files(draw: Any) -> bytes:
    dimensions = draw(st.sampled_from([3, 3, 3, 1, 0, 255]))
    shape = draw(st.lists(st.integers(0, 4), min_size=dimensions, max_size=dimensions))
    if draw(st.booleans()) and shape:
        shape[draw(st.integers(0, len(shape) - 1))] = draw(st.sampled_from([2**31, 2**32 - 1, 10**6, 65536]))
    head = bytes([draw(st.sampled_from([0, 0, 0, 9])), 0, draw(st.sampled_from([8, 8, 8, 13])), dimensions])
    head += b"".join(np.array(size, ">u4").tobytes() for size in shape)
    right = math.prod(shape) if math.prod(shape) < 100 else 10
    content = head + bytes(max(0, right + draw(st.sampled_from([0, 0, 0, -1, 1, 50_000_000]))))
    packed = gzip.compress(content, 1)
    how = draw(st.sampled_from(["whole", "whole", "cut", "flipped", "plain"]))
    if how == "cut":
        return packed[: draw(st.integers(0, len(packed)))]
    if how == "flipped":
        place = draw(st.integers(0, len(packed) - 1))
        return packed[:place] + bytes([packed[place] ^ draw(st.integers(1, 255))]) + packed[place + 1 :]
    return packed if how == "whole" else content[:1000]


def check_idx(folder: Path, content: bytes) -> None:
    path = folder / "idx.gz"
    path.write_bytes(content)
    found = taken(lambda: read_idx(path, dimensions=3), str(path))
    if found is not None:
        unpacked = gzip.decompress(content)
        assert unpacked[:4] == bytes([0, 0, 8, 3])
        assert found.numpy().tobytes() == unpacked[16:]
        assert list(found.shape) == np.frombuffer(unpacked, ">u4", 3, 4).tolist()


PROPERTIES = {
    "runs": Property("configurations of runs", 3_000, altered(RUN), check_run),
    "profiles": Property("profile files", 1_500, profile_files(), check_profile),
    "vectors": Property("files of word vectors", 1_500, texts, check_vectors),
    "idx": Property("idx files", 1_000, idx_files(), check_idx),
}


@pytest.mark.parametrize("name", PROPERTIES)
def test_bad_input_is_one_line(project: Path, name: str) -> None:
    assert PROPERTIES[name].run(project, FEW) >= FEW // 2


@pytest.mark.faults
@pytest.mark.parametrize("name", PROPERTIES)
def test_much_bad_input_is_one_line(project: Path, name: str, count) -> None:
    count("bad input", PROPERTIES[name].what, PROPERTIES[name].run(project, PROPERTIES[name].many))
