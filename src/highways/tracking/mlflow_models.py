"""Networks as MLflow's models: exported graphs without pickle, that `mlflow models serve` answers with."""

from __future__ import annotations

import json
import os
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from highways.tracking import mlflow_address as address
from highways.tracking.mlflow_store import Store, connect
from highways.tracking.records import RunRecord

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel

URI = "MLFLOW_TRACKING_URI"
WEIGHTS_FOLDER = "weights"
"""Artifacts of a run whose network cannot be exported: its weights, by name."""
VOCABULARY = "vocabulary.json"


class NotExported(Exception):
    """`torch.export` cannot make a graph of a network."""


@contextmanager
def _tracking() -> Iterator[None]:
    """Let MLflow's own functions, which know no client, write to the project's store, and say nothing."""
    import mlflow

    before, given = mlflow.get_tracking_uri(), os.environ.get(URI)
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    mlflow.set_tracking_uri(address.tracking_uri())  # it writes the environment, too
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        mlflow.set_tracking_uri(before)
        os.environ.pop(URI, None)
        if given is not None:
            os.environ[URI] = given


def _name(record: RunRecord) -> str:
    network = record.config.network
    return f"{network.shown_as}-d{network.depth:03d}-{record.config.data.name}"


def _there(client: MlflowClient, experiment_id: str, run_key: str) -> list[LoggedModel]:
    condition = f"tags.run_key = '{run_key}'"
    return list(client.search_logged_models([experiment_id], filter_string=condition, max_results=50))


def log_model(
    store: Store, run_id: str, record: RunRecord, network: nn.Module, example: Tensor, vocabulary: Sequence[str] = ()
) -> str | None:
    """Make a trained network a model of its run, unless MLflow has it; older ones of the run are removed.

    Args:
        store: Of the experiment.
        run_id: MLflow's, of the run.
        record: Of the run.
        network: With its weights, on the CPU.
        example: A batch of more than one example, as the network is shown it.
        vocabulary: Of texts, the words by number; it is kept beside the model.

    Returns:
        Its address, such as `models:/m-...`; `None` where MLflow had it already.

    Raises:
        NotExported: `torch.export` cannot make a graph of it.
        Exception: Whatever MLflow raises.
    """
    from mlflow.entities import LoggedModelOutput, LoggedModelStatus

    if any(type(module).get_extra_state is not nn.Module.get_extra_state for module in network.modules()):
        raise NotExported("it keeps a state that no graph holds: it draws weights at every call")
    client = connect()
    there = _there(client, store.experiment_id, record.run_key)
    whole = [one for one in there if one.tags.get("weights_sha256") == record.weights_sha256 and one.status == "READY"]
    if whole:
        return None
    tags = {"run_key": record.run_key, "weights_sha256": str(record.weights_sha256), "data": record.config.data.name}
    model = client.create_logged_model(store.experiment_id, _name(record), run_id, tags, model_type="classifier")
    try:
        _save(model.model_id, record, network.eval(), example, vocabulary)
    except Exception:
        client.finalize_logged_model(model.model_id, LoggedModelStatus.FAILED)
        client.delete_logged_model(model.model_id)
        raise
    client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=record.epochs)])
    for old in there:
        client.delete_logged_model(old.model_id)
    return f"models:/{model.model_id}"


def _save(model_id: str, record: RunRecord, network: nn.Module, example: Tensor, vocabulary: Sequence[str]) -> None:
    import mlflow
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    inputs = example.contiguous().numpy()
    shape = (-1, *inputs.shape[1:])  # torch.export unrolls LSTMs: sentences are as long as the example's
    with torch.no_grad():
        classes = network(example).shape[1]
    signature = ModelSignature(
        inputs=Schema([TensorSpec(inputs.dtype, shape)]),
        outputs=Schema([TensorSpec(np.dtype("float32"), (-1, classes))]),
    )
    with tempfile.TemporaryDirectory() as folder, _tracking():
        files = []
        if vocabulary:
            files.append(str(Path(folder) / VOCABULARY))
            Path(files[0]).write_text(json.dumps(list(vocabulary)), encoding="utf-8")
        try:
            mlflow.pytorch.log_model(  # type: ignore[attr-defined]
                network,
                name=_name(record),
                model_id=model_id,
                signature=signature,
                input_example=inputs,
                serialization_format="pt2",
                pip_requirements=[f"torch=={torch.__version__.partition('+')[0]}", f"numpy=={np.__version__}"],
                extra_files=files or None,
                metadata=_metadata(record),
            )
        except Exception as error:
            if type(error).__module__.startswith("torch"):
                raise NotExported(f"{type(error).__name__}: {str(error).strip().splitlines()[0]}") from None
            raise


def _metadata(record: RunRecord) -> dict[str, Any]:
    return {
        "run_key": record.run_key,
        "weights_sha256": record.weights_sha256,
        "config": record.config.model_dump(mode="json"),
        "output": "logits, a value a class; their softmax are probabilities",
    }
