"""Networks as MLflow's models: exported without pickle, loadable, and the same network as that of the weights."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from toolbox import config_of, mlflow_runs

from highways.config import RunConfig
from highways.data import load
from highways.report.mlflow_models import VOCABULARY, models
from highways.report.rebuild import rebuild
from highways.tracking.mlflow_address import tracking_uri
from highways.tracking.mlflow_store import connect
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
        "dense": run_config(depth=3, epochs=1),
        "conv": config_of(CONV, {"name": "digits", "pictures": {}}),
        "bilstm": bilstm("highway", transform_bias=-1.0),
    }


@pytest.mark.parametrize("name", ["dense", "conv", "bilstm"])
def test_best_network_is_a_model_that_answers_as_its_weights_do(
    tracked_project: Path, run_config, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    import mlflow

    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri())  # what MLflow writes there ends with the test
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
        assert np.allclose(served(uri, x.numpy(), tracked_project), expected.numpy(), atol=1e-5)
    else:
        assert np.allclose(mlflow.pyfunc.load_model(uri).predict(x.numpy()), expected.numpy(), atol=1e-5)


def served(uri: str, inputs: np.ndarray, folder: Path) -> Any:
    """What `mlflow models serve` answers, once it has started."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", uri, "--env-manager", "local"]
    question = json.dumps({"inputs": inputs.tolist()}).encode()
    asked = urllib.request.Request(
        f"http://127.0.0.1:{port}/invocations", question, {"Content-Type": "application/json"}
    )
    until = time.monotonic() + 300
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen([*command, "--port", str(port)], stdout=log, stderr=log, start_new_session=True)
    try:
        while True:
            try:
                with urllib.request.urlopen(asked, timeout=30) as answer:
                    return json.load(answer)["predictions"]
            except urllib.error.HTTPError as error:
                raise AssertionError(error.read().decode()) from error
            except urllib.error.URLError:
                assert server.poll() is None, "the server has ended"
                assert time.monotonic() < until, "the server does not answer"
                time.sleep(0.2)
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def test_network_that_draws_weights_at_every_call_keeps_its_weights_instead(tracked_project: Path) -> None:
    record = run(bilstm("highway-released"), profile="quick", experiment="e")
    said = list(models("quick"))[1]
    assert "cannot be exported" in said
    (child,) = mlflow_runs(run_key=record.run_key)
    assert [file.path for file in connect().list_artifacts(child.info.run_id, "weights")] == ["weights/final.pt"]
    assert not connect().search_logged_models([child.info.experiment_id])


def test_without_weights_there_is_no_model(tracked_project: Path, run_config) -> None:
    record = run(run_config(), profile="quick", experiment="e", mlflow=False)
    weights_path(record.run_key).unlink()
    list(rebuild("quick"))
    assert list(models("quick")) == ["e (quick): weights of 0 of the 1 best networks are kept here"]
