"""Networks as MLflow's models: exported graphs without pickle, which `mlflow models serve` answers with."""

import json
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from highways.tracking import mlflow_address as address
from highways.tracking.mlflow_store import Store
from highways.tracking.records import RunRecord

VOCABULARY = "vocabulary.json"


class NotExported(Exception):
    """`torch.export` cannot make a graph of a network."""


def log_model(
    store: Store, run_id: str, record: RunRecord, network: nn.Module, example: Tensor, vocabulary: Sequence[str] = ()
) -> str | None:
    """Make a trained network a model of its run, unless MLflow has it; older models of the run are removed.

    Args:
        store: Of the experiment.
        run_id: MLflow's identifier of the run.
        record: Record of the run.
        network: With its weights, on the CPU.
        example: A batch of at least two examples, as the network takes it.
        vocabulary: The words by number, for texts; it is kept next to the model.

    Returns:
        Its address, such as `models:/m-...`; `None` where MLflow had it already.

    Raises:
        NotExported: `torch.export` cannot make a graph of it.
    """
    from mlflow.entities import LoggedModelOutput

    if any(type(module).get_extra_state is not nn.Module.get_extra_state for module in network.modules()):
        raise NotExported("it keeps a state that no graph holds: it draws weights at every call")
    client, config = store.client, record.config
    condition = f"tags.run_key = '{record.run_key}'"
    there = list(client.search_logged_models([store.experiment_id], filter_string=condition, max_results=50))
    if any(one.tags.get("weights_sha256") == record.weights_sha256 and one.status == "READY" for one in there):
        return None
    name = f"{config.network.shown_as}-d{config.network.depth:03d}-{config.data.name}"
    tags = {"run_key": record.run_key, "weights_sha256": str(record.weights_sha256), "data": config.data.name}
    model = client.create_logged_model(store.experiment_id, name, run_id, tags, model_type="classifier")
    try:
        _save(name, model.model_id, record, network.eval(), example, vocabulary)
    except Exception as error:
        client.delete_logged_model(model.model_id)
        if type(error).__module__.startswith("torch"):
            raise NotExported(f"{type(error).__name__}: {str(error).strip().splitlines()[0]}") from None
        raise
    client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=record.epochs)])
    for old in there:
        client.delete_logged_model(old.model_id)
    return f"models:/{model.model_id}"


def _save(
    name: str, model_id: str, record: RunRecord, network: nn.Module, example: Tensor, vocabulary: Sequence[str]
) -> None:
    import mlflow
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    mlflow.set_tracking_uri(address.tracking_uri())  # the next function takes no client
    inputs = example.contiguous().numpy()
    with torch.no_grad():
        classes = network(example).shape[1]
    signature = ModelSignature(  # torch.export unrolls LSTMs: sentences are as long as the example's
        inputs=Schema([TensorSpec(inputs.dtype, (-1, *inputs.shape[1:]))]),
        outputs=Schema([TensorSpec(np.dtype("float32"), (-1, classes))]),
    )
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        words = Path(folder) / VOCABULARY
        words.write_text(json.dumps(list(vocabulary)), encoding="utf-8")
        mlflow.pytorch.log_model(  # type: ignore[attr-defined]
            network,
            name=name,
            model_id=model_id,
            signature=signature,
            input_example=inputs,
            serialization_format="pt2",
            pip_requirements=[f"torch=={torch.__version__.partition('+')[0]}", f"numpy=={np.__version__}"],
            extra_files=[str(words)] if vocabulary else None,
            metadata={
                "run_key": record.run_key,
                "weights_sha256": record.weights_sha256,
                "config": record.config.model_dump(mode="json"),
                "output": "logits, a value a class; their softmax are probabilities",
            },
        )
