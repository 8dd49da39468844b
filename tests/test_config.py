"""Run configurations: validated, hashable, with keys that last."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from highways.config import RunConfig, validate
from highways.errors import HighwaysError


def test_key_is_stable_across_releases(run_config) -> None:
    assert run_config().key("f" * 64) == "highway-d004-digits-relu-lr0.05-b-2-s0-db45b0fdff0e"


def test_key_covers_configuration_data_and_numerics(run_config, monkeypatch: pytest.MonkeyPatch) -> None:
    config = run_config()
    keys = {config.key("a"), config.key("b"), run_config(seed=1).key("a"), run_config(order_seed=1).key("a")}
    monkeypatch.setitem(__import__("highways.config.run", fromlist=["NUMERICS"]).NUMERICS, "dense", 99)
    keys.add(config.key("a"))
    assert len(keys) == 5


def test_defaults_do_not_enter_the_key(run_config) -> None:
    content = run_config().model_dump(mode="json", exclude_defaults=True)
    explicit = RunConfig.model_validate(run_config().model_dump())
    assert "order_seed" not in content
    assert explicit.key("a") == run_config().key("a")


def test_configurations_are_values(run_config) -> None:
    assert run_config() == run_config()
    assert len({run_config(), run_config(), run_config(seed=1)}) == 2
    with pytest.raises(ValidationError):
        run_config().seed = 3


def test_unknown_key_is_named_with_what_is_allowed(run_config) -> None:
    content = run_config().model_dump()
    content["network"]["widths"] = 3
    with pytest.raises(
        HighwaysError, match=r"my.yaml: unknown key 'network.widths', did you mean 'width'\? \(allowed: act"
    ):
        validate(RunConfig, content, "my.yaml")


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("optimiser", "learning_rate", 0),
        ("optimiser", "learning_rate", float("nan")),
        ("optimiser", "momentum", 1.0),
        ("optimiser", "decay", 1.5),
        ("budget", "epochs", 0),
        ("network", "depth", 0),
        ("network", "activation", "sigmoid"),
        ("data", "name", "imagenet"),
    ],
)
def test_value_out_of_range_is_one_line_that_names_it(run_config, section: str, key: str, value: object) -> None:
    content = run_config().model_dump()
    content[section][key] = value
    with pytest.raises(HighwaysError) as caught:
        validate(RunConfig, content, "my.yaml")
    message = str(caught.value)
    assert message.startswith(f"my.yaml: key '{section}.{key}'")
    assert "\n" not in message
