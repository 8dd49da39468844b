"""The best networks as models in MLflow, where their weights are kept here."""

from collections.abc import Iterator

from highways import paths
from highways.data import Sentences, load
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
            runs = store.search(profile=profile, kind="run")
            best = best_of_cells(runs, auxiliary_keys(settings_of(profile, name)))
        pairs = [(run.info.run_id, record) for run in best if (record := records.read(run.data.tags["run_key"]))]
        kept = [(run_id, record) for run_id, record in pairs if weights_path(record.run_key).exists()]
        if best:
            yield f"{name} ({profile}): weights of {len(kept)} of the {len(best)} best networks are kept here"
        for run_id, record in kept:
            with reading():
                yield f"  {record.run_key}: {_bring(store, run_id, record)}"


def _bring(store: Store, run_id: str, record: RunRecord) -> str:
    """Make a network a model, and return what was done."""
    data = load(record.config.data)
    vocabulary = data.vocabulary if isinstance(data, Sentences) else ()
    example = next(x[:4] for x, _ in data.evaluation_batches(record.config, "test") if len(x) > 1)
    try:
        done = log_model(store, run_id, record, load_network(record), example, vocabulary) or "there already"
    except NotExported as error:
        done = f"cannot be exported ({error}); its weights are the artifact weights/"
    if vocabulary or done.startswith("cannot"):  # a graph takes sentences of one length only; the weights take all
        store.client.log_artifact(run_id, str(weights_path(record.run_key)), "weights")
    return done
