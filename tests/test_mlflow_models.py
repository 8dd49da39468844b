"""Networks as MLflow's models: exported without pickle, loadable, and the same network as that of the weights."""

import json
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import numpy as np
import pytest
import torch
from toolbox import config_of, end, free_port, mlflow_runs, serve

from highways.config import RunConfig
from highways.data import load
from highways.report.mlflow_results import VOCABULARY, models
from highways.tracking.mlflow_store import connect, where
from highways.training import load_network, run
from highways.training.checkpoints import weights_path

pytestmark = [
    pytest.mark.pipeline,
    pytest.mark.filterwarnings("ignore"),  # of torch.export's and MLflow's making
]

CONV = {"family": "conv", "name": "small", "kind": "highway", "transform_bias": -1.0}
CONV |= {"stages": [{"width": 4, "blocks": 2, "pool": 2}]}


def bilstm(kind: str, **more: object) -> RunConfig:
    network = {"family": "bilstm", "kind": kind, "depth": 2, "hidden": 4, "embedding": 6, **more}
    return config_of(network, "synthetic-tweets", {"kind": "adam", "learning_rate": 1e-3}, budget={"batch_size": 64})


def networks(run_config) -> dict[str, RunConfig]:
    return {
        "dense": run_config(depth=3, epochs=1, data={"file": "flowers.csv", "label": "kind"}),
        "conv": config_of(CONV, {"name": "digits", "pictures": {}}),
        "bilstm": bilstm("highway", transform_bias=-1.0),
    }


@pytest.mark.parametrize("name", ["dense", "conv", "bilstm"])
def test_best_network_is_a_model_that_answers_as_it_does(tracked_project, run_config, monkeypatch, name: str) -> None:
    import mlflow

    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", where().uri)  # what MLflow writes there ends with the test
    flowers = [f"{number % 7},{number % 3 + number % 7},{number % 2}" for number in range(60)]
    (tracked_project / "flowers.csv").write_text("\n".join(["long,wide,kind", *flowers]))
    config = networks(run_config)[name]
    record = run(config, profile="quick", experiment="e")
    first, second = models("quick")
    assert first == "e (quick): weights of 1 of the 1 best networks are kept here"
    assert second.startswith(f"  {record.run_key}: models:/"), second
    assert list(models("quick"))[1] == f"  {record.run_key}: there already"

    uri = second.split()[-1]
    loaded, network = mlflow.pytorch.load_model(uri), load_network(record).eval()
    x = next(x for x, _ in load(config.data).evaluation_batches(config, "test") if len(x) > 5)[:6].contiguous()
    with torch.no_grad():
        expected = network(x)
        assert torch.allclose(loaded(x), expected, atol=1e-5), "a batch of another size than the example's"
        assert torch.allclose(loaded(x[:1]), expected[:1], atol=1e-5), "one alone"
    (child,) = mlflow_runs(run_key=record.run_key)
    assert [output.model_id for output in child.outputs.model_outputs] == [uri.removeprefix("models:/")]
    assert child.info.status == "FINISHED"
    kept = [file.path for file in connect().list_artifacts(child.info.run_id, "weights")]
    assert kept == (["weights/final.pt"] if config.network.reads == "text" else [])
    if config.network.reads == "text":
        with pytest.raises(AssertionError, match="Guard failed"):
            loaded(torch.cat([x, x], dim=1))  # a limit of torch.export, which docs/mlflow.md names
        folder = Path(mlflow.artifacts.download_artifacts(uri))
        (vocabulary,) = folder.rglob(VOCABULARY)
        assert json.loads(vocabulary.read_text()) == load(config.data).vocabulary  # type: ignore[union-attr]
        assert np.allclose(answered(uri, x.numpy(), tracked_project), expected.numpy(), atol=1e-5)
    else:
        assert np.allclose(mlflow.pyfunc.load_model(uri).predict(x.numpy()), expected.numpy(), atol=1e-5)


def answered(uri: str, inputs: np.ndarray, folder: Path) -> Any:
    port, question = str(free_port()), json.dumps({"inputs": inputs.tolist()}).encode()
    url, options = f"http://127.0.0.1:{port}", ("-m", uri, "--env-manager", "local", "--port", port)
    server = serve(folder / "server.log", f"{url}/ping", "models", "serve", *options)
    try:
        with urlopen(Request(f"{url}/invocations", question, {"Content-Type": "application/json"})) as answer:
            return json.load(answer)["predictions"]
    finally:
        end(server)


def test_network_that_draws_weights_at_every_call_keeps_its_weights_and_without_them_there_is_no_model(
    tracked_project: Path,
) -> None:
    record = run(bilstm("highway-released"), profile="quick", experiment="e")
    said = list(models("quick"))[1]
    assert "cannot be exported" in said
    (child,) = mlflow_runs(run_key=record.run_key)
    assert [file.path for file in connect().list_artifacts(child.info.run_id, "weights")] == ["weights/final.pt"]
    assert not connect().search_logged_models([child.info.experiment_id])
    weights_path(record.run_key).unlink()
    assert list(models("quick")) == ["e (quick): weights of 0 of the 1 best networks are kept here"]
