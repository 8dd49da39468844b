"""The best networks as models in MLflow, where their weights are kept here."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from highways import paths
from highways.config import RunConfig
from highways.data import DataSet, Sentences, load
from highways.errors import HighwaysError
from highways.experiments import settings_of
from highways.tracking import RecordStore
from highways.tracking.mlflow_models import NotExported, log_model
from highways.tracking.mlflow_runs import best_of_cells
from highways.tracking.mlflow_store import Store, reading
from highways.tracking.outcomes import auxiliary_keys
from highways.tracking.records import RunRecord
from highways.training import load_network
from highways.training.checkpoints import weights_path


def models(profile: str) -> Iterator[str]:
    """Make the best network of every data set, network and depth a model of its run; yield one line for each.

    A network that cannot be exported has its weights as an artifact instead.

    Raises:
        HighwaysError: Weights, records or data are at fault, or MLflow does not take them.
    """
    for name in paths.Results(profile).experiments():
        records = RecordStore(paths.Results(profile).of(name).runs)
        with reading():
            store = Store(name, create=False)
            found = store.search(profile=profile, kind="run")
            runs = {run.data.tags["run_key"]: run.info.run_id for run in found}
            best = best_of_cells(found, auxiliary_keys(settings_of(profile, name)))
        kept = [record for one in best if (record := records.read(one.data.tags["run_key"])) and _has_weights(record)]
        if best:
            yield f"{name} ({profile}): weights of {len(kept)} of the {len(best)} best networks are kept here"
        for record in kept:
            with reading():
                yield f"  {record.run_key}: {_bring(store, runs[record.run_key], record)}"


def _has_weights(record: RunRecord) -> bool:
    return record.weights_sha256 is not None and weights_path(record.run_key).exists()


def _bring(store: Store, run_id: str, record: RunRecord) -> str:
    """Make a network a model, and return what was done."""
    data, weights = load(record.config.data), weights_path(record.run_key)
    vocabulary = data.vocabulary if isinstance(data, Sentences) else ()
    try:
        uri = log_model(store, run_id, record, load_network(record), _example(record.config, data), vocabulary)
        done = uri or "there already"
    except NotExported as error:
        done = f"cannot be exported ({error}); its weights are the artifact weights/"
    if vocabulary or done.startswith("cannot"):  # a graph takes sentences of one length only; the weights take all
        store.client.log_artifact(run_id, str(weights), "weights")
    return done


def _example(config: RunConfig, data: DataSet) -> Tensor:
    """Return up to four test examples as the network takes them, more than one."""
    for x, _ in data.evaluation_batches(config, "test"):
        if len(x) > 1:
            return x[:4]
    raise HighwaysError(f"{config.data.name}: no two test examples make a batch")
