"""Files of settings: what does not have one meaning is refused, in one line that names file and line."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from toolbox import SCHEMAS

from highways.config import RunConfig, parse_yaml, read_yaml, use_profiles, validate
from highways.config.profiles import active_profiles
from highways.data.sources import sources
from highways.errors import HighwaysError
from highways.report.verdicts import all_claims

EXAMPLES = int(os.environ.get("HIGHWAYS_FAULTS_EXAMPLES", "100"))
REPOSITORY = Path(__file__).resolve().parents[1]
FUZZED = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)


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
        ("a: &x {b: 1, c: 2}\ne:\n  <<: *x\n  c: 3\n", {"a": {"b": 1, "c": 2}, "e": {"b": 1, "c": 3}}),
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
        ("a: yes", "my.yaml line 1: 'yes' does not mean"),
        ("a: .inf", "my.yaml line 1: '.inf' does not mean"),
        (f"a: {'9' * 5000}", "my.yaml line 1: '999"),
        ("a: !!python/object/apply:os.system [ls]", "my.yaml line 1: a tag (tag:yaml.org,2002:python/object/apply"),
        ("a: " + "[" * 3_000, "my.yaml line 1: not valid YAML (maximum recursion depth"),
        ("a: *x", "my.yaml line 1: not valid YAML (found undefined alias 'x')"),
        ("[a]: b", "my.yaml line 1: a key must be text or a number"),
        ("a: 1\n---\nb: 2", "my.yaml line 2: not valid YAML (but found another document)"),
        ("a: 1\nb: \x07", "my.yaml line 2: not valid YAML (special characters are not allowed)"),
    ],
    ids=range(11),
)
def test_what_has_not_one_meaning_is_refused_with_its_line(text: str, message: str) -> None:
    with pytest.raises(HighwaysError) as caught:
        parse_yaml(text, "my.yaml")
    assert str(caught.value).startswith(message)
    assert str(caught.value).isprintable(), "one line"


def test_what_is_no_text_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    pipe, binary = tmp_path / "pipe", tmp_path / "binary"
    os.mkfifo(pipe)
    binary.write_bytes(b"a: 1\nb: \xff\xfe")
    for path, message in [
        (pipe, "a folder, a pipe or a device where a file should be"),
        (tmp_path / "nothing", "No such file or directory"),
        (tmp_path / "a\0b", "cannot be read: embedded null byte"),
        (binary, "cannot be read: 'utf-8' codec can't decode byte 0xff in position 8: invalid start byte"),
    ]:
        with pytest.raises(HighwaysError) as caught:
            read_yaml(path)
        assert str(caught.value).endswith(message)


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
    before = "# head\nactive:\n  - quick\n  - laptop\n"
    (project / "params.yaml").write_text(before)
    for name in ("we ird", "no"):
        (project / "profiles" / name).mkdir()
    for names, message in [
        (["we ird"], "no profile 'we ird'; there are: laptop, no, paper, quick, weekend"),
        (["quick", "quick"], "profile 'quick' is given twice"),
        (["../quick"], "no profile '../quick'; there are: "),
    ]:
        with pytest.raises(HighwaysError, match=message):
            use_profiles(names)
    assert (project / "params.yaml").read_text() == before
    use_profiles(["no", "quick"])
    assert (project / "params.yaml").read_text() == "# head\nactive: ['no', quick]\n"
    assert active_profiles() == ["no", "quick"]


# Anything at all


ODD = ["2020-13-45", "0b_", "0o9", "010", "1:30", "1_0", "9" * 5000, "!!bool x", "!!binary '='", "!<x> y", "[" * 60]
ODD += ["!!python/name:os.system", "{a: " * 60, "&a [*a]", "*b", "<<: *a", "<<", "? [1]", "1e999", "-.inf", ".nan"]
ODD += ["yes", "~", "''", '"\\ud800"', '"\\UFFFFFFFF"', "'", "|", ">+9", "%YAML 9", "---", "\t", "\x85", "\u2028", "\0"]
ODD += ["\x1b", "#", ": ", "}", "@", "-1", "0.0", "1e18", "9223372036854775808", "true", "null", "'quick'", "[]", "{}"]
FILES = [*sorted(REPOSITORY.glob("profiles/*/*.yaml")), *sorted(REPOSITORY.glob("examples/*.yaml")) * 3]


@st.composite
def mutated(draw: st.DrawFn, text: str) -> str:
    """A text with one to four places altered: the value of a line, or any."""
    for _ in range(draw(st.integers(1, 4))):
        new = draw(st.one_of(st.sampled_from(ODD), st.text(max_size=8), st.just("")))
        if draw(st.booleans()):
            lines = text.split("\n")
            line = draw(st.integers(0, len(lines) - 1))
            lines[line] = lines[line].partition(":")[0] + ": " + new
            text = "\n".join(lines)
        else:
            start = draw(st.integers(0, len(text)))
            text = text[:start] + new + text[start + draw(st.integers(0, 12)) :]
    return text


@FUZZED
@given(st.data())
def test_altered_settings_are_refused_in_one_line_or_are_read(data: st.DataObject) -> None:
    """A committed file of parameters, or an example of a run."""
    path = data.draw(st.sampled_from(FILES))
    text, schema = data.draw(mutated(path.read_text())), SCHEMAS.get(path.stem, RunConfig)
    read, message = None, ""
    try:
        read = validate(schema, parse_yaml(text, "my.yaml"), "my.yaml")
    except HighwaysError as error:
        message = str(error)
    assert message.isprintable()
    assert len(message) < 5000
    assert read is None or validate(schema, read.model_dump(), "dumped") == read
