"""Files of settings: what does not have one meaning is refused, in one line that names file and line."""

from __future__ import annotations

import json
import os
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from toolbox import SCHEMAS

from highways.config import RunConfig, load_profile, parse_yaml, read_yaml, use_profiles, validate
from highways.config.profiles import active_profiles
from highways.data.sources import sources
from highways.errors import HighwaysError
from highways.experiments.depth import DepthProfile
from highways.report.verdicts import all_claims

EXAMPLES = int(os.environ.get("HIGHWAYS_FAULTS_EXAMPLES", "200"))
REPOSITORY = Path(__file__).resolve().parents[1]
FUZZED = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)


def refused(text: str) -> str:
    """The one line that refuses a text."""
    with pytest.raises(HighwaysError) as caught:
        parse_yaml(text, "my.yaml")
    message = str(caught.value)
    assert message.isprintable(), "one line"
    return message


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 10\nb: -0.5\nc: 1e-3\nd: .5\ne: 3.", {"a": 10, "b": -0.5, "c": 1e-3, "d": 0.5, "e": 3.0}),
        ("a: true\nb: False\nc: ~\nd:\ne: null", {"a": True, "b": False, "c": None, "d": None, "e": None}),
        (
            "a: '010'\nb: \"1:30\"\nc: plain text\nd: 3 apples",
            {"a": "010", "b": "1:30", "c": "plain text", "d": "3 apples"},
        ),
        ("{100: [1, 2], x: {y: z}}", {100: [1, 2], "x": {"y": "z"}}),
        ("a: |\n  two\n  lines\nb: >-\n  one\n  line", {"a": "two\nlines\n", "b": "one line"}),
        ("# nothing\n", None),
    ],
)
def test_settings_are_read(text: str, value: Any) -> None:
    assert parse_yaml(text, "my.yaml") == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3", "my.yaml line 3: key 'a' is given twice"),
        ("a: 1\nb: 010", "my.yaml line 2: '010' does not mean the same to every reader of YAML"),
        ("a: 0x1F", "my.yaml line 1: '0x1F' does not mean"),
        ("a: 1_000", "my.yaml line 1: '1_000' does not mean"),
        ("a: 1:30", "my.yaml line 1: '1:30' does not mean"),
        ("a: 2020-01-01", "my.yaml line 1: '2020-01-01' does not mean"),
        ("a: yes", "my.yaml line 1: 'yes' does not mean"),
        ("a: .inf", "my.yaml line 1: '.inf' does not mean"),
        (f"a: {'9' * 5000}", "my.yaml line 1: '999"),
        ("a: !!python/object/apply:os.system [ls]", "my.yaml line 1: a tag (tag:yaml.org,2002:python/object/apply"),
        ("a: ! x", "my.yaml line 1: a tag (!)"),
        ("a: " + "[" * 100_000, "my.yaml line 1: not valid YAML (maximum recursion depth"),
        ("a: *x", "my.yaml line 1: not valid YAML (found undefined alias 'x')"),
        ("[a]: b", "my.yaml line 1: a key must be text or a number"),
        ("a: 1\n---\nb: 2", "my.yaml line 2: not valid YAML (but found another document)"),
        ("a: 1\nb: \x07", "my.yaml line 2: not valid YAML (special characters are not allowed)"),
        ("%YAML 2.0\n---\na: 1", "my.yaml line 1: not valid YAML ("),
        ("a: [1, 2\nb: 3", "my.yaml line 2: not valid YAML ("),
    ],
    ids=range(18),
)
def test_what_has_not_one_meaning_is_refused_with_its_line(text: str, message: str) -> None:
    assert refused(text).startswith(message)


def test_aliases_and_merges_are_read() -> None:
    text = "a: &x {b: 1, c: [1, 2]}\nd: *x\ne:\n  <<: *x\n  c: 3\n"
    expected = {"a": {"b": 1, "c": [1, 2]}, "d": {"b": 1, "c": [1, 2]}, "e": {"b": 1, "c": 3}}
    assert parse_yaml(text, "my.yaml") == expected


def test_what_is_no_text_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    pipe, binary = tmp_path / "pipe", tmp_path / "binary"
    os.mkfifo(pipe)
    binary.write_bytes(b"a: 1\nb: \xff\xfe")
    for path, message in [
        (pipe, "a folder, a pipe or a device where a file should be"),
        (tmp_path, "a folder, a pipe or a device where a file should be"),
        (tmp_path / "nothing", "No such file or directory"),
        (tmp_path / "a\0b", "cannot be read: embedded null byte"),
        (binary, "cannot be read: 'utf-8' codec can't decode byte 0xff in position 8: invalid start byte"),
    ]:
        with pytest.raises(HighwaysError) as caught:
            read_yaml(path)
        assert str(caught.value).endswith(message)
        assert str(caught.value).isprintable()


def test_repositorys_own_files_mean_to_us_what_they_mean_to_pyyaml(repository: Path) -> None:
    files = [*repository.glob("profiles/*/*.yaml"), repository / "data/sources.yaml", repository / "params.yaml"]
    for path in [*files, repository / "references" / "claims.yaml"]:
        assert read_yaml(path) == yaml.safe_load(path.read_text()), path


@pytest.mark.parametrize("content", ["", "- a\n- b\n", "1: {}\n", "mnist: {measure: {}}\n"])
def test_broken_lists_of_sources_and_claims_are_one_line(project: Path, content: str) -> None:
    (project / "data" / "sources.yaml").write_text(content)
    (project / "references" / "claims.yaml").write_text(content)
    for read, name in ((sources, "data/sources.yaml"), (all_claims, "references/claims.yaml")):
        with pytest.raises(HighwaysError) as caught:
            read()
        assert str(caught.value).startswith(name)
        assert str(caught.value).isprintable()


def test_missing_params_are_named_and_made(project: Path) -> None:
    (project / "params.yaml").unlink()
    with pytest.raises(HighwaysError, match=r"params.yaml: there is none; `highways profile use quick` makes it"):
        active_profiles()
    use_profiles(["quick"])
    assert active_profiles() == ["quick"]


def test_only_names_of_profiles_are_used_and_words_of_yaml_stand_in_quotes(project: Path) -> None:
    before = (project / "params.yaml").read_text()
    for name in ("we ird", "[x]", "no"):
        (project / "profiles" / name).mkdir()
    for names, message in [
        (["we ird"], "no profile 'we ird'; there are: laptop, no, paper, quick, weekend"),
        (["quick", "[x]"], r"no profile '\[x\]'; there are: "),
        (["quick", "quick"], "profile 'quick' is given twice"),
        (["../quick"], "no profile '../quick'; there are: "),
        (["quick\n"], r"no profile 'quick\\n'; there are: "),
    ]:
        with pytest.raises(HighwaysError, match=message):
            use_profiles(names)
    assert (project / "params.yaml").read_text() == before
    use_profiles(["no", "quick"])
    assert (project / "params.yaml").read_text().endswith("active: ['no', quick]\n")
    assert active_profiles() == ["no", "quick"]


@pytest.mark.parametrize("change", ["trials: 1000000", "depths: [20000]"])
def test_more_than_anybody_trains_is_refused(project: Path, change: str) -> None:
    key = change.partition(":")[0]
    path = project / "profiles" / "quick" / "01_depth.yaml"
    kept = [line for line in path.read_text().splitlines() if not line.startswith(f"{key}:")]
    path.write_text("\n".join([*kept, change]) + "\n")
    with pytest.raises(HighwaysError, match=rf"key '{key}[.0]*': Input should be less than or equal to"):
        load_profile("quick", DepthProfile)


def test_message_stays_short_whatever_is_given() -> None:
    run = json.loads(json.dumps(RUN))
    run["network"] |= {f"x{n}" * 1000: n for n in range(1000)}
    run["budget"]["epochs"] = 10**500
    with pytest.raises(HighwaysError) as caught:
        validate(RunConfig, run, "my.yaml")
    assert len(str(caught.value)) < 4000
    assert str(caught.value).endswith("and 996 more")


# Anything at all


RUN = {
    "data": {"name": "digits"},
    "network": {"family": "dense", "kind": "highway", "depth": 4, "width": 8, "transform_bias": -2.0},
    "optimiser": {"kind": "sgd", "learning_rate": 0.1},
    "budget": {"epochs": 2, "batch_size": 50},
}
CONV_RUN = {
    "data": {"name": "digits", "pictures": {"enlarge": 4}},
    "network": {"family": "conv", "name": "x", "kind": "plain", "stages": [{"width": 4, "blocks": 2, "pool": 2}]},
    "optimiser": {"kind": "caffe", "learning_rate": 0.1, "milestones": [0.5]},
    "budget": {"epochs": 2, "batch_size": 50},
}
TEXT_RUN = {
    "data": {"name": "sst2", "vectors": "vectors.txt"},
    "network": {"family": "bilstm", "kind": "plain", "depth": 2, "hidden": 5, "embedding": 5},
    "optimiser": {"kind": "adam", "learning_rate": 0.1},
    "budget": {"epochs": 1, "batch_size": 2, "snapshot_steps": 3},
    "seed": 3,
}
ODD = ["2020-13-45", "0b_", "0o9", "010", "1:30", "1_0", "9" * 5000, "!!bool x", "!!binary '='", "!<x> y", "[" * 60]
ODD += ["!!python/name:os.system", "{a: " * 60, "&a [*a]", "*b", "<<: *a", "<<", "? [1]", "1e999", "-.inf", ".nan"]
ODD += ["yes", "~", "''", '"\\ud800"', '"\\UFFFFFFFF"', "'", "|", ">+9", "%YAML 9", "---", "\t", "\x85", "\u2028", "\0"]
ODD += ["\x1b", "#", ": ", "}", "@", "-1", "0.0", "1e18", "9223372036854775808", "true", "null", "'quick'", "[]", "{}"]
MEMORY_KIB = 512 * 1024


def profile_files() -> list[tuple[str, str]]:
    """Experiment and text of every committed file of parameters."""
    return [(path.stem, path.read_text()) for path in sorted((REPOSITORY / "profiles").glob("*/*.yaml"))]


@st.composite
def mutated(draw: st.DrawFn, text: str) -> bytes:
    """A text with one to four places altered."""
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        stop = min(len(text), start + draw(st.integers(0, 12)))
        new = draw(st.one_of(st.sampled_from(ODD), st.text(max_size=8), st.just("")))
        how = draw(st.sampled_from(["replace", "value", "double", "cut"]))
        if how == "replace":
            text = text[:start] + new + text[stop:]
        elif how == "value":  # the value of a line
            lines = text.split("\n")
            line = draw(st.integers(0, len(lines) - 1))
            lines[line] = lines[line].partition(":")[0] + ": " + new
            text = "\n".join(lines)
        elif how == "double":
            text = text[:stop] + text[start:stop] * draw(st.integers(1, 3)) + text[stop:]
        else:
            text = text[:start]
    content = text.encode("utf-8", "surrogatepass")
    if draw(st.integers(0, 9)) == 0:
        place = draw(st.integers(0, len(content)))
        content = content[:place] + draw(st.binary(min_size=1, max_size=4)) + content[place + 1 :]
    return content


def agree(ours: Any, theirs: Any) -> bool:
    """Whether two readings are one; PyYAML takes `1e-3` for text."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return ours.keys() == theirs.keys() and all(agree(ours[key], theirs[key]) for key in ours)
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(agree, ours, theirs))
    if isinstance(ours, float) and isinstance(theirs, str):
        return ours == float(theirs)
    return type(ours) is type(theirs) and ours == theirs


def settings_or_line(read: Callable[[], Any]) -> Any:
    """What is read, or `None` where it is refused: in one line that is not too long."""
    message = ""
    try:
        return read()
    except HighwaysError as error:
        message = str(error)
    assert message.isprintable()
    assert len(message) < 5000
    return None


def check(schema: type, content: bytes) -> None:
    """Read a file: it is refused in one line, quickly, or means one thing."""
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    with tempfile.NamedTemporaryFile(suffix=".yaml") as file:
        file.write(content)
        file.flush()
        read = settings_or_line(lambda: validate(schema, read_yaml(Path(file.name)), "my.yaml"))
        if read is not None:
            assert agree(read_yaml(Path(file.name)), yaml.safe_load(content)), "read in another way than PyYAML"
            assert validate(schema, read.model_dump(), "dumped") == read
    assert time.process_time() - began < 10
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MEMORY_KIB


@FUZZED
@given(st.data())
def test_altered_settings_are_refused_in_one_line_or_mean_one_thing(data: st.DataObject) -> None:
    """A committed file of parameters, or a run."""
    runs = [("", yaml.safe_dump(run)) for run in (RUN, CONV_RUN, TEXT_RUN)]
    experiment, text = data.draw(st.sampled_from([*profile_files(), *runs * 4]))
    check(SCHEMAS.get(experiment, RunConfig), data.draw(mutated(text)))


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from(
        [10**30, -(10**4000), 2**63, float("inf"), float("nan"), 1e308, "sgd", "dense", "highway", "mnist"]
    )
    | st.floats(allow_subnormal=False)
    | st.text(st.characters(codec=None), max_size=20)
    | st.binary(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8) | st.integers(), inner, max_size=3),
    max_leaves=8,
)


@FUZZED
@given(st.data())
def test_any_values_of_a_run_are_refused_in_one_line_or_have_a_key(data: st.DataObject) -> None:
    content = json.loads(json.dumps(data.draw(st.sampled_from([RUN, CONV_RUN, TEXT_RUN]))))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.sampled_from([content, *(part for part in content.values() if isinstance(part, dict))]))
        place[data.draw(st.sampled_from([*place, "vectors", "pictures", "x"]))] = data.draw(VALUES)
    run = settings_or_line(lambda: validate(RunConfig, content, "my.yaml"))
    if run is not None:
        assert run.key("f" * 64) == RunConfig.model_validate(run.model_dump(mode="json")).key("f" * 64)
