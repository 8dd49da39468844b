"""The best networks as models in MLflow, as far as their weights are kept here."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from highways import paths
from highways.config import RunConfig
from highways.data import DataSet, Sentences, load
from highways.errors import HighwaysError
from highways.experiments import settings_of
from highways.tracking import RecordStore
from highways.tracking.mlflow_limit import Limit
from highways.tracking.mlflow_metrics import Outcome, best_of_cells
from highways.tracking.mlflow_models import WEIGHTS_FOLDER, NotExported, log_model
from highways.tracking.mlflow_read import PATIENT_S
from highways.tracking.mlflow_store import Store, reason
from highways.tracking.outcomes import auxiliary_keys
from highways.tracking.records import RunRecord
from highways.training.checkpoints import weights_path
from highways.training.run import load_network

EXAMPLES = 4
"""In the batch that a model is exported with."""


def models(profile: str) -> Iterator[str]:
    """Make the best network of every cell a model of its run in MLflow, and say what was done, line by line.

    A cell is a network, a depth and a data set. A run of which no weights are kept here has no model; a network that
    cannot be exported has its weights as artifacts instead.

    Raises:
        HighwaysError: Weights, records or data are at fault, or MLflow does not take them.
    """
    for name in paths.Results(profile).experiments():
        store = RecordStore(paths.Results(profile).of(name).runs)
        records = {record.run_key: record for record in (store.record.read(path) for path in store)}
        auxiliary = auxiliary_keys(settings_of(profile, name))
        counted = (Outcome.of_record(record) for key, record in records.items() if key not in auxiliary)
        best = [records[one.key] for one in best_of_cells(counted)]
        kept = [record for record in best if record.weights_sha256 and weights_path(record.run_key).exists()]
        if best:
            yield f"{name} ({profile}): weights of {len(kept)} of the {len(best)} best networks are kept here"
        if not kept:
            continue
        try:
            yield from _bring(profile, name, kept)
        except HighwaysError:
            raise
        except Exception as error:
            raise HighwaysError(f"{name} ({profile}): MLflow does not take the models: {reason(error)}") from error


def _bring(profile: str, name: str, records: list[RunRecord]) -> Iterator[str]:
    store = Store(name, Limit(each_s=PATIENT_S), create=False)
    if not store.exists:
        raise HighwaysError(
            f"MLflow has no runs of {name}; `highways tracking rebuild --profile {profile}` brings them"
        )
    for record in records:
        found = store.search({"profile": profile, "run_key": record.run_key})
        if not found:
            yield f"  {record.run_key}: MLflow does not have the run; `highways tracking rebuild` brings it"
            continue
        run_id, data = found[0].info.run_id, load(record.config.data)
        vocabulary = data.vocabulary if isinstance(data, Sentences) else ()
        try:
            uri = log_model(store, run_id, record, load_network(record), _example(record.config, data), vocabulary)
        except NotExported as error:
            _keep_weights(store, run_id, record)
            yield f"  {record.run_key}: cannot be exported ({error}); its weights are the artifact {WEIGHTS_FOLDER}/"
            continue
        if vocabulary:  # the graph takes sentences of one length only; the weights take all
            _keep_weights(store, run_id, record)
        yield f"  {record.run_key}: {'there already' if uri is None else uri}"


def _keep_weights(store: Store, run_id: str, record: RunRecord) -> None:
    path = weights_path(record.run_key)
    if f"{WEIGHTS_FOLDER}/{path.name}" not in store.artifacts(run_id, WEIGHTS_FOLDER):
        store.attach(run_id, path, WEIGHTS_FOLDER)


def _example(config: RunConfig, data: DataSet) -> Tensor:
    """Return a few test examples as the network is shown them, more than one."""
    for x, _ in data.evaluation_batches(config, "test"):
        if len(x) > 1:
            return x[:EXAMPLES]
    raise HighwaysError(f"{config.data.name}: no two test examples make a batch")
