"""Run configurations: validated, hashable, with keys that last."""

import pytest
from pydantic import ValidationError
from toolbox import refused

from highways.config import DenseConfig, RunConfig, validate


def test_key_is_stable_across_releases_and_has_no_defaults(run_config) -> None:
    assert run_config().key("f" * 64) == "highway-d004-digits-relu-lr0.05-b-2-s0-db45b0fdff0e"
    explicit = RunConfig.model_validate(run_config().model_dump())
    assert explicit.key("a") == run_config().key("a")


def test_key_covers_configuration_data_and_numerics(run_config, monkeypatch: pytest.MonkeyPatch) -> None:
    config = run_config()
    keys = {config.key("a"), config.key("b"), run_config(seed=1).key("a"), run_config(order_seed=1).key("a")}
    monkeypatch.setattr(DenseConfig, "numerics", 99)
    keys.add(config.key("a"))
    assert len(keys) == 5


def test_configurations_are_values(run_config) -> None:
    assert run_config() == run_config()
    assert len({run_config(), run_config(), run_config(seed=1)}) == 2
    with pytest.raises(ValidationError):
        run_config().seed = 3


TEXT_RUN = {
    "data": {"name": "sst2"},
    "network": {"family": "bilstm", "kind": "highway", "depth": 2, "hidden": 5, "embedding": 5, "transform_bias": -1},
    "optimiser": {"kind": "adam", "learning_rate": 0.1},
    "budget": {"epochs": 1, "batch_size": 2},
}


def test_members_of_unions_are_told_apart_by_their_tags() -> None:
    run = validate(RunConfig, TEXT_RUN, "my.yaml")
    assert (type(run.network).__name__, type(run.optimiser).__name__) == ("BiLSTMConfig", "AdamConfig")
    assert RunConfig.model_validate(run.model_dump(mode="json")) == run
    content = run.model_dump(mode="json", exclude_defaults=True)
    assert content["network"]["family"] == "bilstm", "the tag enters the key"
    assert content["optimiser"]["kind"] == "adam"


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
