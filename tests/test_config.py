"""Settings: run configurations are values with keys that last; files have one meaning, or a fault in one line."""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from checkout import REPOSITORY
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from toolbox import SCHEMAS, refused

from highways.config import DenseConfig, RunConfig, active_profiles, parse_yaml, read_yaml, use_profiles, validate
from highways.data.sources import sources
from highways.errors import HighwaysError
from highways.report.verdicts import all_claims


def test_key_is_stable_and_covers_configuration_data_and_numerics(run_config, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_config().key("f" * 64) == "highway-d004-digits-relu-lr0.05-b-2-s0-db45b0fdff0e"
    explicit = RunConfig.model_validate(run_config().model_dump())
    assert explicit.key("a") == run_config().key("a")
    config = run_config()
    keys = {config.key("a"), config.key("b"), run_config(seed=1).key("a"), run_config(order_seed=1).key("a")}
    monkeypatch.setattr(DenseConfig, "numerics", 99)
    keys.add(config.key("a"))
    assert len(keys) == 5


TEXT_RUN = {
    "data": {"name": "sst2"},
    "network": {"family": "bilstm", "kind": "highway", "depth": 2, "hidden": 5, "embedding": 5, "transform_bias": -1},
    "optimiser": {"kind": "adam", "learning_rate": 0.1},
    "budget": {"epochs": 1, "batch_size": 2},
}


@pytest.mark.parametrize(
    ("section", "change", "message"),
    [
        ("optimiser", {"learning_rate": float("nan")}, "key 'optimiser.learning_rate'"),
        ("optimiser", {"weight_decay": -1.0}, "key 'optimiser.weight_decay'"),
        ("budget", {"epochs": 0}, "key 'budget.epochs'"),
        ("data", {"name": "imagenet"}, "key 'data': no data set"),
        ("network", {"depht": 3}, "unknown key 'network.depht', did you mean 'depth'? (allowed: depth, dropout"),
        ("network", {"family": "cnn"}, "key 'network': Input tag 'cnn'"),
        ("network", {"transform_bias": None}, "key 'network': transform_bias belongs to the kind 'highway'"),
        ("network", {"padding": "seen"}, "key 'network': padding 'seen' is an option of the kind"),
        (
            "optimiser",
            {"kind": "caffe"},
            "key 'the whole': networks of family 'bilstm' are trained with 'sgd', ",
        ),
        ("data", {"name": "mnist"}, "key 'the whole': a network of family 'bilstm' cannot be trained on 'mnist'"),
        ("data", {"pictures": {}}, "key 'the whole': data.pictures belongs to convolutional networks"),
    ],
)
def test_values_and_parts_that_do_not_fit_are_one_line(section: str, change: dict, message: str) -> None:
    with refused(f"my.yaml: {message}"):
        validate(RunConfig, TEXT_RUN | {section: TEXT_RUN[section] | change}, "my.yaml")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 10\nb: -0.5\nc: 1e-3\nd: .5\ne: 3.", {"a": 10, "b": -0.5, "c": 1e-3, "d": 0.5, "e": 3.0}),
        ("a: '010'\nb: \"1:30\"\nc: 3 apples", {"a": "010", "b": "1:30", "c": "3 apples"}),
        ("a: &x {b: 1, c: 2}\ne:\n  <<: *x\n  c: 3\n", {"a": {"b": 1, "c": 2}, "e": {"b": 1, "c": 3}}),
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
        ("a: !!python/object/apply:os.system [ls]", "my.yaml line 1: not valid YAML (could not determine a constr"),
        ("a: " + "[" * 3_000, "my.yaml line 1: not valid YAML (maximum recursion depth"),
        ("a: *x", "my.yaml line 1: not valid YAML (found undefined alias 'x')"),
        ("[a]: b", "my.yaml line 1: not valid YAML (found unhashable key)"),
        ("a: 1\n---\nb: 2", "my.yaml line 2: not valid YAML (but found another document)"),
        ("a: 1\nb: \x07", "my.yaml line 2: not valid YAML (special characters are not allowed)"),
    ],
    ids=range(11),
)
def test_what_has_not_one_meaning_is_refused_with_its_line(text: str, message: str) -> None:
    with refused(message):
        parse_yaml(text, "my.yaml")


def test_what_is_no_text_file_is_refused_and_our_own_mean_what_they_mean_to_pyyaml(tmp_path: Path) -> None:
    pipe, binary = tmp_path / "pipe", tmp_path / "binary"
    os.mkfifo(pipe)
    binary.write_bytes(b"a: 1\nb: \xff\xfe")
    for path, message in [
        (pipe, f"{pipe}: a folder, a pipe or a device where a file should be"),
        (tmp_path / "nothing", f"{tmp_path}/nothing: No such file or directory"),
        (tmp_path / "a\0b", ""),
        (binary, f"{binary}: cannot be read: 'utf-8' codec can't decode byte 0xff in position 8: invalid start byte"),
    ]:
        with refused(message):
            read_yaml(path)
    files = ["data/sources.yaml", "params.yaml", "references/claims.yaml"]
    for path in [*REPOSITORY.glob("profiles/*/*.yaml"), *(REPOSITORY / name for name in files)]:
        assert read_yaml(path) == yaml.safe_load(path.read_text()), path


@pytest.mark.parametrize("content", ["", "- a\n- b\n", "1: {}\n", "mnist: {measure: {}}\n"])
def test_broken_lists_of_sources_and_claims_are_one_line(project: Path, content: str) -> None:
    for read, name in ((sources, "data/sources.yaml"), (all_claims, "references/claims.yaml")):
        (project / name).write_text(content)
        with refused(name):
            read()


def test_only_names_of_profiles_are_used_and_words_of_yaml_stand_in_quotes(project: Path) -> None:
    params = project / "params.yaml"
    params.unlink()
    with refused("params.yaml: there is none; `highways profile use quick` makes it"):
        active_profiles()
    use_profiles(["quick"])
    assert active_profiles() == ["quick"]
    params.write_text(before := "# head\nactive:\n  - quick\n  - laptop\n")
    for name in ("we ird", "no"):
        (project / "profiles" / name).mkdir()
    for names, message in [
        (["we ird"], "no profile 'we ird'; there are: laptop, no, paper, quick, weekend"),
        (["quick", "quick"], "profile 'quick' is given twice"),
        (["../quick"], "no profile '../quick'; there are: "),
    ]:
        with pytest.raises(HighwaysError, match=message):
            use_profiles(names)
    assert params.read_text() == before
    use_profiles(["no", "quick"])
    assert params.read_text() == "# head\nactive: ['no', quick]\n"
    assert active_profiles() == ["no", "quick"]


ODD = ["2020-13-45", "010", "1:30", "1_0", "9" * 5000, "!!bool x", "!!binary '='", "[" * 60, "&a [*a]", "*b", "? [1]"]
ODD += ["<<: *a", "1e999", ".nan", "yes", "~", "''", '"\\ud800"', "'", "|", "%YAML 9", "---", "\t", "\x85", "\0"]
ODD += ["\x1b", "#", ": ", "}", "@", "-1", "0.0", "9223372036854775808", "true", "null", "'quick'", "[]", "{}", ""]
FILES = [*sorted(REPOSITORY.glob("profiles/*/*.yaml")), *sorted(REPOSITORY.glob("examples/*.yaml")) * 3]
CHANGES = st.lists(st.tuples(st.integers(0), st.sampled_from(ODD) | st.text(max_size=8)), max_size=4)


@settings(deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(FILES), CHANGES)
def test_altered_settings_are_refused_in_one_line_or_are_read(path: Path, changes: list[tuple[int, str]]) -> None:
    """A committed file of parameters, or an example of a run, the values of up to four lines of which are altered."""
    lines = path.read_text().splitlines()
    for number, new in changes:
        line = number % len(lines)
        lines[line] = f"{lines[line].partition(':')[0]}: {new}"
    schema = SCHEMAS.get(path.stem, RunConfig)
    read, message = None, ""
    try:
        read = validate(schema, parse_yaml("\n".join(lines), "my.yaml"), "my.yaml")
    except HighwaysError as error:
        message = str(error)
    assert message.isprintable()
    assert len(message) < 5000
    assert read is None or validate(schema, read.model_dump(), "dumped") == read
